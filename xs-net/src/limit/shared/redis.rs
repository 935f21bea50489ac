//! The store in Redis, or whatever speaks its protocol, over a client connection of this crate.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use tower::{Service, ServiceExt};
use xs_proto::resp::{EncodeError, Frame, FrameCodec, FrameError, Version};
use xs_proto::{Decode, Encode, Out};

use super::SharedStore;
use crate::limit::rate::{LONGEST, duration};
use crate::limit::{Denied, InvalidRate, Rate, SlidingCounter};
use crate::{BoxError, Timer};

/// Commands between `MULTI` and `EXEC`, as one request: they are written together, and nobody else's come in between.
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction {
    commands: Vec<Vec<Bytes>>,
}

impl Transaction {
    /// A transaction of these commands, each a list of words.
    pub fn new(commands: Vec<Vec<Bytes>>) -> Self {
        Transaction { commands }
    }
}

/// The codec of a connection that carries [`Transaction`]s. The reply to one is that to its `EXEC`, or the first error.
#[derive(Debug, Default)]
pub struct TransactionCodec {
    frames: FrameCodec,
    /// How many replies there will be for each transaction that has been written.
    expected: VecDeque<usize>,
    /// How many have come for the first one, and the first error among them.
    came: usize,
    error: Option<Frame>,
}

impl TransactionCodec {
    /// A codec for a new connection, in version 2 of the protocol.
    pub fn new() -> Self {
        TransactionCodec { frames: FrameCodec::new(Version::Resp2), ..Self::default() }
    }
}

impl Encode<Transaction> for TransactionCodec {
    type Error = EncodeError;

    fn encode(&mut self, transaction: Transaction, out: &mut Out) -> Result<(), EncodeError> {
        let count = transaction.commands.len() + 2;
        let (multi, exec) = (vec![Bytes::from_static(b"MULTI")], vec![Bytes::from_static(b"EXEC")]);
        for words in [multi].into_iter().chain(transaction.commands).chain([exec]) {
            self.frames.encode(Frame::Array(words.into_iter().map(Frame::Bulk).collect()), out)?;
        }
        self.expected.push_back(count);
        Ok(())
    }
}

impl Decode for TransactionCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        while let Some(frame) = self.frames.decode(src)? {
            // What nobody asked for is the client's to complain of.
            let Some(expected) = self.expected.front().copied() else { return Ok(Some(frame)) };
            self.came += 1;
            if self.came == expected {
                self.expected.pop_front();
                self.came = 0;
                return Ok(Some(self.error.take().unwrap_or(frame)));
            }
            if frame.is_error() && self.error.is_none() {
                self.error = Some(frame);
            }
        }
        Ok(None)
    }
}

/// Why Redis could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// The connection failed.
    #[error("the connection to the store failed: {0}")]
    Call(BoxError),
    /// The server answered with an error. The account may lack the rights, or a key of that name hold something else.
    #[error("the store answered: {0}")]
    Refused(String),
    /// The server answered with something else than these commands answer.
    #[error("the store's answer makes no sense")]
    Nonsense,
}

/// A limit for each key in Redis (3.2 or later, for `BITFIELD`), counted by all who use the same server, prefix and rate.
///
/// `service` is a connection made with [`TransactionCodec`] ([`client::connect`](crate::client::connect)), or any service
/// around such connections that can be cloned. A rate's period is counted in whole milliseconds, rounded up.
///
/// ```no_run
/// use bytes::Bytes;
/// use xs_net::client::{self, ClientOptions};
/// use xs_net::limit::Rate;
/// use xs_net::limit::shared::{RedisStore, SharedStore, TransactionCodec};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let stream = tokio::net::TcpStream::connect("127.0.0.1:6379").await?;
/// let (connection, _, driver) = client::connect(stream, TransactionCodec::new(), |_| false, ClientOptions::default());
/// tokio::spawn(driver.run());
/// let store = RedisStore::fixed_window(connection, "limit:", Rate::per_minute(100)?)?;
/// match store.take(Bytes::from("alice"), 1).await? {
///     Ok(()) => println!("pass"),
///     Err(denied) => println!("{denied}"),
/// }
/// # Ok(()) }
/// ```
pub struct RedisStore<S> {
    /// Behind a lock for a moment, to be cloned.
    service: Mutex<S>,
    prefix: Bytes,
    rate: Rate,
    millis: u64,
    window: Window,
}

enum Window {
    Fixed,
    Sliding { timer: Timer, server: Mutex<Option<ServerTime>> },
}

/// The server's calendar in microseconds, at a moment of ours.
#[derive(Debug, Clone, Copy)]
struct ServerTime {
    micros: u64,
    at: Instant,
}

impl<S> RedisStore<S> {
    /// At most `rate.amount()` in a window of `rate.period()`, which begins with a key's first request, as
    /// [`FixedWindow`](crate::limit::FixedWindow) counts.
    ///
    /// # Errors
    ///
    /// [`InvalidRate::TooMuch`] if the amount is no signed 64-bit number.
    pub fn fixed_window(service: S, prefix: impl Into<Bytes>, rate: Rate) -> Result<Self, InvalidRate> {
        Self::new(service, prefix.into(), rate, Window::Fixed)
    }

    /// At most `rate.amount()` in about any stretch of `rate.period()`, as
    /// [`SlidingCounter`](crate::limit::SlidingCounter) estimates. The first request asks for the server's time before. What
    /// is refused is taken back by a task of the tokio runtime that asked.
    ///
    /// # Errors
    ///
    /// [`InvalidRate::TooMuch`] if the amount is no signed 64-bit number.
    pub fn sliding_window(
        service: S,
        prefix: impl Into<Bytes>,
        rate: Rate,
        timer: &Timer,
    ) -> Result<Self, InvalidRate> {
        Self::new(service, prefix.into(), rate, Window::Sliding { timer: timer.clone(), server: Mutex::default() })
    }

    fn new(service: S, prefix: Bytes, rate: Rate, window: Window) -> Result<Self, InvalidRate> {
        i64::try_from(rate.amount()).map_err(|_| InvalidRate::TooMuch)?;
        let millis = rate.period_nanos().div_ceil(1_000_000);
        Ok(RedisStore { service: Mutex::new(service), prefix, rate, millis, window })
    }

    fn key(&self, key: &[u8]) -> BytesMut {
        let mut name = BytesMut::with_capacity(self.prefix.len() + key.len() + 24);
        name.put_slice(&self.prefix);
        name.put_slice(key);
        name
    }
}

/// The words of a command.
macro_rules! command {
    ($($word:expr),+) => { vec![$(Bytes::from($word)),+] };
}

impl<S> RedisStore<S>
where
    S: Service<Transaction, Response = Frame, Future: Send + 'static> + Clone + Send,
    S::Error: Into<BoxError>,
{
    /// Sends a transaction; the second step waits for its replies.
    async fn send(&self, commands: Vec<Vec<Bytes>>) -> Result<S::Future, RedisError> {
        let mut service = self.service.lock().clone();
        let ready = service.ready().await.map_err(|error| RedisError::Call(error.into()))?;
        Ok(ready.call(Transaction::new(commands)))
    }

    async fn exec(&self, commands: Vec<Vec<Bytes>>) -> Result<Vec<Frame>, RedisError> {
        let reply = self.send(commands).await?.await.map_err(|error| RedisError::Call(error.into()))?;
        match reply {
            Frame::Array(replies) => match replies.iter().find(|reply| reply.is_error()) {
                Some(error) => Err(refused(error)),
                None => Ok(replies),
            },
            error if error.is_error() => Err(refused(&error)),
            _ => Err(RedisError::Nonsense),
        }
    }

    async fn fixed(&self, key: &[u8], cost: u64) -> Result<Result<(), Denied>, RedisError> {
        let key = self.key(key).freeze();
        let (start, millis) = (i64::MAX.abs_diff(self.rate.amount() as i64), self.millis.to_string());
        let replies = self
            .exec(vec![
                command!("SET", key.clone(), start.to_be_bytes().to_vec(), "NX", "PX", millis),
                command!("BITFIELD", key.clone(), "OVERFLOW", "FAIL", "INCRBY", "i64", "0", cost.to_string()),
                command!("PTTL", key),
            ])
            .await?;
        let [_, raised, Frame::Integer(left)] = &replies[..] else { return Err(RedisError::Nonsense) };
        match raised.elements() {
            Some([Frame::Integer(_)]) => Ok(Ok(())),
            // A key lives to the end of its last millisecond.
            Some([Frame::Null]) => {
                let left = u64::try_from(*left).map_or(self.millis, |left| left.saturating_add(1));
                Ok(Err(Denied::Busy { retry_after_nanos: left.saturating_mul(1_000_000) }))
            }
            _ => Err(RedisError::Nonsense),
        }
    }

    async fn sliding(
        &self,
        timer: &Timer,
        server: &Mutex<Option<ServerTime>>,
        key: &[u8],
        cost: u64,
    ) -> Result<Result<(), Denied>, RedisError> {
        let known = *server.lock();
        let known = match known {
            Some(known) => known,
            None => {
                let replies = self.exec(vec![command!("TIME")]).await?;
                learn(server, timer, replies.first())?
            }
        };
        let period = self.millis.saturating_mul(1000);
        let passed = timer.now().saturating_duration_since(known.at).as_micros();
        let now = known.micros.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX));
        let window = now / period;
        let name = |window: u64| {
            let mut name = self.key(key);
            name.put_slice(format!(":{window}").as_bytes());
            name.freeze()
        };
        let (this, lives) = (name(window), self.millis.saturating_mul(2).min(LONGEST / 1_000_000).to_string());
        let replies = self
            .exec(vec![
                command!("INCRBY", this.clone(), cost.to_string()),
                command!("PEXPIRE", this.clone(), lives.clone()),
                command!("GET", name(window.saturating_sub(1))),
                command!("TIME"),
            ])
            .await?;
        let [Frame::Integer(used), _, before, time] = &replies[..] else { return Err(RedisError::Nonsense) };
        let known = learn(server, timer, Some(time))?;
        let limit = self.rate.amount();
        // Where the way took us over a border, the border counts.
        let into = known.micros.saturating_sub(window.saturating_mul(period)).min(period - 1);
        // What was refused and not yet taken back is no more than what passed.
        let used = u64::try_from(*used).unwrap_or(0).saturating_sub(cost).min(limit);
        let before = number(before).unwrap_or(0).min(limit);
        let into = duration(u128::from(into) * 1000);
        let verdict = SlidingCounter::new(self.whole_millis()).estimate(known.at.into(), before, used, into, cost);
        if verdict.is_err() {
            // The decision does not wait for it to be taken back. Somebody must: a call that is dropped may not be sent.
            let refund = vec![command!("DECRBY", this.clone(), cost.to_string()), command!("PEXPIRE", this, lives)];
            let why = "a refused cost was not taken back: the limit is stricter until its window is over";
            match self.send(refund).await {
                Ok(refunded) => drop(tokio::spawn(async move {
                    if refunded.await.is_err() {
                        tracing::debug!("{why}");
                    }
                })),
                // The verdict stands: an error would be a store that didn't answer, and many let pass what that refuses.
                Err(error) => tracing::debug!(%error, "{why}"),
            }
        }
        Ok(verdict)
    }

    /// The rate as it is counted here.
    fn whole_millis(&self) -> Rate {
        Rate::new(self.rate.amount(), Duration::from_millis(self.millis)).unwrap_or(self.rate)
    }
}

fn refused(error: &Frame) -> RedisError {
    let text = error.text().map(|text| String::from_utf8_lossy(text).into_owned());
    RedisError::Refused(text.unwrap_or_default())
}

/// A number that is written as text.
fn number(frame: &Frame) -> Option<u64> {
    std::str::from_utf8(frame.text()?).ok()?.parse().ok()
}

/// Notes the server's time, as a reply to `TIME` tells it.
fn learn(server: &Mutex<Option<ServerTime>>, timer: &Timer, time: Option<&Frame>) -> Result<ServerTime, RedisError> {
    let Some([seconds, micros]) = time.and_then(Frame::elements) else { return Err(RedisError::Nonsense) };
    let (Some(seconds), Some(micros)) = (number(seconds), number(micros)) else { return Err(RedisError::Nonsense) };
    let known = ServerTime { micros: seconds.saturating_mul(1_000_000).saturating_add(micros), at: timer.now() };
    *server.lock() = Some(known);
    Ok(known)
}

impl<S> SharedStore for RedisStore<S>
where
    S: Service<Transaction, Response = Frame, Future: Send + 'static> + Clone + Send,
    S::Error: Into<BoxError>,
{
    type Error = RedisError;

    async fn take(&self, key: Bytes, cost: u64) -> Result<Result<(), Denied>, RedisError> {
        if cost > self.rate.amount() {
            return Ok(Err(Denied::TooLarge { cost, capacity: self.rate.amount() }));
        }
        match &self.window {
            _ if cost == 0 => Ok(Ok(())),
            Window::Fixed => self.fixed(&key, cost).await,
            Window::Sliding { timer, server } => self.sliding(timer, server, &key, cost).await,
        }
    }
}

impl<S> fmt::Debug for RedisStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = match self.window {
            Window::Fixed => "fixed",
            Window::Sliding { .. } => "sliding",
        };
        f.debug_struct("RedisStore").field("window", &window).field("rate", &self.rate).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use crate::client::{self, ClientOptions, Connection};
    use crate::listener::MemoryStream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn connected() -> (Connection<Transaction, Frame>, MemoryStream) {
        let (ours, theirs) = MemoryStream::pair(1 << 16);
        let (connection, _, driver) =
            client::connect(ours, TransactionCodec::new(), |_| false, ClientOptions::default());
        tokio::spawn(driver.run());
        (connection, theirs)
    }

    /// A server that reads exactly `request` in one piece, and answers.
    async fn plays(server: &mut MemoryStream, request: &[u8], answer: &[u8]) {
        let mut read = vec![0; request.len() + 1];
        let length = server.read(&mut read).await.unwrap();
        assert_eq!(read[..length].escape_ascii().to_string(), request.escape_ascii().to_string());
        server.write_all(answer).await.unwrap();
    }

    const REQUEST: &[u8] = b"*1\r\n$5\r\nMULTI\r\n\
        *6\r\n$3\r\nSET\r\n$3\r\nl:a\r\n$8\r\n\x7f\xff\xff\xff\xff\xff\xff\xf5\r\n$2\r\nNX\r\n$2\r\nPX\r\n$4\r\n1000\r\n\
        *8\r\n$8\r\nBITFIELD\r\n$3\r\nl:a\r\n$8\r\nOVERFLOW\r\n$4\r\nFAIL\r\n$6\r\nINCRBY\r\n$3\r\ni64\r\n$1\r\n0\r\n$1\r\n3\r\n\
        *2\r\n$4\r\nPTTL\r\n$3\r\nl:a\r\n\
        *1\r\n$4\r\nEXEC\r\n";

    #[tokio::test]
    async fn a_decision_is_one_write_and_one_answer() {
        let (connection, mut server) = connected();
        let store = RedisStore::fixed_window(connection, "l:", Rate::per_second(10).unwrap()).unwrap();
        let queued = "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n";
        for (answer, expected) in [
            ("*3\r\n+OK\r\n*1\r\n:9223372036854775800\r\n:1000\r\n", Ok(())),
            ("*3\r\n$-1\r\n*1\r\n$-1\r\n:41\r\n", Err(Denied::Busy { retry_after_nanos: 42_000_000 })),
        ] {
            let answer = format!("{queued}{answer}");
            let (verdict, ()) =
                tokio::join!(store.take(Bytes::from("a"), 3), plays(&mut server, REQUEST, answer.as_bytes()));
            assert_eq!(verdict.unwrap(), expected);
        }
        // What can never pass doesn't even ask.
        assert_eq!(store.take(Bytes::from("a"), 11).await.unwrap(), Err(Denied::TooLarge { cost: 11, capacity: 10 }));
    }

    /// A connection that answers so many transactions, and is closed then.
    #[derive(Clone)]
    struct Answers(std::sync::Arc<Mutex<VecDeque<Frame>>>);

    impl Service<Transaction> for Answers {
        type Response = Frame;
        type Error = BoxError;
        type Future = std::future::Ready<Result<Frame, BoxError>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxError>> {
            let closed = self.0.lock().is_empty();
            std::task::Poll::Ready(if closed { Err("closed".into()) } else { Ok(()) })
        }

        fn call(&mut self, _: Transaction) -> Self::Future {
            std::future::ready(self.0.lock().pop_front().ok_or_else(|| "closed".into()))
        }
    }

    #[tokio::test]
    async fn a_refusal_stands_when_the_connection_ends_behind_it() {
        let bulk = |text: &'static str| Frame::Bulk(Bytes::from(text));
        let time = || Frame::Array(vec![bulk("1700000000"), bulk("0")]);
        let over = Frame::Array(vec![Frame::Integer(11), Frame::Integer(1), Frame::Null, time()]);
        let service = Answers(std::sync::Arc::new(Mutex::new([Frame::Array(vec![time()]), over].into())));
        let timer = Timer::system();
        let store = RedisStore::sliding_window(service, "l:", Rate::per_second(10).unwrap(), &timer).unwrap();
        let verdict = store.take(Bytes::from("a"), 1).await.unwrap();
        assert!(matches!(verdict, Err(Denied::Busy { .. })), "{verdict:?}");
    }

    #[tokio::test]
    async fn errors_are_told_and_leave_the_connection_in_step() {
        let (connection, mut server) = connected();
        let store = RedisStore::fixed_window(connection, "l:", Rate::per_second(10).unwrap()).unwrap();
        let aborted = "+OK\r\n+QUEUED\r\n-NOPERM no\r\n+QUEUED\r\n-EXECABORT because\r\n";
        let wrong = "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n$-1\r\n-WRONGTYPE list\r\n:1\r\n";
        let nonsense = "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n$-1\r\n:7\r\n:1\r\n";
        let good = "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n*1\r\n:5\r\n:1\r\n";
        for (answer, expected) in [
            (aborted, "the store answered: NOPERM no"),
            (wrong, "the store answered: WRONGTYPE list"),
            (nonsense, "the store's answer makes no sense"),
            (good, "Ok(())"),
        ] {
            let (verdict, ()) =
                tokio::join!(store.take(Bytes::from("a"), 3), plays(&mut server, REQUEST, answer.as_bytes()));
            assert_eq!(verdict.map_or_else(|error| error.to_string(), |passed| format!("{passed:?}")), expected);
        }
        drop(server);
        assert!(matches!(store.take(Bytes::from("a"), 3).await, Err(RedisError::Call(_))));
    }
}
