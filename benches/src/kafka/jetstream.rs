//! NATS JetStream, of one server: publishing with a thousand messages under way, reading them all, and how long a message
//! takes from one to the other.

use std::error::Error;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer, stream};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::latency::{COUNT, Latency, RATE, SIZE};
use crate::web::{self, Running};

/// Publishes that are under way at once.
const UNDER_WAY: usize = 1000;

pub(super) struct Server {
    pub(super) running: Running,
    port: u16,
}

impl Server {
    /// Nothing where there is no nats-server.
    pub(super) fn start(dir: &Path, cores: &str) -> Result<Option<Server>, Box<dyn Error>> {
        if !web::is_installed("nats-server") {
            return Ok(None);
        }
        let port = web::free_port()?;
        let (dir, number) = (dir.display().to_string(), port.to_string());
        let args = ["-js", "-sd", &dir, "-a", "127.0.0.1", "-p", &number];
        let running = web::run(cores, "nats-server".as_ref(), &args, Stdio::null())?;
        web::wait_for(port, "nats-server")?;
        Ok(Some(Server { running, port }))
    }

    /// Messages a second, published to a new stream and then read from it.
    pub(super) fn round(&self, name: &str, size: usize, count: u64) -> Result<(f64, f64), Box<dyn Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.run(name, size, count))
    }

    /// From publishing to the consumer, at the rate of the other brokers.
    pub(super) fn latency(&self) -> Result<Latency, Box<dyn Error>> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(self.paced())
    }

    async fn paced(&self) -> Result<Latency, Box<dyn Error>> {
        let client = async_nats::connect(format!("127.0.0.1:{}", self.port)).await?;
        let context = jetstream::new(client);
        let config = stream::Config { name: "latency".into(), subjects: vec!["latency".into()], ..Default::default() };
        let stream = context.create_stream(config).await?;
        let mut messages = stream.create_consumer(consumer::pull::OrderedConfig::default()).await?.messages().await?;
        let began = Instant::now();
        let reader = tokio::spawn(async move {
            let mut times = Vec::with_capacity(COUNT as usize);
            while (times.len() as u64) < COUNT {
                let message =
                    messages.next().await.ok_or("the stream has ended")?.map_err(|error| error.to_string())?;
                let (sent, _) = message.payload.split_first_chunk().ok_or("a message of somebody else")?;
                times.push(began.elapsed().as_micros() as u64 - u64::from_le_bytes(*sent));
            }
            Ok::<_, String>(times)
        });
        let mut next = tokio::time::interval(Duration::from_secs(1) / RATE as u32);
        for _ in 0..COUNT {
            next.tick().await;
            let mut payload = vec![b'x'; SIZE];
            payload[..8].copy_from_slice(&(began.elapsed().as_micros() as u64).to_le_bytes());
            // Its acknowledgement is waited for by nobody: the consumer says that it is there.
            context.publish("latency", payload.into()).await?;
        }
        let times = tokio::time::timeout(Duration::from_secs(60), reader).await???;
        Ok(Latency::of(times).expect("there are some"))
    }

    async fn run(&self, name: &str, size: usize, count: u64) -> Result<(f64, f64), Box<dyn Error>> {
        let client = async_nats::connect(format!("127.0.0.1:{}", self.port)).await?;
        let context = jetstream::new(client);
        let config = stream::Config { name: name.into(), subjects: vec![name.into()], ..Default::default() };
        let stream = context.create_stream(config).await?;
        let payload = bytes::Bytes::from(vec![b'x'; size]);
        let began = Instant::now();
        let mut acknowledged = FuturesUnordered::new();
        for _ in 0..count {
            if acknowledged.len() == UNDER_WAY {
                acknowledged.next().await.transpose()?;
            }
            let acknowledgement = context.publish(name.to_owned(), payload.clone()).await?;
            acknowledged.push(acknowledgement.into_future());
        }
        while acknowledged.next().await.transpose()?.is_some() {}
        let published = count as f64 / began.elapsed().as_secs_f64();

        let began = Instant::now();
        let config = consumer::pull::OrderedConfig::default();
        let mut messages = stream.create_consumer(config).await?.messages().await?;
        for _ in 0..count {
            messages.next().await.ok_or("the stream has ended")??;
        }
        let consumed = count as f64 / began.elapsed().as_secs_f64();
        context.delete_stream(name).await?;
        Ok((published, consumed))
    }
}
