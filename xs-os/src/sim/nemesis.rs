//! Draws what goes wrong.

use std::ops::Range;
use std::time::Duration;

use super::{Episode, Fault, Kind, NodeId};
use crate::Rng;

/// Draws plans: which faults, when and where. Everything ends by [`Nemesis::until`], so that a run can ask behind it
/// whether the system came back.
///
/// ```
/// use std::time::Duration;
/// use xs_os::Rng;
/// use xs_os::sim::{Kind, Nemesis, NodeId};
///
/// let nemesis = Nemesis::new((0..3).map(NodeId).collect(), Duration::from_secs(10)).without(Kind::Drift);
/// let plan = nemesis.draw(&mut Rng::from_seed(42));
/// assert!(plan.iter().all(|episode| episode.at + episode.lasts <= Duration::from_secs(10)));
/// assert!(plan.iter().all(|episode| episode.fault.kind() != Kind::Drift));
/// ```
#[derive(Clone, Debug)]
pub struct Nemesis {
    /// The nodes that it strikes.
    pub nodes: Vec<NodeId>,
    /// Nodes that only partitions strike, by cutting them off: clients.
    pub bystanders: Vec<NodeId>,
    /// The nodes whose disks may rot: as many as the system stands. All, unless said otherwise.
    pub frail: Vec<NodeId>,
    /// When the last fault has ended.
    pub until: Duration,
    /// The time between the beginnings of two faults.
    pub gap: Range<Duration>,
    /// How long a fault lasts; short ones come more often.
    pub lasts: Range<Duration>,
    /// The most that a clock may drift, in millionths: within what the system's leases allow for.
    pub drift: i32,
    /// How many messages in a thousand a lossy network loses at most.
    pub loss: u32,
    /// What is drawn, and how often beside one another.
    pub kinds: Vec<(Kind, u32)>,
}

impl Nemesis {
    /// Every kind but garbled messages and disks that rot or lie, every 50 to 500 ms, for 20 ms to a second.
    pub fn new(nodes: Vec<NodeId>, until: Duration) -> Self {
        let weight = |kind| match kind {
            Kind::Crash | Kind::CrashInStep | Kind::Split | Kind::Cut => 3,
            Kind::Kill | Kind::Pause | Kind::Lossy => 2,
            Kind::Garbled | Kind::RottenDisk | Kind::LyingDisk => 0,
            _ => 1,
        };
        Nemesis {
            frail: nodes.clone(),
            nodes,
            bystanders: Vec::new(),
            until,
            gap: Duration::from_millis(50)..Duration::from_millis(500),
            lasts: Duration::from_millis(20)..Duration::from_secs(1),
            drift: 20_000,
            loss: 300,
            kinds: Kind::ALL.into_iter().map(|kind| (kind, weight(kind))).filter(|(_, weight)| *weight > 0).collect(),
        }
    }

    /// Leaves a kind out.
    pub fn without(mut self, kind: Kind) -> Self {
        self.kinds.retain(|(other, _)| *other != kind);
        self
    }

    /// Draws a kind so often, beside the others.
    pub fn with(mut self, kind: Kind, weight: u32) -> Self {
        self = self.without(kind);
        self.kinds.push((kind, weight));
        self
    }

    /// Draws these kinds alone, each as often.
    pub fn only(mut self, kinds: &[Kind]) -> Self {
        self.kinds = kinds.iter().map(|kind| (*kind, 1)).collect();
        self
    }

    /// Draws a plan.
    pub fn draw(&self, rng: &mut Rng) -> Vec<Episode> {
        let mut plan = Vec::new();
        let mut at = between(&self.gap, rng);
        let weights: u64 = self.kinds.iter().map(|(_, weight)| u64::from(*weight)).sum();
        while at < self.until && weights > 0 && !self.nodes.is_empty() {
            // The least of three: half of all last less than a fifth of what they may.
            let lasts = (0..3).map(|_| between(&self.lasts, rng)).min().unwrap_or_default().min(self.until - at);
            let mut ticket = rng.below(weights);
            let kind = self.kinds.iter().find(|(_, weight)| {
                let mine = ticket < u64::from(*weight);
                ticket = ticket.saturating_sub(u64::from(*weight));
                mine
            });
            if let Some((kind, _)) = kind
                && let Some(fault) = self.fault(*kind, rng)
            {
                plan.push(Episode { at, lasts, fault });
            }
            at += between(&self.gap, rng);
        }
        plan
    }

    fn fault(&self, kind: Kind, rng: &mut Rng) -> Option<Fault> {
        let node = self.nodes[rng.index(self.nodes.len())];
        Some(match kind {
            Kind::Kill => Fault::Kill { node },
            Kind::Crash => Fault::Crash { node },
            Kind::CrashInStep => Fault::CrashInStep { node, calls: rng.below(12) },
            Kind::Pause => Fault::Pause { node },
            Kind::Cut | Kind::Split => {
                let mut one: Vec<NodeId> = self.nodes.clone();
                rng.shuffle(&mut one);
                let mut other = one.split_off(rng.index(one.len()).max(1).min(one.len()));
                // One node in four hears both sides.
                if other.len() > 1 && rng.chance(0.25) {
                    other.pop();
                }
                for bystander in &self.bystanders {
                    match rng.below(3) {
                        0 => one.push(*bystander),
                        1 => other.push(*bystander),
                        _ => {}
                    }
                }
                if other.is_empty() {
                    return None;
                }
                one.sort();
                other.sort();
                match kind {
                    Kind::Cut => Fault::Cut { from: one, to: other },
                    _ => Fault::Split { one, other },
                }
            }
            Kind::Lossy => Fault::Lossy {
                loss: rng.below(u64::from(self.loss)) as u32,
                duplicate: rng.below(200) as u32,
                reorder: rng.below(200) as u32,
            },
            Kind::Slow => {
                let extra = Duration::from_millis(rng.below(200));
                Fault::Slow { node, extra, bandwidth: 10_000 + rng.below(1_000_000) }
            }
            Kind::Drift => {
                let drift = i64::from(self.drift);
                Fault::Drift { node, ppm: (rng.below(2 * drift.unsigned_abs() + 1) as i64 - drift.abs()) as i32 }
            }
            Kind::Step => Fault::Step { node, by: rng.below(20_001) as i64 - 10_000 },
            Kind::SlowDisk => Fault::SlowDisk { node, sync: Duration::from_millis(1 + rng.below(200)) },
            Kind::FullDisk => Fault::FullDisk { node, room: rng.below(4096) },
            Kind::FailingDisk => Fault::FailingDisk { node, per_mille: 1 + rng.below(200) as u32 },
            Kind::Garbled => Fault::Garbled { per_mille: 1 + rng.below(300) as u32 },
            Kind::RottenDisk if self.frail.is_empty() => return None,
            Kind::RottenDisk => {
                // One bit as often as many.
                let bits = if rng.chance(0.5) { 1 } else { 1 + rng.below(100) as u32 };
                Fault::RottenDisk { node: self.frail[rng.index(self.frail.len())], bits }
            }
            Kind::LyingDisk => Fault::LyingDisk { node },
        })
    }
}

fn between(range: &Range<Duration>, rng: &mut Rng) -> Duration {
    let span = range.end.saturating_sub(range.start).as_micros() as u64;
    range.start + Duration::from_micros(rng.below(span))
}
