use std::path::Path;

use super::*;
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

#[test]
fn the_contract_of_engines() {
    engine::check(&|| Tiny);
}
