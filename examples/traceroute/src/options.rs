//! The command line, as Linux' traceroute and mtr have it.

use std::net::{IpAddr, ToSocketAddrs};
use std::time::Duration;

use clap::Parser;

use crate::Error;

/// Finds the routers on the way to a host
#[derive(Debug, Clone, Parser)]
#[command(
    name = "xs-traceroute",
    version,
    after_help = "Exit code: 0 if the host answered, 1 if it did not, 2 if anything is wrong."
)]
pub struct Options {
    /// Name or address
    pub host: String,
    /// With ICMP echo requests (where the system allows it, or as root)
    #[arg(short = 'I', long, conflicts_with_all = ["udp", "tcp"])]
    pub icmp: bool,
    /// With UDP datagrams to ports where nobody listens (the default)
    #[arg(short = 'U', long, conflicts_with = "tcp")]
    pub udp: bool,
    /// With TCP connections
    #[arg(short = 'T', long)]
    pub tcp: bool,
    /// The port: of UDP the first of several [default: 33434], of TCP [default: 80]
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// The most hops
    #[arg(short = 'm', long, default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..))]
    pub max_hops: u8,
    /// The first hop
    #[arg(short = 'f', long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    pub first: u8,
    /// Probes for each hop
    #[arg(short, long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=10))]
    pub queries: u8,
    /// Seconds to wait for an answer
    #[arg(short, long, default_value = "3", value_parser = seconds)]
    pub wait: Duration,
    /// Probes under way at once
    #[arg(short = 'N', long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..))]
    pub parallel: u8,
    /// Bytes of data in a probe
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(..=1400))]
    pub size: u16,
    /// Probes each hop so many times and prints a table, as mtr's report
    #[arg(short, long, value_parser = clap::value_parser!(u32).range(1..))]
    pub cycles: Option<u32>,
    /// Draws the table anew after each second, until SIGINT or the last of the cycles
    #[arg(short, long)]
    pub live: bool,
    /// IPv4 only
    #[arg(short = '4', conflicts_with = "v6")]
    pub v4: bool,
    /// IPv6 only
    #[arg(short = '6')]
    pub v6: bool,
    /// Addresses as numbers (they always are)
    #[arg(short, hide = true)]
    pub numeric: bool,
}

/// What a probe is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// An echo request.
    Icmp,
    /// A datagram to this port and the next ones.
    Udp(u16),
    /// A connection to this port.
    Tcp(u16),
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds, such as 0.5".to_owned())?;
    let wait = Duration::try_from_secs_f64(seconds).map_err(|_| "a number of seconds, such as 0.5".to_owned())?;
    if wait < Duration::from_millis(1) || wait > Duration::from_secs(60) {
        return Err("0.001 to 60 seconds".to_owned());
    }
    Ok(wait)
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

    /// What is sent.
    pub fn method(&self) -> Method {
        if self.icmp {
            Method::Icmp
        } else if self.tcp {
            Method::Tcp(self.port.unwrap_or(80))
        } else {
            Method::Udp(self.port.unwrap_or(33_434))
        }
    }
}
