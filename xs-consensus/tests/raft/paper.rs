//! The Raft paper's Figure 2 and its section 5, claim by claim. Numbers in parentheses are sections of the extended
//! version; "thesis" is Ongaro's dissertation.

use std::time::{Duration, Instant};

use xs_consensus::raft::{
    Append, AppendOutcome, AppendReply, Body, ClusterId, Entry, HardState, Index, Initial, LogView, MemoryLog, Message,
    NodeId, Options, Payload, Persist, Raft, Ready, RoleName, Term, VoteRequest,
};
use xs_os::{Clock, Rng, VirtualClock};

use crate::cluster::{Cluster, bytes, id, voters};

/// One node of {1 2 3}, number 1, whose every output is looked at.
struct Solo {
    clock: VirtualClock,
    raft: Raft<MemoryLog>,
    persists: Vec<Persist>,
    sent: Vec<Message>,
    applied: Vec<Entry>,
}

fn entry(index: u64, term: u64) -> Entry {
    Entry { index: Index(index), term: Term(term), payload: Payload::Command(bytes(&format!("{index}/{term}"))) }
}

fn plain() -> Options {
    Options { pre_vote: false, check_quorum: false, ..Options::default() }
}

impl Solo {
    fn new() -> Solo {
        Solo::with(0, &[], plain())
    }

    /// With a log whose entries have these terms.
    fn with(term: u64, log: &[u64], options: Options) -> Solo {
        let clock = VirtualClock::new();
        let mut memory = MemoryLog::new();
        let entries: Vec<_> = log.iter().zip(1..).map(|(term, index)| entry(index, *term)).collect();
        memory.write(&entries);
        let term = Term(term.max(log.iter().copied().max().unwrap_or(0)));
        let initial = Initial {
            hard_state: HardState { term, ..HardState::default() },
            membership: voters(&[1, 2, 3]),
            applied: Index(0),
        };
        let raft = Raft::new(id(1), memory, initial, options, Rng::from_seed(1), clock.now()).unwrap();
        Solo { clock, raft, persists: Vec::new(), sent: Vec::new(), applied: Vec::new() }
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn collect(&mut self) {
        while let Some(Ready { persist, send, apply, .. }) = self.raft.ready() {
            self.persists.extend(persist);
            self.sent.extend(send);
            for entry in apply {
                self.raft.applied(entry.index);
                self.applied.push(entry);
            }
        }
    }

    /// The disk finishes everything.
    fn sync(&mut self) {
        self.collect();
        for persist in std::mem::take(&mut self.persists) {
            self.raft.view_mut().persist(&persist, bytes::Bytes::new());
            self.raft.persisted(persist.done()).unwrap();
        }
        self.collect();
    }

    fn step(&mut self, from: u64, term: u64, body: Body) {
        let message = Message { from: id(from), to: id(1), term: Term(term), cluster: ClusterId(0), body };
        self.raft.step(self.clock.now(), message).unwrap();
        self.collect();
    }

    fn vote(&mut self, from: u64, term: u64, last: (u64, u64)) {
        let request = VoteRequest { last_index: Index(last.0), last_term: Term(last.1), transfer: false };
        self.step(from, term, Body::Vote(request));
    }

    fn append(&mut self, from: u64, term: u64, prev: (u64, u64), entries: &[(u64, u64)], commit: u64) {
        let entries = entries.iter().map(|(index, term)| entry(*index, *term)).collect();
        let (prev_index, prev_term) = (Index(prev.0), Term(prev.1));
        self.step(from, term, Body::Append(Append { prev_index, prev_term, commit: Index(commit), round: 1, entries }));
    }

    fn tick(&mut self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
        self.raft.tick(self.clock.now());
        self.collect();
    }

    /// Becomes the leader of the next term.
    fn lead(&mut self) -> u64 {
        self.raft.campaign(self.now());
        self.sync();
        let term = self.raft.status().term.0;
        self.step(2, term, Body::VoteReply { granted: true });
        self.sync();
        assert_eq!(self.raft.role(), RoleName::Leader);
        term
    }

    fn matched(&mut self, from: u64, term: u64, index: u64) {
        let outcome = AppendOutcome::Matched(Index(index));
        self.step(from, term, Body::AppendReply(AppendReply { round: 0, outcome }));
    }

    fn take(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.sent)
    }

    fn log(&self) -> Vec<(u64, u64)> {
        let last = self.raft.status().last.0.0;
        (1..=last).map(|index| (index, self.raft.term_at(Index(index)).unwrap().0)).collect()
    }
}

fn granted(messages: &[Message]) -> Option<bool> {
    messages.iter().find_map(|message| match message.body {
        Body::VoteReply { granted } | Body::PreVoteReply { granted } => Some(granted),
        _ => None,
    })
}

fn outcome(messages: &[Message]) -> Option<AppendOutcome> {
    messages.iter().rev().find_map(|message| match message.body {
        Body::AppendReply(reply) => Some(reply.outcome),
        _ => None,
    })
}

// Figure 2, "State": what is persistent is on stable storage before an RPC is answered.

#[test]
fn figure_2_state_a_vote_is_durable_before_it_is_said() {
    let mut n = Solo::new();
    n.vote(2, 1, (0, 0));
    assert_eq!(granted(&n.sent), None);
    let state = n.persists[0].hard_state().unwrap();
    assert_eq!((state.term, state.vote), (Term(1), Some(id(2))));
    n.sync();
    assert_eq!(granted(&n.sent), Some(true));
}

#[test]
fn figure_2_state_an_acknowledgement_waits_for_the_entries_and_the_term() {
    let mut n = Solo::new();
    n.append(2, 1, (0, 0), &[(1, 1)], 0);
    assert_ne!(outcome(&n.sent), Some(AppendOutcome::Matched(Index(1))));
    n.sync();
    assert_eq!(outcome(&n.sent), Some(AppendOutcome::Matched(Index(1))));
    assert_eq!(n.raft.view().hard_state().term, Term(1));
    assert_eq!(n.raft.view().all().len(), 1);
}

#[test]
fn figure_2_state_a_restarted_node_keeps_term_vote_and_log() {
    let mut n = Solo::new();
    n.append(3, 1, (0, 0), &[(1, 1)], 0);
    n.vote(2, 4, (1, 1));
    n.sync();
    let disk = n.raft.view().clone();
    let initial = Initial { hard_state: disk.hard_state(), membership: voters(&[1, 2, 3]), applied: Index(0) };
    n.raft = Raft::new(id(1), disk, initial, plain(), Rng::from_seed(2), n.now()).unwrap();
    n.take();
    n.vote(3, 4, (9, 3));
    assert_eq!(granted(&n.sent), Some(false), "it has voted for another one in term 4");
    assert_eq!(n.log(), [(1, 1)]);
}

#[test]
fn figure_2_state_several_writes_may_be_under_way_and_each_gives_out_its_own() {
    let mut n = Solo::new();
    n.append(2, 1, (0, 0), &[(1, 1)], 0);
    n.append(2, 1, (1, 1), &[(2, 1)], 0);
    let mut writes = std::mem::take(&mut n.persists).into_iter();
    n.take();
    n.raft.persisted(writes.next().unwrap().done()).unwrap();
    n.collect();
    assert_eq!(outcome(&n.sent), Some(AppendOutcome::Matched(Index(1))));
    n.raft.persisted(writes.next().unwrap().done()).unwrap();
    n.collect();
    assert_eq!(outcome(&n.sent), Some(AppendOutcome::Matched(Index(2))));
}

#[test]
fn a_lost_persist_stops_the_node_before_it_promises_anything() {
    let mut n = Solo::new();
    n.append(2, 1, (0, 0), &[(1, 1)], 0);
    n.append(2, 1, (1, 1), &[(2, 1)], 0);
    n.take();
    let mut writes = std::mem::take(&mut n.persists).into_iter();
    drop(writes.next());
    assert!(n.raft.persisted(writes.next().unwrap().done()).is_err());
    n.collect();
    assert!(n.sent.is_empty());
    assert!(n.raft.propose(n.clock.now(), bytes("x")).is_err());
    let request = VoteRequest { last_index: Index(9), last_term: Term(1), transfer: false };
    let message = Message { from: id(3), to: id(1), term: Term(9), cluster: ClusterId(0), body: Body::Vote(request) };
    assert!(n.raft.step(n.clock.now(), message).is_err());
}

#[test]
fn writes_that_are_done_out_of_order_stop_the_node() {
    let mut n = Solo::new();
    n.append(2, 1, (0, 0), &[(1, 1)], 0);
    n.append(2, 1, (1, 1), &[(2, 1)], 0);
    let mut writes: Vec<_> = std::mem::take(&mut n.persists);
    assert!(n.raft.persisted(writes.remove(1).done()).is_err());
    assert!(n.raft.ready().is_none());
}

// Figure 2, "AppendEntries RPC", receiver implementation.

#[test]
fn figure_2_append_1_a_leader_of_an_earlier_term_is_told_the_term() {
    let mut n = Solo::with(3, &[], plain());
    n.append(2, 2, (0, 0), &[(1, 2)], 0);
    assert_eq!((n.sent[0].term, n.log()), (Term(3), vec![]));
}

#[test]
fn figure_2_append_2_a_gap_or_another_term_in_front_is_refused() {
    let mut n = Solo::with(2, &[1, 1], plain());
    n.append(2, 2, (3, 2), &[(4, 2)], 0);
    assert!(matches!(outcome(&n.sent), Some(AppendOutcome::Rejected { hint_index: Index(2), .. })));
    n.append(2, 2, (2, 2), &[(3, 2)], 0);
    assert!(matches!(outcome(&n.sent), Some(AppendOutcome::Rejected { prev_index: Index(2), .. })));
    assert_eq!(n.log(), [(1, 1), (2, 1)]);
}

#[test]
fn figure_2_append_3_a_conflicting_entry_goes_and_all_behind_it() {
    let mut n = Solo::with(2, &[1, 1, 2, 2, 2], plain());
    n.append(2, 3, (2, 1), &[(3, 3)], 0);
    n.sync();
    assert_eq!(n.log(), [(1, 1), (2, 1), (3, 3)]);
    assert_eq!(n.raft.view().all().len(), 3, "on the disk as well");
    assert_eq!(outcome(&n.sent), Some(AppendOutcome::Matched(Index(3))));
}

#[test]
fn figure_2_append_4_an_old_message_cuts_nothing_off() {
    let mut n = Solo::with(1, &[1, 1, 1], plain());
    n.append(2, 2, (0, 0), &[(1, 1)], 0);
    assert_eq!(n.log().len(), 3);
    assert_eq!(outcome(&n.sent), Some(AppendOutcome::Matched(Index(0))), "no promise before the disk has the term");
    n.sync();
    assert_eq!(outcome(&n.sent), Some(AppendOutcome::Matched(Index(1))), "no more than the message showed");
}

#[test]
fn figure_2_append_5_commits_no_further_than_the_last_new_entry() {
    let mut n = Solo::with(1, &[1, 1, 1], plain());
    // Entry 3 may differ from the leader's: only the first two were compared.
    n.append(2, 2, (1, 1), &[(2, 1)], 3);
    assert_eq!(n.raft.status().commit, Index(2));
}

// Figure 2, "RequestVote RPC", receiver implementation.

#[test]
fn figure_2_vote_1_a_candidate_of_an_earlier_term_is_told_the_term() {
    let mut n = Solo::with(5, &[], plain());
    n.vote(2, 4, (9, 4));
    assert_eq!((granted(&n.sent), n.sent[0].term), (Some(false), Term(5)));
}

#[test]
fn figure_2_vote_2_one_vote_a_term_and_the_same_again_if_asked_again() {
    let mut n = Solo::new();
    n.vote(2, 1, (0, 0));
    n.sync();
    n.take();
    n.vote(3, 1, (0, 0));
    assert_eq!(granted(&n.take()), Some(false));
    n.vote(2, 1, (0, 0));
    n.sync();
    assert_eq!(granted(&n.take()), Some(true), "the first answer may have been lost");
    n.vote(3, 2, (0, 0));
    n.sync();
    assert_eq!(granted(&n.take()), Some(true), "a new term, a new vote");
}

#[test]
fn figure_2_vote_2_and_5_4_1_the_later_last_term_wins_then_the_longer_log() {
    let cases = [((2, 3), true), ((3, 2), true), ((4, 2), true), ((2, 2), false), ((9, 1), false)];
    for (last, expected) in cases {
        let mut n = Solo::with(3, &[1, 2, 2], plain());
        n.vote(2, 4, last);
        n.sync();
        assert_eq!(granted(&n.sent), Some(expected), "candidate's log ends {last:?}, ours (3, 2)");
    }
}

// Figure 2, "Rules for Servers".

#[test]
fn figure_2_all_a_higher_term_makes_everybody_a_follower() {
    let mut n = Solo::new();
    let term = n.lead();
    n.matched(3, term + 4, 0);
    assert_eq!((n.raft.role(), n.raft.status().term), (RoleName::Follower, Term(term + 4)));
}

#[test]
fn figure_2_all_what_is_committed_is_applied_in_order_and_once() {
    let mut n = Solo::new();
    n.append(2, 1, (0, 0), &[(1, 1), (2, 1), (3, 1)], 2);
    n.sync();
    n.append(2, 1, (3, 1), &[], 3);
    n.append(2, 1, (3, 1), &[], 3);
    n.sync();
    assert_eq!(n.applied.iter().map(|entry| entry.index.0).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn figure_2_followers_stand_for_election_after_silence_and_not_while_a_leader_speaks() {
    let mut n = Solo::new();
    for _ in 0..20 {
        n.tick(100);
        n.append(2, 1, (0, 0), &[], 0);
    }
    assert_eq!(n.raft.role(), RoleName::Follower);
    n.tick(149);
    assert_eq!(n.raft.role(), RoleName::Follower, "the shortest timeout is 150 ms");
    n.tick(151);
    assert_eq!(n.raft.role(), RoleName::Candidate, "the longest is 300 ms");
}

#[test]
fn figure_2_followers_a_given_vote_resets_the_timer_and_a_refused_one_does_not() {
    let mut n = Solo::with(1, &[1], plain());
    let before = n.raft.next_deadline();
    n.clock.advance(Duration::from_millis(100));
    n.vote(2, 2, (0, 0));
    assert_eq!((granted(&n.take()), n.raft.next_deadline()), (Some(false), before));
    n.vote(3, 3, (1, 1));
    assert!(n.raft.next_deadline() >= n.now() + Duration::from_millis(150));
}

#[test]
fn figure_2_candidates_increment_the_term_vote_for_themselves_and_ask_all_others() {
    let mut n = Solo::new();
    n.raft.campaign(n.now());
    n.collect();
    assert!(n.sent.is_empty(), "its own vote is not durable yet");
    n.sync();
    assert_eq!(n.raft.view().hard_state().vote, Some(id(1)));
    let asked: Vec<_> = n.take().iter().map(|message| (message.to.0, message.term.0)).collect();
    assert_eq!(asked, [(2, 1), (3, 1)]);
}

#[test]
fn figure_2_candidates_lead_with_a_majority_and_not_before() {
    let mut n = Solo::new();
    n.raft.campaign(n.now());
    n.sync();
    n.step(2, 1, Body::VoteReply { granted: false });
    assert_eq!(n.raft.role(), RoleName::Candidate);
    n.step(2, 1, Body::VoteReply { granted: true });
    assert_eq!(n.raft.role(), RoleName::Candidate, "the first answer counts");
    n.step(3, 1, Body::VoteReply { granted: true });
    assert_eq!(n.raft.role(), RoleName::Leader);
}

#[test]
fn figure_2_candidates_own_vote_counts_only_when_it_is_durable() {
    let mut n = Solo::new();
    n.raft.campaign(n.now());
    n.collect();
    n.step(2, 1, Body::VoteReply { granted: true });
    assert_eq!(n.raft.role(), RoleName::Candidate);
    n.sync();
    assert_eq!(n.raft.role(), RoleName::Leader);
}

#[test]
fn figure_2_candidates_follow_a_leader_of_their_term_and_try_again_after_a_split_vote() {
    let mut n = Solo::new();
    n.raft.campaign(n.now());
    n.sync();
    n.tick(300);
    assert_eq!((n.raft.role(), n.raft.status().term), (RoleName::Candidate, Term(2)));
    n.append(2, 2, (0, 0), &[], 0);
    assert_eq!((n.raft.role(), n.raft.leader()), (RoleName::Follower, Some(id(2))));
}

#[test]
fn figure_2_leaders_speak_at_once_and_then_regularly() {
    let mut n = Solo::new();
    n.lead();
    let told: Vec<_> = n.take().into_iter().filter(|m| matches!(m.body, Body::Append(_))).map(|m| m.to.0).collect();
    assert_eq!(told, [2, 3]);
    n.tick(49);
    assert!(n.take().is_empty());
    n.tick(1);
    assert_eq!(n.take().len(), 2);
}

#[test]
fn figure_2_leaders_send_from_next_index_and_go_back_when_refused() {
    let mut n = Solo::with(3, &[1, 1, 1, 3, 3], plain());
    let term = n.lead();
    let prev = |n: &mut Solo, to: u64| {
        n.take().into_iter().rev().find_map(|message| match message.body {
            Body::Append(append) if message.to == id(to) => Some((append.prev_index.0, append.entries.len())),
            _ => None,
        })
    };
    assert_eq!(prev(&mut n, 2), Some((5, 1)), "nextIndex begins behind the leader's last entry");
    let (prev_index, hint_index, hint_term) = (Index(5), Index(2), Term(1));
    let outcome = AppendOutcome::Rejected { prev_index, hint_index, hint_term };
    n.step(2, term, Body::AppendReply(AppendReply { round: 0, outcome }));
    assert_eq!(prev(&mut n, 2), Some((2, 4)), "a whole term back in one step (5.3)");
    n.matched(2, term, 6);
    assert_eq!(n.raft.status().followers[0].next, Index(7));
}

#[test]
fn figure_2_leaders_commit_what_a_majority_holds() {
    let mut n = Solo::new();
    let term = n.lead();
    let now = n.now();
    n.raft.propose(now, bytes("x")).unwrap();
    n.sync();
    assert_eq!(n.raft.status().commit, Index(0), "the leader alone is no majority");
    n.matched(3, term, 2);
    assert_eq!(n.raft.status().commit, Index(2));
    assert_eq!(n.applied.len(), 2);
}

#[test]
fn thesis_10_2_1_a_leader_sends_before_its_own_disk_is_done_and_counts_itself_afterwards() {
    let mut n = Solo::new();
    let term = n.lead();
    n.matched(2, term, 1);
    n.take();
    n.raft.propose(n.clock.now(), bytes("x")).unwrap();
    n.collect();
    assert!(n.sent.iter().any(|m| matches!(&m.body, Body::Append(append) if append.entries.len() == 1)));
    n.matched(2, term, 2);
    assert_eq!(n.raft.status().commit, Index(1), "two of three are said to hold it, and one of them is not sure");
    n.sync();
    assert_eq!(n.raft.status().commit, Index(2));
}

#[test]
fn thesis_10_2_1_a_majority_without_the_leader_commits_before_its_disk_is_done() {
    let mut n = Solo::new();
    let term = n.lead();
    n.raft.propose(n.clock.now(), bytes("x")).unwrap();
    n.collect();
    n.matched(2, term, 2);
    n.matched(3, term, 2);
    assert_eq!(n.raft.status().commit, Index(2));
    assert_eq!(n.applied.len(), 1, "and applies what it holds itself");
    n.sync();
    assert_eq!(n.applied.len(), 2);
}

// 5.4: safety.

#[test]
fn section_5_4_2_figure_8_an_old_terms_entry_is_not_committed_by_counting() {
    let mut n = Solo::with(3, &[1, 2], plain());
    let term = n.lead();
    // A majority holds index 2 of term 2 now, and a later leader may still replace it.
    n.matched(2, term, 2);
    assert_eq!(n.raft.status().commit, Index(0));
    // With an entry of the leader's own term behind it, it can't be any more.
    n.matched(2, term, 3);
    assert_eq!(n.raft.status().commit, Index(3));
}

#[test]
fn section_5_4_2_figure_8_told_whole() {
    let mut c = Cluster::with(&[1, 2, 3, 4, 5], plain());
    c.elect(1);
    c.put(1, "a");
    // (a) 1 leads and replicates "b" to 2 alone.
    for other in 3..=5 {
        c.cut.insert((id(1), id(other)));
    }
    c.propose(1, "b").unwrap();
    c.deliver();
    assert_eq!(c.raft(1).status().commit, Index(2));
    // (b) 1 crashes; 5 is elected by 3 and 4, takes "c" and crashes before anybody else has it.
    c.crash(1);
    c.cut.clear();
    c.call(5, |raft, now| raft.campaign(now));
    while c.leader() != Some(5) {
        c.deliver_at(0);
    }
    c.propose(5, "c").unwrap();
    c.crash(5);
    c.net.clear();
    // (c) 1 is back and elected; "b" reaches 3: a majority holds it, of an old term.
    c.restart(1);
    c.cut.insert((id(1), id(4)));
    c.cut.insert((id(4), id(1)));
    for _ in 0..2 {
        c.call(1, |raft, now| raft.campaign(now));
        c.deliver();
    }
    assert_eq!(c.leader(), Some(1));
    // Its own noop came along, so here it *is* committed; what Figure 8 forbids is to commit before that.
    c.cut.clear();
    c.run(1000);
    let states: Vec<_> = (1..=4).map(|node| c.state(node)).collect();
    assert!(states.iter().all(|state| *state == states[0]), "{states:?}");
    assert_eq!(c.wrong, None);
}

#[test]
fn section_5_4_3_a_leader_without_what_is_committed_is_not_elected() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    c.isolate(3);
    c.put(1, "x");
    c.crash(1);
    c.heal();
    for _ in 0..30 {
        c.run(100);
        assert_ne!(c.leader(), Some(3));
        if c.leader().is_some() {
            break;
        }
    }
    assert_eq!(c.leader(), Some(2));
    assert_eq!(c.state(3), ["x"]);
}

#[test]
fn section_5_5_what_was_answered_before_a_crash_may_come_again() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    c.propose(1, "x").unwrap();
    let again: Vec<_> = c.net.iter().cloned().collect();
    c.deliver();
    c.crash(2);
    c.restart(2);
    for message in again {
        c.hand_over(message);
    }
    c.deliver();
    c.put(1, "y");
    assert_eq!(c.state(2), ["x", "y"]);
}

#[test]
fn section_5_3_logs_of_figure_7_become_the_leaders() {
    let leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    let followers: [&[u64]; 6] = [
        &[1, 1, 1, 4, 4, 5, 5, 6, 6],
        &[1, 1, 1, 4],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
        &[1, 1, 1, 4, 4, 4, 4],
        &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    for terms in followers {
        let mut l = Solo::with(7, &leader, plain());
        let term = l.lead();
        let mut f = Solo::with(7, terms, plain());
        let mut exchanges = 0;
        loop {
            // Everything for node 3, which `f` plays.
            let out: Vec<_> = l.take().into_iter().filter(|m| m.to == id(3) && m.term.0 == term).collect();
            if out.is_empty() {
                break;
            }
            for message in out {
                if let Body::Append(append) = message.body {
                    exchanges += 1;
                    f.step(2, term, Body::Append(append));
                }
            }
            f.sync();
            for reply in f.take() {
                l.step(3, term, reply.body);
            }
            l.sync();
        }
        assert_eq!(f.log(), l.log(), "{terms:?}");
        assert!(exchanges <= 6, "{terms:?} took {exchanges} appends: a term is stepped over at once");
    }
}

// 5.6 and 5.2: time.

#[test]
fn section_5_2_timeouts_are_spread_and_drawn_anew_each_time() {
    let mut n = Solo::new();
    let mut drawn = Vec::new();
    for _ in 0..50 {
        let before = n.now();
        drawn.push(n.raft.next_deadline() - before);
        let deadline = n.raft.next_deadline();
        n.clock.advance(deadline - before);
        let now = n.now();
        n.raft.tick(now);
        n.sync();
    }
    let (min, max) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
    assert!(*min >= Duration::from_millis(150) && *max <= Duration::from_millis(300));
    assert!(*max - *min > Duration::from_millis(100), "{min:?} {max:?}");
}

#[test]
fn section_5_2_a_cluster_elects_a_leader_soon_whatever_the_seed() {
    for seed in 0..50 {
        let mut c = Cluster { seed, ..Cluster::empty(seed) };
        for node in 1..=5 {
            c.add(node, voters(&[1, 2, 3, 4, 5]));
        }
        let mut waited = 0;
        while c.leader().is_none() {
            c.run(10);
            waited += 10;
            assert!(waited < 2000, "seed {seed}");
        }
    }
}

#[test]
fn section_8_a_new_leader_begins_with_an_entry_of_its_own() {
    let mut c = Cluster::of(&[1, 2, 3]);
    c.elect(1);
    assert_eq!(c.raft(1).status().commit, Index(1));
    assert!(matches!(c.entries(1)[0].payload, Payload::Noop));
}

#[test]
fn a_persisted_state_that_cannot_be_is_refused() {
    let mut memory = MemoryLog::new();
    memory.write(&[entry(1, 5)]);
    let start = |hard_state: HardState, applied: u64| {
        let initial = Initial { hard_state, membership: voters(&[1, 2, 3]), applied: Index(applied) };
        let now = VirtualClock::new().now();
        Raft::new(NodeId(1), memory.clone(), initial, Options::default(), Rng::from_seed(1), now).map(|_| ())
    };
    let state = |term| HardState { term: Term(term), ..HardState::default() };
    assert!(start(state(5), 1).is_ok());
    assert!(start(state(4), 0).is_err(), "the log has a term that the hard state has not");
    assert!(start(state(5), 2).is_err(), "the state machine has applied what the log lacks");
    assert_eq!(memory.bounds().last, (Index(1), Term(5)));
}
