//! The balancer shown at work: three endpoints, of which one is killed and one becomes slow while requests come.
//!
//! Everything runs in this process, over loopback, on free ports. What is claimed is checked: no request that was safe to
//! repeat is lost.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tower::{Service, service_fn};
use xs_net::histogram::{Histogram, nanos};
use xs_net::http::{Client, ClientOptions, Incoming, Server};
use xs_net::listener::TcpOptions;
use xs_net::{BoxError, TcpListener, Timer, serve};

use crate::balancer::Balancer;
use crate::config::Config;
use crate::machine::Machine;
use crate::stats::quantile;

/// So many clients ask, one request after the other each.
const CLIENTS: usize = 16;

/// How the demo goes.
#[derive(Debug, Clone, Copy)]
pub struct Demo {
    /// From one line to the next one; there are sixteen. Default 1 s.
    pub tick: Duration,
}

impl Default for Demo {
    fn default() -> Self {
        Demo { tick: Duration::from_secs(1) }
    }
}

/// What the demo has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Requests that were answered as they should be.
    pub answered: u64,
    /// Requests that were not. The claim is that there are none.
    pub lost: u64,
    /// Requests that were sent to another endpoint after the first one had failed.
    pub retried: u64,
}

impl Outcome {
    /// Whether the claim holds.
    pub fn is_good(&self) -> bool {
        self.lost == 0 && self.answered > 0
    }
}

/// An endpoint that tells its name.
struct Endpoint {
    name: &'static str,
    address: SocketAddr,
    /// Milliseconds that it takes for an answer.
    delay: Arc<AtomicU64>,
    task: Option<JoinHandle<()>>,
}

impl Endpoint {
    fn start(name: &'static str, timer: &Timer) -> Result<Endpoint, BoxError> {
        let mut endpoint = Endpoint { name, address: ([127, 0, 0, 1], 0).into(), delay: Arc::default(), task: None };
        endpoint.begin(timer)?;
        Ok(endpoint)
    }

    fn begin(&mut self, timer: &Timer) -> Result<(), BoxError> {
        let listener = TcpListener::bind(self.address, TcpOptions::default())?;
        self.address = listener.socket_addr();
        let (name, delay, clock) = (self.name, self.delay.clone(), timer.clone());
        let answer = service_fn(move |_: Request<Incoming>| {
            let (delay, clock) = (Duration::from_millis(delay.load(Relaxed)), clock.clone());
            async move {
                if !delay.is_zero() {
                    clock.sleep(delay).await;
                }
                Ok::<_, std::convert::Infallible>(Response::new(name.to_owned()))
            }
        });
        let server = Server::new(timer).serve_clones(answer);
        self.task = Some(tokio::spawn(async move {
            // It ends by being aborted, with all that it has.
            let _ = serve(listener, server, std::future::pending::<()>()).await;
        }));
        Ok(())
    }

    fn kill(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What the clients have seen since the last line.
#[derive(Debug, Default)]
struct Seen {
    by: BTreeMap<String, u64>,
    lost: u64,
    latency: Histogram,
}

/// Shows it, and says each line to `say`. Must be called inside a tokio runtime.
///
/// # Errors
///
/// It could not begin: no port, no thread.
pub async fn demo(demo: Demo, mut say: impl FnMut(&dyn fmt::Display)) -> Result<Outcome, BoxError> {
    let machine = Machine::system();
    let timer = machine.timer.clone();
    let mut endpoints = [Endpoint::start("a", &timer)?, Endpoint::start("b", &timer)?, Endpoint::start("c", &timer)?];
    let addresses = endpoints.each_ref().map(|endpoint| format!("\"{}\"", endpoint.address)).join(", ");
    let millis = (demo.tick.as_millis() / 2).max(1);
    let config = format!(
        "drain = \"1s\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\
         [[listener]]\nname = \"web\"\nlisten = \"127.0.0.1:0\"\npool = \"app\"\n\
         [pool.app]\nendpoints = [{addresses}]\n\
         health = {{ http = \"/\", interval = \"{millis}ms\", timeout = \"{millis}ms\", rise = 1, fall = 2 }}\n\
         outlier = {{ term = \"{}ms\" }}\ntimeouts = {{ connect = \"1s\", response = \"5s\" }}\n",
        2 * millis,
    );
    let balancer = Balancer::start(Config::parse(&config)?, machine)?;
    let (Some(web), Some(admin)) = (balancer.address("web"), balancer.admin_address()) else {
        return Err("the balancer does not listen".into());
    };
    say(&format_args!("Three endpoints, a, b and c, behind a balancer at http://{web}/"));
    say(&format_args!("Its page: http://{admin}/"));
    say(&format_args!("{CLIENTS} clients ask for something that is safe to ask for again.\n"));
    say(&"  time   a second      a      b      c    p50 ms   p99 ms   retried   lost   state of a, b, c");

    let (seen, stop) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(client(web, timer.clone(), seen.clone(), stop.clone()));
    }
    let mut outcome = Outcome { answered: 0, lost: 0, retried: 0 };
    let began = timer.now();
    for tick in 1..=16_u32 {
        match tick {
            4 => {
                endpoints[1].kill();
                say(&"-- b is killed: its connections break off, and nobody listens there any more");
            }
            8 => {
                endpoints[1].begin(&timer)?;
                say(&"-- b is started again");
            }
            11 => {
                endpoints[2].delay.store(200, Relaxed);
                say(&"-- c becomes slow: 200 ms for each answer");
            }
            14 => {
                endpoints[2].delay.store(0, Relaxed);
                say(&"-- c is as fast as before");
            }
            _ => {}
        }
        timer.sleep_until(began + demo.tick * tick).await;
        let seen = std::mem::take(&mut *seen.lock());
        report(tick, &demo, &endpoints, &seen, &balancer, &mut outcome, &mut say);
    }
    stop.store(true, Relaxed);
    while clients.join_next().await.is_some() {}
    // What the last moments brought.
    let rest = std::mem::take(&mut *seen.lock());
    outcome.answered += rest.by.values().sum::<u64>();
    outcome.lost += rest.lost;
    balancer.stop().await?;
    let Outcome { answered, lost, retried } = outcome;
    say(&format_args!(
        "\n{answered} requests were answered, {retried} of them by a second endpoint; {lost} were lost."
    ));
    say(&if outcome.is_good() { "As claimed: none that was safe to repeat." } else { "The claim does not hold." });
    Ok(outcome)
}

/// A line.
fn report(
    tick: u32,
    demo: &Demo,
    endpoints: &[Endpoint; 3],
    seen: &Seen,
    balancer: &Balancer,
    outcome: &mut Outcome,
    say: &mut impl FnMut(&dyn fmt::Display),
) {
    let answered: u64 = seen.by.values().sum();
    let (mut retried, mut states) = (0, Vec::new());
    for upstream in balancer.upstreams.values() {
        retried += upstream.stats.retries.get();
        let looked = upstream.members.look();
        for endpoint in endpoints {
            let name = endpoint.address.to_string();
            let found = looked.iter().find(|(status, _)| *status.endpoint.name == *name);
            states.push(found.map_or("gone", |(status, _)| crate::admin::state(status)));
        }
    }
    let by = endpoints.each_ref().map(|endpoint| seen.by.get(endpoint.name).copied().unwrap_or(0));
    let millis = |part| quantile(&seen.latency, part).as_secs_f64() * 1e3;
    say(&format_args!(
        "{:6.1} s {:9.0} {:6} {:6} {:6} {:9.1} {:8.1} {:9} {:6}   {}",
        (demo.tick * tick).as_secs_f64(),
        answered as f64 / demo.tick.as_secs_f64(),
        by[0],
        by[1],
        by[2],
        millis(0.5),
        millis(0.99),
        retried - outcome.retried,
        seen.lost,
        states.join(", "),
    ));
    outcome.answered += answered;
    outcome.lost += seen.lost;
    outcome.retried = retried;
}

/// Asks again and again, with a little rest, on one connection as long as that lives.
async fn client(address: SocketAddr, timer: Timer, seen: Arc<Mutex<Seen>>, stop: Arc<AtomicBool>) {
    let mut connection = None;
    while !stop.load(Relaxed) {
        let began = timer.now();
        let asked = ask(address, &timer, &mut connection).await;
        let took = timer.now().saturating_duration_since(began);
        {
            let mut seen = seen.lock();
            match asked {
                Ok(name) => *seen.by.entry(name).or_default() += 1,
                Err(error) => {
                    tracing::warn!(%error, "lost");
                    seen.lost += 1;
                    connection = None;
                }
            }
            seen.latency.record(nanos(took));
        }
        timer.sleep(Duration::from_millis(5)).await;
    }
}

async fn ask(
    address: SocketAddr,
    timer: &Timer,
    connection: &mut Option<Client<TcpStream, String>>,
) -> Result<String, BoxError> {
    let client = match connection.take() {
        Some(client) if client.is_reusable() => connection.insert(client),
        _ => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            connection.insert(Client::new(stream, timer, ClientOptions::default()))
        }
    };
    let request = Request::get(format!("http://{address}/")).body(String::new())?;
    let response: Response<_> = client.call(request).await?;
    if !response.status().is_success() {
        return Err(response.status().to_string().into());
    }
    let mut body = response.into_body();
    let mut text = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            text.extend_from_slice(&data);
        }
    }
    Ok(String::from_utf8(text)?)
}
