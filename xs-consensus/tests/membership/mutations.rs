//! The proof that the campaign bites: SWIM with one deliberate bug after another, and how many seeds it takes to find it.

use xs_consensus::swim::{Mutation, Options};
use xs_os::SystemClock;
use xs_os::sim::Campaign;

use super::campaign::{nemeses, options, run};

#[test]
fn every_mutation_is_found_within_two_hundred_seeds() {
    println!("| mutation | seeds | what was seen |\n|---|---|---|");
    let mut missed = Vec::new();
    for mutation in Mutation::ALL {
        let options = Options { mutation: Some(mutation), ..options() };
        let campaign = Campaign { shrink: 0, ..Campaign::new(200, nemeses(), "") };
        let verdict = campaign.run(&SystemClock, |one| run(one, options.clone()));
        match verdict.found {
            Some(found) => {
                let why: String = found.why.lines().next().unwrap_or_default().chars().take(130).collect();
                println!("| {mutation:?} | {} | {why} |", found.seed);
            }
            None => missed.push(mutation),
        }
    }
    assert!(missed.is_empty(), "nobody noticed {missed:?}");
}
