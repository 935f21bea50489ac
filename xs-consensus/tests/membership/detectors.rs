//! The φ detector beside a fixed timeout, on two networks: how often each is wrong about a process that lives, and how long
//! it takes to notice one that has died.

use std::time::{Duration, Instant};

use xs_consensus::phi_accrual::{Model, Options, PhiAccrual};
use xs_os::sim::{self, Actor, Context, Episode, Fault, Latency, Link, NodeId, Timer, World};

const MS: Duration = Duration::from_millis(1);
const EVERY: Duration = Duration::from_millis(100);
const DIES: Duration = Duration::from_secs(1800);

/// How a silence is judged.
#[derive(Clone, Copy, Debug)]
enum Judge {
    Fixed(Duration),
    Phi(Model, f64),
}

/// Node 0 sends heartbeats, and node 1 listens to them with several judges at a time.
enum Node {
    Heart,
    Watcher { detectors: Vec<PhiAccrual>, judges: Vec<Judge>, suspected: Vec<Vec<Duration>>, wrongly: Vec<u32> },
}

impl Node {
    /// The moment at which each judge would give up.
    fn arm(&mut self, cx: &mut Context<'_, u64>) {
        let Node::Watcher { detectors, judges, .. } = self else { return };
        for (at, (detector, judge)) in detectors.iter().zip(judges).enumerate() {
            let deadline: Option<Instant> = match judge {
                Judge::Fixed(timeout) => detector.last().map(|last| last + *timeout),
                Judge::Phi(_, threshold) => detector.deadline(*threshold),
            };
            if let Some(deadline) = deadline {
                cx.set_timer(Timer(at as u64), deadline);
            }
        }
    }
}

impl Actor for Node {
    type Message = u64;

    fn message(&mut self, _: NodeId, _: u64, cx: &mut Context<'_, u64>) {
        if let Node::Watcher { detectors, suspected, wrongly, .. } = self {
            for ((detector, suspected), wrongly) in detectors.iter_mut().zip(suspected).zip(wrongly) {
                detector.heartbeat(cx.now());
                // It lived after all.
                *wrongly += u32::from(!suspected.is_empty());
                suspected.clear();
            }
        }
        self.arm(cx);
    }

    fn timer(&mut self, timer: Timer, cx: &mut Context<'_, u64>) {
        match self {
            Node::Heart => {
                cx.send(NodeId(1), 0);
                cx.set_timer_after(timer, EVERY);
            }
            Node::Watcher { suspected, .. } => suspected[timer.0 as usize].push(cx.world_time()),
        }
    }
}

/// For each judge, errors in an hour and the time to detection.
fn watch(link: Link, judges: Vec<Judge>, seeds: u64) -> Vec<(f64, Duration)> {
    let mut outcomes = vec![(0.0, Duration::ZERO); judges.len()];
    for seed in 1..=seeds {
        let with = judges.clone();
        let mut world = World::new(seed, sim::Options { link, ..sim::Options::new(2) }, move |cx| {
            if cx.node() == NodeId(0) {
                cx.set_timer_after(Timer(0), EVERY);
                return Ok(Node::Heart);
            }
            let detector = |judge: &Judge| {
                let model = if let Judge::Phi(model, _) = judge { *model } else { Model::Normal };
                let options = Options {
                    model,
                    first_interval: EVERY,
                    least_deviation: 2 * MS,
                    acceptable_pause: Duration::ZERO,
                    ..Options::default()
                };
                PhiAccrual::new(options).map_err(|error| error.to_string())
            };
            let detectors = with.iter().map(detector).collect::<Result<Vec<_>, _>>()?;
            let (suspected, wrongly) = (vec![Vec::new(); with.len()], vec![0; with.len()]);
            Ok(Node::Watcher { detectors, judges: with.clone(), suspected, wrongly })
        });
        world.plan([Episode { at: DIES, lasts: DIES, fault: Fault::Kill { node: NodeId(0) } }]);
        world.run_until(DIES + 60_000 * MS, |_, _| Ok(())).expect("nothing is checked on the way");
        let Some(Node::Watcher { suspected, wrongly, .. }) = world.actor(NodeId(1)) else { panic!("nobody watches") };
        for (outcome, (suspected, wrongly)) in outcomes.iter_mut().zip(suspected.iter().zip(wrongly)) {
            outcome.0 += f64::from(*wrongly) * 3600.0 / DIES.as_secs_f64() / seeds as f64;
            let first = suspected.first().expect("a crash is noticed");
            outcome.1 += first.saturating_sub(DIES) / seeds as u32;
        }
    }
    outcomes
}

#[test]
fn one_threshold_serves_a_calm_and_a_stormy_network_where_one_timeout_does_not() {
    let calm = Link { latency: Latency::Uniform(MS, 5 * MS), ..Link::datagrams() };
    let stormy =
        Link { latency: Latency::Exponential { least: 20 * MS, mean: 60 * MS }, loss: 0.02, ..Link::datagrams() };
    let fixed = [115, 200, 400, 800].map(|ms| Judge::Fixed(ms * MS));
    let normal = [1.0, 3.0, 5.0, 8.0, 12.0].map(|phi| Judge::Phi(Model::Normal, phi));
    let exponential = [1.0, 3.0, 8.0].map(|phi| Judge::Phi(Model::Exponential, phi));
    let judges: Vec<Judge> = fixed.into_iter().chain(normal).chain(exponential).collect();
    let (in_calm, in_storm) = (watch(calm, judges.clone(), 1), watch(stormy, judges.clone(), 1));
    println!("| judge | calm: errors/h | noticed after | stormy: errors/h | noticed after |\n|---|---|---|---|---|");
    for ((judge, calm), storm) in judges.iter().zip(&in_calm).zip(&in_storm) {
        println!("| {judge:?} | {:.1} | {:.0?} | {:.1} | {:.0?} |", calm.0, calm.1, storm.0, storm.1);
    }
    // The timeout that is quick where it is calm is nearly always wrong in the storm, and the one that is right in the storm
    // is slow where it is calm. One threshold is right often enough in both, and quick where it may be.
    let phi = 7;
    assert!(in_calm[0].0 < 1.0 && in_storm[0].0 > 1000.0);
    assert!(in_calm[phi].0 < 1.0 && in_calm[phi].1 < 120 * MS, "{:?}", in_calm[phi]);
    assert!(in_storm[phi].0 < 60.0 && in_storm[phi].1 < 1000 * MS, "{:?}", in_storm[phi]);
    assert!(in_calm[3].1 > 5 * in_calm[phi].1, "the timeout that the storm needs: {:?}", in_calm[3]);
    // A higher threshold is wrong more rarely, and later.
    for pair in [4, 5, 6, 7].map(|at| (in_storm[at], in_storm[at + 1])) {
        assert!(pair.0.0 >= pair.1.0 && pair.0.1 <= pair.1.1, "{pair:?}");
    }
}
