//! Following the gradient of the latency.

use std::time::Duration;

use xs_os::Nanos;

use super::{Adapt, InvalidOptions, Sample, bounds};

/// How [`Gradient`] moves.
#[derive(Debug, Clone)]
pub struct GradientOptions {
    /// The first limit, brought between the two others. Default 20.
    pub initial: usize,
    /// The lowest limit, at least 1. Default 4.
    pub min: usize,
    /// The highest limit. Default 1000.
    pub max: usize,
    /// The limit moves once in this time. Default 100 ms.
    pub window: Duration,
    /// And not before so many calls have ended in it. Default 10.
    pub min_samples: u32,
    /// A latency so many times that without a queue is still taken for normal, at least 1. Default 1.1.
    pub tolerance: f64,
    /// How much of the way to its new value the limit goes at once, above 0 and up to 1. Default 0.2.
    pub smoothing: f64,
    /// How often the latency without a queue is measured, by halving the limit for about a window. Default 10 s.
    pub probe_every: Duration,
}

impl Default for GradientOptions {
    fn default() -> Self {
        GradientOptions {
            initial: 20,
            min: 4,
            max: 1000,
            window: Duration::from_millis(100),
            min_samples: 10,
            tolerance: 1.1,
            smoothing: 0.2,
            probe_every: Duration::from_secs(10),
        }
    }
}

/// In each window the limit is multiplied by the latency without a queue over the latency now, which is 1 while there
/// is none and less when there is, and then raised by its square root, so that it finds room that appears.
///
/// Overloaded, it rests where `limit = tolerance · capacity + √limit`.
#[derive(Debug, Clone)]
pub struct Gradient {
    options: GradientOptions,
    limit: f64,
    /// The latency without a queue, in seconds.
    baseline: Option<f64>,
    window: Window,
    /// Since when a probe has been under way.
    probe: Option<Nanos>,
    next_probe: Option<Nanos>,
}

/// What came since the limit moved last.
#[derive(Debug, Clone, Default)]
struct Window {
    /// Not before this moment is it over.
    until: Option<Nanos>,
    seconds: f64,
    served: u32,
    overloads: u32,
    most_in_flight: usize,
}

impl Gradient {
    /// The policy at its first limit. The first window is taken for one without a queue.
    ///
    /// # Errors
    ///
    /// The bounds are no bounds, or one of the factors is no number in its range.
    pub fn new(options: GradientOptions) -> Result<Self, InvalidOptions> {
        bounds(options.min, options.max)?;
        let factor = |option, value, expected| Err(InvalidOptions::Factor { option, value, expected });
        if !(options.tolerance >= 1.0 && options.tolerance.is_finite()) {
            return factor("tolerance", options.tolerance, "of at least 1");
        }
        if !(options.smoothing > 0.0 && options.smoothing <= 1.0) {
            return factor("smoothing", options.smoothing, "above 0 and up to 1");
        }
        let window = Window::default();
        let limit = options.initial as f64;
        let mut gradient = Gradient { options, limit, baseline: None, window, probe: None, next_probe: None };
        gradient.limit = gradient.clamp(limit);
        Ok(gradient)
    }

    /// The latency without a queue, as it was measured last.
    pub fn baseline(&self) -> Option<Duration> {
        self.baseline.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    fn clamp(&self, limit: f64) -> f64 {
        limit.clamp(self.options.min as f64, self.options.max as f64)
    }

    /// A window is over: the limit moves, or a probe ends or begins.
    fn turn(&mut self, now: Nanos) {
        let window = std::mem::take(&mut self.window);
        let latency = (window.served > 0).then(|| window.seconds / f64::from(window.served));
        if self.probe.take().is_some() {
            self.baseline = latency.or(self.baseline);
            self.next_probe = Some(now + self.options.probe_every);
            return;
        }
        let baseline = *self.baseline.get_or_insert(latency.unwrap_or_default());
        let gradient = match latency {
            Some(latency) if latency > 0.0 => (self.options.tolerance * baseline / latency).clamp(0.5, 1.0),
            _ => 1.0,
        };
        let gradient = if window.overloads > 0 { gradient.min(0.9) } else { gradient };
        let used = window.most_in_flight as f64 * 2.0 >= self.limit;
        if used || window.overloads > 0 {
            let room = if window.overloads > 0 { 0.0 } else { self.limit.sqrt() };
            let target = self.limit * gradient + room;
            self.limit = self.clamp(self.limit + (target - self.limit) * self.options.smoothing);
        }
        if *self.next_probe.get_or_insert(now) <= now && used {
            self.probe = Some(now);
        }
    }
}

impl Adapt for Gradient {
    fn limit(&self) -> usize {
        let limit = if self.probe.is_some() { self.clamp(self.limit / 2.0) } else { self.limit };
        limit as usize
    }

    fn update(&mut self, sample: &Sample) {
        // A probe looks at calls that began in it, and found few others before them.
        if self.probe.is_some_and(|since| sample.started < since || sample.in_flight > self.limit()) {
            return;
        }
        let window = &mut self.window;
        let until = *window.until.get_or_insert_with(|| sample.ended + self.options.window);
        match sample.overload {
            true => window.overloads += 1,
            false => {
                window.seconds += sample.ended.since(sample.started) as f64 * 1e-9;
                window.served += 1;
            }
        }
        window.most_in_flight = window.most_in_flight.max(sample.in_flight);
        let samples = window.served.saturating_add(window.overloads);
        if samples >= self.options.min_samples && sample.ended >= until {
            self.turn(sample.ended);
        }
    }
}
