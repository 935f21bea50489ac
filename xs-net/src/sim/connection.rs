//! One end of a connection: a state machine without a network, which is given packets, time and what the program does.
//!
//! ```text
//!   open()   ──▶ Calling ───── SynAck ────▶ Open ──▶ Over(why)    reset, no answer for too long
//!   answer() ──▶ Answering ── any segment ──▲ │
//!                                             └─ both directions end by themselves: fin sent and acknowledged, fin read
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::task::{Poll, Waker};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::ReadBuf;

use super::Limits;
use super::packet::{Body, Tag};
use super::rtt::Rtt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Asked for, and not answered.
    Calling,
    /// Answered, and no sign yet that the answer arrived.
    Answering,
    Open,
    Over(io::ErrorKind),
}

/// Who has its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// It waits to be accepted.
    Listener,
    Program,
    /// The program dropped it.
    Nobody,
}

/// What is to be done about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// The other side must hear that the connection is gone.
    Refuse,
}

#[derive(Debug)]
struct Sent {
    seq: u64,
    data: Bytes,
    fin: bool,
    at: Instant,
    again: bool,
}

impl Sent {
    fn end(&self) -> u64 {
        self.seq + self.data.len() as u64 + u64::from(self.fin)
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) phase: Phase,
    pub(super) from_port: u16,
    pub(super) to_port: u16,
    pub(super) acceptor: Tag,
    /// When something must be sent again, and the entry for it among the stack's timers.
    pub(super) retry_at: Option<Instant>,
    pub(super) armed: Option<Instant>,
    /// Whether it stands among those that have something to send.
    pub(super) dirty: bool,
    pub(super) owner: Owner,
    greet: bool,

    /// Written and not yet sent; `next` is the offset of its first byte.
    tail: BytesMut,
    next: u64,
    flight: VecDeque<Sent>,
    /// Everything before it has been acknowledged, and the end too if it is one behind the last byte.
    acked: u64,
    /// The other side takes bytes up to it.
    limit: u64,
    /// The program writes nothing more.
    ended: bool,
    fin_sent: bool,
    resend: bool,
    ask: bool,
    /// Acknowledgements in a row that acknowledged nothing new.
    repeats: u32,
    /// What was sent when a loss was noticed: until all of it is acknowledged, each step forward shows the next loss.
    recover: Option<u64>,

    unread: VecDeque<Bytes>,
    /// Arrived ahead of others, by offset.
    early: BTreeMap<u64, Bytes>,
    received: u64,
    consumed: u64,
    /// The limit that the other side was told last.
    told: u64,
    /// Where the other side's stream ends, once it is known.
    fin_at: Option<u64>,
    must_ack: bool,

    rtt: Rtt,
    /// Since when an answer is awaited.
    waiting_since: Option<Instant>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The program has heard why the connection broke.
    told_why: bool,
}

impl Connection {
    fn new(phase: Phase, from_port: u16, to_port: u16, acceptor: Tag, limit: u64, limits: &Limits) -> Self {
        Connection {
            phase,
            from_port,
            to_port,
            acceptor,
            retry_at: None,
            armed: None,
            dirty: false,
            owner: if phase == Phase::Calling { Owner::Program } else { Owner::Listener },
            greet: true,
            tail: BytesMut::new(),
            next: 0,
            flight: VecDeque::new(),
            acked: 0,
            limit,
            ended: false,
            fin_sent: false,
            resend: false,
            ask: false,
            repeats: 0,
            recover: None,
            unread: VecDeque::new(),
            early: BTreeMap::new(),
            received: 0,
            consumed: 0,
            told: limits.receive_buffer as u64,
            fin_at: None,
            must_ack: false,
            rtt: Rtt::new(limits),
            waiting_since: None,
            reader: None,
            writer: None,
            told_why: false,
        }
    }

    pub(super) fn open(from_port: u16, to_port: u16, limits: &Limits) -> Self {
        Self::new(Phase::Calling, from_port, to_port, Tag::NONE, 0, limits)
    }

    pub(super) fn answer(from_port: u16, to_port: u16, acceptor: Tag, limit: u64, limits: &Limits) -> Self {
        Self::new(Phase::Answering, from_port, to_port, acceptor, limit, limits)
    }

    /// Breaks the connection. What has arrived can still be read.
    pub(super) fn fail(&mut self, why: io::ErrorKind, wakers: &mut Vec<Waker>) {
        if matches!(self.phase, Phase::Over(_)) {
            return;
        }
        self.phase = Phase::Over(why);
        self.tail.clear();
        self.flight.clear();
        self.early.clear();
        self.retry_at = None;
        wakers.extend(self.reader.take());
        wakers.extend(self.writer.take());
    }

    /// Whether nothing is left to do for it.
    pub(super) fn is_done(&self) -> bool {
        let ended = match self.phase {
            Phase::Over(_) => true,
            Phase::Open => self.fin_sent && self.flight.is_empty(),
            Phase::Calling | Phase::Answering => false,
        };
        ended && self.owner == Owner::Nobody
    }

    /// A packet of this connection, and from the other side's right end.
    pub(super) fn receive(&mut self, body: Body, now: Instant, limits: &Limits, wakers: &mut Vec<Waker>) -> Verdict {
        match (self.phase, body) {
            (Phase::Over(_), Body::Reset) => Verdict::Fine,
            (Phase::Over(_), _) => Verdict::Refuse,
            (Phase::Calling, Body::Reset) => {
                self.fail(io::ErrorKind::ConnectionRefused, wakers);
                Verdict::Fine
            }
            (_, Body::Reset) => {
                self.fail(io::ErrorKind::ConnectionReset, wakers);
                Verdict::Fine
            }
            (Phase::Calling, Body::SynAck { limit }) => {
                self.begin(now, limits);
                self.limit = limit;
                self.must_ack = true;
                wakers.extend(self.writer.take());
                Verdict::Fine
            }
            // A segment can't come before the answer to the call; one that does was made up.
            (Phase::Calling, _) => Verdict::Fine,
            (Phase::Answering, Body::Syn { .. }) => {
                self.greet = true;
                Verdict::Fine
            }
            (Phase::Open, Body::Syn { .. } | Body::SynAck { .. }) => {
                self.must_ack = true;
                Verdict::Fine
            }
            (Phase::Answering, Body::SynAck { .. }) => Verdict::Fine,
            (Phase::Answering | Phase::Open, Body::Segment { seq, data, fin, ack, limit, ask }) => {
                if self.phase == Phase::Answering {
                    self.begin(now, limits);
                }
                self.must_ack |= ask || fin || !data.is_empty();
                let news = !data.is_empty() || fin;
                self.acknowledged(ack, limit, news, now, limits, wakers);
                self.take(seq, data, fin, limits, wakers)
            }
        }
    }

    fn begin(&mut self, now: Instant, limits: &Limits) {
        if let Some(since) = self.waiting_since.filter(|_| !self.rtt.is_doubled()) {
            self.rtt.sample(now.saturating_duration_since(since), limits);
        }
        self.phase = Phase::Open;
        self.greet = false;
        self.retry_at = None;
        self.waiting_since = None;
    }

    /// What the other side says of what we sent.
    fn acknowledged(
        &mut self,
        ack: u64,
        limit: u64,
        news: bool,
        now: Instant,
        limits: &Limits,
        wakers: &mut Vec<Waker>,
    ) {
        if ack > self.next + u64::from(self.fin_sent) {
            return; // of what was never sent
        }
        let opened = limit > self.limit;
        self.limit = self.limit.max(limit);
        if self.flight.is_empty() && ack == self.acked {
            // A full receiver that answers is no dead one.
            self.waiting_since = self.waiting_since.map(|_| now);
            if opened {
                self.retry_at = None;
            }
            return;
        }
        if ack > self.acked {
            self.acked = ack;
            while let Some(sent) = self.flight.front()
                && sent.end() <= ack
            {
                if !sent.again {
                    self.rtt.sample(now.saturating_duration_since(sent.at), limits);
                }
                self.flight.pop_front();
            }
            self.repeats = 0;
            match self.recover {
                Some(recover) if ack < recover => self.resend = true,
                _ => self.recover = None,
            }
            let waits = !self.flight.is_empty();
            self.retry_at = waits.then(|| now + self.rtt.retry());
            self.waiting_since = waits.then_some(now);
            if !self.ended {
                wakers.extend(self.writer.take());
            }
        } else if ack == self.acked && !news && !opened {
            self.repeats += 1;
            if self.repeats == 3 && self.recover.is_none() {
                self.recover = Some(self.next);
                self.resend = true;
            }
        }
    }

    /// What the other side sent.
    fn take(&mut self, seq: u64, mut data: Bytes, fin: bool, limits: &Limits, wakers: &mut Vec<Waker>) -> Verdict {
        let end = seq.saturating_add(data.len() as u64);
        if end > self.told.max(self.edge(limits)) {
            return Verdict::Fine; // beyond what it was allowed
        }
        if self.owner == Owner::Nobody && end > self.received {
            return Verdict::Refuse; // nobody will ever read it
        }
        let before = (self.received, self.has_ended());
        if fin && self.fin_at.is_none() {
            self.fin_at = Some(end);
        }
        if seq > self.received {
            if !data.is_empty() && self.early.get(&seq).is_none_or(|old| old.len() < data.len()) {
                self.early.insert(seq, data);
            }
        } else if end > self.received {
            data.advance((self.received - seq) as usize);
            self.received = end;
            self.unread.push_back(data);
            while let Some((&seq, _)) = self.early.first_key_value()
                && seq <= self.received
            {
                let Some((seq, mut data)) = self.early.pop_first() else { break };
                let end = seq + data.len() as u64;
                if end > self.received {
                    data.advance((self.received - seq) as usize);
                    self.received = end;
                    self.unread.push_back(data);
                }
            }
        }
        if before != (self.received, self.has_ended()) {
            wakers.extend(self.reader.take());
        }
        Verdict::Fine
    }

    /// The other side's stream has arrived to its end.
    fn has_ended(&self) -> bool {
        self.fin_at == Some(self.received)
    }

    /// Up to where bytes are taken.
    fn edge(&self, limits: &Limits) -> u64 {
        self.consumed + limits.receive_buffer as u64
    }

    /// The time for an answer is up.
    pub(super) fn late(&mut self, now: Instant, limits: &Limits, wakers: &mut Vec<Waker>) {
        if self.retry_at.is_none_or(|at| at > now) {
            return;
        }
        let patience = if self.phase == Phase::Open { limits.patience } else { limits.connect_patience };
        if self.waiting_since.is_some_and(|since| now.saturating_duration_since(since) >= patience) {
            return self.fail(io::ErrorKind::TimedOut, wakers);
        }
        self.rtt.double(limits);
        self.retry_at = Some(now + self.rtt.retry());
        match self.phase {
            Phase::Calling | Phase::Answering => self.greet = true,
            Phase::Open if !self.flight.is_empty() => {
                self.recover = Some(self.next);
                self.resend = true;
            }
            Phase::Open if !self.tail.is_empty() => self.ask = true,
            Phase::Open | Phase::Over(_) => self.retry_at = None,
        }
    }

    /// Sends what can be sent.
    pub(super) fn transmit(&mut self, now: Instant, limits: &Limits, mut send: impl FnMut(Body)) {
        match self.phase {
            Phase::Over(_) => return,
            Phase::Calling | Phase::Answering => {
                if std::mem::take(&mut self.greet) {
                    let limit = limits.receive_buffer as u64;
                    let calls = self.phase == Phase::Calling;
                    send(if calls { Body::Syn { limit } } else { Body::SynAck { limit } });
                    self.await_answer(now);
                }
                return;
            }
            Phase::Open => {}
        }
        if std::mem::take(&mut self.resend)
            && let Some(sent) = self.flight.front_mut()
        {
            sent.again = true;
            let (seq, data, fin) = (sent.seq, sent.data.clone(), sent.fin);
            send(self.segment(seq, data, fin, limits));
        }
        while !self.tail.is_empty() {
            let room = usize::try_from(self.limit.saturating_sub(self.next)).unwrap_or(usize::MAX);
            let len = self.tail.len().min(limits.segment).min(room);
            if len == 0 {
                break;
            }
            let data = self.tail.split_to(len).freeze();
            self.launch(data, now, limits, &mut send);
        }
        if self.ended && !self.fin_sent && self.tail.is_empty() {
            self.launch(Bytes::new(), now, limits, &mut send);
        }
        if !self.flight.is_empty() || !self.tail.is_empty() {
            self.await_answer(now);
        }
        if self.ask || self.must_ack {
            send(self.segment(self.next, Bytes::new(), false, limits));
        }
    }

    fn launch(&mut self, data: Bytes, now: Instant, limits: &Limits, send: &mut impl FnMut(Body)) {
        let fin = self.ended && self.tail.is_empty();
        let seq = self.next;
        self.next += data.len() as u64;
        self.fin_sent |= fin;
        send(self.segment(seq, data.clone(), fin, limits));
        self.flight.push_back(Sent { seq, data, fin, at: now, again: false });
    }

    fn await_answer(&mut self, now: Instant) {
        self.waiting_since.get_or_insert(now);
        let retry = self.rtt.retry();
        self.retry_at.get_or_insert_with(|| now + retry);
    }

    /// A segment, which also says all that the other side should know.
    fn segment(&mut self, seq: u64, data: Bytes, fin: bool, limits: &Limits) -> Body {
        self.must_ack = false;
        self.told = self.edge(limits);
        let ask = std::mem::take(&mut self.ask);
        Body::Segment { seq, data, fin, ack: self.received + u64::from(self.has_ended()), limit: self.told, ask }
    }

    pub(super) fn poll_open(&mut self, waker: &Waker) -> Poll<io::Result<()>> {
        match self.phase {
            Phase::Over(why) => Poll::Ready(Err(why.into())),
            Phase::Open => Poll::Ready(Ok(())),
            Phase::Calling | Phase::Answering => park(&mut self.writer, waker),
        }
    }

    /// Reads what has arrived. True beside it: the other side should hear that there is room.
    pub(super) fn poll_read(
        &mut self,
        into: &mut ReadBuf<'_>,
        waker: &Waker,
        limits: &Limits,
    ) -> (Poll<io::Result<()>>, bool) {
        if self.unread.is_empty() {
            let ended = self.has_ended();
            return match self.phase {
                _ if ended => (Poll::Ready(Ok(())), false),
                Phase::Over(why) => {
                    self.told_why = true;
                    (Poll::Ready(Err(why.into())), false)
                }
                _ => (park(&mut self.reader, waker), false),
            };
        }
        while let Some(front) = self.unread.front_mut()
            && into.remaining() > 0
        {
            let len = front.len().min(into.remaining());
            into.put_slice(&front[..len]);
            self.consumed += len as u64;
            front.advance(len);
            if front.is_empty() {
                self.unread.pop_front();
            }
        }
        let news = self.edge(limits) - self.told >= (limits.receive_buffer as u64).div_ceil(2);
        if news && self.phase == Phase::Open && !self.has_ended() {
            self.must_ack = true;
        }
        (Poll::Ready(Ok(())), self.must_ack)
    }

    /// Takes bytes to be sent, as many as there is room for.
    pub(super) fn poll_write(
        &mut self,
        slices: &[io::IoSlice<'_>],
        waker: &Waker,
        limits: &Limits,
    ) -> Poll<io::Result<usize>> {
        if let Some(error) = self.why_not_write() {
            return Poll::Ready(Err(error));
        }
        let kept = self.tail.len() as u64 + self.next - self.acked.min(self.next);
        let room = limits.send_buffer.saturating_sub(usize::try_from(kept).unwrap_or(usize::MAX));
        let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
        if room == 0 && wanted > 0 {
            return park(&mut self.writer, waker);
        }
        let mut left = room.min(wanted);
        for slice in slices {
            let len = slice.len().min(left);
            self.tail.extend_from_slice(&slice[..len]);
            left -= len;
        }
        Poll::Ready(Ok(room.min(wanted)))
    }

    fn why_not_write(&mut self) -> Option<io::Error> {
        match self.phase {
            _ if self.ended => Some(io::ErrorKind::BrokenPipe.into()),
            Phase::Over(io::ErrorKind::ConnectionReset) if self.told_why => Some(io::ErrorKind::BrokenPipe.into()),
            Phase::Over(why) => {
                self.told_why = true;
                Some(why.into())
            }
            _ => None,
        }
    }

    /// Nothing more will be written. True if the other side must still hear of it.
    pub(super) fn end(&mut self) -> bool {
        !std::mem::replace(&mut self.ended, true)
    }

    /// Whether something has arrived that the program did not read.
    pub(super) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }
}

fn park<T>(place: &mut Option<Waker>, waker: &Waker) -> Poll<T> {
    match place {
        Some(old) => old.clone_from(waker),
        None => *place = Some(waker.clone()),
    }
    Poll::Pending
}

#[cfg(all(test, not(xs_loom)))]
mod tests;
