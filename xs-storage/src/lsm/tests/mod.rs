use std::path::Path;

use super::compaction::{Policy, Tiered};
use super::*;
use crate::testing::crash::{self, Crashes};
use crate::testing::failures::{self, Failures};
use crate::testing::rot::{self, Flips};
use crate::testing::{Machine, Subject, engine};

/// A tree of small sizes, so that a short test passes through flushes and compactions.
struct Tiny;

fn on(machine: &Machine, options: Options) -> Options {
    Options { vfs: machine.vfs.clone(), jobs: machine.jobs.clone(), clock: machine.clock.clone(), ..options }
}

impl Subject for Tiny {
    type Engine = Lsm;

    fn open(&self, machine: &Machine) -> Result<Lsm> {
        Lsm::open(Path::new("db"), on(machine, Options::tiny()))
    }

    fn check(&self, engine: &Lsm) -> Result<(), String> {
        engine.check().map(drop).map_err(|error| error.to_string())
    }
}

mod damage;
mod features;
mod files;
mod full;
mod ingest;
mod levels;

/// The options of one kind each that the suites do not see otherwise.
fn variants() -> Vec<(&'static str, Options)> {
    let tiny = Options::tiny;
    let mut variants = vec![
        ("leveled", tiny()),
        ("tiered", Options { policy: Policy::Tiered(Tiered::default()), ..tiny() }),
        ("all values apart", Options { separate_bytes: 1, ..tiny() }),
        ("no filter, whole keys", Options { filter_bits: 0, restart_interval: 1, ..tiny() }),
    ];
    variants.extend(Compression::known().skip(1).map(|compression| ("compressed", Options { compression, ..tiny() })));
    variants
}

struct Variant(Options);

impl Subject for Variant {
    type Engine = Lsm;

    fn open(&self, machine: &Machine) -> Result<Lsm> {
        Lsm::open(Path::new("db"), on(machine, self.0.clone()))
    }

    fn check(&self, engine: &Lsm) -> Result<(), String> {
        Tiny.check(engine)
    }
}

#[test]
fn random_operations_whatever_the_options() {
    for (name, options) in variants() {
        println!("{name}");
        // Every value in a file of its own takes a hundred times as long.
        let steps = if options.separate_bytes == 1 { 100 } else { 400 };
        engine::check_random(&|| Variant(options.clone()), 20..23, steps);
    }
}

/// 2,000 disks here; `XS_DISKS=100000` in the long run.
#[test]
fn every_crash_leaves_a_prefix_of_what_was_written() {
    let report = crash::check(&Tiny, &Crashes::from_env(2_000));
    println!("{report:?}");
    assert!(report.distinct >= 2_000);
}

#[test]
#[ignore = "takes minutes: in .ci/long"]
fn a_hundred_thousand_crashes() {
    let report = crash::check(&Tiny, &Crashes::from_env(100_000));
    println!("{report:?}");
    assert!(report.distinct >= 100_000);
}

#[test]
fn crashes_with_tiers_and_values_apart() {
    let options = Options { policy: Policy::Tiered(Tiered::default()), separate_bytes: 8, ..Options::tiny() };
    crash::check(&Variant(options), &Crashes { seed: 100, ..Crashes::from_env(600) });
}

#[test]
fn failing_calls_stop_it_and_opening_again_recovers() {
    let report = failures::check(&Tiny, &Failures::default());
    println!("{report}");
    assert!(report.stopped > 0);
}

#[test]
fn no_flipped_bit_changes_an_answer() {
    for (flush, separate_bytes) in [(false, 2048), (true, 64)] {
        let options = Options { separate_bytes, ..Options::tiny() };
        let report = rot::check(&Variant(options), &Flips { bits: 1_500, flush, ..Flips::default() });
        println!("{report}");
        assert!(report.detected > 0);
    }
}

#[test]
fn the_contract_of_engines() {
    engine::check(&|| Tiny);
}
