//! A toy that shows the two halves together: a lock server in the simulated world, its clients' history, and the checker.
//!
//! The server remembers on disk whom it granted the lock; built wrongly, it forgets that when it restarts, and grants it to
//! a second client.
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use xs_consensus::check::history::{Call, History};
use xs_consensus::check::linearizability::{Checker, Lock, LockOp, Verdict};
use xs_os::SystemClock;
use xs_os::sim::{
    Actor, Campaign, Context, Kind, Nemesis, NodeId, Options, Report, Run, Timer, Verdict as Outcome, World,
};
use xs_os::vfs::VfsExt;

const MS: Duration = Duration::from_millis(1);
const SERVER: NodeId = NodeId(0);
const CLIENTS: u32 = 3;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Memory {
    OnDisk,
    Forgetful,
}

#[derive(Clone, Debug)]
enum Message {
    Ask { number: u64, op: LockOp },
    Answer { number: u64, granted: bool },
}

enum Node {
    Server { holder: Option<u64>, memory: Memory },
    Client(Client),
}

struct Client {
    history: Rc<RefCell<History<LockOp, bool>>>,
    number: u64,
    holds: bool,
    asked: Option<(LockOp, Call)>,
}

impl Client {
    fn next(&mut self, cx: &mut Context<'_, Message>) {
        let owner = u64::from(cx.node().0);
        let op = if self.holds { LockOp::Release(owner) } else { LockOp::Acquire(owner) };
        self.number += 1;
        let call = self.history.borrow_mut().invoke(owner, cx.world_time().as_nanos() as u64, op);
        self.asked = Some((op, call));
        cx.send(SERVER, Message::Ask { number: self.number, op });
    }
}

impl Actor for Node {
    type Message = Message;

    fn message(&mut self, from: NodeId, message: Message, cx: &mut Context<'_, Message>) {
        match (self, message) {
            (Node::Server { holder, memory }, Message::Ask { number, op }) => {
                let (granted, next) = match op {
                    LockOp::Acquire(owner) => (holder.is_none(), Some(owner)),
                    LockOp::Release(owner) => (*holder == Some(owner), None),
                };
                if granted {
                    *holder = next;
                    let bytes = holder.unwrap_or(u64::MAX).to_le_bytes();
                    if *memory == Memory::OnDisk
                        && let Err(error) = cx.disk().replace(Path::new("holder"), &bytes)
                    {
                        return cx.exit(error);
                    }
                }
                cx.send(from, Message::Answer { number, granted });
            }
            (Node::Client(client), Message::Answer { number, granted }) if number == client.number => {
                let Some((op, call)) = client.asked.take() else { return };
                client.history.borrow_mut().returned(call, cx.world_time().as_nanos() as u64, granted);
                if granted {
                    client.holds = matches!(op, LockOp::Acquire(_));
                }
                let pause = Duration::from_micros(cx.rng().below(5_000));
                cx.set_timer_after(Timer(0), pause);
            }
            _ => {}
        }
    }

    // An answer that never comes ends a client: nobody knows whether it has the lock.
    fn timer(&mut self, _: Timer, cx: &mut Context<'_, Message>) {
        if let Node::Client(client) = self {
            client.next(cx);
        }
    }
}

fn run(run: &Run, memory: Memory) -> Report {
    let history: Rc<RefCell<History<LockOp, bool>>> = Rc::default();
    let record = history.clone();
    let options = Options { keep: run.keep, ..Options::new(1 + CLIENTS) };
    let mut world = World::new(run.seed, options, move |cx| {
        if cx.node() != SERVER {
            cx.set_timer_after(Timer(0), MS);
            let history = record.clone();
            return Ok(Node::Client(Client { history, number: 0, holds: false, asked: None }));
        }
        let bytes = cx.disk().read(Path::new("holder"), 8).unwrap_or_default();
        let holder = <[u8; 8]>::try_from(bytes).ok().map(u64::from_le_bytes).filter(|owner| *owner != u64::MAX);
        Ok(Node::Server { holder, memory })
    });
    world.plan(run.plan.iter().cloned());
    let result = world.run_until(500 * MS, |_, _| Ok(()));
    let result = result.and_then(|()| match Checker::new(Lock).check(&history.borrow()) {
        Verdict::Linearizable(_) => Ok(()),
        Verdict::Violation(violation) => Err(violation.to_string()),
        Verdict::Undecided { .. } => Err("undecided".to_owned()),
    });
    world.report(result)
}

fn campaign(memory: Memory) -> Outcome {
    let mut nemesis =
        Nemesis::new(vec![SERVER], 400 * MS).only(&[Kind::Crash, Kind::Kill, Kind::Pause, Kind::CrashInStep]);
    nemesis.gap = 20 * MS..200 * MS;
    nemesis.lasts = MS..20 * MS;
    let command = "XS_SEED={seed} cargo test -p xs-consensus --test lock_server";
    Campaign::from_env(200, [nemesis], command).run(&SystemClock, |one| run(one, memory))
}

#[test]
fn a_server_that_remembers_never_grants_twice() {
    campaign(Memory::OnDisk).expect_clean();
}

#[test]
fn a_server_that_forgets_is_found_and_one_fault_is_enough() {
    let found = campaign(Memory::Forgetful).found.expect("two clients hold the lock");
    assert!(found.why.contains("not linearizable") && found.why.contains("Acquire"), "{}", found.why);
    assert_eq!(found.plan.len(), 1, "{found}");
}
