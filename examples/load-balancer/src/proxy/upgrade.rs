//! A connection that has left HTTP behind: bytes both ways, until both sides have ended.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use xs_net::balance::Outcome;
use xs_net::http::OnUpgrade;

use super::Visit;
use super::body::Use;

/// Waits for both streams and carries bytes between them. What `using` holds counts as in use meanwhile.
pub(super) async fn relay(ours: OnUpgrade, theirs: OnUpgrade, using: Use, visit: Arc<Visit>) {
    // Either fails only if its connection has ended before, and then there is nobody to tell.
    if let (Ok(mut client), Ok(mut endpoint)) = tokio::join!(ours, theirs) {
        let mut drain = client.drain.take();
        let stop = async {
            match &mut drain {
                Some(drain) => drain.drained().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            moved = copy_bidirectional(&mut client, &mut endpoint) => match moved {
                Ok((received, sent)) => {
                    visit.listener.stats.received.add(received);
                    visit.listener.stats.sent.add(sent);
                }
                Err(error) => tracing::debug!(%error, "an upgraded connection broke off"),
            },
            // There is no way to tell another protocol to come to an end.
            () = stop => {}
        }
    }
    let now = visit.timer().now();
    using.trial.end(Outcome::Success, now);
}
