//! Any calls in any order, in all framings, on all disks, against a `Vec`: the public suite.

use std::path::PathBuf;

use proptest::prelude::*;
use xs_os::vfs::SystemVfs;
use xs_os::vfs::faulty::FaultyVfs;

use super::*;
use crate::testing::log::{self as suite, Call, Entries, Place};

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let size = prop_oneof![8 => 0..200_usize, 1 => 200..6000_usize];
    let call = prop_oneof![
        20 => (size.clone(), any::<bool>()).prop_map(|(size, wait)| Call::Append { size, wait }),
        4 => size.prop_map(|size| Call::Whole { size }),
        2 => Just(Call::Sync),
        3 => Just(Call::Step),
        2 => (0.0..1.1).prop_map(Call::Truncate),
        2 => (0.0..1.1).prop_map(Call::Trim),
        1 => (0..50_u64).prop_map(Call::Restart),
        2 => Just(Call::Reopen),
        3 => (0.0..1.1).prop_map(Call::Read),
        3 => (0.0..1.1).prop_map(Call::Hold),
    ];
    prop::collection::vec(call, 1..120)
}

fn memory() -> Place {
    (Arc::new(MemoryVfs::new()), PathBuf::from(DIR))
}

fn run<F: Entries>(calls: &[Call]) -> Result<(), TestCaseError> {
    suite::run::<F>(memory(), calls).map_err(TestCaseError::fail)
}

proptest! {
    #[test]
    fn records_are_a_vec(calls in calls()) {
        run::<Records>(&calls)?;
    }

    #[test]
    fn batches_are_a_vec(calls in calls()) {
        run::<Batches>(&calls)?;
    }

    #[test]
    fn raw_bytes_are_a_vec(calls in calls()) {
        run::<Raw>(&calls)?;
    }
}

/// The suite in all framings; short on a disk that takes its time.
fn stamp(place: &mut dyn FnMut() -> Place, short: bool) {
    if short {
        suite::check_random::<Records>(place, 1..4, 80);
        suite::check_random::<Batches>(place, 1..4, 80);
        return suite::check_random::<Raw>(place, 1..4, 80);
    }
    suite::check::<Records>(place);
    suite::check::<Batches>(place);
    suite::check::<Raw>(place);
}

#[test]
fn the_suite_on_memory() {
    stamp(&mut memory, false);
}

#[test]
fn the_suite_on_a_disk_that_could_fail() {
    let mut seed = 0;
    let mut place = || -> Place {
        seed += 1;
        (Arc::new(FaultyVfs::new(seed)), PathBuf::from(DIR))
    };
    stamp(&mut place, false);
}

#[test]
fn the_suite_on_the_systems_disk() {
    let root = tempfile::tempdir().unwrap();
    let mut count = 0;
    let mut place = || -> Place {
        count += 1;
        (Arc::new(SystemVfs), root.path().join(count.to_string()))
    };
    stamp(&mut place, true);
}
