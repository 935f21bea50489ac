//! Seven members and everything that can go wrong with them. What must hold always: nobody's incarnation is raised by
//! another, and no belief goes back. What must hold behind the last fault: everybody knows exactly who is there, and says
//! nothing wrong about anybody any more.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use xs_consensus::swim::{Event, NodeId, Options, State};
use xs_os::sim::{self, Campaign, Episode, Fault, Happened, Keep, Kind, Nemesis, Report, Run, World};
use xs_os::{Rng, SystemClock};

use super::node::{Member, Plan, name};

pub(crate) const MS: Duration = Duration::from_millis(1);
const MEMBERS: u32 = 7;
/// When the last fault has ended, but for the one that is for good.
const UNTIL: Duration = Duration::from_secs(8);
/// By then everybody must know.
const SETTLED: Duration = Duration::from_secs(60);
const STABLE: Duration = Duration::from_secs(6);

pub(crate) fn options() -> Options {
    Options {
        period: 200 * MS,
        probe_timeout: 60 * MS,
        gossip_every: Some(50 * MS),
        sync_every: 1000 * MS,
        ..Options::default()
    }
}

/// What a seed decides beside the faults.
fn draw(run: &Run, options: Options) -> (Plan, Vec<Episode>) {
    let mut rng = Rng::from_seed(run.seed).fork("settings");
    let swim = Options {
        gossip_every: rng.chance(0.7).then_some(50 * MS),
        helpers: rng.index(4),
        suspicion_most: if rng.chance(0.7) { 6 } else { 1 },
        health_most: if rng.chance(0.7) { 8 } else { 1 },
        // Some packets hold hardly more than one piece of news.
        packet_bytes: if rng.chance(0.3) { 640 } else { 1400 },
        ..options
    };
    let leaves =
        rng.chance(0.5).then(|| (rng.below(u64::from(MEMBERS)) as u32, 1000 * MS + rng.below(6000) as u32 * MS));
    let renames = rng.chance(0.3);
    let counts = rng.chance(0.3);
    let few = if renames { 3 } else { 1 + rng.below(3) as u32 };
    let plan = Plan {
        swim: swim.clone(),
        renames,
        counts,
        // Nobody looks for a new name or for one that has left, so who starts again must find a seed that lives.
        seeds: if leaves.is_some() { 3 } else { few },
        leaves,
        says_every: Some(700 * MS),
        changes_until: UNTIL,
        ..Plan::new(swim.clone())
    };
    let mut node = || sim::NodeId(rng.below(u64::from(MEMBERS)) as u32);
    // One starts again so quickly that hardly anybody sees it, and one may die for good.
    let quickly = Episode { at: UNTIL + 50 * MS, lasts: 20 * MS, fault: Fault::Kill { node: node() } };
    let fault = Fault::Kill { node: node() };
    let dies = Episode { at: 500 * MS + rng.below(7000) as u32 * MS, lasts: 1000 * SETTLED, fault };
    let episodes = [Some(quickly), rng.chance(0.6).then_some(dies)];
    (plan, episodes.into_iter().flatten().collect())
}

/// What was seen of the members so far.
#[derive(Default)]
struct Observer {
    /// The highest incarnation that a name has given itself.
    own: BTreeMap<NodeId, u32>,
    /// What a process, of a node and a life, believed of a name.
    beliefs: BTreeMap<(u32, u32, NodeId), (u32, State)>,
}

impl Observer {
    fn look(&mut self, node: u32, member: &Member) -> Result<(), String> {
        let me = member.swim.me();
        let own = self.own.entry(me.id).or_default();
        *own = me.incarnation.max(*own);
        for other in member.swim.members() {
            let now = (other.incarnation, other.state);
            let highest = self.own.get(&other.id).copied();
            if highest.is_none_or(|highest| other.incarnation > highest) {
                return Err(format!(
                    "n{node} believes {now:?} of {}, which itself is at {highest:?} at most",
                    other.id
                ));
            }
            let before = self.beliefs.insert((node, member.life, other.id), now);
            if before.is_some_and(|before| now < before) {
                return Err(format!("n{node} goes back from {before:?} to {now:?} of {}", other.id));
            }
        }
        Ok(())
    }
}

/// Who is there, and what they say about themselves.
fn living(world: &World<Member>) -> BTreeMap<NodeId, String> {
    let said = |member: &Member| String::from_utf8_lossy(&member.swim.me().meta).into_owned();
    world.actors().map(|(_, member)| (member.swim.id(), said(member))).collect()
}

/// What is wrong in the tables.
fn wrong(world: &World<Member>) -> Option<String> {
    let living = living(world);
    for (node, member) in world.actors() {
        for (id, meta) in &living {
            match member.swim.member(*id) {
                Some(other) if other.state == State::Alive && other.meta == meta.as_bytes() => {}
                other => return Some(format!("{node} believes of {id}, which lives and says {meta:?}: {other:?}")),
            }
        }
        let gone = member.swim.members().find(|other| !living.contains_key(&other.id) && other.is_up());
        if let Some(other) = gone {
            return Some(format!("{node} believes that {} is there: {other:?}", other.id));
        }
    }
    None
}

fn judge(world: &mut World<Member>, plan: &Plan) -> Result<(), String> {
    let observer = RefCell::new(Observer::default());
    let safe = |world: &World<Member>, happened| {
        let Happened::Node(node) = happened else { return Ok(()) };
        world.actor(node).map_or(Ok(()), |member| observer.borrow_mut().look(node.0, member))
    };
    world.run_until(UNTIL + 100 * MS, safe)?;
    let healthy = |world: &World<Member>| world.actors().all(|(_, member)| member.swim.health() == 0);
    let settled = world.run_while(SETTLED, safe, |world| wrong(world).is_none() && healthy(world))?;
    if !settled {
        let wrong = wrong(world).unwrap_or_else(|| "somebody doubts itself for ever".to_owned());
        return Err(format!("not settled a minute behind the last fault: {wrong}"));
    }
    world.note("settled");
    let began = world.now();
    world.run_until(began + STABLE, safe)?;
    if let Some(wrong) = wrong(world) {
        return Err(format!("it was settled, and then: {wrong}"));
    }
    let living = living(world);
    for (node, member) in world.actors() {
        // Nobody is wronged in fair weather. What was suspected before may still be told.
        let wronged = |event: &Event| matches!(event, Event::Down(id) | Event::Left(id) if living.contains_key(id));
        if let Some((at, event)) = member.events.iter().find(|(at, event)| *at > began && wronged(event)) {
            return Err(format!("{node} at {at:?} in fair weather: {event:?}"));
        }
        // Nobody waits for more than two rounds.
        let most = plan.swim.period * (2 * living.len() as u32 - 1);
        for id in living.keys().filter(|id| **id != member.swim.id()) {
            let probed = member.probes.iter().filter(|(at, to)| *at > began && to == id).map(|(at, _)| *at);
            let times: Vec<Duration> = [began].into_iter().chain(probed).chain([world.now()]).collect();
            let gap = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
            if gap > most + plan.swim.period {
                return Err(format!("{node} did not probe {id} for {gap:?}, and two rounds are {most:?}"));
            }
        }
        let mut seen = BTreeSet::new();
        for (_, event) in &member.events {
            if let Event::User { origin, payload } = event
                && !seen.insert((*origin, payload))
            {
                return Err(format!("{node} was told {payload:?} twice"));
            }
        }
    }
    // What is said in fair weather reaches nearly everybody: it is gossip, and four times told may miss one in a hundred.
    let (mut told, mut heard) = (0, 0);
    for (from, speaker) in world.actors() {
        for (_, payload) in speaker.said.iter().filter(|(at, _)| *at > began && *at < began + STABLE / 2) {
            let others = world.actors().filter(|(node, _)| *node != from);
            let reached: Vec<bool> = others.map(|(_, other)| other.was_told(payload)).collect();
            told += reached.len();
            heard += reached.iter().filter(|reached| **reached).count();
        }
    }
    if heard * 10 < told * 9 {
        return Err(format!("of {told} times that somebody should have been told something, it was {heard}"));
    }
    Ok(())
}

pub(crate) fn nemeses() -> Vec<Nemesis> {
    let mut all = Nemesis::new((0..MEMBERS).map(sim::NodeId).collect(), UNTIL);
    all.gap = 50 * MS..600 * MS;
    all.lasts = 50 * MS..4000 * MS;
    let kinds = [Kind::Kill, Kind::Crash, Kind::Pause, Kind::Cut, Kind::Split, Kind::Lossy, Kind::Slow, Kind::Drift];
    let all = all.only(&kinds);
    // One partition behind another, each long enough to bury the other side.
    let mut halves = all.clone().only(&[Kind::Split, Kind::Split, Kind::Pause]);
    halves.lasts = 6000 * MS..7500 * MS;
    vec![all, halves]
}

pub(crate) fn run(run: &Run, options: Options) -> Report {
    let (plan, more) = draw(run, options);
    let mut rng = Rng::from_seed(run.seed).fork("world");
    let world_options = sim::Options {
        keep: run.keep,
        link: match rng.below(3) {
            0 => sim::Link { latency: sim::Latency::Uniform(MS, 10 * MS), ..sim::Link::datagrams() },
            _ => sim::Link::datagrams(),
        },
        ..sim::Options::new(MEMBERS)
    };
    let with = plan.clone();
    let mut world = World::new(run.seed, world_options, move |cx| Member::start(cx, &with));
    world.plan(run.plan.iter().cloned());
    world.plan(more);
    let result = judge(&mut world, &plan);
    world.report(result)
}

pub(crate) fn campaign(seeds: u64, test: &str) -> Campaign {
    let command = format!("XS_SEED={{seed}} cargo test -p xs-consensus --test membership {test} -- --nocapture");
    Campaign::from_env(seeds, nemeses(), &command)
}

#[test]
fn members_know_one_another_again_behind_every_fault() {
    let campaign = campaign(40, "members_know");
    let verdict = campaign.run(&SystemClock, |one| run(one, options()));
    println!("{verdict}");
    verdict.expect_clean();
    assert!(verdict.runs < 40 || verdict.tally.faults.len() == 8, "{verdict}");
}

#[test]
fn the_same_seed_does_the_same_twice() {
    let campaign = Campaign { twice: true, ..campaign(10, "the_same_seed") };
    campaign.run(&SystemClock, |one| run(one, options())).expect_clean();
}

/// In fair weather, for the eye: `cargo test … fair -- --nocapture`.
#[test]
fn in_fair_weather_everybody_is_there_at_once_and_nobody_is_suspected() {
    let mut world = World::new(1, sim::Options { keep: Keep::Last(60), ..sim::Options::new(MEMBERS) }, |cx| {
        Member::start(cx, &Plan::new(options()))
    });
    let there = world.run_while(
        2000 * MS,
        |_, _| Ok(()),
        |world| world.actors().count() == MEMBERS as usize && wrong(world).is_none(),
    );
    assert_eq!(there, Ok(true));
    assert_eq!(world.run_until(60_000 * MS, |_, _| Ok(())), Ok(()));
    println!("{}", world.timeline());
    let suspected = |(_, event): &(Duration, Event)| matches!(event, Event::Suspected(_));
    assert!(!world.actors().any(|(_, member)| member.events.iter().any(suspected)));
    assert_eq!(living(&world).len(), name(MEMBERS, 0, false).0 as usize);
}
