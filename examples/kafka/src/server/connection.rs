//! One connection, from its first byte to its end.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use xs_net::listener::Addr;
use xs_net::pipeline::PipelineOptions;
use xs_net::serve::Conn;
use xs_net::{Pipeline, Transport};

use crate::api::produce::Order;
use crate::broker::Broker;
use crate::metrics::Meters;
use crate::quota::{Mute, Pause};
use crate::sasl::{ConnectionCodec, Session};
use crate::service::Connection;

pub(super) async fn run<Io, Peer>(broker: Arc<Broker>, conn: Conn<Io, Peer>) -> io::Result<()>
where
    Io: Transport + Unpin,
    Peer: Into<Addr>,
{
    let limit = broker.config.request_bytes;
    let options = PipelineOptions {
        depth: broker.config.depth,
        read_buffer: 64 * 1024,
        max_unread: limit + 4,
        ..PipelineOptions::default()
    };
    let (timer, sends_files) = (broker.timer.clone(), conn.io.sends_files());
    let host = match conn.peer.into() {
        Addr::Tcp(addr) => format!("/{}", addr.ip()),
        other => format!("/{other}"),
    };
    let session = Session::new(broker.users.clone());
    let codec = ConnectionCodec::new(limit, session.bare());
    let session = Arc::new(Mutex::new(session));
    let muted = broker.quotas.as_ref().map(|_| (Arc::<Mute>::default(), Pause::new(timer.clone())));
    let service = Connection { broker, sends_files, host: host.into(), session, order: Order::default(), muted };
    let counted = service.broker.clone();
    counted.meters.accepted.increment(1);
    counted.meters.connections.increment(1.0);
    let _gone = Gone(&counted.meters);
    let cause = Pipeline::new(codec, service, &timer).with_options(options).with_drain(conn.drain).run(conn.io).await;
    tracing::debug!(?cause, "a connection has ended");
    Ok(())
}

/// A connection that is counted while it is there, however it ends.
struct Gone<'a>(&'a Meters);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.connections.decrement(1.0);
    }
}
