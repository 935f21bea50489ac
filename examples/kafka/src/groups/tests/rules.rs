//! Each rule by itself.

use super::*;

fn error(answer: Option<JoinAnswer>) -> ErrorCode {
    answer.expect("an answer").expect_err("an error").0
}

#[test]
fn an_empty_group_waits_for_more_members_but_not_for_ever() {
    let mut world = World::new(Limits::default());
    let first = world.join(newcomer("a"));
    let mut later = Vec::new();
    // Each newcomer makes it wait three seconds more, up to the time for joining.
    for n in 0..20 {
        world.pass(2 * SECOND);
        assert!(n >= 14 || world.joined(first).is_none(), "{n}");
        later.push(world.join(newcomer(&format!("b{n}"))));
        if world.joined(first).is_some() {
            break;
        }
    }
    let place = world.joined(first).unwrap().unwrap();
    assert_eq!((place.generation, &*place.leader), (1, "a"));
    assert!((14..=16).contains(&place.members.len()), "{}", place.members.len());
}

#[test]
fn all_get_one_generation_and_the_leader_gets_the_members() {
    let mut world = World::new(Limits::default());
    let places = stable(&mut world, &["a", "b", "c"]);
    assert!(places.iter().all(|place| place.generation == 1 && place.leader == "a" && place.protocol == "range"));
    assert_eq!(places.iter().map(|place| place.members.len()).collect::<Vec<_>>(), [3, 0, 0]);
    assert!(world.group.take_changed());
}

#[test]
fn newcomers_are_told_their_name_first() {
    let mut world = World::new(Limits::default());
    let token = world.join(Join { name_first: true, ..newcomer("a") });
    assert_eq!(world.joined(token), Some(Err((ErrorCode::MEMBER_ID_REQUIRED, "a".into()))));
    assert!(world.group.members().is_empty());
    let token = world.join(again("a"));
    world.pass(3 * SECOND);
    assert_eq!(world.joined(token).unwrap().unwrap().member, "a");

    // A name that is not used is forgotten, and a name that was never given is none.
    world.join(Join { name_first: true, ..newcomer("b") });
    world.pass(10 * SECOND);
    let (late, never) = (world.join(again("b")), world.join(again("c")));
    assert_eq!(error(world.joined(late)), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(error(world.joined(never)), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_rebalance_waits_for_those_that_were_told_their_name() {
    let mut world = World::new(Limits::default());
    stable(&mut world, &["a"]);
    world.join(Join { name_first: true, ..newcomer("b") });
    let a = world.join(again("a"));
    assert!(world.joined(a).is_none());
    let b = world.join(again("b"));
    assert_eq!(world.joined(a).unwrap().unwrap().members.len(), 2);
    assert_eq!(world.joined(b).unwrap().unwrap().generation, 2);
}

#[test]
fn who_does_not_join_again_in_time_is_out() {
    let mut world = World::new(Limits::default());
    stable(&mut world, &["a", "b"]);
    let c = world.join(newcomer("c"));
    assert_eq!(world.heartbeat("a", 1), ErrorCode::REBALANCE_IN_PROGRESS);
    let a = world.join(again("a"));
    for _ in 0..29 {
        world.pass(SECOND);
        assert_eq!(world.heartbeat("b", 1), ErrorCode::REBALANCE_IN_PROGRESS);
        assert!(world.joined(a).is_none());
    }
    world.pass(SECOND);
    assert_eq!(world.joined(a).unwrap().unwrap().members.len(), 2);
    assert_eq!(world.joined(c).unwrap().unwrap().generation, 2);
    assert_eq!(world.heartbeat("b", 1), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn who_is_silent_is_out_and_the_others_join_again() {
    let mut world = World::new(Limits::default());
    stable(&mut world, &["a", "b"]);
    for _ in 0..2 {
        world.pass(5 * SECOND);
        world.heartbeat("b", 1);
    }
    assert_eq!(world.heartbeat("b", 1), ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(world.heartbeat("a", 1), ErrorCode::UNKNOWN_MEMBER_ID);
    let b = world.join(again("b"));
    let place = world.joined(b).unwrap().unwrap();
    assert_eq!((&*place.leader, place.members.len(), place.generation), ("b", 1, 2));
}

#[test]
fn who_leaves_is_out_at_once() {
    let mut world = World::new(Limits::default());
    stable(&mut world, &["a", "b"]);
    assert_eq!(world.leave("a", None), ErrorCode::NONE);
    assert_eq!(world.leave("a", None), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(world.heartbeat("b", 1), ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(world.leave("b", None), ErrorCode::NONE);
    assert_eq!((world.group.state(), world.group.generation()), (State::Empty, 2));
    assert!(world.group.is_idle() && world.group.delete().is_ok());
    let token = world.join(newcomer("c"));
    assert_eq!(error(world.joined(token)), ErrorCode::COORDINATOR_NOT_AVAILABLE);
}

#[test]
fn who_waits_for_an_assignment_joins_again_when_somebody_comes() {
    let mut world = World::new(Limits::default());
    let (a, b) = (world.join(newcomer("a")), world.join(newcomer("b")));
    world.pass(3 * SECOND);
    assert!(world.joined(a).is_none(), "one came since");
    world.pass(3 * SECOND);
    let (a, b) = (world.joined(a).unwrap().unwrap(), world.joined(b).unwrap().unwrap());
    let waiting = world.sync(&b);
    assert!(world.synced(waiting).is_none());
    world.join(newcomer("c"));
    assert_eq!(world.synced(waiting), Some(Err(ErrorCode::REBALANCE_IN_PROGRESS)));
    let late = world.sync(&a);
    assert_eq!(world.synced(late), Some(Err(ErrorCode::REBALANCE_IN_PROGRESS)));
}

#[test]
fn a_leader_that_brings_no_assignment_is_out() {
    let mut world = World::new(Limits::default());
    let (a, b) = (world.join(newcomer("a")), world.join(newcomer("b")));
    world.pass(6 * SECOND);
    let (a, b) = (world.joined(a).unwrap().unwrap(), world.joined(b).unwrap().unwrap());
    let waiting = world.sync(&b);
    for _ in 0..30 {
        world.heartbeat(&a.member, 1);
        world.pass(SECOND);
    }
    assert_eq!(world.synced(waiting), Some(Err(ErrorCode::REBALANCE_IN_PROGRESS)));
    assert_eq!(world.heartbeat("a", 1), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_member_that_asks_again_gets_its_place_and_a_leader_a_rebalance() {
    let mut world = World::new(Limits::default());
    stable(&mut world, &["a", "b"]);
    let b = world.join(again("b"));
    let place = world.joined(b).unwrap().unwrap();
    assert_eq!((place.generation, place.members.len()), (1, 0));
    let a = world.join(again("a"));
    assert!(world.joined(a).is_none());
    assert_eq!(world.group.state(), State::PreparingRebalance);
}

#[test]
fn what_is_not_the_groups_way_is_refused() {
    let mut world = World::new(Limits::default());
    stable(&mut world, &["a"]);
    let with = |protocol_type: &str, protocols: &[&'static str]| Join {
        protocol_type: protocol_type.into(),
        protocols: protocols.iter().map(|name| (ByteString::from_static(name), Bytes::new())).collect(),
        ..newcomer("b")
    };
    for join in
        [with("connect", &["range"]), with("consumer", &["sticky"]), with("consumer", &[]), with("", &["range"])]
    {
        let token = world.join(join);
        assert_eq!(error(world.joined(token)), ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    for session in [5 * SECOND, 1801 * SECOND] {
        let token = world.join(Join { session, ..newcomer("b") });
        assert_eq!(error(world.joined(token)), ErrorCode::INVALID_SESSION_TIMEOUT);
    }
    let token = world.sync_as("a", None, 7, Vec::new());
    assert_eq!(world.synced(token), Some(Err(ErrorCode::ILLEGAL_GENERATION)));
    assert_eq!(world.heartbeat("a", 0), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(world.heartbeat("nobody", 1), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(world.group.state(), State::Stable);
}

#[test]
fn most_votes_win_among_what_all_know() {
    let mut world = World::new(Limits::default());
    let voter = |name: &str, protocols: &[&'static str]| Join {
        protocols: protocols.iter().map(|name| (ByteString::from_static(name), Bytes::new())).collect(),
        ..newcomer(name)
    };
    let first = world.join(voter("a", &["x", "range", "sticky"]));
    world.join(voter("b", &["sticky", "range"]));
    world.join(voter("c", &["sticky", "range"]));
    world.pass(30 * SECOND);
    assert_eq!(world.joined(first).unwrap().unwrap().protocol, "sticky");
}

#[test]
fn a_full_group_admits_nobody() {
    let mut world = World::new(Limits { members: 2, ..Limits::default() });
    stable(&mut world, &["a", "b"]);
    let c = world.join(newcomer("c"));
    assert_eq!(error(world.joined(c)), ErrorCode::GROUP_MAX_SIZE_REACHED);
    assert_eq!(world.group.state(), State::Stable);
    let mut world = World::new(Limits { bytes: 200, ..Limits::default() });
    world.join(newcomer("a"));
    let big = Join { protocols: vec![("range".into(), vec![0; 200].into())], ..newcomer("b") };
    let token = world.join(big);
    assert_eq!(error(world.joined(token)), ErrorCode::GROUP_MAX_SIZE_REACHED);
}

#[test]
fn names_that_are_only_given_are_bounded() {
    let mut world = World::new(Limits { members: 3, ..Limits::default() });
    for n in 0..3 {
        let token = world.join(Join { name_first: true, ..newcomer(&format!("m{n}")) });
        assert_eq!(error(world.joined(token)), ErrorCode::MEMBER_ID_REQUIRED);
    }
    let token = world.join(Join { name_first: true, ..newcomer("m3") });
    assert_eq!(error(world.joined(token)), ErrorCode::GROUP_MAX_SIZE_REACHED);
    let token = world.join(again("m0"));
    assert!(world.joined(token).is_none(), "it has a place");
}

fn fixed(instance: &str, fresh: &str) -> Join {
    Join { instance: Some(instance.into()), name_first: true, ..newcomer(fresh) }
}

fn stable_with_static(world: &mut World) -> (Joined, Joined) {
    let (a, s) = (world.join(newcomer("a")), world.join(fixed("s", "s-1")));
    world.pass(10 * SECOND);
    let (a, s) = (world.joined(a).unwrap().unwrap(), world.joined(s).unwrap().unwrap());
    world.sync(&a);
    let token = world.sync_as("s-1", Some("s"), 1, Vec::new());
    assert_eq!(world.synced(token).unwrap().unwrap().assignment, "s-1");
    (a, s)
}

#[test]
fn a_static_member_that_restarts_keeps_its_place() {
    let mut world = World::new(Limits::default());
    stable_with_static(&mut world);
    world.group.take_changed();
    let token = world.join(fixed("s", "s-2"));
    let place = world.joined(token).unwrap().unwrap();
    assert_eq!((&*place.member, place.generation, world.group.state()), ("s-2", 1, State::Stable));
    assert!(world.group.take_changed(), "a restart must know the new name");
    let token = world.sync_as("s-2", Some("s"), 1, Vec::new());
    assert_eq!(world.synced(token).unwrap().unwrap().assignment, "s-1", "what the old one had");
    // The old one is fenced, by its static name, and unknown without.
    let old = |instance| Who { member: "s-1", instance };
    let now = world.now();
    assert_eq!(world.group.handle_heartbeat(now, old(Some("s")), 1), ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(world.group.handle_commit(now, old(Some("s")), 1), Err(ErrorCode::FENCED_INSTANCE_ID));
    assert_eq!(world.group.handle_heartbeat(now, old(None), 1), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_static_leader_that_restarts_leads_no_more_in_this_generation() {
    let mut world = World::new(Limits::default());
    let s = world.join(fixed("s", "s-1"));
    world.pass(3 * SECOND);
    let place = world.joined(s).unwrap().unwrap();
    world.sync_as("s-1", Some("s"), 1, vec![("s-1".into(), Bytes::from_static(b"all"))]);
    assert_eq!(place.leader, "s-1");
    let token = world.join(fixed("s", "s-2"));
    let place = world.joined(token).unwrap().unwrap();
    assert_eq!((&*place.leader, place.members.len()), ("s-1", 0));
    // When it joins under its name, it does.
    let token = world.join(Join { member: "s-2".into(), ..fixed("s", "unused") });
    let place = world.joined(token).unwrap().unwrap();
    assert_eq!((&*place.leader, place.members.len(), place.generation), ("s-2", 1, 2));
}

#[test]
fn a_static_member_that_wants_something_else_makes_a_rebalance() {
    let mut world = World::new(Limits::default());
    stable_with_static(&mut world);
    let other = vec![("range".into(), Bytes::from_static(b"other topics"))];
    let token = world.join(Join { protocols: other, ..fixed("s", "s-2") });
    assert!(world.joined(token).is_none());
    assert_eq!(world.group.state(), State::PreparingRebalance);
}

#[test]
fn a_static_member_is_not_waited_for_but_not_forgotten() {
    let mut world = World::new(Limits::default());
    stable_with_static(&mut world);
    let token = world.join(again("a"));
    // Its session ends in front of the time for joining.
    world.pass(9 * SECOND);
    assert!(world.joined(token).is_none());
    world.pass(SECOND);
    assert_eq!(world.joined(token).unwrap().unwrap().members.len(), 1);
    // With a longer session it would have stayed.
    let mut world = World::new(Limits::default());
    let a = world.join(newcomer("a"));
    let s = world.join(Join { session: 100 * SECOND, ..fixed("s", "s-1") });
    world.pass(10 * SECOND);
    let place = world.joined(a).unwrap().unwrap();
    assert!(world.joined(s).unwrap().is_ok());
    world.sync(&place);
    world.sync_as("s-1", Some("s"), 1, Vec::new());
    let token = world.join(again("a"));
    world.pass(30 * SECOND);
    assert_eq!(world.joined(token).unwrap().unwrap().members.len(), 2);
}

#[test]
fn who_wants_no_time_for_joining_makes_nobody_spin() {
    let mut world = World::new(Limits::default());
    let s = world.join(Join { rebalance: Duration::ZERO, ..fixed("s", "s-1") });
    world.pass(3 * SECOND);
    world.joined(s).unwrap().unwrap();
    world.sync_as("s-1", Some("s"), 1, Vec::new());
    let token = world.join(Join { member: "s-1".into(), rebalance: Duration::ZERO, ..fixed("s", "unused") });
    assert!(world.joined(token).unwrap().is_ok());
    // It does not come again: the group looks for it now and then, until its session is over.
    let token = world.join(Join { name_first: true, ..newcomer("b") });
    assert_eq!(error(world.joined(token)), ErrorCode::MEMBER_ID_REQUIRED);
    world.pass(60 * SECOND);
    assert_eq!(world.group.state(), State::Empty);
}

#[test]
fn an_administrator_removes_a_static_member_by_that_name() {
    let mut world = World::new(Limits::default());
    stable_with_static(&mut world);
    assert_eq!(world.leave("s-0", Some("s")), ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(world.leave("", Some("t")), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(world.leave("", Some("s")), ErrorCode::NONE);
    assert_eq!(world.group.members().len(), 1);
}

#[test]
fn offsets_are_committed_by_members_of_this_generation_or_by_anybody_to_nobodys_group() {
    let mut world = World::new(Limits::default());
    let now = world.now();
    let (nobody, a) = (Who { member: "", instance: None }, Who { member: "a", instance: None });
    assert_eq!(world.group.handle_commit(now, nobody, -1), Ok(()));
    assert_eq!(world.group.handle_commit(now, a, 1), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    stable(&mut world, &["a"]);
    let now = world.now();
    assert_eq!(world.group.handle_commit(now, a, 1), Ok(()));
    assert_eq!(world.group.handle_commit(now, a, 0), Err(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(world.group.handle_commit(now, nobody, -1), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(world.group.check_transaction(nobody, -1), Ok(()));
    assert_eq!(world.group.check_transaction(a, 0), Err(ErrorCode::ILLEGAL_GENERATION));
    // While the others join, what was read so far may be committed; not while the next assignment is made.
    world.join(newcomer("b"));
    assert_eq!(world.group.handle_commit(now, a, 1), Ok(()));
    world.join(again("a"));
    assert_eq!(world.group.handle_commit(now, a, 2), Err(ErrorCode::REBALANCE_IN_PROGRESS));
}

#[test]
fn a_restart_finds_the_generation_and_waits_for_its_members() {
    let mut world = World::new(Limits::default());
    stable(&mut world, &["a", "b"]);
    let kept = world.group.keep();
    world.group = Group::restore(Limits::default(), kept.clone(), world.now());
    assert_eq!(world.group.keep(), kept);
    assert_eq!(world.heartbeat("a", 1), ErrorCode::NONE);
    let token = world.sync_as("b", None, 1, Vec::new());
    assert_eq!(world.synced(token).unwrap().unwrap().assignment, "b");
    world.pass(10 * SECOND);
    assert_eq!(world.group.state(), State::Empty);
    assert!(world.group.generation() > 1);
}

#[test]
fn the_older_of_two_joins_of_one_member_is_given_up() {
    let mut world = World::new(Limits::default());
    stable(&mut world, &["a", "b"]);
    let first = world.join(again("a"));
    let second = world.join(again("a"));
    assert_eq!(error(world.joined(first)), ErrorCode::REBALANCE_IN_PROGRESS);
    world.join(again("b"));
    assert!(world.joined(second).unwrap().is_ok());
}
