//! The proof that the clients bite: the broker with one deliberate bug after another, and how many seeds it takes to find it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use xs_kafka::Mutation;

use super::run;

/// The first seed that shows a bug, and what was seen.
fn hunt(mutation: Mutation, seeds: u64) -> Option<(u64, String)> {
    (0..seeds).find_map(|seed| {
        // A client's assertion is a panic of the world.
        let outcome = catch_unwind(AssertUnwindSafe(|| run(seed, Some(mutation))));
        let why = match outcome {
            Ok(Ok(_)) => return None,
            Ok(Err(why)) => why,
            Err(panic) => match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(_) => "a panic".into(),
            },
        };
        Some((seed, why.lines().next().unwrap_or_default().chars().take(100).collect()))
    })
}

/// `XS_MUTATION=ForgetProducers` looks for one.
#[test]
#[ignore = "a minute, and many without --release"]
fn every_mutation_is_found_within_two_hundred_seeds() {
    let only = std::env::var("XS_MUTATION").ok();
    let mut missed = Vec::new();
    println!("| mutation | seed | what was seen |\n|---|---|---|");
    for mutation in Mutation::ALL {
        let name = format!("{mutation:?}");
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        match hunt(mutation, 200) {
            Some((seed, why)) => println!("| {name} | {seed} | {why} |"),
            None => missed.push(name),
        }
    }
    assert!(missed.is_empty(), "nobody noticed {missed:?}");
}

/// Those that a few seeds show, on every run of the tests.
#[test]
fn the_plainest_mutations_are_found() {
    for (mutation, seeds) in [(Mutation::AnswerBeforeDurable, 20), (Mutation::ForgetProducers, 20)] {
        assert!(hunt(mutation, seeds).is_some(), "nobody noticed {mutation:?}");
    }
}
