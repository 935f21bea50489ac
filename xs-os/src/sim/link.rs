//! What happens to messages on their way.

use std::collections::BTreeMap;
use std::time::Duration;

use super::NodeId;
use crate::Rng;

/// How long a message takes. Drawn with comparisons and square roots only, so that every machine draws the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Always the same.
    Constant(Duration),
    /// Between two, each as likely.
    Uniform(Duration, Duration),
    /// At least the first, and an exponential wait with this mean behind it.
    Exponential {
        /// The least.
        least: Duration,
        /// The mean of what comes on top.
        mean: Duration,
    },
    /// At least the first, and a Pareto wait (α = 2) of this scale: one message in 100 waits ten times the scale.
    HeavyTail {
        /// The least.
        least: Duration,
        /// The scale of what comes on top.
        scale: Duration,
        /// The most of all.
        most: Duration,
    },
}

impl Latency {
    /// Draws one.
    pub fn draw(&self, rng: &mut Rng) -> Duration {
        match *self {
            Latency::Constant(d) => d,
            Latency::Uniform(from, to) => {
                let span = to.saturating_sub(from).as_nanos() as u64;
                from + Duration::from_nanos(rng.below(span.saturating_add(1)))
            }
            Latency::Exponential { least, mean } => least + mean.mul_f64(exponential(rng)),
            Latency::HeavyTail { least, scale, most } => {
                let wait = 1.0 / (1.0 - rng.unit()).sqrt() - 1.0;
                (least + scale.mul_f64(wait.min(1e6))).min(most.max(least))
            }
        }
    }
}

/// An exponential number of mean 1, by von Neumann's method: no logarithm, whose last bits differ between machines.
fn exponential(rng: &mut Rng) -> f64 {
    let mut whole = 0.0;
    loop {
        let first = rng.unit();
        let (mut last, mut odd) = (first, true);
        loop {
            let next = rng.unit();
            if next >= last {
                break;
            }
            last = next;
            odd = !odd;
        }
        if odd {
            return whole + first;
        }
        whole += 1.0;
    }
}

/// What one direction between two nodes is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// How long messages take.
    pub latency: Latency,
    /// The probability that a message is lost.
    pub loss: f64,
    /// The probability that a message arrives twice.
    pub duplicate: f64,
    /// The probability that a message is held up, and for how long at most: it is overtaken by many others.
    pub straggler: (f64, Duration),
    /// Bytes a second, one message behind another; none for no bound.
    pub bandwidth: Option<u64>,
    /// Whether messages arrive in the order in which they were sent, as on a connection.
    pub ordered: bool,
}

impl Link {
    /// A datagram network in one building: half a millisecond and a little more, nothing lost.
    pub fn datagrams() -> Self {
        Link {
            latency: Latency::Exponential { least: Duration::from_micros(300), mean: Duration::from_micros(300) },
            loss: 0.0,
            duplicate: 0.0,
            straggler: (0.0, Duration::ZERO),
            bandwidth: None,
            ordered: false,
        }
    }

    /// A connection in one building: in order, nothing lost until it is cut.
    pub fn connection() -> Self {
        Link { ordered: true, ..Self::datagrams() }
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::datagrams()
    }
}

/// Why a message did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The link lost it.
    Loss,
    /// There was a partition when it left or when it would have arrived.
    Cut,
    /// Nobody was there.
    Down,
    /// The paused or busy node had more than it could hold.
    Full,
    /// It was damaged on the way, and what was left of it was thrown away.
    Garbled,
}

/// What a fault makes of links while it lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Weather {
    Lossy { loss: f64, duplicate: f64, straggler: (f64, Duration) },
    Slow { node: NodeId, extra: Duration, bandwidth: u64 },
    Garbled { chance: f64 },
}

/// All links of a world: one for each ordered pair, each with a stream of chance of its own.
#[derive(Debug)]
pub struct Links {
    rng: Rng,
    default: Link,
    special: BTreeMap<(NodeId, NodeId), Link>,
    state: BTreeMap<(NodeId, NodeId), State>,
    cut: BTreeMap<(NodeId, NodeId), u32>,
    weather: Vec<(usize, Weather)>,
}

#[derive(Debug)]
struct State {
    rng: Rng,
    busy_until: Duration,
    last_arrival: Duration,
}

/// When copies of a message arrive: none if it is lost.
pub(super) type Fate = Result<(Duration, Option<Duration>), Why>;

impl Links {
    pub(super) fn new(rng: Rng, default: Link) -> Self {
        Links {
            rng,
            default,
            special: BTreeMap::new(),
            state: BTreeMap::new(),
            cut: BTreeMap::new(),
            weather: Vec::new(),
        }
    }

    /// Makes one direction between two nodes different.
    pub fn set(&mut self, from: NodeId, to: NodeId, link: Link) {
        self.special.insert((from, to), link);
    }

    /// Cuts one direction. Cuts are counted: as many [`Links::mend`]s make it whole.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        *self.cut.entry((from, to)).or_default() += 1;
    }

    /// Takes one cut back.
    pub fn mend(&mut self, from: NodeId, to: NodeId) {
        if let Some(cuts) = self.cut.get_mut(&(from, to)) {
            *cuts = cuts.saturating_sub(1);
        }
    }

    /// Whether a direction is cut.
    pub fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.cut.get(&(from, to)).is_some_and(|cuts| *cuts > 0)
    }

    pub(super) fn add_weather(&mut self, episode: usize, weather: Weather) {
        self.weather.push((episode, weather));
    }

    pub(super) fn end_weather(&mut self, episode: usize) {
        self.weather.retain(|(of, _)| *of != episode);
    }

    /// Decides what becomes of a message of so many bytes that leaves at a moment.
    pub(super) fn fate(&mut self, from: NodeId, to: NodeId, size: usize, at: Duration) -> Fate {
        if from == to {
            return Ok((at + Duration::from_micros(1), None));
        }
        if self.is_cut(from, to) {
            return Err(Why::Cut);
        }
        let mut link = self.special.get(&(from, to)).copied().unwrap_or(self.default);
        let mut extra = Duration::ZERO;
        for (_, weather) in &self.weather {
            match *weather {
                Weather::Lossy { loss, duplicate, straggler } => {
                    link.loss = link.loss.max(loss);
                    link.duplicate = link.duplicate.max(duplicate);
                    link.straggler = straggler;
                }
                Weather::Slow { node, extra: more, bandwidth } if node == from || node == to => {
                    extra += more;
                    link.bandwidth = Some(link.bandwidth.map_or(bandwidth, |own| own.min(bandwidth)));
                }
                Weather::Slow { .. } | Weather::Garbled { .. } => {}
            }
        }
        let state = state_of(&mut self.state, &self.rng, from, to);
        // Always the same number of draws before the verdicts, so that a lossless link and a lossy one stay in step.
        let (lost, twice, held) = (state.rng.unit(), state.rng.unit(), state.rng.unit());
        let sending = link.bandwidth.map_or(Duration::ZERO, |bytes| {
            Duration::from_nanos((size as u128 * 1_000_000_000 / u128::from(bytes.max(1))) as u64)
        });
        let left = at.max(state.busy_until) + sending;
        if link.bandwidth.is_some() {
            state.busy_until = left;
        }
        let mut arrival = left + extra + link.latency.draw(&mut state.rng);
        if held < link.straggler.0 {
            arrival += link.straggler.1.mul_f64(state.rng.unit());
        }
        if lost < link.loss {
            return Err(Why::Loss);
        }
        if link.ordered {
            arrival = arrival.max(state.last_arrival);
            state.last_arrival = arrival;
        }
        let second = (twice < link.duplicate).then(|| arrival + link.latency.draw(&mut state.rng));
        Ok((arrival, second))
    }

    /// The chance to damage a message with, if it is damaged.
    pub(super) fn garbles(&mut self, from: NodeId, to: NodeId) -> Option<Rng> {
        let chances = self.weather.iter().filter_map(|(_, weather)| match weather {
            Weather::Garbled { chance } => Some(*chance),
            _ => None,
        });
        let chance = chances.fold(0.0, f64::max);
        if chance == 0.0 || from == to {
            return None;
        }
        let state = state_of(&mut self.state, &self.rng, from, to);
        state.rng.chance(chance).then(|| Rng::from_seed(state.rng.next_u64()))
    }
}

fn state_of<'a>(all: &'a mut BTreeMap<(NodeId, NodeId), State>, root: &Rng, from: NodeId, to: NodeId) -> &'a mut State {
    all.entry((from, to)).or_insert_with(|| State {
        rng: root.fork(&format!("{from}>{to}")),
        busy_until: Duration::ZERO,
        last_arrival: Duration::ZERO,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);
    const MS: Duration = Duration::from_millis(1);

    fn links(link: Link) -> Links {
        Links::new(Rng::from_seed(1), link)
    }

    #[test]
    fn latencies_are_what_they_are_called() {
        let mut rng = Rng::from_seed(1);
        let mean = |latency: Latency, rng: &mut Rng| {
            let draws: Vec<Duration> = (0..20_000).map(|_| latency.draw(rng)).collect();
            let (least, most) = (*draws.iter().min().unwrap(), *draws.iter().max().unwrap());
            (draws.iter().sum::<Duration>() / 20_000, least, most)
        };
        assert_eq!(mean(Latency::Constant(MS), &mut rng), (MS, MS, MS));
        let (middle, least, most) = mean(Latency::Uniform(MS, 3 * MS), &mut rng);
        assert!(least >= MS && most <= 3 * MS && (middle.as_micros() as i64 - 2000).abs() < 30, "{middle:?}");
        let (middle, least, _) = mean(Latency::Exponential { least: MS, mean: 2 * MS }, &mut rng);
        assert!(least >= MS && (middle.as_micros() as i64 - 3000).abs() < 60, "{middle:?}");
        let heavy = Latency::HeavyTail { least: MS, scale: MS, most: 500 * MS };
        let mut draws: Vec<Duration> = (0..20_000).map(|_| heavy.draw(&mut rng)).collect();
        draws.sort();
        assert!(draws[0] >= MS && draws[19_999] <= 500 * MS);
        let far = draws[19_800];
        assert!(far > 8 * MS && far < 13 * MS, "the slowest hundredth waits ten times the scale: {far:?}");
    }

    #[test]
    fn loss_and_duplicates_come_as_often_as_they_should() {
        let mut links = links(Link { loss: 0.1, duplicate: 0.2, ..Link::datagrams() });
        let fates: Vec<Fate> = (0..10_000).map(|_| links.fate(A, B, 100, MS)).collect();
        let lost = fates.iter().filter(|fate| **fate == Err(Why::Loss)).count();
        let twice = fates.iter().filter(|fate| matches!(fate, Ok((_, Some(_))))).count();
        assert!((900..1100).contains(&lost) && (1650..1950).contains(&twice), "{lost} {twice}");
    }

    #[test]
    fn a_cut_has_a_direction_and_is_counted() {
        let mut links = links(Link::datagrams());
        links.cut(A, B);
        links.cut(A, B);
        links.mend(A, B);
        assert_eq!(links.fate(A, B, 1, MS), Err(Why::Cut));
        assert!(links.fate(B, A, 1, MS).is_ok());
        links.mend(A, B);
        assert!(links.fate(A, B, 1, MS).is_ok());
    }

    #[test]
    fn datagrams_overtake_and_a_connection_keeps_the_order() {
        let overtakes = |link| {
            let mut links = links(link);
            let arrivals: Vec<Duration> = (0..100).map(|n| links.fate(A, B, 1, n * MS / 10).unwrap().0).collect();
            arrivals.windows(2).any(|pair| pair[0] > pair[1])
        };
        assert!(overtakes(Link::datagrams()));
        assert!(!overtakes(Link::connection()));
    }

    #[test]
    fn a_slow_link_passes_one_message_behind_another() {
        let constant = Latency::Constant(MS);
        let mut links = links(Link { latency: constant, bandwidth: Some(1_000_000), ..Link::datagrams() });
        assert_eq!(links.fate(A, B, 1_000, Duration::ZERO), Ok((2 * MS, None)));
        assert_eq!(links.fate(A, B, 1_000, Duration::ZERO), Ok((3 * MS, None)));
        assert_eq!(links.fate(A, B, 1_000, 50 * MS), Ok((52 * MS, None)));
    }
}
