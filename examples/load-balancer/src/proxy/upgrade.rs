//! A connection that has left HTTP behind: bytes both ways, until both sides have ended.

use std::sync::Arc;

use xs_net::balance::Outstanding;
use xs_net::http::OnUpgrade;
use xs_net::relay::{End, Options, Relay, Side};

use super::Visit;
use crate::upstream::{Backend, Lent};

/// What is used as long as the connection lives. The endpoint has answered: how long that is says nothing of its health,
/// and only its share of the work is still counted.
#[derive(Debug)]
pub(super) struct Switched {
    pub(super) backend: Option<Arc<Backend>>,
    pub(super) _lent: Lent,
    pub(super) _ongoing: Option<Outstanding>,
}

/// Waits for both streams and carries bytes between them. What `using` holds counts as in use meanwhile.
pub(super) async fn relay(ours: OnUpgrade, theirs: OnUpgrade, using: Switched, visit: Arc<Visit>) {
    // The client's connection carries no more requests.
    visit.tied.clear();
    // Either fails only if its connection has ended before, and then there is nobody to tell.
    if let (Ok(mut client), Ok(mut endpoint)) = tokio::join!(ours, theirs) {
        let listener = &*visit.listener;
        let mut drain = client.drain.take();
        let stop = async {
            match &mut drain {
                Some(drain) => drain.drained().await,
                None => std::future::pending().await,
            }
        };
        // What each side has said too early goes first; behind it a plain stream is the socket's own, and can be spliced.
        let (first, second) = (client.take_input(), endpoint.take_input());
        let options = Options {
            idle: Some(listener.http.timeouts.upgraded),
            pipes: listener.pipes.get(visit.thread).cloned(),
            ..Options::default()
        };
        let relay = Relay::new(client, endpoint, visit.timer(), options);
        let relay = relay.preloaded(first, second).counted(listener.stats.flow.clone());
        tokio::select! {
            relayed = relay => match relayed.end {
                End::Complete => {}
                End::Failed(Side::B, error) => {
                    tracing::debug!(listener = listener.config.name, %error, "the endpoint of an upgraded connection broke off");
                    if let Some(backend) = &using.backend {
                        backend.stats.breaks.add(1);
                    }
                }
                end => tracing::debug!(listener = listener.config.name, ?end, "an upgraded connection was cut"),
            },
            // There is no way to tell another protocol to come to an end.
            () = stop => {}
        }
    }
}
