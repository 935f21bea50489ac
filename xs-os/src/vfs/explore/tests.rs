//! The explorer finds the classic mistakes, names them so that they can be seen again, and leaves right code alone.

use std::path::Path;

use super::super::faulty::FaultyVfs;
use super::super::{Open, Vfs, VfsExt};
use super::*;

/// A list of numbers in a file of records of 700 bytes; `mistake` leaves a step out.
fn append_log(mistake: &str) -> Recording {
    let disk = FaultyVfs::new(1);
    disk.record();
    let file = disk.open(Path::new("log"), Open::New).unwrap();
    if mistake != "no directory sync" {
        disk.sync_dir(Path::new("")).unwrap();
    }
    for n in 1..=12_u8 {
        if mistake == "acknowledged early" {
            disk.mark(n.into());
        }
        file.write_all_at(&[n; 700], (u64::from(n) - 1) * 700).unwrap();
        // Every third sync covers three records.
        if n % 3 == 0 {
            file.sync().unwrap();
            disk.mark(n.into());
        }
    }
    disk.recorded()
}

/// Reads records until one is not whole.
fn recover(crash: &Crash) -> Result<(), String> {
    let bytes = crash.disk.read(Path::new("log"), 1 << 20).unwrap_or_default();
    let whole = bytes.chunks(700).zip(1_u8..).take_while(|(record, n)| **record == [*n; 700]).count() as u64;
    if whole >= crash.mark { Ok(()) } else { Err(format!("{whole} records of {}", crash.mark)) }
}

#[test]
fn right_code_stands_every_crash() {
    let mut explorer = Explorer::new(1);
    explorer.explore(&append_log(""), &mut recover).unwrap();
    let report = explorer.report();
    assert_eq!((report.points, report.sampled, report.most_pending), (2 * 5 + 1, 0, 3), "{report}");
    assert!(report.distinct > 40 && report.built >= report.checked && report.checked >= report.distinct, "{report}");
}

#[test]
fn mistakes_are_found_and_found_again() {
    for mistake in ["no directory sync", "acknowledged early"] {
        let recording = append_log(mistake);
        let failure = Explorer::new(1).explore(&recording, &mut recover).unwrap_err();
        let mut count = 0;
        let again = Explorer::new(2).replay(&failure.line).explore(&recording, &mut |crash| {
            count += 1;
            recover(crash)
        });
        assert_eq!((again.unwrap_err().what, count), (failure.what.clone(), 1), "{mistake}");
        assert!(failure.to_string().contains("replay"), "{failure}");
    }
}

#[test]
fn a_panic_is_a_failure_with_its_line() {
    let failure = Explorer::new(1).explore(&append_log(""), &mut |crash| {
        assert!(crash.disk.exists(Path::new("log")).unwrap(), "no log");
        Ok(())
    });
    let failure = failure.unwrap_err();
    assert_eq!((failure.line.as_str(), failure.what.as_str()), ("0/-", "panicked: no log"));
}

#[test]
fn the_same_seed_tries_the_same_disks() {
    let disks = |seed| {
        let mut hashes = Vec::new();
        let mut explorer = Explorer::new(seed).per_point(20).tears(3);
        explorer.explore(&append_log(""), &mut |crash| {
            hashes.push(crash.hash);
            Ok(())
        })?;
        Ok::<_, Failure>(hashes)
    };
    assert_eq!(disks(1).unwrap(), disks(1).unwrap());
    assert_ne!(disks(1).unwrap(), disks(2).unwrap());
}

#[test]
fn a_hash_stands_for_names_and_bytes() {
    let mut explorer = Explorer::new(1).tears(2);
    let mut seen = std::collections::BTreeMap::new();
    let recorded = explorer.explore(&append_log(""), &mut |crash| {
        let files = crash.disk.files();
        let known = seen.entry(crash.hash).or_insert_with(|| files.clone());
        if *known == files { Ok(()) } else { Err("one hash, two disks".into()) }
    });
    recorded.unwrap();
    let contents: BTreeSet<_> = seen.values().collect();
    assert_eq!(contents.len(), seen.len(), "one disk, two hashes");
}
