//! The connections that other nodes open to this one.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncWriteExt, split};
use xs_net::serve::Conn;
use xs_net::{Addr, BoxError, Timer, Transport};

use super::frame::read_more;
use super::{Directory, Frame, Hello, Inbound};

/// How long a stranger may take to say who it is.
const GREETING: Duration = Duration::from_secs(2);

/// Who lets nodes in, and hands on what they say.
#[derive(Clone)]
pub(crate) struct Doorman {
    pub(crate) directory: Directory,
    /// What this node says of itself; `to` is whoever comes.
    pub(crate) hello: Hello,
    pub(crate) timer: Timer,
}

impl Doorman {
    /// One connection from its first byte to its last.
    pub(crate) async fn connection<Io, Peer>(self, conn: Conn<Io, Peer>) -> Result<(), BoxError>
    where
        Io: Transport + Unpin,
        Peer: Into<Addr>,
    {
        let Conn { io, peer, mut drain, .. } = conn;
        let peer = peer.into();
        let work = async {
            match self.converse(io, &peer).await {
                Ok(()) => {}
                Err(why) => tracing::debug!(%peer, "a node's connection ended: {why}"),
            }
        };
        tokio::select! {
            biased;
            () = drain.drained() => {}
            () = work => {}
        }
        Ok(())
    }

    async fn converse<Io: Transport + Unpin>(&self, mut io: Io, peer: &Addr) -> Result<(), BoxError> {
        let mut read = BytesMut::new();
        let first = async {
            loop {
                if let Some(frame) = Frame::take(&mut read)? {
                    return Ok::<Option<Frame>, BoxError>(Some(frame));
                }
                if read_more(&mut io, &mut read).await? == 0 {
                    return Ok(None);
                }
            }
        };
        let greeted = match self.timer.timeout(GREETING, first).await {
            None => Err("it does not say who it is".to_owned()),
            Some(Err(why)) => Err(why.to_string()),
            // Somebody looked whether the port is open.
            Some(Ok(None)) => return Ok(()),
            Some(Ok(Some(Frame::Hello(theirs)))) => {
                let met = match theirs.suits(&self.hello) {
                    Ok(()) => self.directory.met(theirs.clone()).await,
                    Err(why) => Err(why),
                };
                met.map(|()| theirs)
            }
            Some(Ok(Some(_))) => Err("it does not say who it is".to_owned()),
        };
        let mut answer = Vec::new();
        let theirs = match greeted {
            Ok(theirs) => theirs,
            Err(why) => {
                tracing::warn!(%peer, "a connection is refused: {why}");
                Frame::Refused(why).encode(&mut answer);
                io.write_all(&answer).await?;
                io.shutdown().await?;
                return Ok(());
            }
        };
        let from = theirs.from;
        Frame::Hello(Hello { to: from, ..self.hello.clone() }).encode(&mut answer);
        io.write_all(&answer).await?;
        io.flush().await?;
        tracing::info!(%peer, "n{from} is connected");
        let (mut reading, mut writing) = split(io);
        loop {
            while let Some(frame) = Frame::take(&mut read)? {
                match frame {
                    // Now and then is often enough to look: what it says is not listened to any more.
                    Frame::Ping if self.directory.is_closed(from) => {
                        return Err(format!("n{from} was removed").into());
                    }
                    Frame::Ping => {
                        answer.clear();
                        Frame::Pong.encode(&mut answer);
                        writing.write_all(&answer).await?;
                        writing.flush().await?;
                    }
                    Frame::Raft(message) if message.from.0 != from => {
                        return Err(format!("n{from} speaks for {}", message.from).into());
                    }
                    frame @ (Frame::Raft(_) | Frame::Forward(..) | Frame::Told(..)) => {
                        if !self.directory.deliver(Inbound::Said { from, frame }).await {
                            return Ok(());
                        }
                    }
                    _ => return Err("a frame out of place".into()),
                }
            }
            if read_more(&mut reading, &mut read).await? == 0 {
                return Ok(());
            }
        }
    }
}
