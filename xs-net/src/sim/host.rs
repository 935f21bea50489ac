//! A whole program as an actor.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};
use xs_os::sim::{Actor, Context, NodeId, Timer};
use xs_os::vfs::faulty::FaultyVfs;
use xs_os::{Rng, SteppedJobs, VirtualClock};

use super::node::{Node, Shared};
use super::stack::Stack;
use super::{Limits, Packet};

/// The one timer that a host sets in its world.
const ALARM: Timer = Timer(0);

/// How often tasks and jobs take turns in one step before time must pass, by how much.
const TURNS: usize = 64;
const PAUSE: Duration = Duration::from_micros(100);

/// A process on a simulated node: a program, its tasks and its connections. See the [module page](super).
pub struct Host {
    /// None once the program has ended.
    runtime: Option<Runtime>,
    resting: Arc<Resting>,
    shared: Arc<Shared>,
    clock: VirtualClock,
    disk: FaultyVfs,
    jobs: SteppedJobs,
    /// When the last step was.
    stepped: Instant,
    /// What the world's timer is set to.
    alarm: Option<Instant>,
}

/// Whether all tasks rest, and who waits for that.
#[derive(Default)]
struct Resting {
    yes: AtomicBool,
    /// Somebody started a thread, which only the pool for blocking calls does.
    thread: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Host {
    /// Starts a program, and runs it until it waits for something.
    ///
    /// When it ends with `Ok`, so do its tasks, and what was written to its connections is still sent. When it ends with an
    /// error, the process exits, and the world starts it again; so it does after [`Node::exit`].
    ///
    /// # Panics
    /// If the program does, then or in a later step; if it starts a thread (`spawn_blocking`), as no seed says when that ends;
    /// and within another runtime: a test of a world is no async function.
    pub fn new<P, F, E>(cx: &mut Context<'_, Packet>, program: P) -> Self
    where
        P: FnOnce(Node) -> F,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        Self::with_limits(cx, Limits::default(), program)
    }

    /// [`Host::new`] with a network of other sizes and times.
    ///
    /// # Panics
    /// As [`Host::new`].
    pub fn with_limits<P, F, E>(cx: &mut Context<'_, Packet>, limits: Limits, program: P) -> Self
    where
        P: FnOnce(Node) -> F,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let resting = Arc::new(Resting::default());
        let (parked, started) = (resting.clone(), resting.clone());
        // No drivers: the world owns the time, and there is nothing outside of it.
        let runtime = Builder::new_current_thread()
            .on_thread_park(move || {
                parked.yes.store(true, Ordering::Relaxed);
                if let Some(waker) = &*parked.waker.lock() {
                    waker.wake_by_ref();
                }
            })
            .on_thread_start(move || started.thread.store(true, Ordering::Relaxed))
            .build()
            .expect("a runtime without drivers asks the system for nothing");
        let shared = Arc::new(Shared::new(cx.node(), Stack::new(cx.life(), limits)));
        let node = Node {
            shared: shared.clone(),
            nodes: cx.nodes().count() as u32,
            life: cx.life(),
            clock: cx.clock().clone(),
            rng: Arc::new(Mutex::new(Rng::from_seed(cx.rng().next_u64()))),
            disk: cx.disk().clone(),
            jobs: SteppedJobs::new(),
            tasks: runtime.handle().clone(),
        };
        let mut host = Host {
            resting,
            shared: shared.clone(),
            clock: node.clock.clone(),
            disk: node.disk.clone(),
            jobs: node.jobs.clone(),
            stepped: cx.now(),
            alarm: None,
            runtime: None,
        };
        shared.told.lock().world_time = cx.world_time();
        {
            let _inside = runtime.enter();
            let program = program(node);
            runtime.spawn(async move {
                let ended = AssertUnwindSafe(program).catch_unwind().await;
                let mut told = shared.told.lock();
                match ended {
                    Ok(Ok(())) => told.ended = true,
                    Ok(Err(why)) => {
                        told.exit.get_or_insert(why.to_string());
                    }
                    Err(panic) => {
                        told.panic.get_or_insert(panic);
                    }
                }
            });
        }
        host.runtime = Some(runtime);
        host.step(None, cx);
        host
    }

    /// Whether the program has ended by itself, and well.
    pub fn has_ended(&self) -> bool {
        self.runtime.is_none()
    }

    /// How many connections there are, half open and ending ones included.
    pub fn connections(&self) -> usize {
        self.shared.with(|stack| stack.connections())
    }

    /// Everything that happens at one moment.
    fn step(&mut self, arrived: Option<(NodeId, Packet)>, cx: &mut Context<'_, Packet>) {
        let now = cx.now();
        self.shared.told.lock().world_time = cx.world_time();
        self.jobs.advance(now.saturating_duration_since(self.stepped));
        self.stepped = now;
        let mut arrived = Some(arrived);
        let rests = (0..TURNS).any(|_| {
            let arrived = arrived.take();
            self.run_tasks(|shared| {
                if let Some(arrived) = arrived {
                    shared.with(|stack| {
                        if let Some((from, packet)) = arrived {
                            stack.receive(from, packet, now);
                        }
                        stack.expire(now);
                    });
                }
            });
            self.jobs.run_until_idle(TURNS) == 0
        });
        self.tell(cx);
        self.shared.with(|stack| stack.flush(now, |to, packet| cx.send(to, packet)));
        let wakes = [
            self.clock.next_deadline(),
            self.shared.with(|stack| stack.deadline()),
            self.jobs.next_due().map(|after| now + after.max(PAUSE)),
            (!rests).then(|| now + PAUSE),
        ];
        let next = wakes.into_iter().flatten().min();
        if next != self.alarm {
            self.alarm = next;
            match next {
                Some(at) => cx.set_timer(ALARM, at),
                None => cx.cancel_timer(ALARM),
            }
        }
    }

    /// Runs tasks until none can go on. What comes first is done inside of the runtime, where waking is cheap.
    fn run_tasks(&mut self, first: impl FnOnce(&Shared)) {
        let Some(runtime) = &self.runtime else { return first(&self.shared) };
        let (resting, shared) = (&*self.resting, &*self.shared);
        resting.yes.store(false, Ordering::Relaxed);
        let mut first = Some(first);
        runtime.block_on(poll_fn(|cx| {
            if let Some(first) = first.take() {
                let mut waker = resting.waker.lock();
                if waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
                    *waker = Some(cx.waker().clone());
                }
                drop(waker);
                first(shared);
            }
            if resting.yes.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        }));
    }

    /// Passes on what the program said.
    fn tell(&mut self, cx: &mut Context<'_, Packet>) {
        let mut told = self.shared.told.lock();
        let notes = std::mem::take(&mut told.notes);
        let (panic, exit, ended) = (told.panic.take(), told.exit.take(), told.ended);
        drop(told);
        notes.into_iter().for_each(|note| cx.note(note));
        assert!(
            !self.resting.thread.load(Ordering::Relaxed),
            "the program on {} started a thread: a call that blocks goes through Node::bridge",
            self.shared.id
        );
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        if let Some(why) = exit {
            // What it has dropped by now, it has dropped in an order of the runtime's.
            self.shared.with(Stack::sort);
            cx.exit(why);
        } else if ended {
            self.end();
        }
    }

    /// Drops everything that the program still has. Its destructors run in an order that the runtime chooses by numbers of this
    /// process's tasks, so nothing of the world may depend on it: the disk does nothing, and connections end in their own order.
    fn end(&mut self) {
        self.disk.freeze(true);
        self.runtime = None;
        self.jobs = SteppedJobs::new();
        self.disk.freeze(false);
        self.shared.with(Stack::sort);
        self.shared.told.lock().notes.clear();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.end();
    }
}

impl Actor for Host {
    type Message = Packet;

    fn message(&mut self, from: NodeId, packet: Packet, cx: &mut Context<'_, Packet>) {
        self.step(Some((from, packet)), cx);
    }

    fn timer(&mut self, _: Timer, cx: &mut Context<'_, Packet>) {
        self.alarm = None;
        self.step(None, cx);
    }

    /// A kernel closes what a dead process left open: whoever it talked to hears of it, if they hear anything.
    fn killed(mut self, cx: &mut Context<'_, Packet>) {
        self.end();
        self.shared.with(|stack| stack.flush(cx.now(), |to, packet| cx.send(to, packet)));
    }

    fn size(packet: &Packet) -> usize {
        packet.size()
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("node", &self.shared.id).field("ended", &self.has_ended()).finish()
    }
}
