//! A Raft cluster in the simulated world: five servers with disks, clients that record what they see, an operator that
//! moves the cluster about, and everything that can go wrong.
//!
//! `XS_SEEDS=2000` runs more seeds, `XS_SEED=42` runs one, `XS_STORY=file` writes down the whole run that failed.

#[path = "../common/mod.rs"]
mod common;
mod disk;
#[cfg(feature = "mutations")]
mod mutations;
mod observer;
mod run;
mod server;
mod weather;

use std::time::Duration;

use run::{Mode, campaign, run};
use xs_os::SystemClock;
use xs_os::sim::{Campaign, Keep, Kind, Run};

#[test]
#[allow(clippy::disallowed_methods, reason = "a story that was asked for goes to the real disk")]
fn raft_stands_everything() {
    let mode = Mode::default();
    let campaign = campaign(200, mode, "raft_stands_everything");
    let verdict = campaign.run(&SystemClock, |one| run(one, mode));
    println!("{verdict}");
    if let Some(found) = &verdict.found
        && let Ok(path) = std::env::var("XS_STORY")
    {
        // The whole story of the run, as it was drawn and as a drawing.
        let whole = run(&Run { keep: Keep::All, ..campaign.one(found.seed) }, mode);
        let write = |ending: &str, text: &str| std::fs::write(format!("{path}.{ending}"), text);
        write("txt", &whole.text).and_then(|()| write("html", &whole.html)).expect("the story can be written");
    }
    verdict.expect_clean();
    if verdict.runs >= 200 {
        // Every kind of fault was there, and the clients were busy.
        assert_eq!(verdict.tally.faults.len(), Kind::USUAL, "{verdict}");
        assert!(verdict.tally.sent > 1000 * verdict.runs, "{verdict}");
    }
}

#[test]
fn the_same_seed_does_the_same_twice() {
    let mode = Mode { fixed: true, ..Mode::default() };
    let campaign = Campaign { twice: true, ..campaign(40, mode, "the_same_seed_does_the_same_twice") };
    campaign.run(&SystemClock, |one| run(one, mode)).expect_clean();
}

/// A run in fair weather, for the eye: `cargo test … fair -- --nocapture`.
#[test]
fn in_fair_weather_a_leader_is_elected_and_clients_are_served() {
    let report = run(&Run { seed: 1, weather: 2, plan: Vec::new(), keep: Keep::Last(50) }, Mode::default());
    println!("{}", report.text);
    assert_eq!(report.result, Ok(()));
    assert!(report.simulated < Duration::from_secs(4), "clients get answers at once: {:?}", report.simulated);
}

/// Leases answer from one clock, so they promise nothing beyond the drift that they were told. That limit is real: a
/// campaign beyond it finds stale reads, and nothing worse.
#[test]
#[ignore = "some seconds: the first stale read comes after a hundred seeds"]
fn clocks_beyond_the_bound_break_leases_and_nothing_else() {
    let mode = Mode { beyond_skew: true, fixed: true, ..Mode::default() };
    let campaign = campaign(1000, mode, "clocks_beyond_the_bound");
    let verdict = campaign.run(&SystemClock, |one| run(one, mode));
    println!("{verdict}");
    let found = verdict.found.expect("a stale read under a lease");
    assert!(found.why.contains("not linearizable"), "nothing but reads is lost: {}", found.why);
}

/// Raft stands on disks that keep what they synced. Where they don't, a vote or an acknowledgement is forgotten, and what
/// was promised is lost: a campaign of lying disks finds that. It is a limit of the algorithm and not a bug of this code.
#[test]
fn disks_that_lie_lose_what_was_promised() {
    let mode = Mode { lying: true, fixed: true, ..Mode::default() };
    let campaign = campaign(1000, mode, "disks_that_lie");
    let verdict = campaign.run(&SystemClock, |one| run(one, mode));
    println!("{verdict}");
    assert!(verdict.found.is_some(), "lies have no consequences");
}
