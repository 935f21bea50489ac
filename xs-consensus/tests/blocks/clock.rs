//! Hybrid clocks on machines whose calendars differ, drift and are set: they order what happened, and stay close.

use std::time::Duration;

use xs_consensus::clock::{Hybrid, HybridError, ReplicaId, Stamp, VersionVector};
use xs_os::clock::VIRTUAL_EPOCH;
use xs_os::sim::{Actor, Campaign, Context, Fault, Kind, Nemesis, NodeId, Options, Report, Run, Timer, World};
use xs_os::{Clock, SystemClock};

use super::{MS, command};

/// What all calendars are within: those of `episode` below, and the drift of some seconds.
const EPSILON: Duration = Duration::from_millis(250);
const BOUND: Duration = Duration::from_millis(500);
const UNTIL: Duration = Duration::from_secs(3);

/// A message: its hybrid stamp and, as the truth to compare with, its vector.
#[derive(Clone, Debug)]
struct Said {
    stamp: Stamp,
    past: VersionVector,
}

struct Machine {
    clock: Hybrid,
    past: VersionVector,
    /// All that happened here: stamps with their vectors, and how far each was off the truth.
    events: Vec<(Stamp, VersionVector)>,
    furthest: Duration,
    refused: u32,
    /// Its calendar is far ahead, all the time.
    wrong: bool,
}

impl Machine {
    fn wall(&self, cx: &Context<'_, Said>) -> std::time::SystemTime {
        cx.wall() + if self.wrong { Duration::from_secs(3600) } else { Duration::ZERO }
    }

    fn happened(&mut self, made: Result<Stamp, HybridError>, cx: &Context<'_, Said>) -> Option<Said> {
        let Ok(stamp) = made else {
            self.refused += 1;
            return None;
        };
        self.past.increment(ReplicaId(cx.node().0.into())).unwrap();
        let truth = VIRTUAL_EPOCH + cx.world_time();
        self.furthest = self.furthest.max(Duration::from_millis(stamp.millis()).abs_diff(truth));
        self.events.push((stamp, self.past.clone()));
        Some(Said { stamp, past: self.past.clone() })
    }
}

impl Actor for Machine {
    type Message = Said;

    fn message(&mut self, _: NodeId, said: Said, cx: &mut Context<'_, Said>) {
        let made = self.clock.observe(self.wall(cx), said.stamp);
        if made.is_ok() {
            self.past.merge(&said.past);
        }
        self.happened(made, cx);
    }

    fn timer(&mut self, timer: Timer, cx: &mut Context<'_, Said>) {
        let made = self.clock.tick(self.wall(cx));
        let to = NodeId(cx.rng().below(4) as u32);
        if let Some(said) = self.happened(made, cx)
            && to != cx.node()
        {
            cx.send(to, said);
        }
        let wait = 10 * MS + MS * cx.rng().below(30) as u32;
        cx.set_timer_after(timer, wait);
    }
}

fn world(run: &Run, wrong: Option<NodeId>) -> World<Machine> {
    let options = Options { keep: run.keep, ..Options::new(4) };
    let mut world = World::new(run.seed, options, move |cx| {
        cx.set_timer_after(Timer(0), MS);
        let (clock, past) = (Hybrid::new(BOUND), VersionVector::new());
        let wrong = wrong == Some(cx.node());
        Ok(Machine { clock, past, events: Vec::new(), furthest: Duration::ZERO, refused: 0, wrong })
    });
    // Calendars are set by what keeps them within ε: up to two overlap on a machine now and then.
    let closer = |by: i64| by % 80;
    world.plan(run.plan.iter().cloned().map(|mut episode| {
        if let Fault::Step { by, .. } = &mut episode.fault {
            *by = closer(*by);
        }
        episode
    }));
    world
}

fn orders_what_happened<'a>(machines: impl Iterator<Item = &'a Machine>) -> Result<(), String> {
    let events: Vec<_> = machines.flat_map(|machine| &machine.events).collect();
    // Of every third event, all that its stamp says came later.
    for (late, future) in events.iter().step_by(3) {
        for (early, past) in &events {
            if early >= late && past < future {
                return Err(format!("{early} happened before {late}"));
            }
        }
    }
    Ok(())
}

fn nemesis() -> Nemesis {
    let all = (0..4).map(NodeId).collect();
    Nemesis::new(all, UNTIL).only(&[Kind::Step, Kind::Drift, Kind::Pause, Kind::Cut, Kind::Lossy, Kind::Slow])
}

#[test]
fn hybrid_clocks_order_what_happened_and_stay_close_to_the_calendar() {
    let run = |run: &Run| -> Report {
        let mut world = world(run, None);
        let checked = world.run_until(UNTIL, |world, _| {
            for (node, machine) in world.actors() {
                if machine.refused > 0 {
                    return Err(format!("{node} refused a stamp although all calendars are within the bound"));
                }
                if machine.furthest > EPSILON {
                    return Err(format!("{node} is {:?} off the truth", machine.furthest));
                }
            }
            Ok(())
        });
        let checked = checked.and_then(|()| orders_what_happened(world.actors().map(|(_, machine)| machine)));
        world.report(checked)
    };
    let verdict = Campaign::from_env(30, [nemesis()], &command("hybrid_clocks")).run(&SystemClock, run);
    println!("{verdict}");
    verdict.expect_clean();
    assert!(verdict.runs < 30 || verdict.tally.faults.len() == 6, "{verdict}");
}

#[test]
fn a_machine_whose_calendar_is_an_hour_ahead_pulls_nobody_along() {
    for seed in 0..20 {
        let plan = nemesis().draw(&mut xs_os::Rng::from_seed(seed));
        let run = Run { seed, weather: 0, plan, keep: xs_os::sim::Keep::Hash };
        let mut world = world(&run, Some(NodeId(3)));
        world.run_until(UNTIL, |_, _| Ok(())).unwrap();
        let machine = |node| world.actor(NodeId(node)).unwrap();
        assert!((0..3).all(|node| machine(node).furthest <= EPSILON), "seed {seed}");
        assert!((0..3).map(|node| machine(node).refused).sum::<u32>() > 0, "seed {seed}: it was heard");
        assert!(machine(3).furthest > Duration::from_secs(3000));
        orders_what_happened((0..4).map(machine)).unwrap();
    }
}

/// A calendar that was set back over a restart: the clock goes on behind its last stamp, if that was kept.
#[test]
fn a_clock_that_was_kept_goes_on_after_a_restart() {
    let clock = xs_os::VirtualClock::new();
    let mut before = Hybrid::new(BOUND);
    let last = before.tick(clock.wall()).unwrap();
    clock.set_wall(clock.wall() - 300 * MS);
    assert!(Hybrid::new(BOUND).tick(clock.wall()).unwrap() < last, "and backwards if not");
    assert!(Hybrid::resume(last, BOUND).tick(clock.wall()).unwrap() > last);
}
