//! The anomalies of the literature, each as a transcript that says at which level it may happen.
//!
//! P and A are the names of Berenson et al. (1995), G those of Adya (1999), OTV of Bailis et al. (2013), and the read-only
//! anomaly is of Fekete, O'Neil and O'Neil (2004). How to read a line: see `script`.

use xs_storage::mvcc::Isolation;

use super::script::run;
use super::{Fresh, by_hand};

struct Anomaly {
    name: &'static str,
    /// Whether it may happen: at Snapshot, at Serializable.
    may_happen: [bool; 2],
    initial: &'static str,
    script: &'static str,
}

const ANOMALIES: &[Anomaly] = &[
    Anomaly {
        // Two writers of the pair x = y: half of the one's writes over half of the other's.
        name: "P0 dirty write",
        may_happen: [false, false],
        initial: "x=0 y=0",
        script: "
            T1 begin
            T2 begin
            T1 put x 1
            T2 put x 2
            T2 put y 2
            T2 commit              -> ok
            T1 put y 1
            T1 commit              -> conflict: wrote x | ok
            R begin read-only
            R scan a z             -> x=2 y=2 | x=1 y=1  !! x=2 y=1
        ",
    },
    Anomaly {
        name: "P1 dirty read",
        may_happen: [false, false],
        initial: "x=50",
        script: "
            T1 begin
            T2 begin
            T1 put x 10
            T2 get x               -> 50  !! 10
            T1 rollback            -> ok
            T2 commit              -> ok
        ",
    },
    Anomaly {
        // Also for one that begins after the write.
        name: "G1a aborted read",
        may_happen: [false, false],
        initial: "x=1",
        script: "
            T1 begin
            T1 put x 101
            T2 begin
            T1 rollback            -> ok
            T2 scan a z            -> x=1  !! x=101
            T2 commit              -> ok
        ",
    },
    Anomaly {
        // What T1 wrote, and then wrote over itself.
        name: "G1b intermediate read",
        may_happen: [false, false],
        initial: "x=1",
        script: "
            T1 begin
            T1 put x 101
            T2 begin
            T2 get x               -> 1  !! 101
            T1 put x 11
            T1 commit              -> ok
            T2 get x               -> 1
            T2 commit              -> ok
        ",
    },
    Anomaly {
        // Each sees what the other wrote: neither can have been first.
        name: "G1c circular information flow",
        may_happen: [false, false],
        initial: "x=10 y=20",
        script: "
            T1 begin
            T2 begin
            T1 put x 11
            T2 put y 22
            T1 get y               -> 20  !! 22
            T2 get x               -> 10  !! 11
            T1 commit              -> ok
            T2 commit              -> ok | conflict: read x
        ",
    },
    Anomaly {
        // T3 sees T1, and then something of T2 that hides the other half of T1.
        name: "OTV observed transaction vanishes",
        may_happen: [false, false],
        initial: "x=10 y=20",
        script: "
            T1 begin
            T2 begin
            T1 put x 11
            T1 put y 19
            T2 put x 12
            T1 commit              -> ok
            T3 begin
            T3 get x               -> 11
            T2 put y 18
            T2 commit              -> conflict: wrote x | ok
            T3 get y               -> 19  !! 18
            T3 get x               -> 11
            T3 commit              -> ok
        ",
    },
    Anomaly {
        name: "P2 fuzzy read",
        may_happen: [false, false],
        initial: "x=50",
        script: "
            T1 begin
            T2 begin
            T1 get x               -> 50
            T2 put x 10
            T2 commit              -> ok
            T1 get x               -> 50  !! 10
            T1 commit              -> ok
        ",
    },
    Anomaly {
        name: "P3 phantom",
        may_happen: [false, false],
        initial: "employee-1=active",
        script: "
            T1 begin
            T1 scan employee f     -> employee-1=active
            T2 begin
            T2 put employee-2 active
            T2 commit              -> ok
            T1 scan employee f     -> employee-1=active  !! employee-1=active employee-2=active
            T1 commit              -> ok
        ",
    },
    Anomaly {
        // 30 and 20 are added to 100, and 20 of it is gone.
        name: "P4 lost update",
        may_happen: [false, false],
        initial: "x=100",
        script: "
            T1 begin
            T2 begin
            T1 get x               -> 100
            T2 get x               -> 100
            T2 put x 120
            T2 commit              -> ok
            T1 put x 130
            T1 commit              -> conflict: wrote x | conflict: read x  !! ok
        ",
    },
    Anomaly {
        // The same, where the value was met by a cursor.
        name: "P4C cursor lost update",
        may_happen: [false, false],
        initial: "w=1 x=100",
        script: "
            T1 begin
            T1 scan a z            -> w=1 x=100
            T2 begin
            T2 put x 75
            T2 commit              -> ok
            T1 put x 130
            T1 commit              -> conflict: wrote x | conflict: read x  !! ok
        ",
    },
    Anomaly {
        // x + y is 100 before and after T2, and T1 would see 125.
        name: "A5A read skew",
        may_happen: [false, false],
        initial: "x=50 y=50",
        script: "
            T1 begin
            T1 get x               -> 50
            T2 begin
            T2 put x 25
            T2 put y 75
            T2 commit              -> ok
            T1 get y               -> 50  !! 75
            T1 commit              -> ok
        ",
    },
    Anomaly {
        // The list of employees and their number, which disagree.
        name: "G-single across a predicate",
        may_happen: [false, false],
        initial: "employee-1=active number=1",
        script: "
            T1 begin
            T1 scan employee f     -> employee-1=active
            T2 begin
            T2 put employee-2 active
            T2 put number 2
            T2 commit              -> ok
            T1 get number          -> 1  !! 2
            T1 commit              -> ok
        ",
    },
    Anomaly {
        // The bank allows either account to go below zero, as long as both together don't.
        name: "A5B write skew",
        may_happen: [true, false],
        initial: "x=50 y=50",
        script: "
            T1 begin
            T2 begin
            T1 get x               -> 50
            T1 get y               -> 50
            T2 get x               -> 50
            T2 get y               -> 50
            T1 put x -40
            T2 put y -40
            T1 commit              -> ok
            T2 commit              -> ok | conflict: read x  !! ok
        ",
    },
    Anomaly {
        // Two look for a booking of the room, find none, and book it.
        name: "G2 write skew on a predicate",
        may_happen: [true, false],
        initial: "other=1",
        script: "
            T1 begin
            T2 begin
            T1 scan room rooz      -> nothing
            T2 scan room rooz      -> nothing
            T1 put room-noon ann
            T2 put room-five bob
            T2 commit              -> ok
            T1 commit              -> ok | conflict: read room-five  !! ok
        ",
    },
    Anomaly {
        // x is a cheque account, y its savings, and going below zero together costs 1. T1 pays 20 into y. R sees that. T2
        // draws 10 from x with a fee, as if before T1: without R, T2 before T1 would be an order. R saw y = 20 and x = 0,
        // so T1 came before T2, and there was no reason for a fee.
        name: "read-only anomaly",
        may_happen: [true, false],
        initial: "x=0 y=0",
        script: "
            T2 begin
            T2 get x               -> 0
            T2 get y               -> 0
            T1 begin
            T1 get y               -> 0
            T1 put y 20
            T1 commit              -> ok
            R begin read-only
            R get x                -> 0   !! 0
            R get y                -> 20  !! 20
            R commit               -> ok
            T2 put x -11
            T2 commit              -> ok | conflict: read y  !! ok
        ",
    },
];

pub(crate) fn every_anomaly_happens_where_the_page_says_so(fresh: Fresh) {
    let page = include_str!("../../src/mvcc/mod.rs");
    let rows = page.lines().skip_while(|line| !line.contains("| anomaly |")).skip(2);
    let rows: Vec<&str> = rows.map_while(|line| line.strip_prefix("//! | ")).collect();
    let mut told = Vec::new();
    for anomaly in ANOMALIES {
        for (isolation, may_happen) in
            [Isolation::Snapshot, Isolation::Serializable].into_iter().zip(anomaly.may_happen)
        {
            let outcome = run(&by_hand(fresh), isolation, anomaly.initial, anomaly.script);
            assert_eq!(outcome.transcript, outcome.expected, "{} at {isolation:?}", anomaly.name);
            assert_eq!(outcome.happened, may_happen, "{} at {isolation:?}:\n{}", anomaly.name, outcome.transcript);
        }
        let word = |may: bool| if may { "yes" } else { "no" };
        told.push(format!("{} | {} | {} |", anomaly.name, word(anomaly.may_happen[0]), word(anomaly.may_happen[1])));
    }
    assert_eq!(told, rows, "the table of the page");
}

pub(crate) fn for_update_closes_write_skew_at_snapshot(fresh: Fresh) {
    let script = "
        T1 begin
        T2 begin
        T1 get x               -> 50
        T1 get-for-update y    -> 50
        T2 get-for-update x    -> 50
        T2 get y               -> 50
        T1 put x -40
        T2 put y -40
        T1 commit              -> ok
        T2 commit              -> conflict: read x  !! ok
    ";
    let outcome = run(&by_hand(fresh), Isolation::Snapshot, "x=50 y=50", script);
    assert_eq!(outcome.transcript, outcome.expected);
    assert!(!outcome.happened);
}
