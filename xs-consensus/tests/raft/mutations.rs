//! Every deliberate bug must be found, or accidental ones wouldn't be either: most by the random network, and those that
//! need a longer chain of accidents by a scenario that leads there.
//!
//! `cargo test -p xs-consensus --test raft mutations -- --nocapture` prints in which seed each is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use std::time::Duration;

use xs_consensus::raft::{
    Append, AppendOutcome, AppendReply, Body, Change, ClusterId, Entry, Index, Message, Mutation, Options, Payload,
    Term, VoteRequest,
};

use crate::cluster::{Cluster, id};
use crate::random::{STEPS, run_with};

/// Those that a scenario shows; whether it does with these options.
const SCENARIOS: [(Mutation, fn(Options) -> bool); 5] = [
    (Mutation::ForgetVote, votes_again_after_a_restart),
    (Mutation::CommitOldTerms, commits_an_old_terms_entry),
    (Mutation::OverlappingMembership, two_of_five_commit),
    (Mutation::LeaseWithoutSkew, reads_after_the_lease),
    (Mutation::SnapshotOverNewer, goes_back_to_a_snapshot),
];

fn message(from: u64, term: u64, body: Body) -> Message {
    Message { from: id(from), to: id(1), term: Term(term), cluster: ClusterId(0), body }
}

fn votes_again_after_a_restart(options: Options) -> bool {
    let mut c = Cluster::with(&[1, 2, 3], options);
    let request = VoteRequest { last_index: Index(0), last_term: Term(0), transfer: false };
    c.hand_over(message(2, 5, Body::Vote(request)));
    c.crash(1);
    c.restart(1);
    c.hand_over(message(3, 5, Body::Vote(request)));
    c.net.iter().filter(|message| message.body == Body::VoteReply { granted: true }).count() == 2
}

fn commits_an_old_terms_entry(options: Options) -> bool {
    let mut c = Cluster::with(&[1, 2, 3], Options { pre_vote: false, check_quorum: false, ..options });
    let entry = Entry { index: Index(1), term: Term(1), payload: Payload::Noop };
    let (prev_index, prev_term, commit) = (Index(0), Term(0), Index(0));
    c.hand_over(message(2, 1, Body::Append(Append { prev_index, prev_term, commit, round: 1, entries: vec![entry] })));
    c.call(1, |raft, now| raft.campaign(now));
    c.hand_over(message(3, 2, Body::VoteReply { granted: true }));
    assert_eq!(c.leader(), Some(1));
    let outcome = AppendOutcome::Matched(Index(1));
    c.hand_over(message(3, 2, Body::AppendReply(AppendReply { round: 1, outcome })));
    c.raft(1).status().commit == Index(1)
}

/// Each of two changes leaves a majority in common with the membership before it, and both together don't: the three that
/// the leader can't reach are a majority of what they know.
fn two_of_five_commit(options: Options) -> bool {
    let mut c = Cluster::with(&[1, 2, 3, 4, 5], options);
    c.elect(1);
    (3..=5).for_each(|far| c.isolate(far));
    let first = c.change(1, &[Change::Remove(id(5))]);
    let second = first.and_then(|_| c.change(1, &[Change::Remove(id(4))]));
    c.deliver();
    second.is_ok_and(|(_, index)| c.raft(1).status().commit >= index)
}

fn reads_after_the_lease(options: Options) -> bool {
    let mut c = Cluster::with(&[1, 2, 3], Options { lease_skew: Some(Duration::from_millis(10)), ..options });
    c.run(700);
    let leader = c.leader().unwrap();
    c.clock.advance(Duration::from_millis(160));
    c.read(leader, 1).unwrap();
    !c.machine(leader).reads.is_empty()
}

fn goes_back_to_a_snapshot(options: Options) -> bool {
    let mut c = Cluster::with(&[1, 2, 3], Options { cache_bytes: 0, ..options });
    c.elect(1);
    c.isolate(3);
    c.put(1, "x");
    assert!(c.compact(1, 0));
    c.heal();
    c.tick(Duration::from_millis(50));
    let is_piece = |message: &&Message| matches!(&message.body, Body::SnapshotChunk(chunk) if !chunk.data.is_empty());
    let piece = loop {
        if let Some(piece) = c.net.iter().find(is_piece) {
            break piece.clone();
        }
        c.deliver_at(0);
    };
    c.deliver();
    c.put(1, "later");
    let before = c.raft(3).status().applied;
    c.hand_over(piece);
    c.raft(3).status().applied < before
}

#[test]
fn scenarios_show_the_bugs_that_chance_seldom_finds() {
    for (mutation, shows) in SCENARIOS {
        assert!(!shows(Options::default()), "{mutation:?} is switched off");
        assert!(shows(Options { mutation: Some(mutation), ..Options::default() }), "{mutation:?}");
    }
}

/// Seeds that a bug may take.
const SEEDS: u64 = 1000;

#[test]
fn chance_finds_all_others() {
    let only = std::env::var("XS_MUTATION").ok();
    let mut missed = Vec::new();
    for mutation in Mutation::ALL {
        let by_scenario = SCENARIOS.iter().any(|(other, _)| *other == mutation);
        if by_scenario || only.as_ref().is_some_and(|only| *only != format!("{mutation:?}")) {
            continue;
        }
        let found = (0..SEEDS).find_map(|seed| {
            // A broken node may also break what the test itself relies on.
            let run = || run_with(seed, STEPS, |options| options.mutation = Some(mutation));
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(Ok(_)) => None,
                Ok(Err(wrong)) => Some((seed, wrong.lines().next().unwrap_or_default().to_string())),
                Err(_) => Some((seed, "panicked".to_string())),
            }
        });
        match found {
            Some((seed, wrong)) => println!("{mutation:?}: seed {seed}: {wrong}"),
            None => missed.push(mutation),
        }
    }
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {missed:?}");
}
