//! The world's own promises, and a toy system whose bugs it must find.

mod register;

use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::SystemClock;
use crate::vfs::faulty::{FaultyVfs, Pace};
use crate::vfs::{Open, Vfs, VfsExt};

const MS: Duration = Duration::from_millis(1);

/// Pings its neighbour every ten milliseconds, and writes down when it was given what.
#[derive(Default)]
struct Pinger {
    got: Vec<(NodeId, u32)>,
    ticks: Vec<Instant>,
    sync: bool,
}

impl Actor for Pinger {
    type Message = u32;

    fn message(&mut self, from: NodeId, n: u32, _: &mut Context<'_, u32>) {
        self.got.push((from, n));
    }

    fn timer(&mut self, timer: Timer, cx: &mut Context<'_, u32>) {
        self.ticks.push(cx.now());
        let (next, n) = (NodeId((cx.node().0 + 1) % cx.nodes().count() as u32), self.ticks.len() as u32);
        if self.sync {
            let store = |disk: &FaultyVfs| {
                let file = disk.open(Path::new("n"), Open::Create)?;
                file.write_all_at(&n.to_le_bytes(), 0)?;
                file.sync()?;
                disk.sync_dir(Path::new("."))
            };
            if store(cx.disk()).is_err() {
                return cx.exit("the disk fails");
            }
        }
        cx.send(next, n);
        cx.set_timer_after(timer, 10 * MS);
    }
}

fn pingers(seed: u64, options: Options, sync: bool) -> World<Pinger> {
    World::new(seed, options, move |cx| {
        cx.set_timer_after(Timer(0), 10 * MS);
        Ok(Pinger { sync, ..Pinger::default() })
    })
}

fn fine(_: &World<Pinger>, _: Happened) -> Result<(), String> {
    Ok(())
}

#[test]
fn time_passes_and_messages_arrive() {
    let mut world = pingers(1, Options { drift: 0, ..Options::new(2) }, false);
    world.run_until(105 * MS, fine).unwrap();
    assert_eq!(world.now(), 105 * MS);
    for (node, pinger) in world.actors() {
        let other = NodeId(1 - node.0);
        assert_eq!(pinger.got, (1..=10).map(|n| (other, n)).collect::<Vec<_>>());
        assert!(pinger.ticks.windows(2).all(|pair| pair[1] - pair[0] == 10 * MS));
    }
}

#[test]
fn a_paused_process_wakes_up_with_everything_that_arrived() {
    let mut world = pingers(1, Options { drift: 0, ..Options::new(2) }, false);
    world.plan([Episode { at: 15 * MS, lasts: 50 * MS, fault: Fault::Pause { node: NodeId(0) } }]);
    world.run_until(64 * MS, fine).unwrap();
    assert_eq!(world.actor(NodeId(0)).unwrap().got.len(), 1);
    world.run_until(66 * MS, fine).unwrap();
    let pinger = world.actor(NodeId(0)).unwrap();
    assert_eq!(pinger.got.len(), 6);
    assert_eq!(pinger.ticks.len(), 2, "the timer was late, and there was one");
    assert_eq!(pinger.ticks[1] - pinger.ticks[0], 55 * MS, "time went on");
}

#[test]
fn a_crash_takes_the_process_and_what_was_not_synced() {
    for sync in [false, true] {
        let mut world = World::new(3, Options::new(1), move |cx| {
            let file = cx.disk().open(Path::new("f"), Open::Create).map_err(|e| e.to_string())?;
            if cx.life() == 0 {
                file.write_all_at(b"x", 0).map_err(|e| e.to_string())?;
                if sync {
                    file.sync().and_then(|()| cx.disk().sync_dir(Path::new("."))).map_err(|e| e.to_string())?;
                }
            }
            cx.note(format!("{} bytes in life {}", file.len().unwrap_or(0), cx.life()));
            Ok(Pinger::default())
        });
        world.plan([Episode { at: MS, lasts: MS, fault: Fault::Crash { node: NodeId(0) } }]);
        world.run_until(Duration::from_millis(1) + MS / 2, fine).unwrap();
        assert!(world.actor(NodeId(0)).is_none());
        world.run_until(10 * MS, fine).unwrap();
        assert!(world.actor(NodeId(0)).is_some());
        let len = world.disk(NodeId(0)).unwrap().read(Path::new("f"), 10).map_or(0, |bytes| bytes.len());
        // Of ten worlds some keep what was not synced; this one loses it.
        assert!(!sync || len == 1);
    }
    // A killed process keeps it for certain.
    let mut world = World::new(3, Options::new(1), |cx| {
        let file = cx.disk().open(Path::new("f"), Open::Create).map_err(|e| e.to_string())?;
        file.write_all_at(b"x", u64::from(cx.life())).map_err(|e| e.to_string())?;
        Ok(Pinger::default())
    });
    world.plan([Episode { at: MS, lasts: MS, fault: Fault::Kill { node: NodeId(0) } }]);
    world.run_until(10 * MS, fine).unwrap();
    assert_eq!(world.disk(NodeId(0)).unwrap().read(Path::new("f"), 10).unwrap(), b"xx");
}

/// Writes down, durably, that its destructor has run.
struct Tidy(FaultyVfs);

impl Actor for Tidy {
    type Message = u32;

    fn message(&mut self, _: NodeId, _: u32, _: &mut Context<'_, u32>) {}

    fn timer(&mut self, _: Timer, cx: &mut Context<'_, u32>) {
        cx.exit("it gives up");
    }
}

impl Drop for Tidy {
    fn drop(&mut self) {
        let _ = self.0.replace(Path::new("closed"), b"in good order");
    }
}

#[test]
fn a_process_that_dies_closes_nothing() {
    let killed = Some(Fault::Kill { node: NodeId(0) });
    let crashed = Some(Fault::Crash { node: NodeId(0) });
    for death in [killed, crashed, None] {
        let exits = death.is_none();
        let mut world = World::new(3, Options::new(1), move |cx| {
            if exits {
                cx.set_timer_after(Timer(0), MS);
            }
            Ok(Tidy(cx.disk().clone()))
        });
        world.plan(death.map(|fault| Episode { at: MS, lasts: MS, fault }));
        world.run_until(50 * MS, |_, _| Ok(())).unwrap();
        assert!(world.actor(NodeId(0)).is_none() == exits && world.tally().starts >= 1);
        let disk = world.disk(NodeId(0)).unwrap();
        assert!(!disk.exists(Path::new("closed")).unwrap(), "exits: {exits}");
        // The disk of the next life works.
        disk.replace(Path::new("closed"), b"by hand").unwrap();
    }
}

/// A machine that loses its power in a step has sent nothing behind the call that failed: whoever got the n-th ping knows
/// that n is on the disk.
#[test]
fn what_was_sent_was_synced_whenever_the_power_goes() {
    for seed in 0..90 {
        let mut world = pingers(seed, Options::new(2), true);
        let calls = seed % 30;
        world.plan([Episode { at: 25 * MS, lasts: 200 * MS, fault: Fault::CrashInStep { node: NodeId(0), calls } }]);
        world
            .run_until(300 * MS, |world, _| {
                let Some(disk) = world.disk(NodeId(0)) else { return Ok(()) };
                let bytes = disk.read(Path::new("n"), 4).unwrap_or_default();
                let on_disk = <[u8; 4]>::try_from(bytes).map_or(0, u32::from_le_bytes);
                let told = world.actor(NodeId(1)).and_then(|one| one.got.iter().map(|(_, n)| *n).max()).unwrap_or(0);
                // A second life counts from one again, on the same file.
                let lives = world.tally().starts;
                if on_disk < told && lives == 2 && !disk.is_off() { Err(format!("{on_disk} < {told}")) } else { Ok(()) }
            })
            .unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        assert_eq!(world.tally().starts, 3, "seed {seed}: it came back");
    }
}

#[test]
fn disks_cost_time_and_delay_what_is_sent() {
    let slow = Pace::flash();
    let constant = Link { latency: Latency::Constant(MS), ..Link::datagrams() };
    let mut world =
        pingers(1, Options { drift: 0, pace: slow, link: constant, keep: Keep::All, ..Options::new(2) }, true);
    world.run_until(20 * MS, fine).unwrap();
    let at = |wanted: fn(&What) -> bool| world.trace().entries().find(|entry| wanted(&entry.what)).unwrap().at;
    let way = at(|what| matches!(what, What::Deliver { .. })) - at(|what| matches!(what, What::Timer { .. }));
    // A write, a sync, and a sync of the directory: two milliseconds and a little, and one on the way.
    assert!(way > 3 * MS && way < 5 * MS, "{way:?}");
}

#[test]
fn clocks_drift_and_calendars_step_within_their_bounds() {
    let mut world = pingers(1, Options { drift: 0, ..Options::new(2) }, false);
    world.plan([
        Episode { at: Duration::ZERO, lasts: 1000 * MS, fault: Fault::Drift { node: NodeId(0), ppm: 100_000 } },
        Episode { at: Duration::ZERO, lasts: 1000 * MS, fault: Fault::Step { node: NodeId(1), by: -5000 } },
    ]);
    world.run_until(1000 * MS, fine).unwrap();
    let ticks = |node| world.actor(NodeId(node)).unwrap().ticks.len();
    assert!((109..=110).contains(&ticks(0)) && ticks(1) == 100, "a tenth faster: {}", ticks(0));
}

#[test]
fn a_partition_has_sides_and_ends() {
    let mut world = pingers(1, Options { drift: 0, ..Options::new(3) }, false);
    let split = Fault::Split { one: vec![NodeId(0)], other: vec![NodeId(1), NodeId(2)] };
    let cut = Fault::Cut { from: vec![NodeId(1)], to: vec![NodeId(2)] };
    world.plan([
        Episode { at: Duration::ZERO, lasts: 95 * MS, fault: split },
        Episode { at: Duration::ZERO, lasts: 45 * MS, fault: cut },
    ]);
    world.run_until(90 * MS, fine).unwrap();
    let got = |world: &World<Pinger>, node| world.actor(NodeId(node)).unwrap().got.len();
    assert_eq!((got(&world, 0), got(&world, 1)), (0, 0));
    assert!((4..=5).contains(&got(&world, 2)));
    world.run_until(195 * MS, fine).unwrap();
    assert!(got(&world, 0) >= 9 && got(&world, 1) >= 9);
}

#[test]
fn everything_is_healed_behind_the_plan() {
    for seed in 0..40 {
        let nemesis = Nemesis::new((0..3).map(NodeId).collect(), 3000 * MS);
        let mut world = pingers(seed, Options::new(3), true);
        world.plan(nemesis.draw(&mut crate::Rng::from_seed(seed)));
        world.run_until(3500 * MS, fine).unwrap();
        let (before, lost) = (world.tally().sent, world.tally().lost);
        assert_eq!(world.actors().count(), 3, "seed {seed}");
        world.run_until(4000 * MS, fine).unwrap();
        assert!(world.tally().sent - before >= 140, "seed {seed}: everybody pings again");
        assert_eq!(world.tally().lost, lost, "seed {seed}: nothing is lost any more");
    }
}

#[test]
fn twice() {
    let nemesis = Nemesis::new((0..3).map(NodeId).collect(), 2000 * MS);
    let campaign = Campaign { twice: true, ..Campaign::new(60, Some(nemesis), "") };
    let digests = parking_lot::Mutex::new(std::collections::BTreeSet::new());
    let verdict = campaign.run(&SystemClock, |run| {
        let mut world = pingers(run.seed, Options { keep: run.keep, ..Options::new(3) }, true);
        world.plan(run.plan.iter().cloned());
        let result = world.run_until(2500 * MS, fine);
        digests.lock().insert(world.digest());
        world.report(result)
    });
    verdict.expect_clean();
    assert_eq!(digests.lock().len(), 60, "every seed has a run of its own");
    assert_eq!(verdict.runs, 60);
    // Every kind that is drawn by default was there.
    assert_eq!(verdict.tally.faults.len(), Kind::USUAL, "{verdict}");
}

#[test]
fn a_run_that_does_not_repeat_itself_is_found() {
    let chance = std::sync::atomic::AtomicU64::new(0);
    let campaign = Campaign { twice: true, threads: 1, ..Campaign::new(5, None, "again {seed}") };
    let verdict = campaign.run(&SystemClock, |run| {
        let mut world = pingers(run.seed, Options { keep: run.keep, ..Options::new(2) }, false);
        world.note(chance.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
        world.report(Ok(()))
    });
    let found = verdict.found.unwrap();
    assert!(found.why.contains("did not do the same twice") && found.command == "again 1");
}

#[test]
fn a_panic_is_a_failure_like_others() {
    let campaign = Campaign::new(10, None, "try {seed}");
    let verdict = campaign.run(&SystemClock, |run| {
        assert!(run.seed < 7, "seven");
        pingers(run.seed, Options::new(2), false).report(Ok(()))
    });
    let found = verdict.found.unwrap();
    assert!(found.why.contains("panic: seven"), "{}", found.why);
    assert!(found.seed >= 7);
}

#[test]
fn the_drawing_shows_what_happened_and_nothing_that_is_html() {
    let mut world = pingers(1, Options { keep: Keep::All, ..Options::new(2) }, false);
    world.plan([Episode { at: 5 * MS, lasts: 10 * MS, fault: Fault::Crash { node: NodeId(1) } }]);
    world.run_until(50 * MS, fine).unwrap();
    world.note("<script>");
    let (text, html) = (world.timeline(), world.diagram());
    assert!(text.contains("▼ crash n1") && text.contains("n1 starts, life 1"), "{text}");
    assert!(html.contains("class=\"down\"") && html.contains("class=\"msg\"") && html.ends_with("</html>\n"));
    assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"));
    assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
}
