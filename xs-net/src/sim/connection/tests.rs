//! Two ends without hosts: what is on its way lies on a table.

use std::time::Duration;

use super::*;
use xs_os::{Clock, VirtualClock};

const MS: Duration = Duration::from_millis(1);

struct Table {
    clock: VirtualClock,
    limits: Limits,
    ends: [Connection; 2],
}

impl Table {
    /// An open connection with segments of ten bytes.
    fn new() -> Self {
        let limits = Limits { segment: 10, ..Limits::default() };
        let ends = [Connection::open(1, 2, &limits), Connection::answer(2, 1, Tag::NONE, 1 << 16, &limits)];
        let mut table = Table { clock: VirtualClock::new(), limits, ends };
        let [_syn, syn_ack] = [table.sent(0), table.sent(1)];
        table.give(0, syn_ack);
        let ack = table.sent(0);
        table.give(1, ack);
        assert!(table.ends.iter().all(|end| end.phase == Phase::Open));
        table
    }

    fn write(&mut self, end: usize, bytes: &[u8]) {
        let wrote = self.ends[end].poll_write(&[io::IoSlice::new(bytes)], Waker::noop(), &self.limits);
        assert!(matches!(wrote, Poll::Ready(Ok(len)) if len == bytes.len()));
    }

    /// All that an end has arrived in order, so far not read.
    fn read(&mut self, end: usize) -> Vec<u8> {
        let mut bytes = vec![0; 1_000];
        let mut into = ReadBuf::new(&mut bytes);
        let _ = self.ends[end].poll_read(&mut into, Waker::noop(), &self.limits).0;
        into.filled().to_vec()
    }

    fn sent(&mut self, end: usize) -> Vec<Body> {
        let mut sent = Vec::new();
        self.ends[end].transmit(self.clock.now(), &self.limits, |body| sent.push(body));
        sent
    }

    fn give(&mut self, end: usize, bodies: impl IntoIterator<Item = Body>) {
        let now = self.clock.now();
        for body in bodies {
            assert_eq!(self.ends[end].receive(body, now, &self.limits, &mut Vec::new()), Verdict::Fine);
        }
    }

    /// Lets time pass; what is late is noticed.
    fn pass(&mut self, time: Duration) {
        self.clock.advance(time);
        let now = self.clock.now();
        self.ends.iter_mut().for_each(|end| end.late(now, &self.limits, &mut Vec::new()));
    }
}

/// Where segments begin.
fn seqs(bodies: &[Body]) -> Vec<u64> {
    bodies.iter().map(|body| if let Body::Segment { seq, .. } = body { *seq } else { panic!("a segment") }).collect()
}

fn acks(bodies: &[Body]) -> Vec<u64> {
    bodies.iter().map(|body| if let Body::Segment { ack, .. } = body { *ack } else { panic!("a segment") }).collect()
}

#[test]
fn three_repeated_acknowledgements_show_a_loss_and_each_step_the_next() {
    let mut table = Table::new();
    table.write(0, &[b'x'; 70]);
    let mut sent = table.sent(0);
    assert_eq!(seqs(&sent), [0, 10, 20, 30, 40, 50, 60]);
    // The second and the fourth are lost; each of the others is acknowledged at once.
    for lost in [30, 10] {
        sent.remove(lost / 10);
    }
    let mut answers = Vec::new();
    for segment in sent {
        table.give(1, [segment]);
        answers.extend(table.sent(1));
    }
    assert_eq!(acks(&answers), [10, 10, 10, 10, 10]);
    for answer in answers.drain(..3) {
        table.give(0, [answer]);
        assert_eq!(table.sent(0), [], "two repetitions may be two packets that overtook each other");
    }
    table.give(0, answers.drain(..1));
    let again = table.sent(0);
    assert_eq!(seqs(&again), [10]);
    table.give(0, answers);
    assert_eq!(table.sent(0), [], "once is enough");
    table.give(1, again);
    let answer = table.sent(1);
    assert_eq!(acks(&answer), [30]);
    table.give(0, answer);
    let again = table.sent(0);
    assert_eq!(seqs(&again), [30], "no need to wait for three more");
    table.give(1, again);
    let answer = table.sent(1);
    assert_eq!(acks(&answer), [70]);
    table.give(0, answer);
    assert_eq!((table.sent(0), table.ends[0].retry_at), (vec![], None));
    assert_eq!(table.read(1), [b'x'; 70]);
}

#[test]
fn what_is_not_acknowledged_is_sent_again_and_again_and_then_the_connection_breaks() {
    let mut table = Table::new();
    table.write(0, b"hello");
    assert_eq!(table.sent(0).len(), 1);
    let mut times = Vec::new();
    let began = table.clock.now();
    while table.ends[0].phase == Phase::Open {
        table.pass(MS);
        if !table.sent(0).is_empty() {
            times.push((table.clock.now() - began).as_millis() as u64);
        }
    }
    // The first answer came at once, so the shortest time is waited, then twice that, and so on up to two seconds.
    assert_eq!(times[..8], [20, 60, 140, 300, 620, 1_260, 2_540, 4_540]);
    assert_eq!(table.ends[0].phase, Phase::Over(io::ErrorKind::TimedOut));
    let gave_up = table.clock.now() - began;
    assert!(gave_up >= table.limits.patience && gave_up < table.limits.patience + table.limits.most_retry);
}

#[test]
fn a_packet_that_comes_twice_is_read_once_and_acknowledged_twice() {
    let mut table = Table::new();
    table.write(0, b"hello");
    let sent = table.sent(0);
    for _ in 0..2 {
        table.give(1, sent.clone());
        assert_eq!(acks(&table.sent(1)), [5]);
    }
    assert_eq!(table.read(1), b"hello");
    assert_eq!(table.read(1), b"");
}

#[test]
fn what_nobody_may_send_changes_nothing() {
    let mut table = Table::new();
    let segment = |seq, data: &'static [u8], ack| {
        let data = Bytes::from_static(data);
        Body::Segment { seq, data, fin: false, ack, limit: 0, ask: false }
    };
    table.write(0, b"hello");
    table.sent(0);
    table.give(0, [segment(0, b"", 6)]); // of what was never sent
    assert!(table.ends[0].retry_at.is_some(), "it is still waited for");
    let window = table.limits.receive_buffer as u64;
    table.give(0, [segment(window - 1, b"xy", 0), segment(u64::MAX, b"xy", 0)]); // beyond the window
    assert!(table.ends[0].early.is_empty());
    table.give(0, [segment(window - 2, b"xy", 0)]);
    assert_eq!(table.ends[0].early.len(), 1);
}

#[test]
fn an_end_is_acknowledged_and_read_once_everything_before_it_is_there() {
    let mut table = Table::new();
    table.write(0, &[b'x'; 15]);
    assert!(table.ends[0].end() && !table.ends[0].end());
    let mut sent = table.sent(0);
    assert_eq!(seqs(&sent), [0, 10], "the end travels with the last bytes");
    table.give(1, sent.pop());
    assert_eq!((acks(&table.sent(1)), table.read(1).len(), table.ends[1].has_ended()), (vec![0], 0, false));
    table.give(1, sent.pop());
    let answer = table.sent(1);
    assert_eq!((acks(&answer), table.read(1).len(), table.ends[1].has_ended()), (vec![16], 15, true));
    table.give(0, answer);
    table.ends[0].owner = Owner::Nobody;
    assert!(table.ends[0].is_done());
}
