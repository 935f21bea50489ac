//! Ten thousand connections that say nothing, and what they cost: the program as a process, so that its memory is its own.

#![cfg(target_os = "linux")]

mod support;

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use support::process::Process;
use support::{Does, Endpoint, Wire, get, nobody, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use xs_net::Timer;

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const MANY: usize = 10_000;

/// How long requests of a client that does nothing wrong take, at the middle and at the end, in milliseconds.
async fn served(address: std::net::SocketAddr, requests: usize) -> (f64, f64) {
    let (timer, mut wire) = (Timer::system(), Wire::new(TcpStream::connect(address).await.unwrap()));
    let mut took = Vec::new();
    for _ in 0..requests {
        let began = timer.now();
        wire.send(&get("/")).await;
        assert_eq!(status(&wire.answer(false).await), 200);
        took.push(began.elapsed());
    }
    took.sort();
    let millis = |part: usize| took[requests * part / 100].as_secs_f64() * 1e3;
    (millis(50), millis(99))
}

/// What heads that never end and chunks that never end do to others. Gives back how many of them were cut off.
async fn attack(address: std::net::SocketAddr, each: usize) -> JoinSet<bool> {
    let mut attackers = JoinSet::new();
    for nth in 0..2 * each {
        attackers.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let slow = nth % 2 == 0;
            let begin = if slow {
                "GET / HTTP/1.1\r\nHost: a\r\nX: "
            } else {
                "POST /endless HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            };
            stream.write_all(begin.as_bytes()).await.unwrap();
            let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
            let more = if slow { "x" } else { &chunk };
            loop {
                let wrote = tokio::time::timeout(Duration::from_secs(20), stream.write_all(more.as_bytes())).await;
                match wrote {
                    Ok(Ok(())) if slow => tokio::time::sleep(Duration::from_millis(100)).await,
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return true,
                    Err(_) => return false,
                }
                // One that has been told of its end, and does not listen, is told again by a reset.
                let mut said = [0; 512];
                if let Ok(0) = stream.try_read(&mut said) {
                    return true;
                }
            }
        });
    }
    attackers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs 11,000 descriptors in each of two processes"]
async fn ten_thousand_idle_ones_the_slow_and_the_endless_harm_nobody() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    assert!(hard > 11_000, "only {hard} descriptors");
    let endpoint = Endpoint::start(Does::Says(GOOD.into())).await;
    // It takes the head of an endless request, and reads no further.
    let stuck = Endpoint::start(Does::Hangs).await;
    let (dir, address, admin) = (tempfile::tempdir().unwrap(), nobody().await, nobody().await);
    let text = format!(
        "[admin]\nlisten = \"{admin}\"\n[[listener]]\nname = \"web\"\nlisten = \"{address}\"\npool = \"app\"\n\
         limits = {{ connections = 10600, body = 4000000 }}\n\
         timeouts = {{ head = \"2s\", body = \"2s\", write = \"2s\", idle = \"10m\" }}\n\
         [[listener.route]]\npath = \"/endless\"\npool = \"stuck\"\n\
         [pool.app]\nendpoints = [\"{}\"]\n\
         [pool.stuck]\nendpoints = [\"{}\"]\ntimeouts = {{ response = \"3s\", idle = \"2s\" }}\n\
         retry = {{ attempts = 1 }}\noutlier = {{ failures = 0 }}\n",
        endpoint.address, stuck.address
    );
    let process = Process::run(dir.path(), &text, address, &[]);
    served(address, 200).await;
    let (before, quiet) = (process.figure("VmRSS:"), served(address, 2000).await);

    // Each has asked once, as real ones have.
    let mut opening = JoinSet::new();
    let mut idle = Vec::new();
    for _ in 0..MANY / 100 {
        for _ in 0..100 {
            opening.spawn(async move {
                let mut wire = Wire::new(TcpStream::connect(address).await.unwrap());
                wire.send(&get("/")).await;
                assert_eq!(status(&wire.answer(false).await), 200);
                wire
            });
        }
        while let Some(wire) = opening.join_next().await {
            idle.push(wire.unwrap());
        }
    }
    let with = process.figure("VmRSS:");
    let each = (with - before) as f64 / MANY as f64;
    let beside = served(address, 2000).await;

    let mut attackers = attack(address, 100).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let attacked = served(address, 2000).await;
    let peak = process.figure("VmHWM:");
    println!(
        "{each:.2} KiB for each of {MANY} idle ones; p50 and p99 in ms: alone {quiet:.2?}, beside them {beside:.2?}, \
         under attack as well {attacked:.2?}; {} KiB more at most for 200 attackers",
        peak - with
    );
    assert!(each < 12.0, "{each} KiB for each");
    // A laptop that does something else may be slow as well; but not for as long as ten thousand connections would take.
    assert!(beside.1 < quiet.1 * 3.0 + 20.0, "{quiet:?}, then {beside:?}");
    assert!(attacked.0 < quiet.0 * 10.0 + 20.0, "{quiet:?}, then {attacked:?}");
    // A window of each in each direction, and no more.
    assert!(peak - with < 200 * 512, "{} KiB", peak - with);
    let ended = async {
        while let Some(cut) = attackers.join_next().await {
            assert!(cut.unwrap(), "one goes on for ever");
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.expect("none of them is let go on");
    // And all of the idle ones are still there.
    for mut wire in idle.into_iter().step_by(97) {
        wire.send(&get("/")).await;
        assert_eq!(status(&wire.answer(false).await), 200);
    }
    let mut stats = Wire::new(TcpStream::connect(admin).await.unwrap());
    stats.send(&format!("GET /stats HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n")).await;
    let mut said = String::new();
    stats.stream.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("\"limited\":0"), "{said}");
}
