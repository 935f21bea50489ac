//! Latency events and histograms.

/// `LATENCY`.
#[derive(Debug, Default)]
pub(crate) struct Latency {}
