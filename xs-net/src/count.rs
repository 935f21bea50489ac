//! Counting what a layer did, through the `metrics` facade; without the feature `metrics` it compiles to nothing.

use std::sync::Arc;

/// Adds one to the counter `what` of the layer that is called `name`.
#[inline]
pub(crate) fn count(what: &'static str, name: &Arc<str>) {
    #[cfg(feature = "metrics")]
    metrics::counter!(what, "name" => name.clone()).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = (what, name);
}
