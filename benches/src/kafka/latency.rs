//! From a producer's call to a consumer's: what a message takes end to end at a rate that nobody is busy with.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::generator;

/// Messages a second, and how many in all.
pub(super) const RATE: u64 = 1000;
pub(super) const COUNT: u64 = 5000;
/// The bytes of a message.
pub(super) const SIZE: usize = 100;

/// The median and the 99th percentile, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Latency {
    /// Nothing of no times at all.
    pub(super) fn of(mut times: Vec<u64>) -> Option<Latency> {
        times.sort_unstable();
        let at = |share: usize| times.get((times.len() * share).div_ceil(100).max(1) - 1).map(|&time| time as f64);
        Some(Latency { p50: at(50)?, p99: at(99)? })
    }
}

/// The topic of a broker that is measured so.
pub(super) const TOPIC: &str = "latency";

/// Of a Kafka broker, as two instances of the load generator see it: one writes the time into each message, the other one
/// subtracts.
pub(super) fn of_broker(program: &Path, port: u16, dir: &Path) -> Result<Latency, Box<dyn Error>> {
    let topic = TOPIC;
    // Whoever asks for a topic makes it.
    generator::produce(program, port, topic, SIZE, 1)?;
    let file = dir.join("latencies");
    let consumer = generator::watch(program, port, topic, COUNT, &file)?;
    // It has joined when it has read what is there.
    std::thread::sleep(Duration::from_secs(2));
    generator::pace(program, port, topic, SIZE, COUNT, RATE)?;
    generator::finish(consumer)?;
    let times = fs::read_to_string(&file)?.lines().map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    if times.len() as u64 != COUNT {
        return Err(format!("{} of {COUNT} messages were timed", times.len()).into());
    }
    Ok(Latency::of(times).expect("there are some"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_there_were() {
        assert_eq!(Latency::of(vec![]), None);
        assert_eq!(Latency::of(vec![7]), Some(Latency { p50: 7.0, p99: 7.0 }));
        let times = (1..=1000).rev().collect();
        assert_eq!(Latency::of(times), Some(Latency { p50: 500.0, p99: 990.0 }));
    }
}
