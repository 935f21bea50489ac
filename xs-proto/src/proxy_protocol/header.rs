//! What a header means.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use bytes::Bytes;

use super::Extensions;

/// What a proxy says about the connection that it has opened.
#[derive(Debug, Clone, PartialEq, Eq)]
// There is one for a connection, and whoever keeps it boxes it: a box inside would be one for every header that is read.
#[allow(clippy::large_enum_variant)]
pub enum Header {
    /// The proxy speaks for itself, to check whether the server is well: the connection's own ends are the true ones.
    /// Version 1 has no word for it and says [`Origin::Unknown`].
    Local,
    /// The connection is on behalf of somebody else.
    Proxied {
        /// Of whom.
        origin: Origin,
        /// What else there is to say; always empty in version 1.
        extensions: Extensions,
    },
}

/// Both ends of the client's connection to the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The proxy can't say. Use the connection's own ends.
    Unknown,
    /// IPv4.
    V4 {
        /// What the ports belong to.
        protocol: Protocol,
        /// The client.
        source: SocketAddrV4,
        /// Where it connected to.
        destination: SocketAddrV4,
    },
    /// IPv6. Flow labels and scopes do not travel.
    V6 {
        /// What the ports belong to.
        protocol: Protocol,
        /// The client.
        source: SocketAddrV6,
        /// Where it connected to.
        destination: SocketAddrV6,
    },
    /// A Unix socket; only version 2 has it.
    Unix {
        /// Which kind.
        protocol: Protocol,
        /// The client; mostly without a name.
        source: UnixName,
        /// The proxy's socket.
        destination: UnixName,
    },
}

/// Whether the client's connection was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP, or a stream socket.
    Stream,
    /// UDP, or a datagram socket. Version 1 cannot say it.
    Datagram,
}

/// The name of a Unix socket: at most 108 bytes, without the NULs that fill them up on the wire. One that begins with a
/// NUL is an abstract one, and an empty one is none.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct UnixName(Bytes);

impl UnixName {
    /// How long a name may be.
    pub const MAX: usize = 108;

    /// A name; `None` if it is too long. NULs at its end are cut off.
    pub fn new(name: impl Into<Bytes>) -> Option<UnixName> {
        let mut name = name.into();
        let end = name.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        name.truncate(end);
        (end <= UnixName::MAX).then_some(UnixName(name))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl Header {
    /// The header of a TCP connection from `source` to `destination`. Ends of different families both become IPv6, the
    /// IPv4 one as a mapped address (RFC 4291, section 2.5.5.2).
    pub fn proxied(source: SocketAddr, destination: SocketAddr) -> Header {
        let protocol = Protocol::Stream;
        let origin = match (source, destination) {
            (SocketAddr::V4(source), SocketAddr::V4(destination)) => Origin::V4 { protocol, source, destination },
            _ => Origin::V6 { protocol, source: widened(source), destination: widened(destination) },
        };
        Header::Proxied { origin, extensions: Extensions::default() }
    }

    /// The header of a connection that nothing is known of.
    pub fn unknown() -> Header {
        Header::Proxied { origin: Origin::Unknown, extensions: Extensions::default() }
    }

    /// The client's address, if it is an Internet address.
    pub fn source(&self) -> Option<SocketAddr> {
        self.ends().map(|(source, _)| source)
    }

    /// The address that the client connected to, if it is an Internet address.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.ends().map(|(_, destination)| destination)
    }

    /// What else was said. `None` of [`Header::Local`].
    pub fn extensions(&self) -> Option<&Extensions> {
        match self {
            Header::Local => None,
            Header::Proxied { extensions, .. } => Some(extensions),
        }
    }

    fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        match self {
            Header::Proxied { origin: Origin::V4 { source, destination, .. }, .. } => {
                Some(((*source).into(), (*destination).into()))
            }
            Header::Proxied { origin: Origin::V6 { source, destination, .. }, .. } => {
                Some(((*source).into(), (*destination).into()))
            }
            _ => None,
        }
    }
}

fn widened(addr: SocketAddr) -> SocketAddrV6 {
    match addr {
        SocketAddr::V4(v4) => v6(v4.ip().to_ipv6_mapped(), v4.port()),
        SocketAddr::V6(addr) => v6(*addr.ip(), addr.port()),
    }
}

pub(super) fn v6(ip: Ipv6Addr, port: u16) -> SocketAddrV6 {
    SocketAddrV6::new(ip, port, 0, 0)
}
