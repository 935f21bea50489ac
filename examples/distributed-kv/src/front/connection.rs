//! The service of one connection: a batch of requests in, their replies out.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures::future::Either;
use tower::Service;
use xs_net::session::{Next, Turn};
use xs_proto::Out;
use xs_proto::resp::{Reply, Request, RequestDecoder, Version};

use super::plan::{Plan, Shape};
use super::{Front, admin, control, scan};
use crate::answer::Answer;
use crate::command::{Entry, Id, MAX_ENTRY, MAX_OPS, MAX_REWRITES, Op, Parsed, encode, parse};
use crate::node::{Failed, Handle};
use crate::store::Outcome;

/// A batch is closed when it asks for so many things,
const BATCH_OPS: usize = 1024;
/// or has so many bytes,
const BATCH_BYTES: usize = 1 << 20;
/// or has so many that rewrite values,
const BATCH_REWRITES: usize = MAX_REWRITES / 2;
/// or that write and are answered with a value: all of these answers fit into [`MAX_ANSWERS`](crate::command::MAX_ANSWERS).
const BATCH_VALUES: usize = 4;

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    front: Arc<Front>,
    /// Its name in the state, and the number of its last entry.
    session: u128,
    seq: u64,
    pub(super) id: u64,
    pub(super) version: Version,
    pub(super) name: Vec<u8>,
    /// Reads what this node has.
    pub(super) reads_here: bool,
    /// A transaction that is being collected.
    queue: Option<Queue>,
    /// A request that must begin a batch, and was found behind others.
    held: Option<Request>,
}

#[derive(Debug, Default)]
struct Queue {
    ops: Vec<(Op, Shape)>,
    bytes: usize,
    rewrites: usize,
    /// Something in it was refused: it will be, too.
    spoilt: bool,
}

/// What to do with a batch.
enum Work {
    /// It is answered.
    Said(Plan),
    /// Reads, of what is there.
    ReadHere(Plan),
    /// Reads that ask first.
    Read(Plan),
    /// An entry.
    Write(Vec<u8>, Plan),
    /// What is done by itself; in this form, and by what is here.
    Alone(Alone, Version, bool),
}

/// A request that is a batch by itself.
pub(super) enum Alone {
    Scan(scan::Scan),
    Admin(admin::Asked),
}

type Waiting = Pin<Box<dyn Future<Output = Result<Box<Turn<RequestDecoder>>, Infallible>> + Send>>;

impl Connection {
    pub(super) fn new(front: Arc<Front>, session: u128, id: u64) -> Self {
        Connection {
            front,
            session,
            seq: 0,
            id,
            version: Version::Resp2,
            name: Vec::new(),
            reads_here: false,
            queue: None,
            held: None,
        }
    }

    /// Forgets what the client has set (`RESET`).
    pub(super) fn reset(&mut self) {
        (self.version, self.reads_here, self.queue) = (Version::Resp2, false, None);
        self.name.clear();
    }

    /// Reads requests until the batch is full, or one must be alone.
    fn collect(&mut self, turn: &mut Turn<RequestDecoder>, plan: &mut Plan) -> Option<Alone> {
        loop {
            let full = plan.len() >= BATCH_OPS || plan.bytes >= BATCH_BYTES;
            if full || plan.rewrites >= BATCH_REWRITES || plan.values >= BATCH_VALUES {
                turn.next = Next::Again;
                return None;
            }
            let request = match self.held.take() {
                Some(held) => held,
                None => match turn.input.next() {
                    Ok(Some(request)) => request,
                    Ok(None) => return None,
                    Err(error) => {
                        plan.say(self.version, |reply| reply.error(format!("ERR {error}")));
                        turn.next = Next::Close;
                        return None;
                    }
                },
            };
            self.front.node.clients.commands.fetch_add(1, Ordering::Relaxed);
            let name = request.get(0).unwrap_or_default().to_ascii_uppercase();
            let op = match parse(&name, &request) {
                Parsed::Op(op) => op,
                Parsed::Refused(why) => {
                    self.refuse(plan, &why);
                    continue;
                }
                Parsed::Unknown => {
                    // What a read means changes with some requests: not what those in front of them mean.
                    let turns = matches!(&name[..], b"READONLY" | b"READWRITE" | b"RESET");
                    if !plan.ops.is_empty() && turns || plan.len() > 0 && self.queue.is_none() && stands_alone(&name) {
                        return self.hold(request, turn);
                    }
                    if self.queue.is_none() && stands_alone(&name) {
                        match alone(&name, &request) {
                            Ok(alone) => return Some(alone),
                            Err(why) => plan.say(self.version, |reply| reply.error(why)),
                        }
                        continue;
                    }
                    self.control(&name, &request, turn, plan);
                    if turn.next == Next::Close || self.held.is_some() {
                        return None;
                    }
                    continue;
                }
            };
            let shape = if name == b"SETNX" { Shape::Done } else { Shape::Plain };
            let version = self.version;
            match &mut self.queue {
                None if op.size() > MAX_ENTRY => self.refuse(plan, "ERR the command is too large"),
                // Reads behind a write are a batch of their own: what they answer would be sent around with the entry.
                None if plan.bytes + op.size() > MAX_ENTRY || !plan.ops.is_empty() && plan.is_entry != op.writes() => {
                    return self.hold(request, turn);
                }
                None => plan.ask(version, op, shape),
                Some(queue) => {
                    queue.bytes += op.size();
                    queue.rewrites += usize::from(op.rewrites());
                    let most = queue.ops.len() >= MAX_OPS / 2 || queue.rewrites > BATCH_REWRITES;
                    if queue.bytes > MAX_ENTRY || most {
                        self.refuse(plan, "ERR the transaction is too large");
                    } else {
                        queue.ops.push((op, shape));
                        plan.say(version, |reply| reply.simple("QUEUED"));
                    }
                }
            }
        }
    }

    /// A request must begin the next batch.
    fn hold(&mut self, request: Request, turn: &mut Turn<RequestDecoder>) -> Option<Alone> {
        self.held = Some(request);
        turn.next = Next::Again;
        None
    }

    /// A request can't be done.
    fn refuse(&mut self, plan: &mut Plan, why: &str) {
        if let Some(queue) = &mut self.queue {
            queue.spoilt = true;
        }
        plan.say(self.version, |reply| reply.error(why));
    }

    /// What concerns the connection and not the state.
    fn control(&mut self, name: &[u8], request: &Request, turn: &mut Turn<RequestDecoder>, plan: &mut Plan) {
        let version = self.version;
        match (name, self.queue.take()) {
            (b"MULTI", None) => {
                self.queue = Some(Queue::default());
                plan.say(version, |reply| reply.ok());
            }
            (b"MULTI", queue) => {
                self.queue = queue;
                self.refuse(plan, "ERR MULTI calls can not be nested");
            }
            (b"EXEC", None) => plan.say(version, |reply| reply.error("ERR EXEC without MULTI")),
            (b"EXEC", Some(queue)) if queue.spoilt => {
                let why = "EXECABORT Transaction discarded because of previous errors.";
                plan.say(version, |reply| reply.error(why));
            }
            (b"EXEC", Some(queue)) if plan.bytes + queue.bytes > MAX_ENTRY => {
                // It does not fit behind what is in the batch; it will be the next one.
                self.queue = Some(queue);
                self.held = Some(request.clone());
                turn.next = Next::Again;
            }
            (b"EXEC", Some(queue)) => plan.ask_all(version, queue.ops),
            (b"DISCARD", None) => plan.say(version, |reply| reply.error("ERR DISCARD without MULTI")),
            (b"DISCARD", Some(_)) => plan.say(version, |reply| reply.ok()),
            (b"WATCH" | b"UNWATCH", queue) => {
                self.queue = queue;
                self.refuse(plan, "ERR WATCH is not supported: use CAS key old new, or SET key value NX");
            }
            (b"QUIT", _) => {
                plan.say(version, |reply| reply.ok());
                turn.next = Next::Close;
            }
            (b"RESET", _) => {
                self.reset();
                plan.say(self.version, |reply| reply.simple("RESET"));
            }
            (_, Some(mut queue)) => {
                queue.spoilt = true;
                self.queue = Some(queue);
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                plan.say(version, |reply| reply.error(format!("ERR '{name}' can not be part of a transaction here")));
            }
            (_, None) => {
                let front = self.front.clone();
                let mut out = Out::new();
                control::answer(&front, self, name, request, &mut out);
                plan.said(self.version, &out);
            }
        }
    }

    fn entry(&mut self, ops: Vec<Op>) -> Vec<u8> {
        self.seq += 1;
        let id = Id { session: self.session, seq: self.seq, since: self.front.node.applied() };
        encode(&Entry { at: 0, id: Some(id), ops })
    }
}

fn stands_alone(name: &[u8]) -> bool {
    matches!(name, b"SCAN" | b"RAFT")
}

fn alone(name: &[u8], request: &Request) -> Result<Alone, String> {
    if name == b"SCAN" { scan::parse(request).map(Alone::Scan) } else { admin::parse(request).map(Alone::Admin) }
}

impl Service<Box<Turn<RequestDecoder>>> for Connection {
    type Response = Box<Turn<RequestDecoder>>;
    type Error = Infallible;
    type Future = Either<Ready<Result<Box<Turn<RequestDecoder>>, Infallible>>, Waiting>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut turn: Box<Turn<RequestDecoder>>) -> Self::Future {
        let mut works = Vec::new();
        loop {
            turn.next = Next::Read;
            let mut plan = Plan::default();
            let alone = self.collect(&mut turn, &mut plan);
            if alone.is_some() {
                // What is undecoded behind it comes afterwards.
                turn.next = Next::Again;
            }
            works.push(self.work(plan, alone));
            // Nobody would come again for a request that was held back if nothing is unread behind it.
            if self.held.is_none() || !turn.input.is_empty() {
                break;
            }
        }
        // What is done at once, is.
        let mut works = works.into_iter().peekable();
        while let Some(work) = works.next_if(|work| matches!(work, Work::Said(_) | Work::ReadHere(_))) {
            match work {
                Work::ReadHere(plan) => read(&self.front, plan, &mut turn.out),
                Work::Said(plan) => plan.reply(&mut turn.out, || Answer::Nil),
                _ => {}
            }
        }
        if works.peek().is_none() {
            return Either::Left(ready(Ok(turn)));
        }
        let front = self.front.clone();
        Either::Right(Box::pin(async move {
            for work in works {
                work.run(&front, &mut turn.out).await;
            }
            Ok(turn)
        }))
    }
}

impl Connection {
    fn work(&mut self, mut plan: Plan, alone: Option<Alone>) -> Work {
        match alone {
            Some(alone) => Work::Alone(alone, self.version, self.reads_here),
            None if plan.ops.is_empty() => Work::Said(plan),
            None if plan.is_entry => Work::Write(self.entry(std::mem::take(&mut plan.ops)), plan),
            None if self.reads_here => Work::ReadHere(plan),
            None => Work::Read(plan),
        }
    }
}

impl Work {
    async fn run(self, front: &Front, out: &mut Out) {
        match self {
            Work::Said(plan) => plan.reply(out, || Answer::Nil),
            Work::ReadHere(plan) => read(front, plan, out),
            Work::Read(plan) => match front.node.read().await {
                Ok(()) => read(front, plan, out),
                Err(why) => plan.fail(out, &why.to_string()),
            },
            Work::Write(entry, plan) => write(&front.node, entry, plan, out).await,
            Work::Alone(alone, version, reads_here) => {
                let mut reply = Reply::new(out, version);
                match alone {
                    Alone::Scan(scan) => scan::run(front, scan, reads_here, &mut reply).await,
                    Alone::Admin(asked) => admin::run(front, asked, &mut reply).await,
                }
            }
        }
    }
}

/// Reads the state, as it is by now.
fn read(front: &Front, mut plan: Plan, out: &mut Out) {
    let wall = front.wall();
    let mut ops = std::mem::take(&mut plan.ops).into_iter();
    plan.reply(out, || match ops.next() {
        Some(op) => front.node.view.read(&op, wall).unwrap_or_else(|why| Answer::err(&why.to_string())),
        None => Answer::Nil,
    });
}

async fn write(node: &Handle, entry: Vec<u8>, plan: Plan, out: &mut Out) {
    let failed = match node.write(entry).await {
        Ok(Outcome::Done(answers)) => {
            let mut answers = answers.into_iter();
            return plan.reply(out, || answers.next().unwrap_or(Answer::Nil));
        }
        Ok(Outcome::DoneBefore) => "UNCERTAIN the write was done, and its answer is lost".to_owned(),
        Ok(Outcome::TooOld) => Failed::Uncertain("it took too long".into()).to_string(),
        Err(failed) => failed.to_string(),
    };
    plan.fail(out, &failed);
}
