//! Clients that write down what they asked and what they were told, so that it can be checked: whether every answer fits one
//! order of all that was done, and nothing that was acknowledged is lost.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use xs_consensus::check::history::{Call, History};
use xs_consensus::check::linearizability::{Checker, Map, MapOp, MapRet, Verdict};
use xs_net::Timer;
use xs_os::Rng;
use xs_proto::resp::Frame;

use crate::client::Client;
use crate::peer::Network;

type Op = MapOp<u8, u64>;
type Ret = MapRet<u8, u64>;

/// How much is tried before a history is called undecided.
const MOST: usize = 2_000_000;

/// What clients were told, by one clock. Clones write to the same.
#[derive(Clone)]
pub struct Record {
    history: Arc<Mutex<History<Op, Ret>>>,
    counts: Arc<Mutex<Counts>>,
    now: Arc<dyn Fn() -> Duration + Send + Sync>,
}

/// What became of all operations.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    pub(crate) uncertain: u64,
    /// When the last answers were asked for, by client.
    pub(crate) began: std::collections::BTreeMap<u64, Vec<Duration>>,
    processes: u64,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("operations", &self.history.lock().len()).finish_non_exhaustive()
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operations, counts) = (self.operations(), self.counts.lock());
        let Counts { answered, refused, uncertain, .. } = *counts;
        write!(f, "{operations} operations: {answered} answered, {refused} refused, {uncertain} uncertain")
    }
}

impl Record {
    /// By a clock that all its clients share.
    pub fn new(now: impl Fn() -> Duration + Send + Sync + 'static) -> Record {
        Record { history: Arc::default(), counts: Arc::default(), now: Arc::new(now) }
    }

    /// The same record, by another reading of the clock.
    pub(crate) fn by(&self, now: impl Fn() -> Duration + Send + Sync + 'static) -> Record {
        Record { now: Arc::new(now), ..self.clone() }
    }

    fn now(&self) -> u64 {
        u64::try_from((self.now)().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A name that no process has.
    fn process(&self) -> u64 {
        let mut counts = self.counts.lock();
        counts.processes += 1;
        counts.processes
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().clone()
    }

    /// So many operations were answered.
    pub fn answered(&self) -> u64 {
        self.counts.lock().answered
    }

    /// So many operations were asked.
    pub fn operations(&self) -> usize {
        self.history.lock().len()
    }

    /// Whether the answers fit together; the reason if not.
    pub fn check(&self) -> Result<(), String> {
        match Checker::new(Map::new()).limit(MOST).check(&self.history.lock()) {
            Verdict::Linearizable(_) => Ok(()),
            Verdict::Violation(violation) => Err(violation.to_string()),
            Verdict::Undecided { configurations, .. } => {
                Err(format!("undecided after {configurations} configurations"))
            }
        }
    }
}

impl<N> fmt::Debug for Worker<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One client: it asks one thing after another.
pub struct Worker<N> {
    /// The way to the nodes.
    pub network: N,
    /// Where the nodes are; it begins with one of them and goes on to others when that one fails it.
    pub addresses: Vec<String>,
    /// Its number: values tell who wrote them.
    pub name: u64,
    /// What it writes down.
    pub record: Record,
    /// What it pauses and waits by.
    pub timer: Timer,
    /// What it asks.
    pub rng: Rng,
    /// Values of keys 0 to this are read and written.
    pub keys: u64,
    /// The most that it pauses between two requests.
    pub pause: Duration,
    /// How long it waits for an answer.
    pub patience: Duration,
}

impl<N: Network> Worker<N> {
    /// Asks until it is dropped.
    pub async fn run(mut self) {
        let mut client = None;
        let mut at = self.rng.index(self.addresses.len().max(1));
        let mut process = self.record.process();
        let mut seq = 0;
        loop {
            let pause = self.pause.mul_f64(self.rng.unit());
            self.timer.sleep(pause).await;
            let connected = match client.take() {
                Some(client) => client,
                None => {
                    let Some(address) = self.addresses.get(at) else { return };
                    let connecting = Client::connect(&self.network, address);
                    match self.timer.timeout(self.patience, connecting).await {
                        Some(Ok(client)) => client,
                        _ => {
                            at = self.rng.index(self.addresses.len());
                            self.timer.sleep(Duration::from_millis(5)).await;
                            continue;
                        }
                    }
                }
            };
            seq += 1;
            let op = self.draw(seq);
            match self.one(connected, process, op).await {
                Ok(same) => client = Some(same),
                // How it ended is unknown, and stays so; the process has it under way for ever.
                Err(()) => {
                    process = self.record.process();
                    at = self.rng.index(self.addresses.len());
                }
            }
        }
    }

    fn draw(&mut self, seq: u64) -> Op {
        let key = self.rng.below(self.keys) as u8;
        // Every value is written once, so that a read tells whose it was.
        let value = self.name * 1_000_000 + seq;
        match self.rng.below(10) {
            0..4 => MapOp::Get(key),
            4..7 => MapOp::Put(key, value),
            7 => MapOp::Delete(key),
            _ => MapOp::CompareAndSet(key, None, value),
        }
    }

    async fn one(&mut self, mut client: Client, process: u64, op: Op) -> Result<Client, ()> {
        let began = (self.record.now)();
        let call = self.record.history.lock().invoke(process, self.record.now(), op.clone());
        let words = words(&op);
        let answer = self.timer.timeout(self.patience, client.ask(&words)).await;
        let answer = answer.and_then(Result::ok).map(|frame| (ret(&op, &frame), frame));
        match answer {
            Some((Some(ret), _)) => {
                self.end(call, Some(ret));
                let mut counts = self.record.counts.lock();
                counts.answered += 1;
                counts.began.entry(self.name).or_default().push(began);
                Ok(client)
            }
            Some((None, Frame::Error(text))) if is_refusal(&text) => {
                self.end(call, None);
                self.record.counts.lock().refused += 1;
                self.timer.sleep(Duration::from_millis(10)).await;
                Ok(client)
            }
            _ => {
                self.record.counts.lock().uncertain += 1;
                Err(())
            }
        }
    }

    fn end(&self, call: Call, ret: Option<Ret>) {
        let (at, mut history) = (self.record.now(), self.record.history.lock());
        match ret {
            Some(ret) => history.returned(call, at, ret),
            None => history.failed(call, at),
        }
    }
}

/// Whether an error says that nothing was done.
fn is_refusal(text: &[u8]) -> bool {
    text.starts_with(b"CLUSTERDOWN") || text.starts_with(b"MOVED")
}

/// An operation as a command.
fn words(op: &Op) -> Vec<Vec<u8>> {
    let key = |key: &u8| format!("key:{key}").into_bytes();
    let word = |text: &str| text.as_bytes().to_vec();
    let number = |n: &u64| n.to_string().into_bytes();
    match op {
        MapOp::Get(k) => vec![word("GET"), key(k)],
        MapOp::Put(k, value) => vec![word("SET"), key(k), number(value)],
        MapOp::Delete(k) => vec![word("GETDEL"), key(k)],
        MapOp::CompareAndSet(k, None, value) => vec![word("SET"), key(k), number(value), word("NX")],
        MapOp::CompareAndSet(k, Some(old), new) => vec![word("CAS"), key(k), number(old), number(new)],
        MapOp::All => vec![word("DBSIZE")],
    }
}

/// What an answer says; `None` for one that does not answer the operation.
fn ret(op: &Op, frame: &Frame) -> Option<Ret> {
    let value = || match frame {
        Frame::Null => Some(None),
        frame => std::str::from_utf8(frame.text()?).ok()?.parse().ok().map(Some),
    };
    let is_ok = || frame.text().is_some_and(|text| text == "OK");
    if frame.is_error() {
        return None;
    }
    match op {
        MapOp::Get(_) | MapOp::Delete(_) => value().map(MapRet::Value),
        MapOp::Put(..) => is_ok().then_some(MapRet::Done),
        MapOp::CompareAndSet(_, None, _) if *frame == Frame::Null => Some(MapRet::Swapped(false)),
        MapOp::CompareAndSet(_, None, _) => is_ok().then_some(MapRet::Swapped(true)),
        MapOp::CompareAndSet(..) => Some(MapRet::Swapped(*frame == Frame::Integer(1))),
        MapOp::All => None,
    }
}
