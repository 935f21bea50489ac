//! Unique 64-bit numbers that sort by time, made without asking anybody: [`Generator`].
//!
//! # The problem
//!
//! Rows, messages and orders need names, and a counter in a database is a place that everybody waits for. Random numbers
//! of 128 bits need no such place, and cost twice the room and scatter over every index. What is wanted are 64 bits that
//! no two machines ever give out twice, and of which the later are larger.
//!
//! # How it works
//!
//! A number is the time, who made it, and a counter within one unit of time:
//!
//! ```text
//!    63 62                                         22 21         12 11           0
//!   ┌──┬─────────────────────────────────────────────┬─────────────┬──────────────┐
//!   │ 0│ 41 bits: milliseconds since an epoch        │ 10: node    │ 12: sequence │   Layout::TWITTER
//!   └──┴─────────────────────────────────────────────┴─────────────┴──────────────┘
//!                                                      who           4096 in a millisecond
//! ```
//!
//! Two numbers of different nodes differ in the node. Two of one node differ in the time or, within one unit of it, in the
//! sequence. Both break if the calendar goes backwards, and calendars do. So [`Generator::next`] remembers the last number,
//! and answers with [`Refused`] and the time to come again when it can give no larger one: the clock was set back, or the
//! sequence of this unit is used up. It never sleeps; waiting is its caller's.
//!
//! The widths, the unit, the epoch and the order of the fields are a [`Layout`].
//!
//! # Invariants
//!
//! - Each number of a generator is larger than the one before, whatever the calendar does ([`Generator::next`] compares
//!   with the last one; `tests::numbers_only_grow`).
//! - Generators with different nodes never give out the same number: the node is part of it (`Layout::put`).
//! - Whoever waits until [`Refused::until`] gets a number (`tests::waiting_helps`).
//!
//! What the generator cannot see it cannot promise: that no other process uses the node's number (take it from a
//! [lease](crate::lease)), and that the clock was not set back while the process was away ([`Generator::resume`] with the
//! last number, or a wait at the start that is longer than any step of the clock).
//!
//! # Cost
//!
//! Some nanoseconds beside the clock; 16 bytes beside the layout. 4,096,000 numbers a second and node, in bursts of 4,096,
//! with Twitter's layout; 25,600 with Sonyflake's.
//!
//! # Example
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use xs_consensus::snowflake::{Generator, Layout, Refused};
//!
//! let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
//! let mut ids = Generator::new(Layout::TWITTER, 7).unwrap();
//! let first = ids.next(noon).unwrap();
//! let second = ids.next(noon).unwrap();
//! assert!(second > first);
//! assert_eq!(Layout::TWITTER.parts(second).sequence, 1);
//! assert_eq!(Layout::TWITTER.parts(second).time, noon);
//!
//! // The clock was set back by a second: better no number than an old one.
//! let refused = ids.next(noon - Duration::from_secs(1)).unwrap_err();
//! assert!(matches!(refused, Refused::Backwards { until, .. } if until == noon));
//! ```
//!
//! # How others do it
//!
//! Twitter's Snowflake (2010) has the layout above and throws an error while the clock is behind. Discord counts 42 bits of
//! milliseconds from 2015 and splits the node into worker and process ([`Layout::DISCORD`]). Sony's Sonyflake trades speed
//! for 174 years and 65,536 machines: units of 10 ms, and the sequence in front of the machine ([`Layout::SONYFLAKE`]); it
//! sleeps when the sequence is used up. Instagram's shards draw 41, 13 and 10 bits in the database itself. ULID and
//! UUID version 7 have the same idea in 128 bits, with chance instead of a node's number.
//!
//! # What this leaves out
//!
//! Who gives out the nodes' numbers. An order between numbers of different nodes beyond what their clocks agree on: for
//! that take [`clock`](crate::clock). Numbers that cannot be guessed: these tell when they were made, and how many are made.
//!
//! # Try next
//!
//! Take the remainder of such numbers by 16 to choose a shard: at one number a millisecond all go to the same one. Let the
//! sequence of each unit begin where the last one ended.
//!
//! # Sources
//!
//! Twitter, "Announcing Snowflake" (2010) and its repository; Discord's developer documentation, "Snowflakes"; Sonyflake's
//! README; Instagram Engineering, "Sharding & IDs at Instagram" (2012); RFC 9562 for UUID version 7, section 6.2 on clocks.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A number that a [`Generator`] gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which of the two lower fields is lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Time, node, sequence: numbers of one unit of time sort by node.
    NodeThenSequence,
    /// Time, sequence, node: numbers of one unit of time sort by when they were asked for, more or less.
    SequenceThenNode,
}

/// Where the fields are, and what the time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    epoch: u64,
    unit: u64,
    time_bits: u32,
    node_bits: u32,
    sequence_bits: u32,
    order: Order,
}

/// What a number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The beginning of the unit of time in which it was made.
    pub time: SystemTime,
    /// Who made it.
    pub node: u64,
    /// Which one of its unit it is, from 0.
    pub sequence: u64,
}

/// A layout, a node or a number that does not fit: a mistake of whoever configured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// The fields need more than 64 bits, or one of time and sequence has none.
    #[error(
        "fields of {time_bits}, {node_bits} and {sequence_bits} bits: time and sequence need one at least, all together have 64"
    )]
    Bits {
        /// For the time.
        time_bits: u32,
        /// For the node.
        node_bits: u32,
        /// For the sequence.
        sequence_bits: u32,
    },
    /// A unit of no time, or one that ends beyond any calendar.
    #[error("a unit of {unit} ms from {epoch} ms on: it must be 1 at least, and the last one within {LAST} ms of 1970")]
    Time {
        /// The epoch, in milliseconds since 1970.
        epoch: u64,
        /// The unit, in milliseconds.
        unit: u64,
    },
    /// The node's number has more bits than its field.
    #[error("node {node} does not fit into {bits} bits")]
    Node {
        /// The number.
        node: u64,
        /// The field.
        bits: u32,
    },
    /// The number to go on from was made by another node.
    #[error("the last number is one of node {of}, not of node {node}")]
    OtherNode {
        /// Who goes on.
        node: u64,
        /// Who made it.
        of: u64,
    },
}

/// The last millisecond since 1970 that a layout may reach: the year 287,396.
const LAST: u64 = 1 << 53;

impl Layout {
    /// Twitter's: 41 bits of milliseconds since 4 November 2010 (till 2080), 10 of node, 12 of sequence.
    pub const TWITTER: Layout = Layout {
        epoch: 1_288_834_974_657,
        unit: 1,
        time_bits: 41,
        node_bits: 10,
        sequence_bits: 12,
        order: Order::NodeThenSequence,
    };
    /// Discord's: 42 bits of milliseconds since 2015 (till 2154), 10 of node (5 of worker and 5 of process), 12 of sequence.
    pub const DISCORD: Layout = Layout { epoch: 1_420_070_400_000, time_bits: 42, ..Layout::TWITTER };
    /// Sonyflake's: 39 bits of 10 ms since 1 September 2014 (till 2188), 8 of sequence, 16 of node.
    pub const SONYFLAKE: Layout = Layout {
        epoch: 1_409_529_600_000,
        unit: 10,
        time_bits: 39,
        node_bits: 16,
        sequence_bits: 8,
        order: Order::SequenceThenNode,
    };

    /// A layout of one's own. `epoch` is in milliseconds since 1970, `unit` in milliseconds.
    pub fn new(
        epoch: u64,
        unit: u64,
        time_bits: u32,
        node_bits: u32,
        sequence_bits: u32,
        order: Order,
    ) -> Result<Layout, Misfit> {
        let whole = time_bits.checked_add(node_bits).and_then(|bits| bits.checked_add(sequence_bits));
        if time_bits == 0 || sequence_bits == 0 || whole.is_none_or(|bits| bits > 64) {
            return Err(Misfit::Bits { time_bits, node_bits, sequence_bits });
        }
        let last = u128::from(epoch) + (1_u128 << time_bits) * u128::from(unit);
        if unit == 0 || last > u128::from(LAST) {
            return Err(Misfit::Time { epoch, unit });
        }
        Ok(Layout { epoch, unit, time_bits, node_bits, sequence_bits, order })
    }

    /// What a number of this layout says. Bits above all fields are not looked at.
    pub fn parts(&self, id: Id) -> Parts {
        let (tick, node, sequence) = self.take(id);
        Parts { time: self.time(tick), node, sequence }
    }

    /// The smallest number of a moment: whatever was made then or later is not below it. For range queries by time.
    pub fn first_at(&self, wall: SystemTime) -> Result<Id, Refused> {
        Ok(self.put(self.tick(wall)?, 0, 0))
    }

    fn put(&self, tick: u64, node: u64, sequence: u64) -> Id {
        let low = match self.order {
            Order::NodeThenSequence => (node << self.sequence_bits) | sequence,
            Order::SequenceThenNode => (sequence << self.node_bits) | node,
        };
        // At most 63: time has a bit at least.
        Id((tick << (self.node_bits + self.sequence_bits)) | low)
    }

    fn take(&self, id: Id) -> (u64, u64, u64) {
        let field = |shift: u32, bits: u32| if bits == 0 { 0 } else { (id.0 >> shift) & (u64::MAX >> (64 - bits)) };
        let (node, sequence) = match self.order {
            Order::NodeThenSequence => (self.sequence_bits, 0),
            Order::SequenceThenNode => (0, self.node_bits),
        };
        let time = field(self.node_bits + self.sequence_bits, self.time_bits);
        (time, field(node, self.node_bits), field(sequence, self.sequence_bits))
    }

    /// The unit of time that a moment is in.
    fn tick(&self, wall: SystemTime) -> Result<u64, Refused> {
        let early = Refused::BeforeEpoch { until: self.time(0) };
        let since = wall.duration_since(UNIX_EPOCH).map_err(|_| early)?.as_millis();
        let tick = since.checked_sub(u128::from(self.epoch)).ok_or(early)? / u128::from(self.unit);
        if tick >> self.time_bits > 0 {
            return Err(Refused::Ended);
        }
        Ok(tick as u64)
    }

    /// The beginning of a unit of time; the layout's check keeps it within the calendar.
    fn time(&self, tick: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.epoch + tick * self.unit)
    }
}

/// Why there is no number now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The calendar shows a time before that of the last number: it was set back.
    #[error("the clock is {by:?} behind the last number: wait, or repair the clock")]
    Backwards {
        /// When there will be one.
        until: SystemTime,
        /// How far the clock is behind that.
        by: Duration,
    },
    /// All numbers of this unit of time were given out.
    #[error("all numbers of this moment are used up: wait for the next one")]
    Exhausted {
        /// When there will be one.
        until: SystemTime,
    },
    /// The calendar shows a time before the layout's epoch: nobody has set the clock.
    #[error("the clock shows a time before the epoch: it was never set")]
    BeforeEpoch {
        /// The epoch.
        until: SystemTime,
    },
    /// The time does not fit into its field any more: there will be no number again.
    #[error("the layout's time has ended: take another layout")]
    Ended,
}

impl Refused {
    /// When there will be a number, by the clock that was read; never, if the layout's time has ended.
    pub fn until(&self) -> Option<SystemTime> {
        match self {
            Refused::Backwards { until, .. } | Refused::Exhausted { until } | Refused::BeforeEpoch { until } => {
                Some(*until)
            }
            Refused::Ended => None,
        }
    }
}

/// Gives out the numbers of one node. See the [module page](self).
#[derive(Clone, Debug)]
pub struct Generator {
    layout: Layout,
    node: u64,
    /// The unit of time of the last number, and its sequence.
    last: Option<(u64, u64)>,
}

impl Generator {
    /// A generator that knows of no earlier number.
    pub fn new(layout: Layout, node: u64) -> Result<Generator, Misfit> {
        if node.checked_shr(layout.node_bits).unwrap_or(0) > 0 {
            return Err(Misfit::Node { node, bits: layout.node_bits });
        }
        Ok(Generator { layout, node, last: None })
    }

    /// A generator that goes on behind a number that this node gave out before it was restarted.
    pub fn resume(layout: Layout, node: u64, last: Id) -> Result<Generator, Misfit> {
        let mut generator = Self::new(layout, node)?;
        let (tick, of, sequence) = layout.take(last);
        if of != node {
            return Err(Misfit::OtherNode { node, of });
        }
        generator.last = Some((tick, sequence));
        Ok(generator)
    }

    /// The next number, at a time of the calendar; or why there is none, and when there will be.
    #[allow(clippy::should_implement_trait, reason = "an iterator has no clock")]
    pub fn next(&mut self, wall: SystemTime) -> Result<Id, Refused> {
        let now = match self.layout.tick(wall) {
            Ok(now) => Some(now),
            // Set back so far that it is in front of all units.
            Err(Refused::BeforeEpoch { .. }) if self.last.is_some() => None,
            Err(refused) => return Err(refused),
        };
        let fresh = match (self.last, now) {
            (Some((tick, sequence)), _) if now <= Some(tick) => {
                let full = (sequence + 1) >> self.layout.sequence_bits > 0;
                // The unit behind the last one may be beyond the calendar; then nothing will help.
                if full && (tick + 1) >> self.layout.time_bits > 0 {
                    return Err(Refused::Ended);
                }
                let until = self.layout.time(tick + u64::from(full));
                if now < Some(tick) {
                    return Err(Refused::Backwards { until, by: until.duration_since(wall).unwrap_or_default() });
                }
                if full {
                    return Err(Refused::Exhausted { until });
                }
                (tick, sequence + 1)
            }
            (_, now) => (now.unwrap_or_default(), 0),
        };
        self.last = Some(fresh);
        Ok(self.layout.put(fresh.0, self.node, fresh.1))
    }

    /// The last number, to go on from after a restart.
    pub fn last(&self) -> Option<Id> {
        self.last.map(|(tick, sequence)| self.layout.put(tick, self.node, sequence))
    }

    /// The layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn at(ms: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(ms)
    }

    /// Small enough that everything runs out.
    fn tiny() -> Layout {
        Layout::new(1000, 10, 6, 2, 2, Order::SequenceThenNode).unwrap()
    }

    #[test]
    fn known_numbers_read_as_their_makers_say() {
        // The example of Discord's documentation: 175928847299117063 is of 2016-04-30 11:18:25.796, worker 1, process 0.
        let parts = Layout::DISCORD.parts(Id(175_928_847_299_117_063));
        assert_eq!(parts, Parts { time: at(1_462_015_105_796), node: 1 << 5, sequence: 7 });
        assert_eq!(Layout::TWITTER.parts(Id(0)).time, at(1_288_834_974_657));
        let sony = Layout::SONYFLAKE;
        assert_eq!(sony.put(5, 3, 2), Id((5 << 24) | (2 << 16) | 3));
    }

    #[test]
    fn a_full_unit_and_a_clock_set_back_say_when_to_come_again() {
        let mut ids = Generator::new(tiny(), 3).unwrap();
        for sequence in 0..4 {
            assert_eq!(tiny().parts(ids.next(at(1025)).unwrap()), Parts { time: at(1020), node: 3, sequence });
        }
        assert_eq!(ids.next(at(1029)), Err(Refused::Exhausted { until: at(1030) }));
        let by = Duration::from_millis(22);
        assert_eq!(ids.next(at(1008)), Err(Refused::Backwards { until: at(1030), by }));
        assert_eq!(tiny().parts(ids.next(at(1030)).unwrap()).sequence, 0);
        let by = Duration::from_millis(31);
        assert_eq!(ids.next(at(999)), Err(Refused::Backwards { until: at(1030), by }));
        let mut fresh = Generator::new(tiny(), 3).unwrap();
        assert_eq!(fresh.next(at(999)), Err(Refused::BeforeEpoch { until: at(1000) }));
        assert_eq!(ids.next(at(1640)), Err(Refused::Ended));
        (0..4).for_each(|_| assert!(ids.next(at(1639)).is_ok()));
        assert_eq!(ids.next(at(1639)), Err(Refused::Ended), "the last unit is full");
    }

    #[test]
    fn a_restart_goes_on_behind_the_last_number() {
        let mut before = Generator::new(Layout::TWITTER, 9).unwrap();
        let last = before.next(at(1_700_000_000_500)).unwrap();
        // The clock was set back while the process was away.
        let mut after = Generator::resume(Layout::TWITTER, 9, last).unwrap();
        assert!(matches!(after.next(at(1_700_000_000_400)), Err(Refused::Backwards { .. })));
        assert!(after.next(at(1_700_000_000_500)).unwrap() > last);
        assert_eq!(Generator::resume(Layout::TWITTER, 8, last).unwrap_err(), Misfit::OtherNode { node: 8, of: 9 });
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let new = |time, node, sequence| Layout::new(0, 1, time, node, sequence, Order::NodeThenSequence);
        assert!(matches!(new(42, 11, 12), Err(Misfit::Bits { .. })));
        assert!(matches!(new(0, 10, 12), Err(Misfit::Bits { .. })));
        assert!(matches!(new(41, 10, 0), Err(Misfit::Bits { .. })));
        assert!(matches!(new(u32::MAX, 1, 1), Err(Misfit::Bits { .. })));
        assert!(matches!(new(54, 1, 1), Err(Misfit::Time { .. })));
        assert!(matches!(Layout::new(0, 0, 41, 1, 1, Order::NodeThenSequence), Err(Misfit::Time { .. })));
        assert!(new(52, 0, 12).is_ok());
        assert!(Generator::new(Layout::TWITTER, 1023).is_ok());
        assert_eq!(Generator::new(Layout::TWITTER, 1024).unwrap_err(), Misfit::Node { node: 1024, bits: 10 });
    }

    proptest! {
        #[test]
        fn numbers_only_grow(walls in prop::collection::vec(990_u64..1700, 1..300)) {
            let mut nodes: Vec<_> = (0..4).map(|node| Generator::new(tiny(), node).unwrap()).collect();
            let mut seen = BTreeSet::new();
            for (nth, wall) in walls.iter().enumerate() {
                let node = &mut nodes[nth % 4];
                let before = node.last();
                if let Ok(id) = node.next(at(*wall)) {
                    prop_assert!(before < Some(id));
                    prop_assert!(seen.insert(id), "twice");
                    let parts = tiny().parts(id);
                    prop_assert_eq!(parts.node, nth as u64 % 4);
                    prop_assert!(parts.time <= at(*wall) && at(*wall) < parts.time + Duration::from_millis(10));
                } else {
                    prop_assert_eq!(before, node.last());
                }
            }
        }

        #[test]
        fn waiting_helps(walls in prop::collection::vec(990_u64..1600, 1..100)) {
            let mut ids = Generator::new(tiny(), 0).unwrap();
            for wall in walls {
                if let Err(refused) = ids.next(at(wall)) {
                    match refused.until() {
                        Some(until) => {
                            prop_assert!(until > at(wall));
                            prop_assert!(ids.next(until).is_ok());
                        }
                        None => prop_assert_eq!(refused, Refused::Ended),
                    }
                }
            }
        }

        #[test]
        fn fields_come_back(
            time in 1_u32..=50,
            node in 0_u32..=20,
            sequence in 1_u32..=20,
            bits in any::<[u64; 3]>(),
            swap in any::<bool>(),
        ) {
            let order = if swap { Order::SequenceThenNode } else { Order::NodeThenSequence };
            if let Ok(layout) = Layout::new(0, 1, time, node, sequence, order) {
                let cut = |value: u64, bits: u32| value & ((1 << bits) - 1);
                let fields = (cut(bits[0], time), cut(bits[1], node), cut(bits[2], sequence));
                prop_assert_eq!(layout.take(layout.put(fields.0, fields.1, fields.2)), fields);
            }
        }
    }
}
