//! Below connections: ICMP messages, hop limits, and the errors that routers send back.
//!
//! # The problem
//!
//! Whether a host is there, how far away it is and where packets are lost on the way are questions that ICMP answers,
//! and ordinary sockets hide ICMP. The old way is a raw socket, which only root may open, and which hears everybody's
//! ICMP, so that each program picks its own answers out of all.
//!
//! # How it works
//!
//! Linux has two gentler ways, and this is both of them:
//!
//! ```text
//!   IcmpSocket            an echo of one's own:  socket(DGRAM, ICMP)   the kernel numbers it, and gives it its own replies
//!                         where that is forbidden: socket(RAW, ICMP)   root; all replies, to be told apart by the identifier
//!
//!   any socket ── keep_errors ──▶ take_error:  "from router 10.0.0.1: time exceeded, about this packet of yours"
//!        └─────── set_hop_limit(3): the third router throws it away and says so
//! ```
//!
//! The kernel matches an ICMP error to the socket whose packet it is about, and keeps it in that socket's *error
//! queue*. A UDP socket with a hop limit and such a queue is a whole traceroute, without any privilege; so is a TCP
//! socket that connects. A socket with something in its error queue is readable by `EPOLLERR`, so that an
//! [`Async`](crate::executor::Async) one wakes whoever reads.
//!
//! # Invariants
//!
//! - What is received is inside the buffer that was given: ranges are checked against what came (`IcmpSocket::receive`).
//! - A message that is no ICMP error (a local one, a timestamp) is not taken for one.
//!
//! # Cost
//!
//! One system call a message.
//!
//! # Example
//!
//! ```no_run
//! use xs_os::raw::{IcmpSocket, keep_errors, set_hop_limit};
//!
//! let socket = IcmpSocket::open(false)?;
//! set_hop_limit(&socket, false, 1)?;
//! keep_errors(&socket, false)?;
//! // An echo request with identifier 7 and sequence number 1.
//! socket.send_to(&[8, 0, 0xf7, 0xf7, 0, 7, 0, 1], [192, 0, 2, 1].into())?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How others do it
//!
//! iputils' ping does as this does, since 2012 mostly without root; traceroute (Linux) uses error queues for UDP and
//! raw sockets for the rest; mtr forks a small privileged process that sends. On other systems raw sockets are the only
//! way.
//!
//! # What this leaves out
//!
//! Packets with headers of one's own (`IP_HDRINCL`), other systems than Linux, receive times by the kernel's clock.
//!
//! # Try next
//!
//! Send UDP datagrams of growing length with "don't fragment" to a host behind a tunnel, and read the path's MTU out of
//! the errors' [`info`](IcmpError::info).
//!
//! # Sources
//!
//! `icmp(7)`, `ip(7)` (`IP_RECVERR`, `IP_TTL`), `ipv6(7)`; RFC 792, RFC 4443, RFC 1812 section 4.3.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

/// A socket for ICMP messages of one version of IP, which does not block.
#[derive(Debug)]
pub struct IcmpSocket {
    /// The type is only for its methods: what they send and receive are ICMP messages.
    socket: UdpSocket,
    v6: bool,
    raw: bool,
}

/// A message that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// From whom.
    pub from: IpAddr,
    /// How many more routers it might have passed.
    pub hop_limit: Option<u8>,
    /// Where in the buffer the ICMP message stands.
    pub message: Range<usize>,
}

/// An error that somebody on the way has sent back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IcmpError {
    /// Who has sent it.
    pub reporter: Option<IpAddr>,
    /// ICMP's or ICMPv6's type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// The MTU, where that is what is wrong.
    pub info: u32,
    /// How many bytes of what had been sent were put into the buffer.
    pub len: usize,
}

impl IcmpSocket {
    /// Opens one: of the kind that needs no privilege, or else a raw one.
    ///
    /// # Errors
    ///
    /// When both are refused: `net.ipv4.ping_group_range` has no group of this process, and it lacks `CAP_NET_RAW`.
    pub fn open(v6: bool) -> io::Result<Self> {
        let (domain, protocol) = if v6 { (Domain::IPV6, Protocol::ICMPV6) } else { (Domain::IPV4, Protocol::ICMPV4) };
        let open = |kind: Type| Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol));
        let (socket, raw) = match open(Type::DGRAM) {
            Ok(socket) => (socket, false),
            Err(_) => (open(Type::RAW)?, true),
        };
        if v6 {
            setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
        }
        Ok(IcmpSocket { socket: socket.into(), v6, raw })
    }

    /// Whether it hears all ICMP of the machine. If not, the kernel puts an identifier of its own into what is sent,
    /// and what is received is the answer to that.
    pub fn is_raw(&self) -> bool {
        self.raw
    }

    /// Sends a message. Its checksum counts only for a raw socket of IPv4; the kernel writes the others.
    ///
    /// # Errors
    ///
    /// As `sendto(2)`; an error that has come about an earlier message is told here, too.
    pub fn send_to(&self, message: &[u8], to: IpAddr) -> io::Result<()> {
        self.socket.send_to(message, SocketAddr::new(to, 0)).map(drop)
    }

    /// The next message, if there is one.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; as `recvmsg(2)`.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let mut control = nix::cmsg_space!(libc::c_int);
        let mut io = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::empty();
        let got = recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut io, Some(&mut control), flags)?;
        let hop_limit = got.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::Ipv4Ttl(hops) | ControlMessageOwned::Ipv6HopLimit(hops) => u8::try_from(hops).ok(),
            _ => None,
        });
        let from = got.address.as_ref().and_then(address).ok_or(io::ErrorKind::InvalidData)?;
        let (len, mut start) = (got.bytes, 0);
        if self.raw && !self.v6 {
            // A raw socket of IPv4 hands over the IP header as well.
            let first = buffer.first().copied().unwrap_or(0);
            start = (usize::from(first & 0x0f) * 4).min(len);
        }
        Ok(Received { from, hop_limit, message: start..len })
    }
}

impl AsFd for IcmpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn address(of: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = of.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| of.as_sockaddr_in6().map(|address| address.ip().into()))
}

/// Sets how many routers a socket's packets may pass.
///
/// # Errors
///
/// As `setsockopt(2)`.
pub fn set_hop_limit(socket: &impl AsFd, v6: bool, hops: u8) -> io::Result<()> {
    let hops = i32::from(hops);
    if v6 {
        setsockopt(socket, sockopt::Ipv6Ttl, &hops)?
    } else {
        setsockopt(socket, sockopt::Ipv4Ttl, &hops)?
    }
    Ok(())
}

/// Has the kernel keep what ICMP says about a socket's packets, for [`take_error`].
///
/// # Errors
///
/// As `setsockopt(2)`.
pub fn keep_errors(socket: &impl AsFd, v6: bool) -> io::Result<()> {
    if v6 {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?
    } else {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)?
    }
    Ok(())
}

/// Takes the oldest ICMP error about a socket's packets, and as much as fits of the packet that it is about, without
/// its IP header (of UDP and TCP also without theirs). `None` if there is none.
///
/// # Errors
///
/// As `recvmsg(2)`.
pub fn take_error(socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<Option<IcmpError>> {
    loop {
        let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
        let mut io = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let got = match recvmsg::<SockaddrStorage>(socket.as_fd().as_raw_fd(), &mut io, Some(&mut control), flags) {
            Ok(got) => got,
            Err(nix::errno::Errno::EAGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let error = got.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::Ipv4RecvErr(error, from) => {
                Some((error, from.map(|from| IpAddr::from(from.sin_addr.s_addr.to_ne_bytes()))))
            }
            ControlMessageOwned::Ipv6RecvErr(error, from) => {
                Some((error, from.map(|from| IpAddr::from(from.sin6_addr.s6_addr))))
            }
            _ => None,
        });
        // Others are of this machine: they come as the errors of calls, too.
        let icmp = |origin: u8| matches!(origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6);
        if let Some((error, reporter)) = error.filter(|(error, _)| icmp(error.ee_origin)) {
            let (kind, code, info) = (error.ee_type, error.ee_code, error.ee_info);
            return Ok(Some(IcmpError { reporter, kind, code, info, len: got.bytes }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_datagram_says_who_refused() {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        keep_errors(&socket, false).unwrap();
        assert_eq!(take_error(&socket, &mut [0; 16]).unwrap(), None);
        socket.send_to(b"anybody?", free).unwrap();
        let mut buffer = [0; 16];
        let error = (0..200).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            take_error(&socket, &mut buffer).unwrap()
        });
        // Destination unreachable: port unreachable.
        let wanted = IcmpError { reporter: Some([127, 0, 0, 1].into()), kind: 3, code: 3, info: 0, len: 8 };
        assert_eq!((error, &buffer[..8]), (Some(wanted), &b"anybody?"[..]));
    }

    #[test]
    #[ignore = "needs root"]
    fn an_echo_comes_back() {
        for v6 in [false, true] {
            let socket = IcmpSocket::open(v6).unwrap();
            let to: IpAddr = if v6 { std::net::Ipv6Addr::LOCALHOST.into() } else { [127, 0, 0, 1].into() };
            // An echo request, identifier 0x4711, sequence number 3, with the checksum of IPv4.
            let request = if v6 { [128, 0, 0, 0, 0x47, 0x11, 0, 3] } else { [8, 0, 0xb0, 0xeb, 0x47, 0x11, 0, 3] };
            socket.send_to(&request, to).unwrap();
            let mut buffer = [0; 64];
            let reply = (0..400).find_map(|_| {
                std::thread::sleep(std::time::Duration::from_millis(2));
                let received = socket.receive(&mut buffer).ok()?;
                let kind = buffer[received.message.start];
                // A raw socket hears the request, too.
                (kind == 0 || kind == 129).then_some(received)
            });
            let reply = reply.expect("an echo reply");
            assert_eq!((reply.from, reply.hop_limit), (to, Some(64)));
            assert_eq!(&buffer[reply.message.end - 2..reply.message.end], [0, 3]);
        }
    }
}
