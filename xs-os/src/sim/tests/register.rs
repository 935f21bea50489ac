//! A toy: a register on three servers, each with a disk, written and read through majorities (Attiya, Bar-Noy and Dolev,
//! "Sharing Memory Robustly in Message-Passing Systems", 1995). It can be built with a bug.

use std::path::Path;
use std::time::Duration;

use super::super::*;
use crate::SystemClock;
use crate::vfs::{Open, Vfs, VfsExt};

const MS: Duration = Duration::from_millis(1);
const SERVERS: u32 = 3;
const WRITER: NodeId = NodeId(3);

#[derive(Clone, Copy, PartialEq, Debug)]
enum Bug {
    None,
    /// A server answers before what it stored is synced.
    AnswersFirst,
    /// A reader returns what it found without seeing to it that a majority has it.
    NoWriteBack,
}

#[derive(Clone, Debug)]
enum Message {
    Ask { round: u64 },
    Have { round: u64, value: u64 },
    Store { round: u64, value: u64 },
    Stored { round: u64 },
}

enum Node {
    Server { value: u64, bug: Bug },
    Client(Box<Client>),
}

/// The one writer counts up; readers read. An operation is a round of asking (readers) and one of storing.
struct Client {
    bug: Bug,
    round: u64,
    /// The servers that answered this round.
    answered: Vec<NodeId>,
    best: u64,
    storing: bool,
    /// Operations: when they were called and returned, by the world's clock as far as a client knows it, and the value.
    done: Vec<(Duration, Duration, u64)>,
    began: Duration,
}

const PATH: &str = "value";

fn load(disk: &crate::vfs::faulty::FaultyVfs) -> u64 {
    let bytes = disk.read(Path::new(PATH), 8).unwrap_or_default();
    <[u8; 8]>::try_from(bytes).map_or(0, u64::from_le_bytes)
}

fn store(disk: &crate::vfs::faulty::FaultyVfs, value: u64, bug: Bug) -> std::io::Result<()> {
    if bug == Bug::AnswersFirst {
        return disk.open(Path::new(PATH), Open::Create)?.write_all_at(&value.to_le_bytes(), 0);
    }
    disk.replace(Path::new(PATH), &value.to_le_bytes())
}

impl Client {
    fn ask(&self, cx: &mut Context<'_, Message>) {
        for server in (0..SERVERS).map(NodeId) {
            let (round, value) = (self.round, self.best);
            let message = if self.storing { Message::Store { round, value } } else { Message::Ask { round } };
            cx.send(server, message);
        }
        cx.set_timer_after(Timer(0), 30 * MS);
    }

    fn next(&mut self, storing: bool, cx: &mut Context<'_, Message>) {
        self.round += 1;
        self.storing = storing;
        self.answered.clear();
        self.ask(cx);
    }

    fn begin(&mut self, cx: &mut Context<'_, Message>) {
        self.began = since(cx);
        let writes = cx.node() == WRITER;
        self.best = if writes { self.best + 1 } else { 0 };
        self.next(writes, cx);
    }

    fn answer(&mut self, from: NodeId, round: u64, value: u64, cx: &mut Context<'_, Message>) {
        if round != self.round || self.answered.contains(&from) {
            return;
        }
        self.answered.push(from);
        self.best = self.best.max(value);
        if self.answered.len() < 2 {
            return;
        }
        if !self.storing && self.bug != Bug::NoWriteBack {
            return self.next(true, cx);
        }
        self.done.push((self.began, since(cx), self.best));
        self.begin(cx);
    }
}

/// Clients' clocks do not drift here.
fn since(cx: &Context<'_, Message>) -> Duration {
    cx.wall().duration_since(std::time::SystemTime::UNIX_EPOCH + crate::clock::VIRTUAL_EPOCH).unwrap_or_default()
}

impl Actor for Node {
    type Message = Message;

    fn message(&mut self, from: NodeId, message: Message, cx: &mut Context<'_, Message>) {
        match (self, message) {
            (Node::Server { value, .. }, Message::Ask { round }) => {
                cx.send(from, Message::Have { round, value: *value })
            }
            (Node::Server { value, bug }, Message::Store { round, value: new }) => {
                if new > *value {
                    *value = new;
                    if let Err(error) = store(cx.disk(), new, *bug) {
                        return cx.exit(error);
                    }
                }
                cx.send(from, Message::Stored { round });
            }
            (Node::Client(client), Message::Have { round, value }) => client.answer(from, round, value, cx),
            (Node::Client(client), Message::Stored { round }) => client.answer(from, round, 0, cx),
            _ => {}
        }
    }

    fn timer(&mut self, _: Timer, cx: &mut Context<'_, Message>) {
        if let Node::Client(client) = self {
            client.ask(cx);
        }
    }
}

/// With one writer that counts up: an operation returns no less than any that had returned when it was called.
fn check(world: &World<Node>) -> Result<(), String> {
    let mut all: Vec<(Duration, Duration, u64, NodeId)> = Vec::new();
    for (node, actor) in world.actors() {
        if let Node::Client(client) = actor {
            all.extend(client.done.iter().map(|(from, to, value)| (*from, *to, *value, node)));
        }
    }
    for a in &all {
        if let Some(b) = all.iter().find(|b| a.1 < b.0 && b.2 < a.2) {
            return Err(format!("{} got {} at {:?}, and {} got {} later, at {:?}", a.3, a.2, a.1, b.3, b.2, b.1));
        }
    }
    Ok(())
}

fn run(run: &Run, bug: Bug) -> Report {
    let options = Options { drift: 0, keep: run.keep, ..Options::new(SERVERS + 3) };
    let mut world = World::new(run.seed, options, move |cx| {
        if cx.node().0 < SERVERS {
            return Ok(Node::Server { value: load(cx.disk()), bug });
        }
        let mut client = Client {
            bug,
            round: 0,
            answered: Vec::new(),
            best: 0,
            storing: false,
            done: Vec::new(),
            began: Duration::ZERO,
        };
        client.begin(cx);
        Ok(Node::Client(Box::new(client)))
    });
    world.plan(run.plan.iter().cloned());
    let mut result = world.run_until(400 * MS, |_, _| Ok(()));
    // Behind the last fault everything goes on.
    let count = |world: &World<Node>| -> usize {
        world.actors().map(|(_, actor)| if let Node::Client(client) = actor { client.done.len() } else { 0 }).sum()
    };
    let before = count(&world);
    result = result.and_then(|()| world.run_until(600 * MS, |_, _| Ok(())));
    if result.is_ok() && count(&world) < before + 10 {
        result = Err(format!("it does not go on: {before} operations, and then {}", count(&world)));
    }
    let result = result.and_then(|()| check(&world));
    world.report(result)
}

fn campaign(seeds: u64) -> Campaign {
    let mut nemesis = Nemesis::new((0..SERVERS).map(NodeId).collect(), 300 * MS);
    nemesis.gap = 10 * MS..60 * MS;
    nemesis.lasts = 5 * MS..80 * MS;
    Campaign::new(seeds, Some(nemesis), "XS_SEED={seed} cargo test -p xs-os sim")
}

#[test]
fn the_right_register_stands_everything() {
    let verdict = campaign(150).run(&SystemClock, |one| run(one, Bug::None));
    verdict.expect_clean();
    assert_eq!(verdict.runs, 150);
}

#[test]
fn each_bug_is_found_shrunk_and_replayed() {
    for bug in [Bug::AnswersFirst, Bug::NoWriteBack] {
        let campaign = campaign(1000);
        let verdict = campaign.run(&SystemClock, |one| run(one, bug));
        let found = verdict.found.as_ref().unwrap_or_else(|| panic!("{bug:?} is not found: {verdict}"));
        assert!(found.why.contains("later"), "{bug:?}: {found}");
        assert!(found.plan.len() < found.drawn, "{bug:?}: some faults have nothing to do with it: {found}");
        assert!(found.command.contains(&format!("XS_SEED={}", found.seed)));
        assert!(found.text.contains("Store") && found.html.contains("<svg"));
        // The seed and the small plan are the whole run.
        let again = || run(&Run { plan: found.plan.clone(), ..campaign.one(found.seed) }, bug);
        let (one, two) = (again(), again());
        assert_eq!((one.digest, &one.result), (two.digest, &Err(found.small_why.clone())));
    }
}
