//! Sources of endpoints: what they say, and what they don't when something is wrong. In virtual time.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use tower::{Service, ServiceExt, service_fn};
use xs_net::balance::{Balance, ClusterOptions, RoundRobin};
use xs_net::discover::{
    Answer, Change, DnsOptions, Endpoint, FileOptions, SystemResolver, fixed, watch_dns, watch_file,
};
use xs_net::observe::Recorder;
use xs_net::{Bridge, Timer};
use xs_os::vfs::{MemoryVfs, Vfs, VfsExt};
use xs_os::{Rng, VirtualClock};

/// A stream, and the clock that it sleeps by.
struct Source {
    clock: VirtualClock,
    changes: Pin<Box<dyn Stream<Item = Change>>>,
}

impl Source {
    /// What it says until it rests: `+name×weight` and `-name`.
    fn says(&mut self) -> String {
        let mut said = Vec::new();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        while let std::task::Poll::Ready(Some(change)) = self.changes.poll_next_unpin(&mut context) {
            said.push(match change {
                Change::Insert(endpoint) => format!("+{}×{}", endpoint.name, endpoint.weight),
                Change::Remove(name) => format!("-{name}"),
            });
        }
        said.join(" ")
    }

    fn after(&mut self, time: Duration) -> String {
        self.clock.advance(time);
        self.says()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_file_is_followed_and_what_is_broken_changes_nothing() {
    let (clock, disk, path) = (VirtualClock::new(), MemoryVfs::new(), Path::new("list"));
    let timer = Timer::new(Arc::new(clock.clone()));
    let bridge = Bridge::inline(timer.clock(), Default::default);
    let options = FileOptions { most_bytes: 64, most_endpoints: 3, settle: Duration::ZERO, ..FileOptions::default() };
    let changes = Box::pin(watch_file(Arc::new(disk.clone()), path.into(), bridge, &timer, options));
    let mut source = Source { clock, changes };
    assert_eq!(source.says(), "", "no file yet");
    let steps: [(&[u8], &str); 11] = [
        (b"a\nb weight=2\n", "+a×1 +b×2"),
        (b"a\nb weight=2\n", ""),
        (b"a\nb weight=two\n", ""),
        (b"", ""),
        (b"# nobody\n", ""),
        (&[b'a'; 65], ""),
        (b"a\nb\nc\nd\n", ""),
        (b"a\n\xff", ""),
        (b"b\nc\n", "+b×1 +c×1 -a"),
        (b"c # and no other\nb\n", ""),
        (b"d\n", "+d×1 -b -c"),
    ];
    for (text, expected) in steps {
        disk.replace(path, text).unwrap();
        assert_eq!(source.after(SECOND / 2), "", "{:?}", text.escape_ascii().to_string());
        assert_eq!(source.after(SECOND / 2), expected, "{:?}", text.escape_ascii().to_string());
    }
    disk.remove(path).unwrap();
    assert_eq!(source.after(SECOND), "");
    disk.replace(path, b"d\ne\n").unwrap();
    assert_eq!(source.after(SECOND), "+e×1");
}

/// A file that is written in place, as it should not be, and looked at meanwhile.
#[test]
fn half_a_file_changes_nothing_until_it_is_whole() {
    let (clock, disk, path) = (VirtualClock::new(), MemoryVfs::new(), Path::new("list"));
    let timer = Timer::new(Arc::new(clock.clone()));
    let bridge = Bridge::inline(timer.clock(), Default::default);
    let options = FileOptions::default();
    disk.replace(path, b"10.0.0.1:8080\n10.0.0.2:8080\n").unwrap();
    let changes = Box::pin(watch_file(Arc::new(disk.clone()), path.into(), bridge, &timer, options));
    let mut source = Source { clock, changes };
    assert_eq!(source.says(), "+10.0.0.1:8080×1 +10.0.0.2:8080×1", "the first text is believed at once");

    // Cut off within a line: what stands there is a good line, and a wrong one.
    disk.replace(path, b"10.0.0.1:8080\n10.0.0.2:80").unwrap();
    assert_eq!(source.after(SECOND), "");
    // Cut off between two lines, and written on before the second look.
    disk.replace(path, b"10.0.0.1:8080\n").unwrap();
    assert_eq!(source.after(SECOND), "");
    disk.replace(path, b"10.0.0.1:8080\n10.0.0.3:8080\n").unwrap();
    assert_eq!(source.after(options.settle), "", "another text at the second look");
    assert_eq!(source.after(SECOND), "", "there may be more to come");
    assert_eq!(source.after(options.settle), "+10.0.0.3:8080×1 -10.0.0.2:8080");
    // Who never ends the last line is believed a round later.
    disk.replace(path, b"10.0.0.4:8080").unwrap();
    assert_eq!(source.after(SECOND), "");
    assert_eq!(source.after(SECOND), "");
    assert_eq!(source.after(options.settle), "+10.0.0.4:8080×1 -10.0.0.1:8080 -10.0.0.3:8080");
}

#[test]
fn an_empty_list_counts_where_it_may() {
    let (clock, disk, path) = (VirtualClock::new(), MemoryVfs::new(), Path::new("list"));
    let timer = Timer::new(Arc::new(clock.clone()));
    let bridge = Bridge::inline(timer.clock(), Default::default);
    let options = FileOptions { allow_empty: true, ..FileOptions::default() };
    disk.replace(path, b"a").unwrap();
    let changes = Box::pin(watch_file(Arc::new(disk.clone()), path.into(), bridge, &timer, options));
    let mut source = Source { clock, changes };
    assert_eq!(source.says(), "+a×1");
    disk.replace(path, b"").unwrap();
    assert_eq!(source.after(SECOND), "", "a file that is about to be written is empty as well");
    assert_eq!(source.after(options.settle), "-a");
}

#[test]
fn a_name_is_looked_up_again_and_what_fails_or_hangs_changes_nothing() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    // What the next look-ups answer: addresses, a failure, or nothing ever.
    let answers = Arc::new(Mutex::new(Some(Ok(vec!["10.0.0.2:80", "10.0.0.1:80", "10.0.0.2:80"]))));
    let asked = answers.clone();
    let resolver = move |name: Arc<str>| {
        assert_eq!(&*name, "shop.example:80");
        let answer: Option<Result<Vec<&str>, io::ErrorKind>> = asked.lock().clone();
        async move {
            match answer {
                Some(Ok(found)) => Ok(found.iter().map(|text| text.parse::<SocketAddr>().unwrap()).collect::<Vec<_>>()),
                Some(Err(kind)) => Err(kind.into()),
                None => std::future::pending().await,
            }
        }
    };
    let options = DnsOptions { most_endpoints: 2, ..DnsOptions::default() };
    let changes = Box::pin(watch_dns(resolver, "shop.example:80", &timer, options));
    let mut source = Source { clock, changes };
    let ten = 10 * SECOND;
    assert_eq!(source.says(), "+10.0.0.1:80×1 +10.0.0.2:80×1");
    *answers.lock() = Some(Ok(vec!["10.0.0.1:80", "10.0.0.2:80"]));
    assert_eq!(source.after(ten), "", "another order is no change");
    *answers.lock() = Some(Err(io::ErrorKind::NotFound));
    assert_eq!(source.after(ten), "");
    *answers.lock() = Some(Ok(vec![]));
    assert_eq!(source.after(ten), "");
    *answers.lock() = None;
    assert_eq!(source.after(ten), "");
    *answers.lock() = Some(Ok(vec!["[2001:db8::1]:80", "10.0.0.9:80", "10.0.0.2:80"]));
    assert_eq!(source.after(5 * SECOND), "", "the one that hung has failed now");
    assert_eq!(source.after(ten), "+10.0.0.9:80×1 -10.0.0.1:80", "the first two, IPv4 before IPv6");
}

/// A name server says for how long its answer holds, and is believed within bounds.
#[test]
fn a_name_is_looked_up_again_when_its_time_is_over() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let options = DnsOptions::default();
    // The time to live of the next answer; none: it fails.
    let (next, looked_up) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(0)));
    let (its, count) = (next.clone(), looked_up.clone());
    let resolver = move |_| {
        *count.lock() += 1;
        let ttl: Option<Option<Duration>> = *its.lock();
        std::future::ready(
            ttl.map(|ttl| Answer { endpoints: vec![Endpoint::new("a")], ttl }).ok_or(io::ErrorKind::Other.into()),
        )
    };
    let changes = Box::pin(watch_dns(resolver, "shop.example:80", &timer, options));
    let mut source = Source { clock, changes };
    assert_eq!((source.says(), *looked_up.lock()), (String::new(), 1));
    let mut last = options.every;
    for (ttl, expected) in [
        (Some(Some(37 * SECOND)), 37 * SECOND),
        (Some(Some(Duration::ZERO)), options.least_ttl),
        (Some(Some(86_400 * SECOND)), options.most_ttl),
        (Some(None), options.every),
        (Some(Some(60 * SECOND)), 60 * SECOND),
        (None, options.every),
        (Some(Some(2 * SECOND)), 2 * SECOND),
    ] {
        *next.lock() = ttl;
        let before = *looked_up.lock();
        source.after(last - Duration::from_nanos(1));
        assert_eq!(*looked_up.lock(), before, "{last:?} are not over");
        source.after(Duration::from_nanos(1));
        assert_eq!(*looked_up.lock(), before + 1, "{last:?} are over");
        last = expected;
    }
}

/// Each round that brings nothing is counted, and each once.
#[test]
fn failures_are_counted() {
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let answers = Arc::new(Mutex::new(Ok(vec!["10.0.0.1:80"])));
    let its = answers.clone();
    let resolver = move |_| {
        let answer: Result<Vec<&str>, io::ErrorKind> = its.lock().clone();
        std::future::ready(match answer {
            Ok(found) => Ok(found.iter().map(|text| text.parse::<SocketAddr>().unwrap()).collect::<Vec<_>>()),
            Err(kind) => Err(kind.into()),
        })
    };
    let options = DnsOptions::default();
    let recorder = Recorder::new();
    let counted = || recorder.total("xs_discover_failures_total", &[("name", "shop.example:80")]);
    metrics::with_local_recorder(&recorder, || {
        let changes = Box::pin(watch_dns(resolver, "shop.example:80", &timer, options));
        let mut source = Source { clock, changes };
        assert_eq!((source.says(), counted()), ("+10.0.0.1:80×1".into(), 0.0));
        *answers.lock() = Err(io::ErrorKind::TimedOut);
        (1..=3).for_each(|rounds| {
            assert_eq!((source.after(options.every), counted()), (String::new(), f64::from(rounds)))
        });
        *answers.lock() = Ok(vec![]);
        assert_eq!((source.after(options.every), counted()), (String::new(), 4.0));
        *answers.lock() = Ok(vec!["10.0.0.1:80"]);
        assert_eq!((source.after(options.every), counted()), (String::new(), 4.0));
    });
}

#[tokio::test]
async fn the_system_resolves_addresses() {
    let mut changes = Box::pin(watch_dns(SystemResolver, "127.0.0.1:80", &Timer::system(), DnsOptions::default()));
    assert_eq!(changes.next().await, Some(Change::Insert(Endpoint::new("127.0.0.1:80"))));
}

#[tokio::test]
async fn a_balancer_follows() {
    let timer = Timer::new(Arc::new(VirtualClock::new()));
    let make = |endpoint: &Endpoint| {
        let name = endpoint.name.clone();
        service_fn(move |()| std::future::ready(Ok::<_, &str>(name.clone())))
    };
    let mut balance =
        Balance::new("test", ClusterOptions::default(), RoundRobin::new(), &timer, Rng::from_seed(1), make);
    balance.members().follow(fixed([Endpoint::new("b"), Endpoint::new("a"), Endpoint::new("b").weight(2)])).await;
    assert_eq!(balance.members().endpoints(), [Endpoint::new("a"), Endpoint::new("b").weight(2)]);
    let mut names = Vec::new();
    for _ in 0..2 {
        names.push(balance.ready().await.unwrap().call(()).await.unwrap());
    }
    names.sort();
    assert_eq!(names, ["a".into(), "b".into()] as [Arc<str>; 2]);
}
