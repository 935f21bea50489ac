//! The command line, as iputils' ping has it.

use std::net::{IpAddr, ToSocketAddrs};
use std::time::Duration;

use clap::Parser;

use crate::Error;

/// Asks a host for echoes, and says how long they take
#[derive(Debug, Clone, Parser)]
#[command(
    name = "xs-ping",
    version,
    after_help = "Ends with SIGINT and sums up. Exit code: 0 if replies came, 1 if none came, 2 if anything else is wrong."
)]
pub struct Options {
    /// Name or address
    pub host: String,
    /// How many requests [default: until SIGINT]
    #[arg(short, long, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Seconds between requests
    #[arg(short, long, default_value = "1", value_parser = seconds)]
    pub interval: Duration,
    /// Bytes of data in a request
    #[arg(short, long, default_value_t = 56, value_parser = clap::value_parser!(u16).range(..=65_507))]
    pub size: u16,
    /// How many routers a request may pass
    #[arg(short, long, value_parser = clap::value_parser!(u8).range(1..))]
    pub ttl: Option<u8>,
    /// Seconds to wait for the last replies
    #[arg(short = 'W', long, default_value = "2", value_parser = seconds)]
    pub timeout: Duration,
    /// Seconds after which it ends, whatever has come
    #[arg(short = 'w', long, value_parser = seconds)]
    pub deadline: Option<Duration>,
    /// IPv4 only
    #[arg(short = '4', conflicts_with = "v6")]
    pub v4: bool,
    /// IPv6 only
    #[arg(short = '6')]
    pub v6: bool,
    /// Only the summary
    #[arg(short, long)]
    pub quiet: bool,
    /// Addresses as numbers (they always are)
    #[arg(short, hide = true)]
    pub numeric: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds, such as 0.2".to_owned())?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|seconds| *seconds >= Duration::from_millis(1) && *seconds <= Duration::from_secs(1 << 20))
        .ok_or_else(|| "0.001 to 1048576 seconds".to_owned())
}

impl Options {
    /// The host's address.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`].
    pub fn address(&self) -> Result<IpAddr, Error> {
        let unknown = || Error::Unknown(self.host.clone());
        let mut all = (&*self.host, 0).to_socket_addrs().map_err(|_| unknown())?.map(|address| address.ip());
        all.find(|ip| (!self.v4 || ip.is_ipv4()) && (!self.v6 || ip.is_ipv6())).ok_or_else(unknown)
    }
}
