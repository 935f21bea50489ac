//! Whole replicas in the simulated world: the core, its store on a disk that fails, and a state machine, in memory or
//! keeping itself. Jobs step late, so syncs, snapshots and their pieces are always under way when something happens.
//!
//! `XS_SEEDS=2000` runs more seeds, `XS_SEED=42` runs one.

#[path = "../common/mod.rs"]
mod common;
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
        assert_eq!(verdict.tally.faults.len(), Kind::USUAL + 2, "{verdict}");
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
    let campaign = campaign(60, "what_the_campaign_is_for_happens");
    let (mut seen, mut garbled, mut rotten) = (observer::Seen::default(), 0, 0);
    for seed in 1..=60 {
        let (report, more) = run(&campaign.one(seed));
        seen.add(&more);
        garbled += report.tally.garbled;
        rotten += report.tally.faults.get(&Kind::RottenDisk).copied().unwrap_or_default();
    }
    println!("{garbled} messages garbled, {rotten} times bits rotted: {seen:?}");
    assert!(seen.installed > 10 && seen.made > 50, "{seen:?}");
    assert!(seen.stopped > 10 && seen.not_applied > 5 && seen.unknown > 5, "{seen:?}");
    assert!(garbled > 500 && seen.refused_messages > 300, "{garbled}, {seen:?}");
    assert!(rotten > 20 && seen.refused_disks + seen.stopped_by_rot > 5, "{rotten}, {seen:?}");
}
