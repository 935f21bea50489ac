//! Packets of an interface, as they come.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::net::if_::{InterfaceFlags, if_nametoindex};

use super::bpf::Program;
use super::filter::{Error, Filter, Link};
use super::ring::{Ring, Statistics};

/// How to capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Bytes of the ring, in which packets wait: a mebibyte at least.
    pub ring: usize,
    /// Also packets to other hosts, if the link brings them here.
    pub promiscuous: bool,
}

impl Default for Options {
    /// 8 MiB, and everybody's packets.
    fn default() -> Self {
        Options { ring: 8 << 20, promiscuous: true }
    }
}

/// A packet that was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When the kernel saw it, since the beginning of 1970.
    pub time: Duration,
    /// Its bytes, from the link's header on.
    pub data: &'a [u8],
    /// How long it was.
    pub original_len: u32,
}

/// An interface's packets. Opening it takes `CAP_NET_RAW`.
pub struct Live {
    ring: Ring,
    link: Link,
    loopback: bool,
    /// What the kernel can't ask: about tags that it has taken off.
    program: Option<Program>,
    /// Room for a packet whose tag is put back.
    tagged: Vec<u8>,
}

/// Where a tag stands: behind both addresses.
const TAG: usize = 12;

impl Live {
    /// Begins to capture what a filter wants, by an interface's name.
    ///
    /// # Errors
    ///
    /// `ENODEV` for a name that there is not, `EPERM` without the right; the filter's, as `InvalidInput`.
    pub fn open(interface: &str, filter: &Filter, options: &Options) -> io::Result<Self> {
        let index = if_nametoindex(interface)?;
        let all = nix::ifaddrs::getifaddrs()?.filter(|address| address.interface_name == interface);
        let flags = all.map(|address| address.flags).fold(InterfaceFlags::empty(), |all, flags| all | flags);
        // What tunnels carry has no header of a link.
        let link = if flags.contains(InterfaceFlags::IFF_POINTOPOINT) { Link::Raw } else { Link::Ethernet };
        let invalid = |error: Error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let program = filter.compile(link).map_err(invalid)?;
        let ring = Ring::open(options.ring)?;
        let here = filter.asks_for_tags();
        if !here {
            ring.attach(&program)?;
        }
        ring.bind(index, options.promiscuous)?;
        let loopback = flags.contains(InterfaceFlags::IFF_LOOPBACK);
        Ok(Live { ring, link, loopback, program: here.then_some(program), tagged: Vec::new() })
    }

    /// What its packets begin with.
    pub fn link(&self) -> Link {
        self.link
    }

    /// The next packet that is there; `None` when all were seen: the descriptor is readable when there are more.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        loop {
            // The loopback shows each packet twice: as it leaves, and as it comes.
            let found = self.ring.next()?;
            if self.loopback && found.outgoing {
                continue;
            }
            let (data, mut original_len) = (self.ring.data(&found), found.original_len);
            let tag = found.tag.filter(|_| data.len() >= TAG);
            if let Some((kind, tag)) = tag {
                let (addresses, rest) = data.split_at(TAG);
                self.tagged.clear();
                self.tagged.extend_from_slice(addresses);
                // Old kernels don't say which kind it was.
                self.tagged.extend_from_slice(&(if kind == 0 { 0x8100 } else { kind }).to_be_bytes());
                self.tagged.extend_from_slice(&tag.to_be_bytes());
                self.tagged.extend_from_slice(rest);
                original_len = original_len.saturating_add(4);
            }
            let whole = if tag.is_some() { &self.tagged } else { data };
            if self.program.as_ref().is_none_or(|program| program.run(whole, original_len) != 0) {
                let data = if tag.is_some() { &self.tagged } else { self.ring.data(&found) };
                return Some(Frame { time: found.time, data, original_len });
            }
        }
    }

    /// What was counted since this was asked last.
    ///
    /// # Errors
    ///
    /// As `getsockopt(2)`.
    pub fn statistics(&self) -> io::Result<Statistics> {
        self.ring.statistics()
    }
}

impl AsFd for Live {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("link", &self.link).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn what_the_filter_wants_comes_once_and_whole() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        for tags in ["", " or vlan 4095"] {
            let filter = format!("udp dst port {}{tags}", to.port()).parse().unwrap();
            let mut live = Live::open("lo", &filter, &Options::default()).unwrap();
            assert_eq!(live.link(), Link::Ethernet);
            let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
            for n in 0..3_u8 {
                sender.send_to(&vec![n; 1000], to).unwrap();
            }
            socket.send_to(b"not to that port", sender.local_addr().unwrap()).unwrap();
            let mut seen: Vec<Vec<u8>> = Vec::new();
            for _ in 0..200 {
                while let Some(frame) = live.next_frame() {
                    assert_eq!((frame.data.len(), frame.original_len), (1042, 1042));
                    seen.push(frame.data[42..].to_vec());
                }
                if seen.len() == 3 {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            assert_eq!(seen, [vec![0; 1000], vec![1; 1000], vec![2; 1000]]);
            assert_eq!(live.statistics().unwrap().dropped, 0);
        }
        let error = Live::open("no-such-link", &"".parse().unwrap(), &Options::default()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::ENODEV));
    }

    #[test]
    #[ignore = "needs root"]
    fn blocks_are_given_back() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let filter = format!("udp dst port {}", socket.local_addr().unwrap().port()).parse().unwrap();
        let mut live = Live::open("lo", &filter, &Options { ring: 2 << 20, promiscuous: false }).unwrap();
        // Several times as much as the ring holds.
        let (mut seen, sent) = (0_u32, 300_u32);
        for n in 0..sent {
            let mut data = vec![0; 30_000];
            data[..4].copy_from_slice(&n.to_be_bytes());
            socket.send_to(&data, socket.local_addr().unwrap()).unwrap();
            let mut buffer = [0; 4];
            socket.recv(&mut buffer).unwrap();
            for _ in 0..1000 {
                if let Some(frame) = live.next_frame() {
                    assert_eq!(frame.data[42..46], seen.to_be_bytes()[..]);
                    seen += 1;
                } else if seen + 20 > n {
                    break;
                } else {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
        for _ in 0..200 {
            std::thread::sleep(Duration::from_millis(5));
            while live.next_frame().is_some() {
                seen += 1;
            }
        }
        assert_eq!((seen, live.statistics().unwrap().dropped), (sent, 0));
    }
}
