//! Replicas that change values apart, over a network that loses, doubles, overtakes and is cut, and processes that die.

use std::fmt;
use std::time::Duration;

use xs_consensus::clock::{Hybrid, Overflow, ReplicaId};
use xs_consensus::crdt::{
    DotFun, GCounter, GSet, LwwMap, Merge, MvRegister, OrMap, OrSet, PnCounter, Sequence, TwoPhaseSet,
};
use xs_os::SystemClock;
use xs_os::sim::{Actor, Campaign, Context, Kind, Nemesis, NodeId, Options, Report, Run, Timer, World};

use super::{MS, command};

const REPLICAS: u32 = 4;
const STORM: Duration = Duration::from_secs(2);
const QUIET: Duration = Duration::from_secs(4);

/// One of each: a product of lattices is one.
#[derive(Clone, Default, PartialEq)]
struct Everything {
    sum: GCounter,
    balance: PnCounter,
    names: GSet<u64>,
    tickets: TwoPhaseSet<u64>,
    cart: OrSet<u64>,
    settings: LwwMap<u64, u64>,
    title: MvRegister<u64>,
    profile: OrMap<u64, DotFun<u64>>,
    text: Sequence<char>,
}

impl Merge for Everything {
    fn merge(&mut self, other: &Self) {
        self.sum.merge(&other.sum);
        self.balance.merge(&other.balance);
        self.names.merge(&other.names);
        self.tickets.merge(&other.tickets);
        self.cart.merge(&other.cart);
        self.settings.merge(&other.settings);
        self.title.merge(&other.title);
        self.profile.merge(&other.profile);
        self.text.merge(&other.text);
    }

    fn parts(&self) -> Vec<Self> {
        vec![self.clone()]
    }

    fn delta_since(&self, known: &Self) -> Self {
        Everything {
            sum: self.sum.delta_since(&known.sum),
            balance: self.balance.delta_since(&known.balance),
            names: self.names.delta_since(&known.names),
            tickets: self.tickets.delta_since(&known.tickets),
            cart: self.cart.delta_since(&known.cart),
            settings: self.settings.delta_since(&known.settings),
            title: self.title.delta_since(&known.title),
            profile: self.profile.delta_since(&known.profile),
            text: self.text.delta_since(&known.text),
        }
    }
}

/// What a reader sees.
impl fmt::Debug for Everything {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.sum.value(), self.balance.value())?;
        f.debug_list().entries(self.names.iter()).finish()?;
        f.debug_list().entries(self.tickets.iter()).finish()?;
        f.debug_list().entries(self.cart.keys()).finish()?;
        f.debug_map().entries(self.settings.iter()).finish()?;
        f.debug_list().entries(self.title.values()).finish()?;
        f.debug_list().entries(self.profile.keys()).finish()?;
        write!(f, " {}", self.text.iter().collect::<String>())
    }
}

#[derive(Clone, Debug)]
enum Message {
    /// Some changes.
    Delta(Everything),
    /// All, and what the receiver has that is not in it is wanted.
    Whole(Everything),
}

struct Replica {
    id: ReplicaId,
    clock: Hybrid,
    value: Everything,
    /// What was changed since the last time that anything was sent.
    fresh: Everything,
    rounds: u32,
    /// What this process has added to the sum.
    added: u128,
}

const CHANGE: Timer = Timer(0);
const TELL: Timer = Timer(1);

impl Replica {
    fn change(&mut self, cx: &mut Context<'_, Message>) -> Result<Everything, Overflow> {
        let mut delta = Everything::default();
        let wall = cx.wall();
        let rng = cx.rng();
        let (what, n) = (rng.below(12), rng.below(8));
        let (value, id) = (&mut self.value, self.id);
        match what {
            0 => {
                delta.sum = value.sum.add(id, n)?;
                self.added += u128::from(n);
            }
            1 => delta.balance = value.balance.add(id, 4 - n as i64)?,
            2 => delta.names = value.names.insert(rng.below(50)),
            3 => delta.tickets = value.tickets.insert(rng.below(50)),
            4 => delta.tickets = value.tickets.remove(&rng.below(50)),
            5 => delta.cart = value.cart.insert(id, n)?,
            6 => delta.cart = value.cart.remove(&n),
            7 => {
                // Calendars are set by seconds here: the clock refuses then, and nothing is written.
                if let Ok(stamp) = self.clock.tick(wall) {
                    delta.settings = match n % 4 {
                        0 => value.settings.remove(stamp, id, n),
                        _ => value.settings.write(stamp, id, n, what),
                    };
                }
            }
            8 => delta.title = value.title.write(id, n)?,
            9 => delta.profile = value.profile.update(n, |register| register.write(id, what))?,
            10 => delta.profile = value.profile.remove(&n),
            _ => {
                let place = rng.index(value.text.len() + 1);
                let letter = char::from(b'a' + rng.below(26) as u8);
                delta.text = match n < 3 && place < value.text.len() {
                    true => value.text.remove(place).expect("the place is there"),
                    false => value.text.insert(id, place, letter).expect("so is this one"),
                };
            }
        }
        Ok(delta)
    }
}

impl Actor for Replica {
    type Message = Message;

    fn message(&mut self, from: NodeId, message: Message, cx: &mut Context<'_, Message>) {
        match message {
            Message::Delta(delta) => self.value.merge(&delta),
            Message::Whole(theirs) => {
                let lacking = self.value.delta_since(&theirs);
                self.value.merge(&theirs);
                if lacking != Everything::default() {
                    cx.send(from, Message::Delta(lacking));
                }
            }
        }
    }

    fn timer(&mut self, timer: Timer, cx: &mut Context<'_, Message>) {
        if timer == CHANGE {
            if cx.world_time() < STORM {
                let delta = self.change(cx).expect("nobody counts that far");
                self.fresh.merge(&delta);
                cx.set_timer_after(CHANGE, 20 * MS);
            }
            return;
        }
        // Each change once to everybody, and all to somebody now and then, for those who missed it.
        let fresh = std::mem::take(&mut self.fresh);
        for to in cx.nodes().filter(|to| *to != cx.node()).collect::<Vec<_>>() {
            if fresh != Everything::default() {
                cx.send(to, Message::Delta(fresh.clone()));
            }
        }
        self.rounds += 1;
        if self.rounds.is_multiple_of(4) {
            let other = (cx.node().0 + 1 + cx.rng().below(u64::from(REPLICAS) - 1) as u32) % REPLICAS;
            cx.send(NodeId(other), Message::Whole(self.value.clone()));
        }
        cx.set_timer_after(TELL, 50 * MS);
    }
}

/// Whether a process that was restarted takes a new name.
#[derive(Clone, Copy)]
enum Name {
    New,
    Old,
}

fn run(run: &Run, name: Name) -> Report {
    let options = Options { keep: run.keep, ..Options::new(REPLICAS) };
    let mut world = World::new(run.seed, options, move |cx| {
        cx.set_timer_after(CHANGE, 20 * MS);
        cx.set_timer_after(TELL, 50 * MS);
        // A process that was restarted has forgotten what it had counted: it is a new replica.
        let life = match name {
            Name::New => cx.life(),
            Name::Old => 0,
        };
        let id = ReplicaId(u64::from(cx.node().0) | (u64::from(life) << 32));
        let (value, fresh) = Default::default();
        Ok(Replica { id, clock: Hybrid::new(500 * MS), value, fresh, rounds: 0, added: 0 })
    });
    world.plan(run.plan.iter().cloned());
    let result = world.run_until(QUIET, |_, _| Ok(())).and_then(|()| {
        let replicas: Vec<_> = world.actors().collect();
        let [(_, first), others @ ..] = replicas.as_slice() else { return Err("nobody is up".to_owned()) };
        for (node, other) in others {
            if other.value != first.value {
                return Err(format!("{node} differs: {:?} and {:?}", other.value, first.value));
            }
        }
        if first.value.text.waiting() > 0 {
            return Err("letters wait for others".to_owned());
        }
        // What processes have added that are still there counts, and once.
        let added: u128 = replicas.iter().map(|(_, replica)| replica.added).sum();
        let died = world.tally().starts > u64::from(REPLICAS);
        if first.value.sum.value() < added || (!died && first.value.sum.value() != added) {
            return Err(format!("{} of {added} were counted", first.value.sum.value()));
        }
        Ok(())
    });
    world.report(result)
}

fn campaign(seeds: u64, test: &str) -> Campaign {
    let all: Vec<NodeId> = (0..REPLICAS).map(NodeId).collect();
    let stormy = Nemesis::new(all.clone(), STORM).only(&[
        Kind::Kill,
        Kind::Crash,
        Kind::Pause,
        Kind::Cut,
        Kind::Split,
        Kind::Lossy,
        Kind::Slow,
        Kind::Step,
    ]);
    let network = Nemesis::new(all, STORM).only(&[Kind::Pause, Kind::Cut, Kind::Split, Kind::Lossy, Kind::Slow]);
    Campaign::from_env(seeds, [stormy, network], &command(test))
}

#[test]
fn replicas_that_have_heard_everything_are_equal() {
    let campaign = Campaign { twice: true, ..campaign(40, "replicas_that_have_heard") };
    let verdict = campaign.run(&SystemClock, |one| run(one, Name::New));
    println!("{verdict}");
    verdict.expect_clean();
}

/// A replica that has forgotten what it counted, and goes on under its name, makes the same dots again for other things.
#[test]
fn a_name_that_is_used_again_is_found() {
    let campaign = Campaign { shrink: 20, ..campaign(40, "a_name_that_is_used_again") };
    let found = campaign.run(&SystemClock, |one| run(one, Name::Old)).found.expect("copies differ for ever");
    assert!(found.plan.iter().any(|episode| matches!(episode.fault.kind(), Kind::Kill | Kind::Crash)), "{found}");
}
