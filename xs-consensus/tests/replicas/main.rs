//! Whole replicas in the simulated world: the core, its store on a disk that fails, and a state machine, in memory or
//! keeping itself. Jobs step late, so syncs, snapshots and their pieces are always under way when something happens.
//!
//! `XS_SEEDS=2000` runs more seeds, `XS_SEED=42` runs one.

#[path = "../simulation/client.rs"]
mod client;
#[allow(dead_code, reason = "its byte form of commands is what is shared")]
#[path = "../simulation/disk.rs"]
mod disk;
#[path = "../simulation/machine.rs"]
mod machine;
mod observer;
mod run;
mod server;
mod state;

use run::{campaign, run};
use xs_os::SystemClock;
use xs_os::sim::{Campaign, Kind};

#[test]
fn replicas_stand_everything() {
    let campaign = campaign(200, "replicas_stand_everything");
    let verdict = campaign.run(&SystemClock, |one| run(one).0);
    println!("{verdict}");
    verdict.expect_clean();
    if verdict.runs >= 200 {
        assert_eq!(verdict.tally.faults.len(), Kind::ALL.len() - 1, "{verdict}");
    }
}

#[test]
fn the_same_seed_does_the_same_twice() {
    let campaign = Campaign { twice: true, ..campaign(20, "the_same_seed_does_the_same_twice") };
    campaign.run(&SystemClock, |one| run(one).0).expect_clean();
}

/// A campaign that never comes to what it is for proves nothing.
#[test]
fn what_the_campaign_is_for_happens() {
    let campaign = campaign(40, "what_the_campaign_is_for_happens");
    let mut seen = observer::Seen::default();
    for seed in 1..=40 {
        seen.add(&run(&campaign.one(seed)).1);
    }
    println!("{seen:?}");
    assert!(seen.installed > 10 && seen.made > 50, "{seen:?}");
    assert!(seen.stopped > 10 && seen.not_applied > 5 && seen.unknown > 5, "{seen:?}");
}
