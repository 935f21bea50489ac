//! The anomalies of the literature, and the checker against every order of small histories.

use proptest::prelude::*;

use super::*;
use Step::{Append, Read};

type Row = (u64, u64, Vec<Step<&'static str, u32>>, Option<Vec<Vec<u32>>>);

fn history(rows: Vec<Row>) -> Transactions<&'static str, u32> {
    let mut history = History::new();
    for (nth, (from, to, steps, answer)) in rows.into_iter().enumerate() {
        let call = history.invoke(nth as u64, from, steps);
        match answer {
            Some(answer) => history.returned(call, to, answer),
            None => history.failed(call, to),
        }
    }
    history
}

fn named(rows: Vec<Row>) -> Vec<Anomaly> {
    let found = check(&history(rows), Options::default()).unwrap();
    found.iter().for_each(|finding| assert!(finding.to_string().contains("T")));
    found.into_iter().map(|finding| finding.anomaly).collect()
}

#[test]
fn each_anomaly_has_its_name() {
    let ok = |steps, answer: &[&[u32]]| -> Row { (0, 100, steps, Some(answer.iter().map(|a| a.to_vec()).collect())) };
    // Each of two overwrote the other, in different orders on different keys.
    assert_eq!(
        named(vec![
            ok(vec![Append("x", 1), Append("y", 1)], &[]),
            ok(vec![Append("x", 2), Append("y", 2)], &[]),
            ok(vec![Read("x"), Read("y")], &[&[1, 2], &[2, 1]]),
        ])[0],
        Anomaly::DirtyWrite
    );
    assert_eq!(named(vec![(0, 9, vec![Append("x", 1)], None), ok(vec![Read("x")], &[&[1]])]), [Anomaly::AbortedRead]);
    assert_eq!(
        named(vec![ok(vec![Append("x", 1), Append("x", 2)], &[]), ok(vec![Read("x")], &[&[1]])])[0],
        Anomaly::IntermediateRead
    );
    assert_eq!(
        named(vec![ok(vec![Append("x", 1), Read("y")], &[&[2]]), ok(vec![Append("y", 2), Read("x")], &[&[1]]),]),
        [Anomaly::CircularInformationFlow]
    );
    // A lost update: both read the empty list and appended.
    assert_eq!(
        named(vec![
            ok(vec![Read("x"), Append("x", 1)], &[&[]]),
            ok(vec![Read("x"), Append("x", 2)], &[&[]]),
            ok(vec![Read("x")], &[&[1, 2]]),
        ])[0],
        Anomaly::SingleAntiDependency
    );
    // A read skew: x from before a transaction, y from behind it.
    assert_eq!(
        named(vec![ok(vec![Append("x", 1), Append("y", 1)], &[]), ok(vec![Read("x"), Read("y")], &[&[], &[1]]),]),
        [Anomaly::SingleAntiDependency]
    );
    assert_eq!(
        named(vec![ok(vec![Read("x"), Append("y", 1)], &[&[]]), ok(vec![Read("y"), Append("x", 1)], &[&[]]),]),
        [Anomaly::AntiDependencyCycle]
    );
    assert_eq!(
        named(vec![
            ok(vec![Append("x", 1)], &[]),
            ok(vec![Append("x", 2)], &[]),
            ok(vec![Read("x")], &[&[1, 2]]),
            ok(vec![Read("x")], &[&[2]]),
        ]),
        [Anomaly::IncompatibleReads]
    );
    assert_eq!(named(vec![ok(vec![Append("x", 1), Read("x")], &[&[]])]), [Anomaly::Internal]);
    assert_eq!(
        named(vec![ok(vec![Read("x"), Append("x", 5)], &[&[5]]), ok(vec![Read("x")], &[&[5]])]),
        [Anomaly::Internal]
    );
    assert_eq!(named(vec![ok(vec![Read("x")], &[&[7]])]), [Anomaly::Garbage]);
}

/// Nobody told its client that it was committed, and somebody saw half of it.
#[test]
fn a_transaction_of_unknown_outcome_was_committed_if_somebody_saw_it() {
    let mut history = History::new();
    history.invoke(0, 0, vec![Append("x", 1), Append("y", 2)]);
    let reader = history.invoke(1, 1, vec![Read("x"), Read("y")]);
    history.returned(reader, 2, vec![vec![1], vec![]]);
    let found = check(&history, Options::default()).unwrap();
    assert_eq!(found[0].anomaly, Anomaly::SingleAntiDependency);
    // Who saw nothing of it proves nothing.
    let mut history = History::new();
    history.invoke(0, 0, vec![Append("x", 1), Append("y", 2)]);
    let reader = history.invoke(1, 1, vec![Read("x"), Read("y")]);
    history.returned(reader, 2, vec![vec![], vec![]]);
    assert_eq!(check(&history, Options::default()).unwrap().len(), 0);
}

#[test]
fn a_cycle_is_printed_edge_by_edge() {
    let found = check(
        &history(vec![
            (0, 10, vec![Read("x"), Append("y", 1)], Some(vec![vec![]])),
            (1, 11, vec![Read("y"), Append("x", 2)], Some(vec![vec![]])),
        ]),
        Options::default(),
    )
    .unwrap();
    let text = found[0].to_string();
    assert!(text.starts_with("G2, anti-dependency cycle\n"), "{text}");
    assert!(text.contains("T0 → T1: rw, T0 read \"x\" without 2, which T1 appended"), "{text}");
    assert!(text.contains("T1 → T0: rw, T1 read \"y\" without 1, which T0 appended"), "{text}");
}

#[test]
fn strict_asks_for_the_order_of_the_clock() {
    let rows = vec![
        (0, 10, vec![Append("x", 1)], Some(vec![])),
        (20, 30, vec![Read("x")], Some(vec![vec![]])),
        (40, 50, vec![Read("x")], Some(vec![vec![1]])),
    ];
    assert_eq!(check(&history(rows.clone()), Options::default()).unwrap(), []);
    let found = check(&history(rows), Options { strict: true }).unwrap();
    assert!(found[0].needs_time && found[0].anomaly == Anomaly::SingleAntiDependency, "{}", found[0]);
    assert!(found[0].to_string().contains("rt, T0 had returned when T1 was called"), "{}", found[0]);
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let twice = history(vec![(0, 1, vec![Append("x", 1)], Some(vec![])), (0, 1, vec![Append("x", 1)], Some(vec![]))]);
    assert_eq!(check(&twice, Options::default()), Err(BadHistory::SameValue { first: 0, second: 1 }));
    let short = history(vec![(0, 1, vec![Read("x")], Some(vec![]))]);
    let answers = BadHistory::Answers { transaction: 0, reads: 1, answers: 0 };
    assert_eq!(check(&short, Options::default()), Err(answers));
}

/// Whether some order of the transactions (of the clock too, if strict) gives every answer.
fn some_order(history: &Transactions<u8, u32>, strict: bool) -> bool {
    fn go(history: &Transactions<u8, u32>, left: &[usize], lists: &[Vec<u32>; 2], strict: bool) -> bool {
        left.is_empty()
            || left.iter().any(|&nth| {
                let transaction = &history.operations()[nth];
                if strict && left.iter().any(|other| history.operations()[*other].end() < transaction.invoked) {
                    return false;
                }
                let mut lists = lists.clone();
                let mut answers = Vec::new();
                for step in &transaction.op {
                    match step {
                        Read(key) => answers.push(lists[usize::from(*key)].clone()),
                        Append(key, value) => lists[usize::from(*key)].push(*value),
                    }
                }
                let rest: Vec<usize> = left.iter().copied().filter(|other| *other != nth).collect();
                Some(&answers) == transaction.ret() && go(history, &rest, &lists, strict)
            })
    }
    go(history, &(0..history.len()).collect::<Vec<_>>(), &Default::default(), strict)
}

/// Transactions that run on a store which is sometimes careless: a read may see an older state of the store, and all
/// appends land at the end. A last transaction reads everything.
fn careless(choices: &[(u64, Vec<(bool, u8, usize)>)]) -> Transactions<u8, u32> {
    let mut history = History::new();
    let mut states: Vec<[Vec<u32>; 2]> = vec![Default::default()];
    let mut value = 0;
    let reads = |steps: &[Step<u8, u32>], seen: &[[Vec<u32>; 2]]| -> Vec<Vec<u32>> {
        let mut own: [Vec<u32>; 2] = Default::default();
        let mut answers = Vec::new();
        for (step, seen) in steps.iter().zip(seen) {
            match step {
                Read(key) => {
                    let key = usize::from(*key);
                    answers.push([&seen[key][..], &own[key][..]].concat());
                }
                Append(key, value) => own[usize::from(*key)].push(*value),
            }
        }
        answers
    };
    for (nth, (len, steps)) in choices.iter().enumerate() {
        let mut seen = Vec::new();
        let steps: Vec<Step<u8, u32>> = steps
            .iter()
            .map(|(read, key, back)| {
                seen.push(states[states.len().saturating_sub(1 + back)].clone());
                value += 1;
                if *read { Read(*key) } else { Append(*key, value) }
            })
            .collect();
        let answers = reads(&steps, &seen);
        let mut after = states.last().cloned().unwrap_or_default();
        for step in &steps {
            if let Append(key, value) = step {
                after[usize::from(*key)].push(*value);
            }
        }
        states.push(after);
        let call = history.invoke(nth as u64, 10 * nth as u64, steps);
        history.returned(call, 10 * nth as u64 + len, answers);
    }
    let last = states.pop().unwrap_or_default();
    let call = history.invoke(99, 1000, vec![Read(0), Read(1)]);
    history.returned(call, 1001, last.to_vec());
    history
}

#[test]
fn agrees_with_every_order() {
    let step = (any::<bool>(), 0..2_u8, prop_oneof![4 => Just(0_usize), 1 => 1..3_usize]);
    let transactions = proptest::collection::vec((0..25_u64, proptest::collection::vec(step, 1..4)), 1..6);
    let mut seen = [[0; 2]; 2];
    let cell = std::cell::RefCell::new(&mut seen);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1500)
    });
    runner
        .run(&transactions, |choices| {
            let history = careless(&choices);
            for strict in [false, true] {
                let expected = some_order(&history, strict);
                let found = check(&history, Options { strict }).unwrap();
                // An internal inconsistency is one without any order, and no cycle is needed.
                let text: String = found.iter().map(|finding| finding.to_string()).collect();
                prop_assert_eq!(found.is_empty(), expected, "strict: {}\n{}\n{}", strict, history, text);
                cell.borrow_mut()[usize::from(strict)][usize::from(expected)] += 1;
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(seen.iter().flatten().all(|n| *n > 50), "both verdicts of both kinds: {seen:?}");
}
