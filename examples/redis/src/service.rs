//! The service of one connection: a batch of requests in, their replies out.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use tower::Service;
use xs_net::session::{Next, Turn};
use xs_net::timer::Sleep;
use xs_os::Signal;
use xs_proto::resp::{InputLimits, Reply, RequestDecoder};

use crate::blocked::Waits;
use crate::client::{Client, ReplyMode};
use crate::dispatch;
use crate::state::{Shared, State};

/// Once a batch has been answered with so many bytes, they are sent and other connections have a go before it goes on.
const OUTPUT_A_TURN: usize = 1 << 20;

/// One connection's service.
///
/// Its state lies with the shared state, where other connections find it (`CLIENT LIST`, `PUBLISH`); dropping the
/// service takes it away.
#[derive(Debug)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
    served: Arc<Signal>,
    id: u64,
}

impl Connection {
    /// Registers a client with the state of `shared`, and makes its service.
    pub(crate) fn new(shared: Arc<Shared>, state: &mut State, client: Box<Client>) -> Connection {
        let (id, served) = (client.id, client.served.clone());
        state.server.stats.connections += 1;
        state.server.clients.insert(client);
        Connection { shared, served, id }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if let Some(mut client) = state.server.clients.remove(self.id) {
            state.server.forget(&mut client);
        }
    }
}

impl Service<Box<Turn<RequestDecoder>>> for Connection {
    type Response = Box<Turn<RequestDecoder>>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, mut turn: Box<Turn<RequestDecoder>>) -> Answer {
        match run(&self.shared, self.id, &mut turn) {
            Flow::Done => Answer::Ready(Some(turn)),
            Flow::Wait(deadline) => {
                let shared = self.shared.clone();
                let sleep = deadline.map(|after| Box::pin(shared.timer.sleep(after)));
                Answer::Waiting(Box::new(Waiting {
                    shared,
                    served: self.served.clone(),
                    id: self.id,
                    turn: Some(turn),
                    sleep,
                }))
            }
        }
    }
}

/// The replies of a batch: there at once, unless a command of the batch waits for a key.
pub(crate) enum Answer {
    Ready(Option<Box<Turn<RequestDecoder>>>),
    Waiting(Box<Waiting>),
}

/// A command of the batch waits; the rest of the batch stays undecoded until it has been served.
pub(crate) struct Waiting {
    shared: Arc<Shared>,
    served: Arc<Signal>,
    id: u64,
    turn: Option<Box<Turn<RequestDecoder>>>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Future for Answer {
    type Output = Result<Box<Turn<RequestDecoder>>, Infallible>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Answer::Ready(turn) => {
                Poll::Ready(Ok(turn.take().expect("a future is not polled again after it was ready")))
            }
            Answer::Waiting(waiting) => waiting.poll(cx).map(Ok),
        }
    }
}

impl Waiting {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Box<Turn<RequestDecoder>>> {
        loop {
            let turn = self.turn.as_mut().expect("a future is not polled again after it was ready");
            if self.served.poll(cx).is_pending() {
                match &mut self.sleep {
                    None => return Poll::Pending,
                    Some(sleep) => ready!(sleep.as_mut().poll(cx)),
                }
                if !time_is_up(&self.shared, self.id, turn) {
                    // Served in this very moment: the flag says so.
                    self.sleep = None;
                    continue;
                }
            }
            match run(&self.shared, self.id, turn) {
                Flow::Done => return Poll::Ready(self.turn.take().expect("it was there a moment ago")),
                Flow::Wait(deadline) => {
                    self.sleep = deadline.map(|after| Box::pin(self.shared.timer.sleep(after)));
                }
            }
        }
    }
}

/// Whether the batch has been worked off.
enum Flow {
    Done,
    /// A command waits, at most this long.
    Wait(Option<Duration>),
}

/// Unix milliseconds.
pub(crate) fn unix_ms(wall: SystemTime) -> u64 {
    wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Works off a batch under one lock.
fn run(shared: &Shared, id: u64, turn: &mut Turn<RequestDecoder>) -> Flow {
    let wall = unix_ms(shared.clock.wall());
    let start = shared.clock.now();
    let mut guard = shared.state.lock();
    let state = &mut *guard;
    let Some(mut client) = state.server.clients.take(id) else {
        turn.next = Next::Close;
        return Flow::Done;
    };
    state.server.tick = start;
    client.last_seen = wall;
    // Whatever others have told this client happened before the commands that run now.
    client.handle.take_pushed(&mut turn.out);
    let counts_memory = state.server.config.client_memory_limit().is_some();
    if counts_memory {
        client.unread = turn.input.len();
        state.server.note_memory(&mut client, turn.out.len());
        if !state.server.evict_clients(Some(&mut client)) {
            state.server.dismiss(client);
            turn.next = Next::Close;
            return Flow::Done;
        }
    }
    let before = (turn.input.len(), turn.out.len());
    let worked = catch_unwind(AssertUnwindSafe(|| work_off(state, &mut client, turn, wall, start)));
    if worked.is_err() {
        // The session ends this connection; nobody else's must suffer for it.
        client.close = true;
        client.blocked = None;
        client.may_not_block = false;
    }
    state.server.stats.net_input += (before.0 - turn.input.len()) as u64;
    state.server.stats.net_output += (turn.out.len() - before.1.min(turn.out.len())) as u64;
    client.unread = turn.input.len();
    if turn.out.len() > client.handle.output_limits().hard {
        // The session cuts off who reads slowly; a reply that is too large by itself is never sent to anybody.
        tracing::warn!(id, "Client closed for overcoming of output buffer limits");
        turn.out.clear();
        client.close = true;
    }
    if counts_memory {
        state.server.note_memory(&mut client, turn.out.len());
    }
    if client.close {
        turn.next = Next::Close;
    } else if turn.out.len() >= OUTPUT_A_TURN {
        turn.next = Next::Again;
    }
    if state.server.shutdown {
        shared.stop.send_replace(true);
        state.server.cut_off_waiting();
    }
    let flow = match &mut client.blocked {
        None => Flow::Done,
        Some(on) => {
            if *shared.stop.borrow() {
                // Those who began to wait earlier have been cut off already.
                client.handle.kill();
            }
            client.served.clear();
            state.server.blocked.add(id, on);
            // From here on it matters which keys change, and the next command may be the one that changes them.
            state.keyspace.record_changes(true);
            // What was answered so far must not wait with the command that waits.
            let _ = client.handle.push(|out| out.append(&mut turn.out));
            Flow::Wait(on.deadline.map(|at| Duration::from_millis(at.saturating_sub(wall))))
        }
    };
    state.server.clients.put_back(client);
    drop(guard);
    if let Err(panic) = worked {
        resume_unwind(panic);
    }
    flow
}

/// Runs the commands of a batch, until one must wait, or so much is answered that others should have a go.
fn work_off(state: &mut State, client: &mut Client, turn: &mut Turn<RequestDecoder>, wall: u64, start: Instant) {
    let mut now = wall;
    // A pause has ended: what it held back comes first.
    if let Some(on) = client.blocked.take() {
        state.server.blocked.remove(&on);
        dispatch::execute(state, client, on.request.args(), &mut turn.out, now);
    }
    while !client.close && client.blocked.is_none() && turn.out.len() < OUTPUT_A_TURN {
        let (decoder, bytes) = turn.input.parts();
        decoder.set_authenticated(client.user.is_some());
        if decoder.limits().bulk as u64 != state.server.config.proto_max_bulk_len {
            let bulk = usize::try_from(state.server.config.proto_max_bulk_len).unwrap_or(usize::MAX);
            decoder.set_limits(InputLimits { bulk, ..*decoder.limits() });
        }
        match decoder.parse(bytes) {
            Ok(Some(taken)) => {
                let args = decoder.args(bytes);
                if !args.is_empty() {
                    dispatch::execute(state, client, args, &mut turn.out, now);
                }
                turn.input.consume(taken);
                now = wall + state.server.tick.saturating_duration_since(start).as_millis() as u64;
            }
            Ok(None) => break,
            Err(error) => {
                Reply::new(&mut turn.out, client.version).error(format!("ERR {error}"));
                client.close = true;
            }
        }
    }
    state.server.broadcast_invalid(Some((client, &mut turn.out)));
}

/// A waiting command's time is up: it is answered with nothing. One that only waited for a pause to end is left lying
/// there, to be run at last. False when it has been served meanwhile.
fn time_is_up(shared: &Shared, id: u64, turn: &mut Turn<RequestDecoder>) -> bool {
    let mut guard = shared.state.lock();
    let state = &mut *guard;
    let Some(mut client) = state.server.clients.take(id) else { return true };
    let had_waited = client.blocked.is_some();
    if let Some(on) = client.blocked.take_if(|on| on.waits != Waits::Pause) {
        state.server.blocked.remove(&on);
        client.handle.take_pushed(&mut turn.out);
        if client.reply_mode == ReplyMode::On {
            on.waits.timed_out(&mut Reply::new(&mut turn.out, client.version));
        }
    }
    state.server.clients.put_back(client);
    had_waited
}
