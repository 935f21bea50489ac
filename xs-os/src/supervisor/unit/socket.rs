//! What a socket unit listens on.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// A socket unit: addresses that are listened on for a service that may not run yet.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each field is the key of systemd.socket(5) of its name")]
pub struct Socket {
    pub listen: Vec<Listen>,
    pub service: Option<String>,
    pub backlog: u32,
    pub socket_mode: u32,
    pub socket_user: Option<String>,
    pub socket_group: Option<String>,
    pub file_descriptor_name: Option<String>,
    pub remove_on_stop: bool,
    pub reuse_port: bool,
    pub trigger_limit_interval: std::time::Duration,
    pub trigger_limit_burst: u32,
}

impl Default for Socket {
    fn default() -> Self {
        Socket {
            listen: Vec::new(),
            service: None,
            backlog: 4096,
            socket_mode: 0o666,
            socket_user: None,
            socket_group: None,
            file_descriptor_name: None,
            remove_on_stop: false,
            reuse_port: false,
            trigger_limit_interval: std::time::Duration::from_secs(2),
            trigger_limit_burst: 20,
        }
    }
}

/// How a socket carries bytes, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// Connections.
    Stream(ListenAddress),
    /// Packets.
    Datagram(ListenAddress),
    /// Connections of packets; of this machine alone.
    SequentialPacket(ListenAddress),
}

impl Listen {
    /// Where it is.
    pub fn address(&self) -> &ListenAddress {
        match self {
            Listen::Stream(address) | Listen::Datagram(address) | Listen::SequentialPacket(address) => address,
        }
    }

    /// As `systemctl status` says it.
    pub fn describe(&self) -> String {
        let kind = match self {
            Listen::Stream(_) => "Stream",
            Listen::Datagram(_) => "Datagram",
            Listen::SequentialPacket(_) => "SequentialPacket",
        };
        format!("{} ({kind})", self.address())
    }
}

/// Where a socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address of the network.
    Inet(SocketAddr),
    /// A path.
    Unix(PathBuf),
    /// A name of this machine alone, which is no path (`@name`).
    Abstract(String),
}

impl ListenAddress {
    /// An address as files write it: a path, `@name`, a port, `address:port`.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn parse(text: &str) -> Result<ListenAddress, String> {
        // The longest path that a socket's address has room for.
        const LONGEST: usize = 107;
        if text.starts_with('/') || text.starts_with('@') {
            if text.len() > LONGEST {
                return Err(format!("a socket's path has at most {LONGEST} bytes"));
            }
            return Ok(match text.strip_prefix('@') {
                Some("") => return Err("an abstract socket needs a name".into()),
                Some(name) => ListenAddress::Abstract(name.to_owned()),
                None => ListenAddress::Unix(text.into()),
            });
        }
        // A port alone is one on every address, of both families.
        let anywhere = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let address = match text.parse::<u16>() {
            Ok(port) => Some(SocketAddr::new(anywhere, port)),
            Err(_) => text.parse::<SocketAddr>().ok(),
        };
        match address {
            Some(address) if address.port() != 0 => Ok(ListenAddress::Inet(address)),
            _ => Err("neither a path, @name, a port nor address:port".into()),
        }
    }
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ListenAddress::Inet(address) => address.fmt(f),
            ListenAddress::Unix(path) => path.display().fmt(f),
            ListenAddress::Abstract(name) => write!(f, "@{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_they_look_like() {
        for (text, shown) in [("80", "[::]:80"), ("127.0.0.1:80", "127.0.0.1:80"), ("/run/x", "/run/x"), ("@x", "@x")] {
            assert_eq!(ListenAddress::parse(text).map(|address| address.to_string()), Ok(shown.to_owned()));
        }
        for text in
            ["", "0", "99999", "localhost:80", "127.0.0.1", "@", "127.0.0.1:0", &format!("/{}", "x".repeat(107))]
        {
            assert!(ListenAddress::parse(text).is_err(), "{text}");
        }
    }
}
