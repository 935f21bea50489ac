//! A store whose replicas tell one another nothing of their writes, and are kept equal by anti-entropy alone.

use std::collections::BTreeMap;
use std::time::Duration;

use xs_consensus::clock::{ReplicaId, Stamp};
use xs_consensus::crdt::{LwwRegister, Merge};
use xs_consensus::merkle::{self, Side, Tree};
use xs_os::SystemClock;
use xs_os::sim::{Actor, Campaign, Context, Kind, Nemesis, NodeId, Options, Report, Run, Timer, World};

use super::{MS, command};

const REPLICAS: u32 = 4;
const STORM: Duration = Duration::from_secs(2);
const QUIET: Duration = Duration::from_secs(4);
const OPTIONS: merkle::Options = merkle::Options { depth: 2, key: 8, message: 1200, answers: 4 };

type Value = LwwRegister<Option<u64>>;

#[derive(Clone, Debug)]
enum Message {
    /// What trees say, as bytes.
    Compare(Vec<u8>),
    /// Take this.
    Offer(u64, Value),
    /// Give me that.
    Ask(u64),
}

struct Replica {
    values: BTreeMap<u64, Value>,
    tree: Tree,
}

const WRITE: Timer = Timer(0);
const COMPARE: Timer = Timer(1);

impl Replica {
    fn merge(&mut self, key: u64, value: &Value) {
        let held = self.values.entry(key).or_default();
        held.merge(value);
        let (stamp, by) = held.written().expect("it was written");
        let version = [stamp.to_bits().to_le_bytes(), by.0.to_le_bytes()].concat();
        self.tree.insert(&key.to_le_bytes(), &version).expect("eight bytes are few enough");
    }

    fn offer(&self, to: NodeId, key: u64, cx: &mut Context<'_, Message>) {
        if let Some(value) = self.values.get(&key) {
            cx.send(to, Message::Offer(key, value.clone()));
        }
    }
}

impl Actor for Replica {
    type Message = Message;

    fn message(&mut self, from: NodeId, message: Message, cx: &mut Context<'_, Message>) {
        match message {
            Message::Compare(bytes) => {
                let said = merkle::Message::decode(&bytes, &OPTIONS).expect("replicas send nothing else");
                let answer = self.tree.answer(&said).expect("of trees of the same shape");
                assert!(answer.send.len() <= OPTIONS.answers);
                answer.send.iter().for_each(|message| cx.send(from, Message::Compare(message.encode())));
                for difference in answer.found {
                    let key = u64::from_le_bytes(difference.key.try_into().expect("eight bytes"));
                    if difference.side != Side::There {
                        self.offer(from, key, cx);
                    }
                    if difference.side != Side::Here {
                        cx.send(from, Message::Ask(key));
                    }
                }
            }
            Message::Offer(key, value) => self.merge(key, &value),
            Message::Ask(key) => self.offer(from, key, cx),
        }
    }

    fn timer(&mut self, timer: Timer, cx: &mut Context<'_, Message>) {
        if timer == COMPARE {
            let other = (cx.node().0 + 1 + cx.rng().below(u64::from(REPLICAS) - 1) as u32) % REPLICAS;
            cx.send(NodeId(other), Message::Compare(self.tree.begin().encode()));
            return cx.set_timer_after(COMPARE, 50 * MS);
        }
        if cx.world_time() >= STORM {
            return;
        }
        // A removal is a write too: a tombstone.
        let (key, value) = (cx.rng().below(300), cx.rng().below(4));
        let stamp = Stamp::from_bits(cx.world_time().as_micros() as u64);
        let by = ReplicaId(cx.node().0.into());
        let mut written = Value::default();
        written.write(stamp, by, Some(value).filter(|value| *value > 0));
        self.merge(key, &written);
        cx.set_timer_after(WRITE, 10 * MS);
    }

    fn size(message: &Message) -> usize {
        match message {
            Message::Compare(bytes) => {
                assert!(bytes.len() <= OPTIONS.message);
                bytes.len()
            }
            Message::Offer(..) | Message::Ask(_) => 40,
        }
    }
}

fn run(run: &Run) -> Report {
    let options = Options { keep: run.keep, ..Options::new(REPLICAS) };
    let mut world = World::new(run.seed, options, |cx| {
        cx.set_timer_after(WRITE, MS);
        cx.set_timer_after(COMPARE, 50 * MS);
        Ok(Replica { values: BTreeMap::new(), tree: Tree::new(OPTIONS, [9; 16]) })
    });
    world.plan(run.plan.iter().cloned());
    let result = world.run_until(QUIET, |_, _| Ok(())).and_then(|()| {
        let replicas: Vec<_> = world.actors().collect();
        let first = replicas[0].1;
        match replicas.iter().find(|(_, other)| other.values != first.values || other.tree.root() != first.tree.root())
        {
            Some((node, _)) => Err(format!("{node} differs from {}", replicas[0].0)),
            None if first.values.len() < 100 => Err("nobody wrote".to_owned()),
            None => Ok(()),
        }
    });
    world.report(result)
}

#[test]
fn replicas_become_equal_by_comparing_alone() {
    let all = (0..REPLICAS).map(NodeId).collect();
    // A replica that was restarted has lost all, and gets it back from the others.
    let nemesis = Nemesis::new(all, STORM).only(&[
        Kind::Kill,
        Kind::Crash,
        Kind::Pause,
        Kind::Cut,
        Kind::Split,
        Kind::Lossy,
        Kind::Slow,
    ]);
    let campaign = Campaign::from_env(12, [nemesis], &command("replicas_become_equal"));
    let verdict = Campaign { twice: true, ..campaign }.run(&SystemClock, run);
    println!("{verdict}");
    verdict.expect_clean();
}
