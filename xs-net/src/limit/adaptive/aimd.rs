//! Additive increase, multiplicative decrease.

use std::time::Duration;

use xs_os::Nanos;

use super::{Adapt, InvalidOptions, Sample, bounds};

/// How [`Aimd`] moves.
#[derive(Debug, Clone)]
pub struct AimdOptions {
    /// The first limit, brought between the two others. Default 20.
    pub initial: usize,
    /// The lowest limit, at least 1. Default 1.
    pub min: usize,
    /// The highest limit. Default 1000.
    pub max: usize,
    /// A call that takes longer counts as a sign of overload. Default 1 s.
    pub slow: Duration,
    /// What the limit is multiplied by at such a sign, from 0 up to but not 1. Default 0.9.
    pub backoff: f64,
}

impl Default for AimdOptions {
    fn default() -> Self {
        AimdOptions { initial: 20, min: 1, max: 1000, slow: Duration::from_secs(1), backoff: 0.9 }
    }
}

/// Additive increase, multiplicative decrease: one more with every limit's worth of calls that went well, a tenth less when
/// a call was slow or turned away, but only once for all calls that were under way at that moment.
#[derive(Debug, Clone)]
pub struct Aimd {
    options: AimdOptions,
    limit: f64,
    cut: Option<Nanos>,
}

impl Aimd {
    /// The policy at its first limit.
    ///
    /// # Errors
    ///
    /// The bounds are no bounds, or the back-off is no number below 1.
    pub fn new(options: AimdOptions) -> Result<Self, InvalidOptions> {
        bounds(options.min, options.max)?;
        if !(0.0..1.0).contains(&options.backoff) {
            let (value, expected) = (options.backoff, "from 0 up to but not 1");
            return Err(InvalidOptions::Factor { option: "backoff", value, expected });
        }
        let mut aimd = Aimd { limit: options.initial as f64, options, cut: None };
        aimd.set(aimd.limit);
        Ok(aimd)
    }

    fn set(&mut self, limit: f64) {
        self.limit = limit.clamp(self.options.min as f64, self.options.max as f64);
    }
}

impl Adapt for Aimd {
    fn limit(&self) -> usize {
        self.limit as usize
    }

    fn update(&mut self, sample: &Sample) {
        if sample.overload || sample.latency() > self.options.slow {
            if self.cut.is_none_or(|cut| sample.started >= cut) {
                self.cut = Some(sample.ended);
                self.set(self.limit * self.options.backoff);
            }
        } else if sample.in_flight >= self.limit().div_ceil(2) {
            self.set(self.limit + 1.0 / self.limit);
        }
    }
}
