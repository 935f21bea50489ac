//! Asking endpoints whether they are well.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Method;
use tokio::task::JoinSet;
use tower::Service;
use xs_net::balance::{CheckOptions, Endpoint, Members, Policy, check};
use xs_net::http::{Client, ClientOptions, Incoming, Message};
use xs_net::proxy_protocol::Header;
use xs_net::{BoxError, Timer};
use xs_proto::http1::RequestHead;

use crate::config::{Health, Probe};
use crate::dial::{Dialer, Spoken};
use crate::machine::Machine;

/// Checks a pool's members for as long as the tasks run.
pub(crate) fn watch<S, P>(
    members: Members<S, P>,
    health: &Health,
    dialer: &Arc<Dialer>,
    machine: &Machine,
    name: &str,
    work: &mut JoinSet<()>,
) where
    S: Send + 'static,
    P: Policy + 'static,
{
    let options = CheckOptions {
        interval: health.interval,
        timeout: health.timeout,
        rise: health.rise,
        fall: health.fall,
        ..CheckOptions::default()
    };
    let (probe, timer, rng) = (Arc::new(health.probe.clone()), machine.timer.clone(), machine.rng.fork(name));
    let dialer = dialer.clone();
    work.spawn(async move {
        let ask = move |endpoint: Endpoint| {
            let (probe, dialer, timer) = (probe.clone(), dialer.clone(), timer.clone());
            async move {
                match ask(&endpoint, &probe, &dialer, &timer).await {
                    Ok(good) => good,
                    Err(error) => {
                        tracing::debug!(endpoint = &*endpoint.name, error, "a check failed");
                        false
                    }
                }
            }
        };
        check(&members, options, rng, ask).await;
    });
}

/// Asks once. How long that may take is the caller's business.
async fn ask(endpoint: &Endpoint, probe: &Probe, dialer: &Dialer, timer: &Timer) -> Result<bool, BoxError> {
    let address: SocketAddr = endpoint.name.parse()?;
    let spoken = if matches!(probe, Probe::Tcp) { Spoken::Bytes } else { Spoken::Http };
    // The balancer asks for itself.
    let stream = dialer.dial(address, &Header::Local, spoken).await?;
    let Probe::Http { path, host } = probe else { return Ok(true) };
    let mut head = RequestHead::new(Method::GET, path)?;
    head.fields_mut().append("host", host.as_deref().unwrap_or(&endpoint.name).as_bytes())?;
    head.fields_mut().append("user-agent", b"xs-load-balancer")?;
    head.fields_mut().append("connection", b"close")?;
    let mut client = Client::<_, Incoming>::new(stream, timer, ClientOptions::default());
    let response = client.call(Message::new(head, Incoming::empty())).await?;
    Ok((200..400).contains(&response.head.status().as_u16()))
}
