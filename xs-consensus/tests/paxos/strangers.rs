//! What no member, or no correct one, can have said changes nothing; and votes of another ballot count for nothing.

use bytes::Bytes;
use xs_consensus::paxos::multi::{Body, Kept, MAX_OPEN, Message, Options, Replica, RoleName, Slot, Value};
use xs_consensus::paxos::{Ballot, Cluster, Error, NodeId, Refused, Rejected, Vote};
use xs_os::{Clock, Rng, VirtualClock};

use super::cluster::Replicas;

fn ballot(round: u64, node: u64) -> Ballot {
    Ballot { round, node: NodeId(node) }
}

fn value(text: &'static str) -> Value {
    Value::Command(Bytes::from_static(text.as_bytes()))
}

fn cluster(nodes: u64) -> Cluster {
    Cluster::majorities((1..=nodes).map(NodeId).collect::<Vec<_>>()).unwrap()
}

fn replica(kept: Kept) -> Result<Replica, Error> {
    let now = VirtualClock::new().now();
    Replica::new(NodeId(1), cluster(3), kept, Options::default(), Rng::from_seed(1), now)
}

#[test]
fn what_nobody_can_have_said_changes_nothing() {
    let mut replica = replica(Kept::default()).unwrap();
    let now = VirtualClock::new().now();
    replica.campaign(now);
    while let Some(ready) = replica.ready() {
        ready.persist.into_iter().for_each(|persist| replica.persisted(persist.done()).unwrap());
    }
    let mine = replica.status().promised;
    let before = format!("{replica:?}");
    let prepare = |ballot, first| Body::Prepare { ballot, first: Slot(first) };
    let accept = |round, slots: &[u64], commit| Body::Accept {
        ballot: ballot(round, 2),
        values: slots.iter().map(|slot| (Slot(*slot), value("x"))).collect(),
        commit: Slot(commit),
    };
    let promise = |ballot, votes: &[(u64, Ballot)], next: Option<u64>| Body::Promise {
        ballot,
        first: Slot(1),
        votes: votes.iter().map(|(slot, ballot)| (Slot(*slot), Vote { ballot: *ballot, value: value("x") })).collect(),
        next: next.map(Slot),
    };
    let impossible = [
        prepare(ballot(1, 3), 1),
        prepare(ballot(0, 2), 1),
        prepare(ballot(1 << 62, 2), 1),
        prepare(Ballot::CHOSEN, 1),
        prepare(ballot(5, 2), 1 << 62),
        accept(5, &[0], 0),
        accept(5, &[2, 1], 0),
        accept(5, &[1, 1], 0),
        accept(5, &[1 + MAX_OPEN], 0),
        accept(5, &[u64::MAX], 0),
        accept(5, &[], u64::MAX),
        promise(ballot(5, 2), &[], None),
        promise(mine, &[(1, mine)], None),
        promise(mine, &[(0, ballot(0, 2))], None),
        promise(mine, &[(2, Ballot::CHOSEN), (1, Ballot::CHOSEN)], None),
        promise(mine, &[(u64::MAX, Ballot::CHOSEN)], None),
        promise(mine, &[(3, Ballot::CHOSEN)], Some(3)),
        promise(mine, &[], Some(5)),
        Body::Accepted { ballot: mine, slots: vec![Slot(2), Slot(1)], missing: None },
        Body::Accepted { ballot: mine, slots: vec![], missing: Some(Slot(0)) },
        Body::Accepted { ballot: mine, slots: vec![], missing: Some(Slot(u64::MAX)) },
        Body::Rejected { ballot: mine, promised: mine },
        Body::Rejected { ballot: mine, promised: Ballot::CHOSEN },
        Body::Rejected { ballot: ballot(5, 2), promised: ballot(6, 2) },
        Body::Learn { first: Slot(0), values: vec![value("x")], commit: Slot(1) },
        Body::Learn { first: Slot(u64::MAX), values: vec![value("x")], commit: Slot(1) },
    ];
    for body in impossible {
        let refused = replica.step(now, Message { from: NodeId(2), to: NodeId(1), body: body.clone() });
        assert!(matches!(refused, Err(Refused::Impossible(_))), "{body:?}: {refused:?}");
    }
    let body = prepare(ballot(5, 9), 1);
    let refused = replica.step(now, Message { from: NodeId(9), to: NodeId(1), body: body.clone() });
    assert_eq!(refused, Err(Refused::Stranger(NodeId(9))));
    assert_eq!(replica.step(now, Message { from: NodeId(2), to: NodeId(3), body }), Err(Refused::NotForUs));
    let body = prepare(ballot(5, 1), 1);
    let refused = replica.step(now, Message { from: NodeId(1), to: NodeId(1), body });
    assert_eq!(refused, Err(Refused::Impossible("from ourselves")));
    assert_eq!(format!("{replica:?}"), before);
    assert_eq!(replica.propose(now, Bytes::new()), Err(Rejected::NotLeader { hint: None }));
}

#[test]
fn a_second_value_for_what_is_voted_or_chosen_is_refused() {
    let mut replica = replica(Kept::default()).unwrap();
    let now = VirtualClock::new().now();
    let mut step = |body| replica.step(now, Message { from: NodeId(2), to: NodeId(1), body });
    let accept =
        |round, text| Body::Accept { ballot: ballot(round, 2), values: vec![(Slot(1), value(text))], commit: Slot(0) };
    assert_eq!(step(accept(1, "x")), Ok(()));
    assert_eq!(step(accept(1, "x")), Ok(()), "the same again may come");
    assert!(matches!(step(accept(1, "y")), Err(Refused::Impossible(_))));
    assert_eq!(step(accept(2, "y")), Ok(()), "another ballot may");
    let learn = |text| Body::Learn { first: Slot(1), values: vec![value(text)], commit: Slot(1) };
    assert_eq!(step(learn("z")), Ok(()));
    assert!(matches!(step(learn("y")), Err(Refused::Impossible(_))));
    assert!(matches!(step(accept(3, "y")), Err(Refused::Impossible(_))));
}

/// A slot far away would make a new leader fill millions of gaps: no correct cluster leaves such a gap, so it doesn't lead.
#[test]
fn a_gap_that_cannot_be_is_not_filled() {
    let mut cluster = Replicas::new(cluster(3));
    cluster.isolate(NodeId(3));
    cluster.campaign(NodeId(1));
    let ballot = cluster.up[&NodeId(1)].status().promised;
    let vote = Vote { ballot: Ballot { round: ballot.round, node: NodeId(0) }, value: value("x") };
    let votes = vec![(Slot(1 << 61), vote)];
    cluster.hand_over(2, 1, Body::Promise { ballot, first: Slot(1), votes, next: None });
    let status = cluster.up[&NodeId(1)].status();
    assert_eq!((status.role, status.last), (RoleName::Follower, Slot(0)));
}

#[test]
fn a_disk_that_contradicts_itself_is_refused() {
    let vote = |ballot| Vote { ballot, value: value("x") };
    let kept = |promised, votes: &[(u64, Ballot)], commit| Kept {
        promised,
        votes: votes.iter().map(|(slot, ballot)| (Slot(*slot), vote(*ballot))).collect(),
        commit: Slot(commit),
    };
    let one = ballot(1, 2);
    assert!(replica(kept(one, &[(1, one), (3, one)], 1)).is_ok());
    assert!(replica(kept(one, &[(1, Ballot::CHOSEN)], 0)).is_ok());
    for bad in [
        kept(one, &[(1, one), (3, one)], 3),
        kept(one, &[], u64::MAX),
        kept(one, &[(0, one)], 0),
        kept(one, &[(0, one)], 1),
        kept(Ballot::NONE, &[(1, one)], 0),
    ] {
        assert!(matches!(replica(bad.clone()), Err(Error::State(_))), "{bad:?}");
    }
    let now = VirtualClock::new().now();
    let outside = Replica::new(NodeId(9), cluster(3), Kept::default(), Options::default(), Rng::from_seed(1), now);
    assert!(matches!(outside, Err(Error::Cluster(_))));
}

#[test]
fn a_lost_persist_stops_the_node() {
    let mut replica = replica(Kept::default()).unwrap();
    let now = VirtualClock::new().now();
    replica.campaign(now);
    drop(replica.ready().unwrap().persist.unwrap());
    replica.campaign(now);
    let second = replica.ready().unwrap().persist.unwrap();
    assert_eq!(replica.persisted(second.done()), Err(Error::PersistLost));
    assert!(replica.ready().is_none());
    assert_eq!(replica.propose(now, Bytes::new()), Err(Rejected::Stopped(Error::PersistLost)));
}

/// n1 leads twice, with the same value in slot 1 in both ballots. A vote in the first that comes late, and one in the
/// second, are two votes of a five-node cluster's three, and no ballot has three.
fn counts_votes_of_two_ballots(cluster: Cluster) -> bool {
    let mut c = Replicas::new(cluster);
    let lead = |c: &mut Replicas| {
        c.campaign(NodeId(1));
        let ballot = c.up[&NodeId(1)].status().promised;
        let first = Slot(1);
        for from in [2, 3] {
            c.hand_over(from, 1, Body::Promise { ballot, first, votes: Vec::new(), next: None });
        }
        ballot
    };
    let first = lead(&mut c);
    c.propose(NodeId(1), "tea").unwrap();
    let second = lead(&mut c);
    let voted = |ballot| Body::Accepted { ballot, slots: vec![Slot(1)], missing: None };
    c.hand_over(2, 1, voted(first));
    c.hand_over(3, 1, voted(second));
    c.up[&NodeId(1)].status().commit == Slot(1)
}

#[test]
fn votes_of_an_earlier_ballot_are_not_counted() {
    assert!(!counts_votes_of_two_ballots(cluster(5)));
    #[cfg(feature = "mutations")]
    {
        let mut cluster = cluster(5);
        cluster.mutation = Some(xs_consensus::paxos::Mutation::CountOldVotes);
        assert!(counts_votes_of_two_ballots(cluster));
    }
}
