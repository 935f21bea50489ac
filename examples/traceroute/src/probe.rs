//! A probe: a packet that may pass so many routers, and who answers it.
//!
//! # The problem
//!
//! Answers to many probes come in any order, from hosts that one has never heard of, and each has to find the probe
//! that it answers.
//!
//! # How it works
//!
//! The kernel does that already, for sockets: an ICMP error is kept in the error queue of the socket whose packet it is
//! about. So each probe has a socket of its own, and waits for whatever comes to it first:
//!
//! | method | a router answers | the host answers |
//! |---|---|---|
//! | UDP | time exceeded, in the error queue | port unreachable, in the error queue; a datagram, if somebody listens |
//! | TCP | time exceeded, in the error queue | the connection is there, or is refused |
//! | ICMP | time exceeded, in the error queue | an echo reply |
//!
//! # Invariants
//!
//! - An answer belongs to the probe that gets it: sockets of UDP and TCP have ports of their own, echoes an identifier
//!   or a sequence number.
//! - A probe ends by an answer, by an error of the socket, or by its caller's patience; its socket goes with it.
//!
//! # Cost
//!
//! A descriptor and two system calls a probe.
//!
//! # Example
//!
//! ```no_run
//! use xs_os::executor::Executor;
//! use xs_traceroute::{Method, probe};
//!
//! let executor = Executor::epoll()?;
//! let target = [192, 0, 2, 1].into();
//! let probe = probe::Probe { target, method: Method::Udp(33434), hops: 1, number: 0, size: 32 };
//! let answer = executor.block_on(probe.send(&executor))??;
//! println!("{} after {:?}", answer.from, answer.time);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How others do it
//!
//! Traceroute and mtr send from one raw socket and match answers by ports and identifiers themselves, as BSD's error
//! handling asks for.
//!
//! # What this leaves out
//!
//! Answers that quote too little of a packet for the kernel to know its socket.
//!
//! # Try next
//!
//! Ask through a NAT, and see which of the three methods get answers.
//!
//! # Sources
//!
//! `ip(7)`, `IP_RECVERR`; RFC 792; RFC 4443.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use futures::future::Either;
use socket2::{Domain, Socket, Type};
use xs_os::Nanos;
use xs_os::executor::{Epoll, Executor};
use xs_os::raw::{IcmpError, IcmpSocket, keep_errors, set_hop_limit, take_error};
use xs_proto::ip::{Addresses, Icmp, IcmpKind};

use crate::options::Method;
use crate::way::{Answer, Fate};

/// One packet.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    /// The host that is looked for.
    pub target: IpAddr,
    /// What is sent.
    pub method: Method,
    /// How many routers it may reach.
    pub hops: u8,
    /// Which probe of a pass it is: it makes ports and sequence numbers differ.
    pub number: u16,
    /// Bytes of data.
    pub size: u16,
}

/// How much of an answer is looked at.
const LOOK: usize = 256;

impl Probe {
    /// Sends it and waits for the answer, without end.
    ///
    /// # Errors
    ///
    /// If it can't be sent, or the socket breaks.
    pub async fn send(self, executor: &Executor<Epoll>) -> io::Result<Answer> {
        match self.method {
            Method::Icmp => self.icmp(executor).await,
            Method::Udp(port) => self.udp(executor, port.wrapping_add(self.number).max(1)).await,
            Method::Tcp(port) => self.tcp(executor, port).await,
        }
    }

    fn v6(&self) -> bool {
        self.target.is_ipv6()
    }

    /// What a router or the host has said of it; none if that ends nothing.
    fn said(&self, error: &IcmpError, sent: Nanos, now: Nanos) -> Option<Answer> {
        let fate = Fate::of_error(self.v6(), error.kind, error.code)?;
        Some(Answer { from: error.reporter.unwrap_or(self.target), time: now - sent, fate })
    }

    fn arrived(&self, sent: Nanos, now: Nanos) -> Answer {
        Answer { from: self.target, time: now - sent, fate: Fate::Arrived }
    }

    async fn udp(self, executor: &Executor<Epoll>, port: u16) -> io::Result<Answer> {
        let any = if self.v6() { SocketAddr::from(([0; 16], 0)) } else { SocketAddr::from(([0; 4], 0)) };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        set_hop_limit(&socket, self.v6(), self.hops)?;
        keep_errors(&socket, self.v6())?;
        let socket = executor.reactor().register(socket)?;
        socket.get_ref().connect(SocketAddr::new(self.target, port))?;
        let sent = executor.now();
        let data = vec![b'@'; self.size.into()];
        socket.write_with(|socket| socket.send(&data)).await?;
        let mut buffer = [0; LOOK];
        socket
            .read_with(|socket| {
                loop {
                    if let Some(error) = take_error(socket, &mut buffer)? {
                        match self.said(&error, sent, executor.now()) {
                            Some(answer) => return Ok(answer),
                            None => continue,
                        }
                    }
                    match socket.recv(&mut buffer) {
                        Ok(_) => return Ok(self.arrived(sent, executor.now())),
                        // The error that is in the queue by now.
                        Err(error) if is_about_the_way(&error) => {}
                        Err(error) => return Err(error),
                    }
                }
            })
            .await
    }

    async fn tcp(self, executor: &Executor<Epoll>, port: u16) -> io::Result<Answer> {
        let domain = if self.v6() { Domain::IPV6 } else { Domain::IPV4 };
        let socket = Socket::new(domain, Type::STREAM.nonblocking().cloexec(), None)?;
        set_hop_limit(&socket, self.v6(), self.hops)?;
        keep_errors(&socket, self.v6())?;
        let sent = executor.now();
        match socket.connect(&SocketAddr::new(self.target, port).into()) {
            Ok(()) => return Ok(self.arrived(sent, executor.now())),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Ok(self.arrived(sent, executor.now()));
            }
            Err(error) if error.raw_os_error() == Some(EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        let socket = executor.reactor().register(socket)?;
        let mut buffer = [0; LOOK];
        socket
            .write_with(|socket| {
                while let Some(error) = take_error(socket, &mut buffer)? {
                    // "Port unreachable" is no answer of TCP's, but somebody's who filters.
                    match self.said(&error, sent, executor.now()) {
                        Some(answer) if answer.from != self.target || answer.fate != Fate::Passing => {
                            return Ok(answer);
                        }
                        _ => {}
                    }
                }
                match socket.take_error()? {
                    Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                        Ok(self.arrived(sent, executor.now()))
                    }
                    Some(error) if is_about_the_way(&error) => Err(io::ErrorKind::WouldBlock.into()),
                    Some(error) => Err(error),
                    None => match socket.peer_addr() {
                        Ok(_) => Ok(self.arrived(sent, executor.now())),
                        Err(_) => Err(io::ErrorKind::WouldBlock.into()),
                    },
                }
            })
            .await
    }

    async fn icmp(self, executor: &Executor<Epoll>) -> io::Result<Answer> {
        let socket = IcmpSocket::open(self.v6())?;
        set_hop_limit(&socket, self.v6(), self.hops)?;
        keep_errors(&socket, self.v6())?;
        let socket = executor.reactor().register(socket)?;
        // What a raw socket hears of others has other identifiers, and of this program's other probes other numbers.
        let identifier = std::process::id() as u16;
        let to = match self.target {
            IpAddr::V4(target) => Addresses::V4(target, target),
            IpAddr::V6(target) => Addresses::V6(target, target),
        };
        let mut message = Vec::new();
        let data = vec![b'@'; self.size.into()];
        Icmp { kind: IcmpKind::EchoRequest(identifier, self.number), data }.write(to, &mut message);
        let sent = executor.now();
        socket.write_with(|socket| socket.send_to(&message, self.target)).await?;
        let (mut buffer, mut about) = ([0; LOOK], [0; LOOK]);
        let parse = if self.v6() { Icmp::parse_v6 } else { Icmp::parse_v4 };
        let raw = socket.get_ref().is_raw();
        loop {
            let got = socket.read_with(|socket| {
                Ok(match take_error(socket, &mut about)? {
                    Some(error) => Either::Left(error),
                    None => Either::Right(socket.receive(&mut buffer)?),
                })
            });
            let (kind, answer) = match got.await {
                Ok(Either::Left(error)) => {
                    let kind =
                        about.get(..error.len).and_then(|message| parse(message).ok()).map(|message| message.kind);
                    (kind, self.said(&error, sent, executor.now()))
                }
                Ok(Either::Right(received)) => {
                    let kind = buffer
                        .get(received.message)
                        .and_then(|message| parse(message).ok())
                        .map(|message| message.kind);
                    // Its own request is what a raw socket hears on the loopback first.
                    let answer = self.arrived(sent, executor.now());
                    (kind, matches!(kind, Some(IcmpKind::EchoReply(..))).then_some(answer))
                }
                Err(error) if is_about_the_way(&error) => continue,
                Err(error) => return Err(error),
            };
            if let (Some(IcmpKind::EchoRequest(id, number) | IcmpKind::EchoReply(id, number)), Some(answer)) =
                (kind, answer)
                && number == self.number
                && (!raw || id == identifier)
            {
                return Ok(answer);
            }
        }
    }
}

const EINPROGRESS: i32 = 115;

/// Errors that only repeat what is in the error queue.
fn is_about_the_way(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::PermissionDenied
    )
}
