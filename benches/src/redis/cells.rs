//! What is measured: each test's command, what must be there before it, and one run of it.

use std::io;
use std::process::Command;

use super::server::{CLIENT_CORE, Server};

/// Random keys, members and elements come from this many.
const RANGE: usize = 100_000;

/// What a test needs before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// An empty server.
    Nothing,
    /// Every key that the test may ask for.
    Strings,
    /// A list long enough for the range to come from its head.
    List,
    /// As many elements as the test pops, so that no pop finds nothing.
    ListToPop,
    SetToPop,
    ZsetToPop,
}

/// One of redis-benchmark's tests, as the command line that it stands for. (A command line rather than `-t`, because
/// `-t lrange_100` pushes first and would count that, and because XADD has no name there.)
#[derive(Debug)]
pub(super) struct Test {
    pub(super) name: &'static str,
    command: &'static [&'static str],
    before: Before,
}

const KEY: &str = "key:__rand_int__";
const ELEMENT: &str = "element:__rand_int__";

pub(super) const TESTS: &[Test] = &[
    Test { name: "SET", command: &["SET", KEY, "xxx"], before: Before::Nothing },
    Test { name: "GET", command: &["GET", KEY], before: Before::Strings },
    Test { name: "INCR", command: &["INCR", "counter:__rand_int__"], before: Before::Nothing },
    Test { name: "LPUSH", command: &["LPUSH", "mylist", "xxx"], before: Before::Nothing },
    Test { name: "RPUSH", command: &["RPUSH", "mylist", "xxx"], before: Before::Nothing },
    Test { name: "LPOP", command: &["LPOP", "mylist"], before: Before::ListToPop },
    Test { name: "SADD", command: &["SADD", "myset", ELEMENT], before: Before::Nothing },
    Test { name: "HSET", command: &["HSET", "myhash", ELEMENT, "xxx"], before: Before::Nothing },
    Test { name: "SPOP", command: &["SPOP", "myset"], before: Before::SetToPop },
    Test { name: "ZADD", command: &["ZADD", "myzset", "__rand_int__", ELEMENT], before: Before::Nothing },
    Test { name: "ZPOPMIN", command: &["ZPOPMIN", "myzset"], before: Before::ZsetToPop },
    Test {
        name: "MSET",
        command: &[
            "MSET", KEY, "xxx", KEY, "xxx", KEY, "xxx", KEY, "xxx", KEY, "xxx", KEY, "xxx", KEY, "xxx", KEY, "xxx",
            KEY, "xxx", KEY, "xxx",
        ],
        before: Before::Nothing,
    },
    Test { name: "XADD", command: &["XADD", "mystream", "*", "myfield", "xxx"], before: Before::Nothing },
    Test { name: "LRANGE_100", command: &["LRANGE", "mylist", "0", "99"], before: Before::List },
    Test { name: "LRANGE_600", command: &["LRANGE", "mylist", "0", "599"], before: Before::List },
];

/// What one run measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// Requests a second, by the client's clock.
    pub(super) rate: f64,
    /// The server's seconds on the processor per million requests.
    pub(super) cpu: f64,
}

impl Test {
    /// The most requests of one run: what a popping test must find, kept in bounds of memory.
    pub(super) fn most(&self) -> usize {
        match self.before {
            Before::ListToPop | Before::SetToPop | Before::ZsetToPop => 2_000_000,
            _ => usize::MAX,
        }
    }

    /// Empties the server, fills it as the test wants, and runs `requests` of it at this depth.
    pub(super) fn run(&self, server: &Server, depth: usize, requests: usize) -> io::Result<Measured> {
        self.prepare(server, requests)?;
        let before = server.cpu_seconds()?;
        let output = Command::new("taskset")
            .args(["-c", CLIENT_CORE, "redis-benchmark", "-h", "127.0.0.1", "-p", &server.port.to_string()])
            .args([
                "-c",
                "50",
                "-r",
                &RANGE.to_string(),
                "-n",
                &requests.to_string(),
                "-P",
                &depth.to_string(),
                "--csv",
            ])
            .args(self.command)
            .output()?;
        let cpu = server.cpu_seconds()? - before;
        let text = String::from_utf8_lossy(&output.stdout);
        let rate = rate(&text).filter(|_| output.status.success()).ok_or_else(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            io::Error::other(format!("redis-benchmark against {}: {text}{errors}", server.name))
        })?;
        Ok(Measured { rate, cpu: cpu * 1e6 / requests as f64 })
    }

    fn prepare(&self, server: &Server, requests: usize) -> io::Result<()> {
        let mut wire = server.wire()?;
        wire.ask(&["FLUSHALL", "SYNC"])?;
        // The client rounds up to whole pipelines of all its connections.
        let pops = requests + 50 * 100;
        match self.before {
            Before::Nothing => {}
            Before::Strings => {
                for index in 0..RANGE {
                    wire.push(&[b"SET", format!("key:{index:012}").as_bytes(), b"xxx"])?;
                }
            }
            Before::List => {
                for _ in 0..RANGE {
                    wire.push(&[b"LPUSH", b"mylist", b"xxx"])?;
                }
            }
            Before::ListToPop => {
                let many = [&[&b"RPUSH"[..], b"mylist"][..], &[&b"xxx"[..]; 100]].concat();
                for _ in 0..pops.div_ceil(100) {
                    wire.push(&many)?;
                }
            }
            Before::SetToPop => {
                for index in 0..pops {
                    wire.push(&[b"SADD", b"myset", format!("element:{:012}", scatter(index)).as_bytes()])?;
                }
            }
            Before::ZsetToPop => {
                for index in 0..pops {
                    let number = format!("{:012}", scatter(index));
                    wire.push(&[b"ZADD", b"myzset", number.as_bytes(), format!("element:{number}").as_bytes()])?;
                }
            }
        }
        wire.flush()
    }
}

/// A different number for each index, in no order: the multiplier is odd, so it permutes the range of 36 bits.
fn scatter(index: usize) -> u64 {
    (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) & ((1 << 36) - 1)
}

/// The requests a second in redis-benchmark's CSV: the second field of the last line. (The first is the command line.)
fn rate(csv: &str) -> Option<f64> {
    let line = csv.lines().last()?;
    let mut fields = line.trim_matches('"').split("\",\"");
    fields.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_found_in_the_report() {
        let csv = "\"test\",\"rps\",\"avg_latency_ms\"\n\"LRANGE mylist 0 99\",\"25000.50\",\"1.0\"\n";
        assert_eq!(rate(csv), Some(25000.5));
        assert_eq!(rate("WARNING: no server\n"), None);
    }

    #[test]
    fn scattered_numbers_differ() {
        let mut numbers: Vec<u64> = (0..100_000).map(scatter).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 100_000);
        assert!(numbers.iter().all(|number| *number < 1_000_000_000_000));
    }
}
