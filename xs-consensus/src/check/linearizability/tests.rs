//! The checker against the definition, and against histories that are known.

use std::collections::BTreeMap;

use proptest::prelude::*;
use xs_os::Rng;

use super::*;

type Row<Op, Ret> = (u64, u64, u64, Op, Outcome<Ret>);

fn history<Op, Ret>(rows: impl IntoIterator<Item = Row<Op, Ret>>) -> History<Op, Ret> {
    let mut history = History::new();
    for (process, from, _, op, outcome) in rows {
        let call = history.invoke(process, from, op);
        history.try_end(call.index(), outcome).unwrap();
    }
    history
}

fn done<Op, Ret>(process: u64, from: u64, to: u64, op: Op, ret: Ret) -> Row<Op, Ret> {
    (process, from, to, op, Outcome::Returned { at: to, ret })
}

/// The definition: some sequence of some of the operations, all with an answer among them, which the clock and the
/// model allow.
fn by_definition<M: Model>(model: &M, history: &History<M::Op, M::Ret>) -> bool {
    fn go<M: Model>(model: &M, left: &[&Operation<M::Op, M::Ret>], state: &M::State) -> bool {
        if left.iter().all(|operation| operation.ret().is_none()) {
            return true;
        }
        (0..left.len()).any(|nth| {
            let first = left[nth];
            let allowed = left.iter().all(|other| other.end() >= first.invoked);
            let rest: Vec<_> = left.iter().enumerate().filter(|(n, _)| *n != nth).map(|(_, o)| *o).collect();
            allowed && model.step(state, &first.op, first.ret()).is_some_and(|after| go(model, &rest, &after))
        })
    }
    let left: Vec<_> = history.operations().iter().filter(|o| !matches!(o.outcome, Outcome::Failed { .. })).collect();
    go(model, &left, &model.init())
}

fn agree<M: Model>(model: M, history: &History<M::Op, M::Ret>) -> Result<bool, TestCaseError> {
    let expected = by_definition(&model, history);
    let checker = Checker::new(model);
    match checker.check(history) {
        Verdict::Linearizable(parts) => {
            prop_assert!(expected, "found an order where there is none:\n{history}");
            prop_assert!(checker.replay(history, &parts), "{parts:?} is no order of\n{history}");
        }
        Verdict::Violation(violation) => {
            prop_assert!(!expected, "{violation}\nbut there is an order of\n{history}");
            prop_assert!(violation.to_string().contains("✗"));
            // What was called until then is wrong by itself.
            let mut prefix = History::new();
            for operation in history.operations().iter().filter(|o| o.invoked <= violation.returned) {
                let call = prefix.invoke(operation.process, operation.invoked, operation.op.clone());
                prefix.try_end(call.index(), operation.outcome.clone()).unwrap();
            }
            prop_assert!(!by_definition(checker.model(), &prefix), "the prefix is right:\n{violation}\n{history}");
        }
        Verdict::Undecided { .. } => prop_assert!(false, "a small history must be decided"),
    }
    Ok(expected)
}

/// Times that overlap, and an outcome for each.
fn outcome<Ret: Clone + std::fmt::Debug>(
    ret: impl Strategy<Value = Ret>,
) -> impl Strategy<Value = (u64, u64, Outcome<Ret>)> {
    (0..12_u64, 0..6_u64, 0..10_u8, ret).prop_map(|(from, len, kind, ret)| {
        let outcome = match kind {
            0 => Outcome::Unknown,
            1 => Outcome::Failed { at: from + len },
            _ => Outcome::Returned { at: from + len, ret },
        };
        (from, from + len, outcome)
    })
}

fn register_row() -> impl Strategy<Value = Row<RegisterOp<u8>, RegisterRet<u8>>> {
    let value = || 0..3_u8;
    prop_oneof![
        outcome(value().prop_map(RegisterRet::Value)).prop_map(|(f, t, o)| (0, f, t, RegisterOp::Read, o)),
        (value(), outcome(Just(RegisterRet::Done))).prop_map(|(v, (f, t, o))| (0, f, t, RegisterOp::Write(v), o)),
        (value(), value(), outcome(any::<bool>().prop_map(RegisterRet::Swapped))).prop_map(|(a, b, (f, t, o))| (
            0,
            f,
            t,
            RegisterOp::CompareAndSet(a, b),
            o
        )),
    ]
}

fn queue_row() -> impl Strategy<Value = Row<QueueOp<u8>, QueueRet<u8>>> {
    let value = || 0..3_u8;
    prop_oneof![
        (value(), outcome(Just(QueueRet::Done))).prop_map(|(v, (f, t, o))| (0, f, t, QueueOp::Enqueue(v), o)),
        outcome(proptest::option::of(value()).prop_map(QueueRet::Value)).prop_map(|(f, t, o)| (
            0,
            f,
            t,
            QueueOp::Dequeue,
            o
        )),
    ]
}

fn map_row(all: bool) -> impl Strategy<Value = Row<MapOp<u8, u8>, MapRet<u8, u8>>> {
    let key = || 0..2_u8;
    let value = || proptest::option::of(0..2_u8);
    let map = proptest::collection::btree_map(key(), 0..2_u8, 0..2).prop_map(|m| MapRet::All(m.into_iter().collect()));
    prop_oneof![
        3 => (key(), outcome(value().prop_map(MapRet::Value))).prop_map(|(k, (f, t, o))| (0, f, t, MapOp::Get(k), o)),
        3 => (key(), 0..2_u8, outcome(Just(MapRet::Done)))
            .prop_map(|(k, v, (f, t, o))| (0, f, t, MapOp::Put(k, v), o)),
        1 => (key(), outcome(value().prop_map(MapRet::Value)))
            .prop_map(|(k, (f, t, o))| (0, f, t, MapOp::Delete(k), o)),
        1 => (key(), value(), 0..2_u8, outcome(any::<bool>().prop_map(MapRet::Swapped)))
            .prop_map(|(k, a, b, (f, t, o))| (0, f, t, MapOp::CompareAndSet(k, a, b), o)),
        u32::from(all) => outcome(map).prop_map(|(f, t, o)| (0, f, t, MapOp::All, o)),
    ]
}

/// Runs a property over small histories, and sees to it that both verdicts occurred.
fn both_verdicts<Op, Ret, M: Model<Op = Op, Ret = Ret>>(
    model: impl Fn() -> M,
    rows: impl Strategy<Value = Vec<Row<Op, Ret>>>,
) where
    Op: Clone + std::fmt::Debug,
    Ret: Clone + std::fmt::Debug,
{
    let mut seen: BTreeMap<bool, u32> = BTreeMap::new();
    let cell = std::cell::RefCell::new(&mut seen);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1500)
    });
    runner
        .run(&rows, |rows| {
            let verdict = agree(model(), &history(rows))?;
            *cell.borrow_mut().entry(verdict).or_default() += 1;
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(seen.len() == 2 && seen.values().all(|n| *n > 50), "{seen:?}");
}

#[test]
fn agrees_with_the_definition() {
    both_verdicts(|| Register::new(0), proptest::collection::vec(register_row(), 0..7));
    both_verdicts(Queue::new, proptest::collection::vec(queue_row(), 0..7));
    both_verdicts(Map::new, proptest::collection::vec(map_row(false), 0..7));
    both_verdicts(Map::new, proptest::collection::vec(map_row(true), 0..6));
}

fn queue(rows: &[(u64, u64, u64, QueueOp<char>, QueueRet<char>)]) -> bool {
    let history = history(rows.iter().map(|(p, from, to, op, ret)| done(*p, *from, *to, op.clone(), ret.clone())));
    assert_eq!(by_definition(&Queue::new(), &history), Checker::new(Queue::new()).check(&history).is_linearizable());
    Checker::new(Queue::new()).check(&history).is_linearizable()
}

/// Figure 1 of Herlihy and Wing (1990): which of four histories of a FIFO queue are linearizable.
#[test]
fn the_queues_of_herlihy_and_wing() {
    use QueueOp::{Dequeue as Deq, Enqueue as Enq};
    use QueueRet::{Done, Value};
    let got = |value| Value(Some(value));
    // (a) Enq x ∥ Enq y, then Deq y before Deq x: the enqueues overlap, so y may have been first.
    assert!(queue(&[
        (1, 0, 10, Enq('x'), Done),
        (2, 5, 15, Enq('y'), Done),
        (2, 20, 25, Deq, got('x')),
        (1, 22, 30, Deq, got('y')),
        (1, 35, 40, Enq('z'), Done),
    ]));
    // (b) x is enqueued before y and dequeued behind it.
    assert!(!queue(&[(1, 0, 10, Enq('x'), Done), (2, 15, 20, Enq('y'), Done), (1, 25, 30, Deq, got('y')),]));
    // (c) A dequeue that overlaps the enqueue whose value it returns.
    assert!(queue(&[(1, 0, 30, Enq('x'), Done), (2, 10, 20, Deq, got('x'))]));
    // (d) One value comes out twice.
    assert!(!queue(&[
        (1, 0, 10, Enq('x'), Done),
        (2, 5, 15, Enq('y'), Done),
        (1, 20, 25, Deq, got('y')),
        (2, 22, 30, Deq, got('y')),
    ]));
}

#[test]
fn a_stale_read_is_shown_with_the_write_that_it_missed() {
    let rows = [
        done(1, 0, 10, RegisterOp::Write(1), RegisterRet::Done),
        done(2, 12, 20, RegisterOp::Write(2), RegisterRet::Done),
        done(3, 30, 40, RegisterOp::Read, RegisterRet::Value(1)),
        done(3, 50, 60, RegisterOp::Read, RegisterRet::Value(2)),
    ];
    let Verdict::Violation(violation) = Checker::new(Register::new(0)).check(&history(rows)) else { panic!() };
    assert_eq!((violation.culprit, violation.returned, &violation.states[..]), (2, 40, &[2][..]));
    assert_eq!(
        violation.to_string(),
        "not linearizable: no order of the 3 operations called until 40 explains\n  \
         ✗ #2 process 3 Read → Value(1)  [30, 40]\n\
         the longest order found\n    \
         #0 process 1 Write(1) → Done  [0, 10]   ⇒ 1\n    \
         #1 process 2 Write(2) → Done  [12, 20]   ⇒ 2\n\
         states that are possible there: 2\n"
    );
}

#[test]
fn an_unknown_write_may_take_effect_late_or_never_but_not_early() {
    let write = (1, 10, 0, RegisterOp::Write(7), Outcome::Unknown);
    let read = |from, value| done(2, from, from + 5, RegisterOp::Read, RegisterRet::Value(value));
    let check = |rows: Vec<_>| Checker::new(Register::new(0)).check(&history(rows)).is_linearizable();
    assert!(check(vec![write.clone(), read(20, 0)]));
    assert!(check(vec![write.clone(), read(20, 0), read(1000, 7)]));
    assert!(!check(vec![write.clone(), read(20, 7), read(30, 0)]), "once it was seen it stays");
    assert!(!check(vec![read(1, 7), write]), "nothing is read before it was asked for");
}

#[test]
fn locks_and_counters() {
    let lock = |rows| Checker::new(Keyed::new(Lock)).check(&history(rows)).is_linearizable();
    let acquire = |owner, from, to| done(owner, from, to, ("door", LockOp::Acquire(owner)), true);
    assert!(lock(vec![acquire(1, 0, 5), done(1, 6, 9, ("door", LockOp::Release(1)), true), acquire(2, 7, 10)]));
    assert!(!lock(vec![acquire(1, 0, 5), acquire(2, 7, 10)]), "two hold it");
    let add = |from, to, sum| done(from, from, to, CounterOp::Add(1), CounterRet::Value(sum));
    let count = |rows| Checker::new(Counter).check(&history(rows)).is_linearizable();
    assert!(count(vec![add(0, 10, 2), add(5, 15, 1)]));
    assert!(!count(vec![add(0, 10, 1), add(5, 15, 1)]), "a lost update");
}

/// A history as a right register map would make it: each operation takes effect at a moment drawn between call and
/// return, and some never return.
pub(super) fn right_history(
    seed: u64,
    operations: usize,
    clients: u64,
    keys: u64,
) -> History<MapOp<u64, u64>, MapRet<u64, u64>> {
    let mut rng = Rng::from_seed(seed);
    let mut free: Vec<u64> = vec![0; clients as usize];
    let mut calls: Vec<(u64, u64, u64, u64, MapOp<u64, u64>)> = Vec::new();
    for nth in 0..operations {
        let client = rng.index(free.len());
        let from = free[client] + rng.below(20);
        let to = from + 10 + rng.below(100);
        free[client] = to + 1;
        let key = rng.below(keys);
        let op = match rng.below(10) {
            0..5 => MapOp::Get(key),
            5..9 => MapOp::Put(key, nth as u64),
            _ => MapOp::Delete(key),
        };
        calls.push((from + rng.below(to - from), client as u64, from, to, op));
    }
    calls.sort_by_key(|(effect, ..)| *effect);
    let mut map: BTreeMap<u64, u64> = BTreeMap::new();
    let mut history = History::new();
    for (_, client, from, to, op) in calls {
        let ret = match &op {
            MapOp::Get(key) => MapRet::Value(map.get(key).copied()),
            MapOp::Put(key, value) => {
                map.insert(*key, *value);
                MapRet::Done
            }
            MapOp::Delete(key) => MapRet::Value(map.remove(key)),
            MapOp::CompareAndSet(..) | MapOp::All => unreachable!("it is not drawn"),
        };
        let call = history.invoke(client, from, op);
        if !rng.chance(0.01) {
            history.returned(call, to, ret);
        }
    }
    history
}

#[test]
fn long_right_histories_are_right_and_one_stale_read_is_found() {
    for (seed, clients, keys) in [(1, 8, 10), (2, 16, 10), (3, 8, 1), (4, 16, 100)] {
        let right = right_history(seed, 3_000, clients, keys);
        let checker = Checker::new(Map::new());
        let Verdict::Linearizable(parts) = checker.check(&right) else { panic!("seed {seed}") };
        assert!(checker.replay(&right, &parts));
        // The last read of a value that was overwritten before it began.
        let mut wrong = History::new();
        let last =
            right.operations().iter().rposition(|o| matches!((&o.op, o.ret()), (MapOp::Get(_), Some(_)))).unwrap();
        for (nth, operation) in right.operations().iter().enumerate() {
            let call = wrong.invoke(operation.process, operation.invoked, operation.op.clone());
            let mut outcome = operation.outcome.clone();
            if nth == last
                && let Outcome::Returned { ret, .. } = &mut outcome
            {
                *ret = MapRet::Value(Some(u64::MAX));
            }
            wrong.try_end(call.index(), outcome).unwrap();
        }
        let Verdict::Violation(violation) = checker.check(&wrong) else { panic!("seed {seed}: nothing found") };
        assert_eq!(violation.culprit, last);
    }
}

/// `cargo test --release -p xs-consensus ten_thousand -- --nocapture` prints the figures of the module page.
#[test]
fn ten_thousand_operations_are_checked_in_no_time() {
    use xs_os::{Clock, SystemClock};
    for (clients, keys) in [(8, 1), (8, 10), (16, 10), (16, 100)] {
        let history = right_history(7, 10_000, clients, keys);
        let began = SystemClock.now();
        let verdict = Checker::new(Map::new()).check(&history);
        let took = SystemClock.now() - began;
        println!("10,000 operations, {clients} clients, {keys} keys: {took:?}");
        assert!(verdict.is_linearizable());
    }
}

#[test]
fn a_bound_ends_an_endless_search() {
    // Concurrent enqueues whose order shows long after: nothing but trying decides it.
    let mut history: History<QueueOp<u32>, QueueRet<u32>> = History::new();
    for n in 0..40 {
        let call = history.invoke(n, 0, QueueOp::Enqueue(n as u32));
        history.returned(call, 100, QueueRet::Done);
    }
    let call = history.invoke(0, 200, QueueOp::Dequeue);
    history.returned(call, 210, QueueRet::Value(Some(99)));
    let verdict = Checker::new(Queue::new()).limit(10_000).check(&history);
    assert!(matches!(verdict, Verdict::Undecided { configurations: 10_001, .. }), "{verdict:?}");
}
