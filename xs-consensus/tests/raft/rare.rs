//! What happens rarely, and was wrong once: transfers of snapshots to those who don't answer, numbers that leap, places
//! that are no longer there, and nodes that have ended.

use std::sync::Arc;
use std::time::Duration;

use xs_consensus::raft::{
    Append, AppendOutcome, AppendReply, Body, ClusterId, Entry, Error, HardState, Index, Initial, Membership,
    MemoryLog, Message, Options, Payload, Raft, Refused, SnapshotChunk, SnapshotMeta, Term,
};
use xs_os::{Clock, Rng, VirtualClock};

use crate::cluster::{Cluster, id, voters};

fn message(from: u64, to: u64, term: Term, body: Body) -> Message {
    Message { from: id(from), to: id(to), term, cluster: ClusterId(0), body }
}

/// A leader that has compacted what these nodes lack.
fn fallen_behind(options: Options, members: &[u64], behind: &[u64]) -> Cluster {
    let mut c = Cluster::with(members, Options { cache_bytes: 0, ..options });
    c.elect(1);
    behind.iter().for_each(|node| c.isolate(*node));
    for n in 0..20 {
        c.put(1, &format!("command {n}"));
    }
    assert!(c.compact(1, 0));
    c.heal();
    c
}

fn is_offer(message: &Message) -> bool {
    matches!(&message.body, Body::SnapshotChunk(chunk) if chunk.data.is_empty())
}

/// Runs, and swallows what the filter says; when offers were swallowed, in milliseconds.
fn swallowing(c: &mut Cluster, ms: u64, mut swallow: impl FnMut(&Message) -> bool) -> Vec<u64> {
    let mut offers = Vec::new();
    for step in 0..ms / 10 {
        c.tick(Duration::from_millis(10));
        while let Some(message) = c.net.front() {
            if swallow(message) {
                if is_offer(message) {
                    offers.push(step * 10);
                }
                c.net.pop_front();
            } else {
                c.deliver_at(0);
            }
        }
    }
    offers
}

#[test]
fn a_snapshot_is_offered_more_and_more_rarely_to_one_that_is_heard_and_does_not_take_it() {
    let mut c = fallen_behind(Options::default(), &[1, 2, 3], &[3]);
    let offers = swallowing(&mut c, 20_000, is_offer);
    assert!((5..12).contains(&offers.len()), "{offers:?}");
    let gaps: Vec<u64> = offers.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let doubles = gaps.windows(2).all(|pair| pair[1] * 10 >= pair[0] * 16);
    // From the second on: when the first is made, nothing has been missed yet.
    assert!(doubles && gaps[0] >= 150 && *gaps.last().unwrap() >= 4000, "{gaps:?}");
    assert!(c.raft(1).status().followers.iter().all(|follower| follower.heard));
    // The patience has an end, and one answer brings it back to the beginning.
    c.run(10_000);
    assert_eq!(c.state(3).len(), 20);
}

#[test]
fn a_follower_that_answered_is_offered_the_rest_soon_again() {
    let options = Options { snapshot_chunk_bytes: 50, ..Options::default() };
    let mut c = fallen_behind(options, &[1, 2, 3], &[3]);
    // It has lost patience with it up to two seconds, then one piece gets through.
    swallowing(&mut c, 2000, is_offer);
    let mut through = false;
    let offers = swallowing(&mut c, 6000, |message| {
        let piece = matches!(&message.body, Body::SnapshotChunk(chunk) if !chunk.data.is_empty());
        let passes = !through || !(piece || is_offer(message));
        through |= piece;
        !passes
    });
    assert!(through);
    let gaps: Vec<u64> = offers.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.first().is_some_and(|gap| *gap <= 700), "{offers:?}");
}

#[test]
fn a_follower_that_died_gives_its_place_to_others_that_need_a_snapshot() {
    let options = Options { max_snapshots: 1, ..Options::default() };
    let mut c = fallen_behind(options, &[1, 2, 3, 4, 5], &[4, 5]);
    // Whichever is offered the only place first dies of it.
    let dead = loop {
        c.tick(Duration::from_millis(10));
        while let Some(message) = c.net.front().filter(|message| !is_offer(message)) {
            let _ = message;
            c.deliver_at(0);
        }
        if let Some(offer) = c.net.pop_front() {
            break offer.to.0;
        }
    };
    c.crash(dead);
    c.run(2000);
    let other = 9 - dead;
    assert_eq!(c.state(other).len(), 20, "{dead} held the place for ever");
    assert_eq!(c.leader(), Some(1));
    let mode =
        c.raft(1).status().followers.iter().find(|follower| follower.id == id(dead)).map(|follower| follower.mode);
    assert_eq!(mode, Some("probe"));
}

#[test]
fn a_log_that_has_lost_what_was_committed_is_refused() {
    let clock = VirtualClock::new();
    let start = |hard_state, log: &MemoryLog| {
        let initial = Initial { hard_state, membership: voters(&[1, 2, 3]), applied: Index(0) };
        Raft::new(id(1), log.clone(), initial, Options::default(), Rng::from_seed(1), clock.now()).map(drop)
    };
    let mut log = MemoryLog::new();
    log.write(&[Entry { index: Index(1), term: Term(2), payload: Payload::Noop }]);
    let state = |term, commit| HardState { term: Term(term), vote: None, commit: Index(commit) };
    assert_eq!(start(state(2, 1), &log), Ok(()));
    assert!(matches!(start(state(2, 2), &log), Err(Error::State(what)) if what.contains("committed")));
    assert!(matches!(start(state(1, 0), &log), Err(Error::State(what)) if what.contains("newer")));
}

#[test]
fn a_term_may_rise_far_and_not_leap_away() {
    let mut c = Cluster::of(&[1, 2, 3]);
    let term = c.raft(1).status().term;
    let grant = || Body::VoteReply { granted: false };
    let leap = Term(term.0 + (1 << 32) + 1);
    let refused = c.call(1, |raft, now| raft.step(now, message(2, 1, leap, grant())));
    assert!(matches!(refused, Err(Refused::Impossible(_))), "{refused:?}");
    assert_eq!(c.raft(1).status().term, term, "and it has not been taken over");
    let far = Term(term.0 + (1 << 32));
    assert_eq!(c.call(1, |raft, now| raft.step(now, message(2, 1, far, grant()))), Ok(()));
    assert_eq!(c.raft(1).status().term, far);
}

#[test]
fn nobody_is_told_that_nobody_belongs_to_the_cluster() {
    assert!(Membership::of(Vec::new()).is_err());
    let mut c = Cluster::of(&[1, 2, 3]);
    let nobody = Arc::new(Membership::default());
    let entry = Entry { index: Index(1), term: Term(1), payload: Payload::Membership(nobody.clone()) };
    let append = Append { prev_index: Index(0), prev_term: Term(0), commit: Index(1), round: 1, entries: vec![entry] };
    let meta = SnapshotMeta { index: Index(5), term: Term(1), membership: nobody, bytes: 0 };
    let chunk = SnapshotChunk { meta, offset: 0, data: Default::default(), round: 1 };
    for body in [Body::Append(append), Body::SnapshotChunk(chunk)] {
        let refused = c.call(1, |raft, now| raft.step(now, message(2, 1, Term(1), body)));
        assert!(matches!(refused, Err(Refused::Impossible(_))), "{refused:?}");
    }
    assert_eq!(c.raft(1).status().membership.1.voters().len(), 3);
    assert_eq!(c.raft(1).status().last.0, Index(0));
}

/// A leader's followers, as they are known to it, behind an answer.
fn rejects(c: &mut Cluster, prev: u64, hint: (u64, u64)) -> Result<(), Refused> {
    let term = c.raft(1).status().term;
    let outcome =
        AppendOutcome::Rejected { prev_index: Index(prev), hint_index: Index(hint.0), hint_term: Term(hint.1) };
    let body = Body::AppendReply(AppendReply { round: 0, outcome });
    c.call(1, |raft, now| raft.step(now, message(3, 1, term, body)))
}

#[test]
fn a_refusal_of_what_was_never_sent_changes_nothing() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    c.put(1, "x");
    let before = c.raft(1).status();
    let refused = rejects(&mut c, before.last.0.0 + 1, (0, 0));
    assert!(matches!(refused, Err(Refused::Impossible(_))), "{refused:?}");
    assert_eq!(c.raft(1).status().followers, before.followers);
}

#[test]
fn a_follower_whose_log_ends_where_the_leaders_was_compacted_gets_the_snapshot() {
    let mut c = fallen_behind(Options::default(), &[1, 2, 3], &[3]);
    // Its log ends in the middle of what is gone, so the leader can't compare terms there.
    let last = c.raft(1).status().last.0.0;
    c.isolate(2);
    c.net.clear();
    // A probe is on its way at the end of the log; the answer says what the follower has.
    assert_eq!(rejects(&mut c, last, (7, 1)), Ok(()));
    c.run(300);
    assert_eq!(c.state(3).len(), 20);
    assert!(c.story.iter().any(|line| line.contains("snapshot of i21, bytes")), "{:#?}", c.story);
}

#[test]
fn a_node_that_has_ended_says_so() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    c.quick_disks = false;
    assert_eq!(c.raft(1).alive(), Ok(()));
    c.propose(1, "on its way").unwrap();
    assert!(!c.machine(1).pending.is_empty());
    // What was to become durable is lost.
    c.machine(1).pending.clear();
    assert_eq!(c.raft(1).alive(), Err(Error::PersistLost));
    let refused = c.propose(1, "x");
    assert!(refused.is_err_and(|error| error.to_string().contains("restart")));
}
