//! The stream against a model that keeps every entry and every pending record in plain maps, and the stories that a
//! random test would need luck to tell.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const LIMITS: NodeLimits = NodeLimits { max_bytes: 120, max_entries: 5 };
const NAMES: [&[u8]; 3] = [b"ann", b"bob", b"cat"];

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId::new(ms, seq)
}

fn add(stream: &mut Stream, ms: u64) -> StreamId {
    stream.append(AppendId::Exact(id(ms, 0)), [(&b"f"[..], &b"v"[..])], LIMITS, 0).unwrap()
}

fn ids<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Vec<StreamId> {
    entries.map(|entry| entry.id).collect()
}

fn numbered(n: u64) -> Stream {
    let mut stream = Stream::new();
    for ms in 1..=n {
        add(&mut stream, ms);
    }
    stream
}

#[derive(Debug, Clone)]
enum Op {
    Append { step: u64, fields: Vec<(Vec<u8>, Vec<u8>)> },
    AppendAt(StreamId),
    Delete(Vec<u64>),
    Trim { to: TrimTo, approximate: bool, limit: Option<u64> },
    Read { who: usize, count: Option<usize>, no_ack: bool },
    Again { who: usize, after: u64, count: usize },
    Ack(u64),
    Claim { who: usize, at: u64, min_idle: u64, force: bool, just_id: bool },
    Sweep { who: usize, from: u64, count: usize, min_idle: u64 },
    Forget(usize),
    SetId(u64),
}

fn ops() -> impl Strategy<Value = Op> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..12);
    let name = prop_oneof![3 => Just(b"name".to_vec()), 1 => bytes()];
    let fields = proptest::collection::vec((name, bytes()), 1..3);
    let trim = prop_oneof![
        (0..30_u64).prop_map(TrimTo::MaxLen),
        (0..60_u64).prop_map(|ms| TrimTo::MinId(StreamId::new(ms, 0))),
    ];
    prop_oneof![
        12 => (0..3_u64, fields).prop_map(|(step, fields)| Op::Append { step, fields }),
        1 => (0..90_u64, 0..3_u64).prop_map(|(ms, seq)| Op::AppendAt(StreamId::new(ms, seq))),
        3 => proptest::collection::vec(0..80_u64, 1..6).prop_map(Op::Delete),
        1 => (trim, any::<bool>(), proptest::option::of(0..20_u64))
            .prop_map(|(to, approximate, limit)| Op::Trim { to, approximate, limit: limit.filter(|_| approximate) }),
        3 => (0..3_usize, proptest::option::of(0..5_usize), any::<bool>())
            .prop_map(|(who, count, no_ack)| Op::Read { who, count, no_ack }),
        1 => (0..3_usize, 0..80_u64, 1..5_usize).prop_map(|(who, after, count)| Op::Again { who, after, count }),
        2 => (0..80_u64).prop_map(Op::Ack),
        2 => (0..3_usize, 0..80_u64, 0..9_u64, any::<bool>(), any::<bool>())
            .prop_map(|(who, at, min_idle, force, just_id)| Op::Claim { who, at, min_idle, force, just_id }),
        1 => (0..3_usize, 0..80_u64, 1..5_usize, 0..9_u64)
            .prop_map(|(who, from, count, min_idle)| Op::Sweep { who, from, count, min_idle }),
        1 => (0..3_usize).prop_map(Op::Forget),
        1 => (0..80_u64).prop_map(Op::SetId),
    ]
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Default)]
struct Model {
    entries: BTreeMap<StreamId, Fields>,
    /// Every identifier ever given out, so that operations can name one by its number.
    given: Vec<StreamId>,
    last: StreamId,
    group_last: StreamId,
    pending: BTreeMap<StreamId, (&'static [u8], u64, u64)>,
}

impl Model {
    fn named(&self, n: u64) -> StreamId {
        self.given.get(n as usize).copied().unwrap_or(StreamId::new(n, 1))
    }

    fn check(&self, stream: &Stream) {
        let read: BTreeMap<StreamId, Fields> = stream
            .range(StreamId::MIN, StreamId::MAX)
            .map(|entry| (entry.id, entry.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()))
            .collect();
        assert_eq!(read, self.entries);
        assert_eq!(stream.len(), self.entries.len() as u64);
        assert_eq!(stream.last_id(), self.last);
        assert_eq!(stream.first_id(), self.entries.keys().next().copied().unwrap_or(StreamId::MIN));
        let group = stream.group(b"g").unwrap();
        let mut pending = BTreeMap::new();
        for (consumer, info) in group.consumers() {
            assert_eq!(info.pending_len(), group.pending_of(consumer, StreamId::MIN, StreamId::MAX).count());
            for (id, record) in group.pending_of(consumer, StreamId::MIN, StreamId::MAX) {
                assert_eq!(record.consumer, consumer);
                let name = *NAMES.iter().find(|name| **name == info.name()).unwrap();
                assert!(pending.insert(id, (name, record.delivered_ms, record.deliveries)).is_none());
            }
        }
        assert_eq!(pending, self.pending);
        assert_eq!(group.pending_len(), self.pending.len());
        assert_eq!(group.last_id(), self.group_last);
    }

    /// The claim of one identifier; true if it went through.
    fn claim(&mut self, who: usize, at: StreamId, min_idle: u64, force: bool, just_id: bool, now: u64) -> Claimed {
        if !self.entries.contains_key(&at) {
            self.pending.remove(&at);
            return Claimed::Deleted;
        }
        let count = match self.pending.get(&at) {
            Some((_, time, _)) if now - time < min_idle => return Claimed::No,
            Some((_, _, count)) => *count,
            None if force => 1,
            None => return Claimed::No,
        };
        self.pending.insert(at, (NAMES[who], now, count + u64::from(!just_id)));
        Claimed::Yes
    }
}

fn pairs(fields: &Fields) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    fields.iter().map(|(name, value)| (&name[..], &value[..]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_stream_does_what_plain_maps_do(ops in proptest::collection::vec(ops(), 1..90)) {
        let mut stream = Stream::new();
        let mut model = Model::default();
        stream.create_group(b"g", StreamId::MIN, Some(0));
        let mut now = 0;
        for op in ops {
            match op {
                Op::Append { step, fields } => {
                    now += step;
                    let new = stream.append(AppendId::Auto, pairs(&fields), LIMITS, now).unwrap();
                    prop_assert!(new > model.last && new.ms >= now);
                    model.last = new;
                    model.given.push(new);
                    model.entries.insert(new, fields);
                }
                Op::AppendAt(at) => {
                    let fields = vec![(b"at".to_vec(), vec![])];
                    let done = stream.append(AppendId::Exact(at), pairs(&fields), LIMITS, now);
                    prop_assert_eq!(done.is_ok(), at > model.last);
                    if done.is_ok() {
                        model.last = at;
                        model.given.push(at);
                        model.entries.insert(at, fields);
                    }
                }
                Op::Delete(which) => {
                    let which: Vec<StreamId> = which.iter().map(|&n| model.named(n)).collect();
                    let gone = which.iter().filter(|id| model.entries.remove(id).is_some()).count();
                    prop_assert_eq!(stream.delete(&which), gone as u64);
                }
                Op::Trim { to, approximate, limit } => {
                    let gone = stream.trim(Trim { to, approximate, limit });
                    let surplus = match to {
                        TrimTo::MaxLen(max) => (model.entries.len() as u64).saturating_sub(max),
                        TrimTo::MinId(min) => model.entries.range(..min).count() as u64,
                    };
                    prop_assert!(gone == surplus || approximate && gone < surplus);
                    prop_assert!(limit.is_none_or(|limit| gone <= limit));
                    for _ in 0..gone {
                        model.entries.pop_first();
                    }
                }
                Op::Read { who, count, no_ack } => {
                    let mut group = stream.group_mut(b"g").unwrap();
                    let (consumer, _) = group.see(NAMES[who], now);
                    let delivery = group.read_new(consumer, count, no_ack, now);
                    let announced = delivery.len();
                    let got = ids(delivery);
                    let start = model.group_last.next().unwrap();
                    let expected: Vec<StreamId> =
                        model.entries.range(start..).map(|(id, _)| *id).take(count.unwrap_or(usize::MAX)).collect();
                    prop_assert_eq!(&got, &expected);
                    prop_assert_eq!(announced, got.len());
                    for id in got {
                        model.group_last = id;
                        if !no_ack {
                            model.pending.insert(id, (NAMES[who], now, 1));
                        }
                    }
                }
                Op::Again { who, after, count } => {
                    let after = model.named(after);
                    let mut group = stream.group_mut(b"g").unwrap();
                    let (consumer, _) = group.see(NAMES[who], now);
                    let got = group.read_pending(consumer, after, Some(count), now);
                    let expected: Vec<StreamId> = model.pending.iter()
                        .filter(|(id, record)| **id > after && record.0 == NAMES[who])
                        .map(|(id, _)| *id).take(count).collect();
                    prop_assert_eq!(&got, &expected);
                    for id in got {
                        if model.entries.contains_key(&id) {
                            let record = model.pending.get_mut(&id).unwrap();
                            *record = (record.0, now, record.2 + 1);
                        }
                    }
                }
                Op::Ack(n) => {
                    let at = model.named(n);
                    let done = stream.group_mut(b"g").unwrap().ack(at);
                    prop_assert_eq!(done, model.pending.remove(&at).is_some());
                }
                Op::Claim { who, at, min_idle, force, just_id } => {
                    let at = model.named(at);
                    let claim = Claim { min_idle_ms: min_idle, force, just_id, ..Claim::default() };
                    let done = stream.group_mut(b"g").unwrap().claim(NAMES[who], at, &claim, now);
                    prop_assert_eq!(done, model.claim(who, at, min_idle, force, just_id, now));
                }
                Op::Sweep { who, from, count, min_idle } => {
                    let from = model.named(from);
                    let done = stream.group_mut(b"g").unwrap().auto_claim(NAMES[who], from, count, min_idle, false, now);
                    let at: Vec<StreamId> = model.pending.range(from..).map(|(id, _)| *id).collect();
                    let (mut claimed, mut deleted, mut next) = (vec![], vec![], StreamId::MIN);
                    for (n, id) in at.into_iter().enumerate() {
                        if n == count * 10 || claimed.len() + deleted.len() == count {
                            next = id;
                            break;
                        }
                        match model.claim(who, id, min_idle, false, false, now) {
                            Claimed::Yes => claimed.push(id),
                            Claimed::Deleted => deleted.push(id),
                            Claimed::No => {}
                        }
                    }
                    prop_assert_eq!(done, AutoClaim { next, claimed, deleted });
                }
                Op::Forget(who) => {
                    let gone = stream.group_mut(b"g").unwrap().delete_consumer(NAMES[who]);
                    let before = model.pending.len();
                    model.pending.retain(|_, record| record.0 != NAMES[who]);
                    prop_assert_eq!(gone.unwrap_or(0), before - model.pending.len());
                }
                Op::SetId(n) => {
                    let at = model.named(n);
                    let top = model.entries.keys().next_back().copied().unwrap_or(StreamId::MIN);
                    let done = stream.set_last_id(at, None, None);
                    prop_assert_eq!(done.is_ok(), at >= top);
                    if done.is_ok() {
                        model.last = at;
                    }
                }
            }
            model.check(&stream);
        }
        // Any interval, from either end and from both at once.
        let (from, to) = (model.named(3), model.named(30));
        let expected: Vec<StreamId> = model.entries.keys().copied().filter(|id| (from..=to).contains(id)).collect();
        prop_assert_eq!(&ids(stream.range(from, to)), &expected);
        let mut backward = ids(stream.range(from, to).rev());
        backward.reverse();
        prop_assert_eq!(&backward, &expected);
        let (mut both, mut ends) = (stream.range(from, to), (vec![], vec![]));
        while let Some(entry) = both.next() {
            ends.0.push(entry.id);
            ends.1.extend(both.next_back().map(|entry| entry.id));
        }
        ends.0.extend(ends.1.into_iter().rev());
        prop_assert_eq!(&ends.0, &expected);
        for id in &model.given {
            prop_assert_eq!(stream.get(*id).is_some(), model.entries.contains_key(id));
        }
        // The account goes back to nothing with the contents.
        stream.trim(Trim::exact(TrimTo::MaxLen(0)));
        stream.destroy_group(b"g");
        prop_assert_eq!((stream.allocated_bytes(), stream.nodes()), (0, 0));
    }
}

#[test]
fn identifiers_are_chosen_past_the_last_one() {
    let mut stream = Stream::new();
    let fields = [(&b"f"[..], &b"v"[..])];
    let mut append = |wanted, now| stream.append(wanted, fields, LIMITS, now);
    assert_eq!(append(AppendId::Exact(StreamId::MIN), 0), Err(AppendError::Zero));
    assert_eq!(append(AppendId::AutoSeq(0), 9), Ok(id(0, 1)));
    assert_eq!(append(AppendId::Auto, 9), Ok(id(9, 0)));
    assert_eq!(append(AppendId::Auto, 3), Ok(id(9, 1))); // the clock went backwards
    assert_eq!(append(AppendId::AutoSeq(8), 9), Err(AppendError::NotPastLast));
    assert_eq!(append(AppendId::Exact(id(10, u64::MAX)), 9), Ok(id(10, u64::MAX)));
    assert_eq!(append(AppendId::AutoSeq(10), 9), Err(AppendError::SequenceExhausted));
    assert_eq!(append(AppendId::Auto, 10), Ok(id(11, 0)));
    assert_eq!(append(AppendId::Exact(StreamId::MAX), 9), Ok(StreamId::MAX));
    assert_eq!(append(AppendId::Auto, u64::MAX), Err(AppendError::Exhausted));
}

#[test]
fn approximate_trimming_drops_whole_nodes_up_to_its_limit() {
    let mut stream = numbered(23); // nodes of 5, 5, 5, 5, 3
    assert_eq!(stream.nodes(), 5);
    let trim = |max, limit| Trim { to: TrimTo::MaxLen(max), approximate: true, limit };
    assert_eq!(stream.trim(trim(19, None)), 0);
    assert_eq!(stream.trim(trim(12, Some(9))), 5);
    assert_eq!(stream.trim(trim(12, None)), 5);
    assert_eq!((stream.len(), stream.first_id()), (13, id(11, 0)));
    assert_eq!(stream.trim(Trim::exact(TrimTo::MinId(id(13, 0)))), 2);
    assert_eq!(stream.first_id(), id(13, 0));
}

// The cases were tried on redis-server 7.0.15.
#[test]
fn lag_is_known_as_long_as_no_deletion_lies_ahead() {
    let mut stream = numbered(4);
    stream.create_group(b"g", StreamId::MIN, None);
    let lag = |stream: &Stream| stream.lag(stream.group(b"g").unwrap());
    let read_one = |stream: &mut Stream| {
        let mut group = stream.group_mut(b"g").unwrap();
        let (consumer, _) = group.see(b"c", 0);
        group.read_new(consumer, Some(1), false, 0).count()
    };
    assert_eq!(lag(&stream), Some(4));
    read_one(&mut stream);
    assert_eq!((lag(&stream), stream.group(b"g").unwrap().entries_read()), (Some(3), Some(1)));
    stream.delete(&[id(3, 0)]);
    assert_eq!(lag(&stream), None);
    read_one(&mut stream);
    assert_eq!((lag(&stream), stream.group(b"g").unwrap().entries_read()), (None, None));
    read_one(&mut stream); // reading the last entry makes everything certain again
    assert_eq!((lag(&stream), stream.group(b"g").unwrap().entries_read()), (Some(0), Some(4)));
}

#[test]
fn trimming_past_the_deleted_entry_makes_the_lag_known_again() {
    let mut stream = numbered(4);
    stream.create_group(b"g", id(1, 0), Some(1));
    stream.delete(&[id(2, 0)]);
    stream.trim(Trim::exact(TrimTo::MaxLen(1)));
    assert_eq!(stream.lag(stream.group(b"g").unwrap()), Some(3));
}

#[test]
fn a_position_set_back_over_tombstones_keeps_intervals_whole() {
    let mut stream = numbered(4);
    stream.delete(&[id(3, 0), id(4, 0)]);
    stream.set_last_id(id(2, 0), None, None).unwrap();
    let new = stream.append(AppendId::Exact(id(2, 5)), [(&b"f"[..], &b"v"[..])], LIMITS, 0).unwrap();
    assert_eq!(ids(stream.range(StreamId::MIN, id(2, 9))), [id(1, 0), id(2, 0), new]);
    assert_eq!(ids(stream.range(id(2, 1), StreamId::MAX).rev()), [new]);
    assert_eq!(stream.delete(&[new]), 1);
}

#[test]
fn a_claim_of_a_deleted_entry_cleans_up() {
    let mut stream = numbered(2);
    stream.create_group(b"g", StreamId::MIN, None);
    let mut group = stream.group_mut(b"g").unwrap();
    let (ann, _) = group.see(b"ann", 0);
    group.read_new(ann, None, false, 0);
    drop(group);
    stream.delete(&[id(1, 0)]);
    let mut group = stream.group_mut(b"g").unwrap();
    let done = group.auto_claim(b"bob", StreamId::MIN, 10, 0, false, 5);
    assert_eq!(done, AutoClaim { next: StreamId::MIN, claimed: vec![id(2, 0)], deleted: vec![id(1, 0)] });
    assert_eq!((group.pending_len(), group.pending_ends()), (1, Some((id(2, 0), id(2, 0)))));
    // Nobody is made a consumer by a claim that gets nothing.
    assert_eq!(group.claim(b"cat", id(1, 0), &Claim { force: true, ..Claim::default() }, 9), Claimed::Deleted);
    assert_eq!(group.consumers().len(), 2);
}

#[test]
fn a_clone_is_independent() {
    let mut stream = numbered(7);
    let copy = stream.clone();
    stream.delete(&[id(1, 0)]);
    assert_eq!((stream.len(), copy.len()), (6, 7));
    assert!(copy.get(id(1, 0)).is_some());
}
