//! The session on a socket, and a clock.

use std::cell::RefCell;
use std::io::{self, Write};
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use xs_os::executor::{Async, Epoll, Executor};
use xs_os::raw::{IcmpSocket, keep_errors, set_hop_limit, take_error};
use xs_proto::ip::{Addresses, Icmp, IcmpKind};

use crate::{Error, Heard, Options, Session, Summary};

/// What the whole of a message may be long: the longest packet.
const LONGEST: usize = 1 << 16;
/// IP's header and ICMP's, which the first line counts.
const HEADERS: u32 = 28;
const HEADERS_V6: u32 = 48;

struct Pinger<'a, W> {
    options: &'a Options,
    address: IpAddr,
    executor: Executor<Epoll>,
    socket: Async<IcmpSocket>,
    /// That a raw socket's replies are known by.
    identifier: u16,
    session: RefCell<Session>,
    out: RefCell<&'a mut W>,
}

/// Asks until the count, the deadline or a signal ends it, and writes lines as they come.
///
/// # Errors
///
/// Before the first request: a host without an address, a socket that is refused. Later only `out`'s.
pub fn run(options: &Options, out: &mut impl Write) -> Result<Summary, Error> {
    let address = options.address()?;
    let socket = IcmpSocket::open(address.is_ipv6()).map_err(Error::Socket)?;
    if let Some(hops) = options.ttl {
        set_hop_limit(&socket, address.is_ipv6(), hops)?;
    }
    keep_errors(&socket, address.is_ipv6())?;
    let executor = Executor::epoll()?;
    let interrupted = executor.reactor().register(interrupts()?)?;
    let socket = executor.reactor().register(socket)?;
    let headers = if address.is_ipv6() { HEADERS_V6 } else { HEADERS };
    let size = u32::from(options.size);
    writeln!(out, "PING {} ({address}) {size}({}) bytes of data.", options.host, size + headers)?;
    let identifier = std::process::id() as u16;
    let (session, out) = (RefCell::new(Session::new()), RefCell::new(out));
    let pinger = Pinger { options, address, executor: executor.clone(), socket, identifier, session, out };
    executor.block_on(async {
        let (work, listen) = (pin!(pinger.ask()), pin!(pinger.listen()));
        let stop = pin!(async {
            let signal = interrupted.read_with(|signals| match signals.read_signal()? {
                Some(_) => Ok(()),
                None => Err(io::ErrorKind::WouldBlock.into()),
            });
            match options.deadline {
                Some(deadline) => drop(executor.timeout(deadline, signal).await),
                None => drop(signal.await),
            }
        });
        match select(select(work, listen), stop).await {
            Either::Left((Either::Left((done, _)) | Either::Right((done, _)), _)) => done,
            Either::Right(_) => Ok(()),
        }
    })??;
    let summary = pinger.session.borrow().summary();
    let mut out = pinger.out.borrow_mut();
    writeln!(out, "\n--- {} ping statistics ---\n{summary}", options.host)?;
    Ok(summary)
}

/// SIGINT and SIGTERM as a descriptor.
fn interrupts() -> io::Result<SignalFd> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    Ok(SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}

impl<W: Write> Pinger<'_, W> {
    /// Sends what is to be sent, and waits for the last replies.
    async fn ask(&self) -> io::Result<()> {
        let most = self.options.count.unwrap_or(u64::MAX);
        loop {
            let sequence = self.session.borrow_mut().send(self.executor.now());
            // Of IPv4's checksum addresses are no part, and IPv6's is written by the kernel, which knows the source.
            let target = match self.address {
                IpAddr::V4(target) => Addresses::V4(target, target),
                IpAddr::V6(target) => Addresses::V6(target, target),
            };
            let data = (0..self.options.size).map(|n| n as u8).collect();
            let mut message = Vec::new();
            Icmp { kind: IcmpKind::EchoRequest(self.identifier, sequence), data }.write(target, &mut message);
            match self.socket.write_with(|socket| socket.send_to(&message, self.address)).await {
                Ok(()) => {}
                Err(error) => self.line(&format!("xs-ping: sendmsg: {error}"))?,
            }
            if self.session.borrow().sent() >= most {
                break;
            }
            self.executor.sleep(self.options.interval).await;
        }
        let end = self.executor.now() + self.options.timeout;
        while self.session.borrow().waiting() > 0 && self.executor.now() < end {
            self.executor.sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Prints what comes. Never ready but with an error of the output.
    async fn listen(&self) -> io::Result<()> {
        let (mut buffer, mut about) = (vec![0; LONGEST], vec![0; LONGEST]);
        loop {
            // An error in the queue ends a call once, and is looked at here.
            let received = self.socket.read_with(|socket| {
                Ok(match take_error(socket, &mut about)? {
                    Some(error) => Either::Left(error),
                    None => Either::Right(socket.receive(&mut buffer)?),
                })
            });
            let now = || self.executor.now();
            match received.await {
                Ok(Either::Right(received)) => {
                    let Some(message) = buffer.get(received.message.clone()) else { continue };
                    let Some(sequence) = self.answered(message) else { continue };
                    let heard = self.session.borrow_mut().reply(sequence, now());
                    let (time, note) = match heard {
                        Some(Heard::Reply(time)) => (time, ""),
                        Some(Heard::Duplicate(time)) => (time, " (DUP!)"),
                        None => continue,
                    };
                    let (len, from) = (message.len(), received.from);
                    let hops = received.hop_limit.map_or(String::new(), |hops| format!(" ttl={hops}"));
                    let time = shown(time);
                    self.line(&format!("{len} bytes from {from}: icmp_seq={sequence}{hops} time={time} ms{note}"))?;
                }
                Ok(Either::Left(error)) => {
                    let Some(sequence) = about.get(..error.len).and_then(|message| self.asked(message)) else {
                        continue;
                    };
                    if self.session.borrow_mut().error(sequence, now()) {
                        let from = error.reporter.map_or_else(|| self.address.to_string(), |from| from.to_string());
                        let what = described(self.address.is_ipv6(), error.kind, error.code, error.info);
                        self.line(&format!("From {from} icmp_seq={sequence} {what}"))?;
                    }
                }
                // What could be asked again is asked again; an error of the socket itself comes again and again.
                Err(_) => self.executor.sleep(Duration::from_millis(1)).await,
            }
        }
    }

    /// The sequence number that a message answers, if it is a reply to one of ours.
    fn answered(&self, message: &[u8]) -> Option<u16> {
        let IcmpKind::EchoReply(identifier, sequence) = self.parse(message)?.kind else { return None };
        // The kernel has chosen the identifier of a socket that is not raw, and gives it nothing else.
        (!self.socket.get_ref().is_raw() || identifier == self.identifier).then_some(sequence)
    }

    /// The sequence number of one of our requests.
    fn asked(&self, message: &[u8]) -> Option<u16> {
        let IcmpKind::EchoRequest(identifier, sequence) = self.parse(message)?.kind else { return None };
        (!self.socket.get_ref().is_raw() || identifier == self.identifier).then_some(sequence)
    }

    fn parse(&self, message: &[u8]) -> Option<Icmp> {
        let parse = if self.address.is_ipv6() { Icmp::parse_v6 } else { Icmp::parse_v4 };
        parse(message).ok()
    }

    fn line(&self, line: &str) -> io::Result<()> {
        if self.options.quiet {
            return Ok(());
        }
        let mut out = self.out.borrow_mut();
        writeln!(out, "{line}")?;
        out.flush()
    }
}

/// Milliseconds with the digits that iputils shows.
fn shown(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    match millis {
        ..10.0 => format!("{millis:.3}"),
        ..100.0 => format!("{millis:.2}"),
        ..1000.0 => format!("{millis:.1}"),
        _ => format!("{millis:.0}"),
    }
}

/// An error as iputils words it.
fn described(v6: bool, kind: u8, code: u8, info: u32) -> String {
    match (v6, kind, code) {
        (false, 3, 0) => "Destination Net Unreachable".into(),
        (true, 1, 0) => "Destination unreachable: No route".into(),
        (false, 3, 1) => "Destination Host Unreachable".into(),
        (true, 1, 3) => "Destination unreachable: Address unreachable".into(),
        (false, 3, 3) => "Destination Port Unreachable".into(),
        (true, 1, 4) => "Destination unreachable: Port unreachable".into(),
        (false, 3, 4) => format!("Frag needed and DF set (mtu = {info})"),
        (true, 2, _) => format!("Packet too big: mtu={info}"),
        (false, 3, 13) => "Packet filtered".into(),
        (true, 1, 1) => "Destination unreachable: Administratively prohibited".into(),
        (false, 3, _) => format!("Dest Unreachable, Bad Code: {code}"),
        (true, 1, _) => format!("Destination unreachable: Unknown code {code}"),
        (false, 11, 0) => "Time to live exceeded".into(),
        (true, 3, 0) => "Time exceeded: Hop limit".into(),
        (false, 11, 1) => "Frag reassembly time exceeded".into(),
        (true, 3, 1) => "Time exceeded: Defragmentation failure".into(),
        _ => format!("ICMP type {kind}, code {code}"),
    }
}
