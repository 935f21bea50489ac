//! The connection that this node opens to another one, over and over.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncWriteExt, split};
use xs_net::Timer;
use xs_os::Rng;

use super::frame::read_more;
use super::{Directory, Frame, Hello, Network, Outbox};

/// How a link behaves.
#[derive(Debug, Clone)]
pub(crate) struct LinkOptions {
    /// How long opening may take, the greeting included.
    pub(crate) connect: Duration,
    /// The pause after a failure: this at first, twice as long each time,
    pub(crate) pause: Duration,
    /// up to this.
    pub(crate) pause_max: Duration,
    /// Asks this often whether the other side is there.
    pub(crate) ping: Duration,
    /// Without an answer for this long the connection is given up.
    pub(crate) silence: Duration,
}

impl Default for LinkOptions {
    fn default() -> Self {
        LinkOptions {
            connect: Duration::from_secs(1),
            pause: Duration::from_millis(20),
            pause_max: Duration::from_millis(500),
            ping: Duration::from_millis(300),
            silence: Duration::from_millis(1500),
        }
    }
}

/// One link, before it runs.
pub(crate) struct Link<N> {
    pub(crate) network: N,
    pub(crate) directory: Directory,
    /// What this node says of itself.
    pub(crate) hello: Hello,
    pub(crate) outbox: Outbox,
    pub(crate) timer: Timer,
    pub(crate) rng: Rng,
    pub(crate) options: LinkOptions,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Frame(#[from] super::frame::FrameError),
    #[error("it refuses: {0}")]
    Refused(String),
    #[error("{0}")]
    Unfit(String),
    #[error("it does not answer")]
    Silent,
    #[error("it has closed the connection")]
    Closed,
    #[error("nobody knows its address")]
    NoAddress,
}

impl<N: Network> Link<N> {
    /// Keeps a connection to the node until the outbox is closed.
    pub(crate) async fn run(mut self) {
        let to = self.hello.to;
        let mut pause = self.options.pause;
        let mut said = String::new();
        let mut spare = Vec::new();
        loop {
            match self.connect().await {
                Ok((io, read)) => {
                    tracing::info!("connected to n{to}");
                    (pause, said) = (self.options.pause, String::new());
                    match self.speak(io, read, &mut spare).await {
                        Ok(()) => return,
                        Err(why) => tracing::info!("the connection to n{to} is over: {why}"),
                    }
                }
                Err(why) => {
                    // The same reason is not said with every try.
                    let why = why.to_string();
                    if why != said {
                        tracing::warn!("no connection to n{to}: {why}");
                        said = why;
                    }
                }
            }
            self.outbox.clear();
            let wait = pause.mul_f64(0.5 + 0.5 * self.rng.unit());
            pause = (pause * 2).min(self.options.pause_max);
            let closed = async {
                // Whatever is said meanwhile is late when there is a connection again.
                while self.outbox.take(&mut spare).await.is_some() {}
            };
            if self.timer.timeout(wait, closed).await.is_some() {
                return;
            }
        }
    }

    async fn connect(&self) -> Result<(N::Io, BytesMut), Broken> {
        let address = self.directory.address(self.hello.to).ok_or(Broken::NoAddress)?;
        let open = async {
            let mut io = self.network.connect(&address).await?;
            let mut hello = Vec::new();
            Frame::Hello(self.hello.clone()).encode(&mut hello);
            io.write_all(&hello).await?;
            io.flush().await?;
            let mut read = BytesMut::new();
            match next(&mut io, &mut read).await? {
                Frame::Hello(theirs) => {
                    theirs.suits(&self.hello).map_err(Broken::Unfit)?;
                    if theirs.from != self.hello.to {
                        return Err(Broken::Unfit(format!("n{} lives at {address}", theirs.from)));
                    }
                    self.directory.met(theirs).await.map_err(Broken::Unfit)?;
                    Ok((io, read))
                }
                Frame::Refused(why) => Err(Broken::Refused(why)),
                _ => Err(Broken::Unfit("it does not say who it is".into())),
            }
        };
        self.timer.timeout(self.options.connect, open).await.unwrap_or(Err(Broken::Silent))
    }

    async fn speak(&self, io: N::Io, mut read: BytesMut, spare: &mut Vec<u8>) -> Result<(), Broken> {
        let (mut reading, mut writing) = split(io);
        let timer = &self.timer;
        let heard = parking_lot::Mutex::new(timer.now());
        let hear = async {
            loop {
                // Only pongs come here, and each of them tells that the node lives.
                next(&mut reading, &mut read).await?;
                *heard.lock() = timer.now();
            }
        };
        let watch = async {
            let ping = Frame::Ping;
            loop {
                self.outbox.push(&ping);
                timer.sleep(self.options.ping).await;
                let last = *heard.lock();
                if timer.now().saturating_duration_since(last) > self.options.silence {
                    return Broken::Silent;
                }
            }
        };
        let say = async {
            while self.outbox.take(spare).await.is_some() {
                writing.write_all(spare).await?;
                writing.flush().await?;
            }
            Ok::<(), Broken>(())
        };
        tokio::select! {
            biased;
            broken = hear => broken,
            broken = watch => Err(broken),
            ended = say => ended,
        }
    }
}

/// The next frame of a connection.
async fn next(io: &mut (impl tokio::io::AsyncRead + Unpin), read: &mut BytesMut) -> Result<Frame, Broken> {
    loop {
        if let Some(frame) = Frame::take(read)? {
            return Ok(frame);
        }
        if read_more(io, read).await? == 0 {
            return Err(Broken::Closed);
        }
    }
}
