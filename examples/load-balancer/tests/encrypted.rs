//! Endpoints that speak TLS: who they must prove to be, and what becomes of those who don't.

mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::process::Process;
use support::{Does, Endpoint, Wire, config, field, find, get, nobody, rig, status};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use xs_load_balancer::{Machine, StartError, check};
use xs_net::Timer;
use xs_net::tls::{Acceptor, AcceptorOptions, Certificates, Identity};

/// An endpoint with a certificate. It answers with the name that it was asked for by, the protocol that was agreed on, and
/// the head; to an upgrade it says yes, and "hello".
struct Secure {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// What came in front of the handshake, where a line of the PROXY protocol is expected.
    headers: Arc<Mutex<Vec<String>>>,
    /// The certificate, in a file.
    ca: PathBuf,
    dir: TempDir,
    _tasks: JoinSet<()>,
}

impl Secure {
    async fn start(name: &str) -> Secure {
        Secure::with(name, false).await
    }

    async fn with(name: &str, header: bool) -> Secure {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, &chain).unwrap();
        std::fs::write(dir.path().join("key.pem"), &key).unwrap();
        let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let options =
            AcceptorOptions { alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()], ..AcceptorOptions::default() };
        let certificates = Certificates::new(vec![identity]).unwrap();
        let acceptor = Acceptor::new(certificates, options, &Timer::system()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, headers) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (counted, noted) = (connections.clone(), headers.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let noted = header.then(|| noted.clone());
                open.spawn(converse(stream, acceptor.clone(), counted.clone(), noted));
            }
        });
        Secure { address, connections, headers, ca, dir, _tasks: tasks }
    }

    /// A pool's line of TLS, believing this endpoint.
    fn believed(&self, more: &str) -> String {
        format!("tls = {{ ca = {:?}{more} }}", self.ca.display().to_string())
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn converse(
    mut stream: TcpStream,
    acceptor: Acceptor,
    connections: Arc<AtomicUsize>,
    headers: Option<Arc<Mutex<Vec<String>>>>,
) {
    if let Some(headers) = headers {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await.unwrap());
        }
        headers.lock().unwrap().push(String::from_utf8(line).unwrap());
    }
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let (name, alpn) = (stream.server_name().map(str::to_owned), stream.alpn().map(<[u8]>::to_vec));
    let (name, alpn) = (name.unwrap_or_default(), String::from_utf8(alpn.unwrap_or_default()).unwrap());
    let mut read = Vec::new();
    let mut checks_only = true;
    loop {
        let end = loop {
            if let Some(end) = find(&read, b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read_buf(&mut read).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        };
        let head = String::from_utf8(read.drain(..end).collect()).unwrap();
        if !head.starts_with("GET /health ") && std::mem::take(&mut checks_only) {
            connections.fetch_add(1, Ordering::SeqCst);
        }
        let answer = if field(&head, "upgrade").is_some() {
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: words\r\n\r\nhello".to_owned()
        } else {
            let body = format!("{name}|{alpn}|{head}");
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
}

#[tokio::test]
async fn requests_go_over_tls_by_the_name_that_is_told_and_connections_are_kept() {
    let secure = Secure::start("app.internal").await;
    let rig = rig(&[secure.address], "", &secure.believed(", name = \"app.internal\""));
    for _ in 0..3 {
        let answer = rig.get("/").await;
        assert_eq!(status(&answer), 200);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(body.starts_with("app.internal|http/1.1|GET / HTTP/1.1\r\n"), "{body}");
        assert_eq!(field(body, "host"), Some("a.example"), "that is between the client and whom it asks");
    }
    assert_eq!(secure.connections(), 1);
    // A body in both directions, larger than a record.
    let large = "x".repeat(100_000);
    let answer = rig.ask(&format!("GET /{large:.5000} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    assert!(answer.len() > 5000 && status(&answer) == 200);
}

#[tokio::test]
async fn without_a_name_it_is_the_address_that_must_be_proved() {
    let secure = Secure::start("127.0.0.1").await;
    let rig = rig(&[secure.address], "", &secure.believed(""));
    let answer = rig.get("/").await;
    assert!(answer.contains("\r\n\r\n|http/1.1|GET / "), "an address is not asked for by name: {answer}");
}

#[tokio::test]
async fn whoever_is_not_believed_is_told_nothing() {
    let (secure, other) = (Secure::start("app.internal").await, Secure::start("app.internal").await);
    for (pool, expected) in [
        (secure.believed(", name = \"app.internal\""), 200),
        (secure.believed(", name = \"other.internal\""), 502),
        (secure.believed(""), 502),
        (other.believed(", name = \"app.internal\""), 502),
        ("tls = { verify = false }".to_owned(), 200),
    ] {
        let before = secure.connections();
        let rig = rig(&[secure.address], "", &pool);
        assert_eq!(status(&rig.get("/").await), expected, "{pool}");
        assert_eq!(secure.connections() - before, usize::from(expected == 200), "{pool}");
    }
    // Somebody who does not speak TLS at all, and somebody who says nothing.
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            stream.write_all(b"220 mail.example ready\r\n").await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
        }
    });
    assert_eq!(status(&rig(&[address], "", "tls = { verify = false }").get("/").await), 502);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = "tls = { verify = false }\ntimeouts = { connect = \"200ms\" }\nretry = { attempts = 1 }";
    assert_eq!(status(&rig(&[silent.local_addr().unwrap()], "", pool).get("/").await), 504);
}

#[tokio::test]
async fn another_endpoint_gets_what_an_unbelievable_one_does_not() {
    let (good, bad) = (Secure::start("app.internal").await, Secure::start("app.internal").await);
    let pool = format!("policy = \"round-robin\"\n{}", good.believed(", name = \"app.internal\""));
    let rig = rig(&[bad.address, good.address], "", &pool);
    for _ in 0..10 {
        // Nothing was sent to the bad one, so this is safe for any method.
        let answer = rig.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(status(&answer), 200);
    }
    assert_eq!(bad.connections(), 0);
}

#[tokio::test]
async fn checks_go_over_tls_as_well() {
    for health in ["{ http = \"/health\", {} }", "{ tcp = true, {} }"] {
        let health = health.replace("{}", "interval = \"20ms\", rise = 1, fall = 1");
        let (good, bad) = (Secure::start("app.internal").await, Secure::start("app.internal").await);
        let plain = Endpoint::start(Does::Names).await;
        let pool = format!(
            "panic = 0.0\nhealth = {health}\noutlier = {{ failures = 0 }}\nretry = {{ budget = 1.0 }}\n{}",
            good.believed(", name = \"app.internal\"")
        );
        let rig = rig(&[good.address, bad.address, plain.address], "", &pool);
        let retries = rig.balancer.pool_stats("app").unwrap();
        let well = async {
            loop {
                let before = retries.retries.get();
                for _ in 0..10 {
                    assert_eq!(status(&rig.get("/").await), 200);
                }
                if retries.retries.get() == before {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), well).await.expect("only the good one is well");
    }
}

#[tokio::test]
async fn bytes_go_over_tls_too_and_the_header_before_it() {
    let secure = Secure::with("app.internal", true).await;
    for mode in ["tcp", "http"] {
        let pool = format!("send-proxy = \"v1\"\n{}", secure.believed(", name = \"app.internal\""));
        let rig = rig(&[secure.address], &format!("mode = \"{mode}\""), &pool);
        let mut wire = rig.connect().await;
        let own = wire.stream.local_addr().unwrap();
        wire.send(&get("/")).await;
        let answer = wire.answer(false).await;
        let alpn = if mode == "http" { "http/1.1" } else { "" };
        assert!(answer.contains(&format!("\r\n\r\napp.internal|{alpn}|GET / HTTP/1.1\r\n")), "{answer}");
        let header = secure.headers.lock().unwrap().pop().unwrap();
        assert_eq!(header, format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", own.port(), rig.address.port()));
    }
}

#[tokio::test]
async fn an_upgraded_connection_goes_on_over_tls() {
    let secure = Secure::start("app.internal").await;
    let rig = rig(&[secure.address], "", &secure.believed(", name = \"app.internal\""));
    let mut wire = rig.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: words\r\n\r\n").await;
    assert_eq!(status(&wire.until("\r\n\r\n").await), 101);
    assert_eq!(wire.until("hello").await, "hello");
    wire.send("GET / HTTP/1.1\r\nHost: b\r\n\r\n").await;
    assert!(
        wire.answer(false).await.contains("|GET / HTTP/1.1\r\nHost: b\r\n"),
        "as it was sent, for it is no request"
    );
}

#[tokio::test]
async fn other_authorities_are_for_new_connections_and_wrong_ones_for_none() {
    let (first, second) = (Secure::start("app.internal").await, Secure::start("app.internal").await);
    let told = first.believed(", name = \"app.internal\"");
    let mut rig = rig(&[first.address, second.address], "", &format!("policy = \"round-robin\"\n{told}"));
    let again = || config(&[first.address, second.address], "", &format!("policy = \"round-robin\"\n{told}"));
    for _ in 0..4 {
        assert_eq!(status(&rig.get("/").await), 200);
    }
    assert_eq!(second.connections(), 0);
    let both = [&first, &second].map(|endpoint| std::fs::read_to_string(&endpoint.ca).unwrap()).concat();
    std::fs::write(&first.ca, both).unwrap();
    rig.balancer.reload(again()).unwrap();
    for _ in 0..4 {
        assert_eq!(status(&rig.get("/").await), 200);
    }
    assert_eq!((first.connections(), second.connections()), (1, 1), "the pool is the same, with its connections");

    std::fs::write(&first.ca, "nobody").unwrap();
    let error = check(&again(), &Machine::system()).unwrap_err();
    assert!(error.to_string().contains("pool `app`") && error.to_string().contains("ca.pem"), "{error}");
    assert!(matches!(rig.balancer.reload(again()), Err(StartError::Authorities { .. })));
    assert_eq!(status(&rig.get("/").await), 200);
}

fn written(listen: SocketAddr, endpoint: SocketAddr, pool: &str) -> String {
    format!(
        "[[listener]]\nname = \"web\"\nlisten = \"{listen}\"\npool = \"app\"\n\
         [pool.app]\nendpoints = [\"{endpoint}\"]\n{pool}\n"
    )
}

async fn ask(address: SocketAddr) -> String {
    let mut wire = Wire::new(TcpStream::connect(address).await.unwrap());
    wire.send(&get("/")).await;
    wire.answer(false).await
}

/// The program itself, with a list of its own for the system's.
#[tokio::test]
async fn the_systems_authorities_are_believed_and_it_is_said_once_who_is_not() {
    let (secure, other) = (Secure::start("app.internal").await, Secure::start("app.internal").await);
    let nowhere = PathBuf::from("/nonexistent");
    let with = |ca: &Path| [("SSL_CERT_FILE", ca.to_owned()), ("SSL_CERT_DIR", nowhere.clone())];
    let listen = nobody().await;
    let text = written(listen, secure.address, "tls = { name = \"app.internal\" }");
    let variables = with(&secure.ca);
    let variables = variables.each_ref().map(|(name, path)| (*name, path.as_path()));
    let process = Process::run(secure.dir.path(), &text, listen, &variables);
    assert_eq!(status(&ask(listen).await), 200);
    assert!(!process.said().contains("not spoken to"), "{}", process.said());

    let listen = nobody().await;
    let text = written(listen, secure.address, "outlier = { failures = 0 }\ntls = { name = \"app.internal\" }");
    let variables = with(&other.ca);
    let variables = variables.each_ref().map(|(name, path)| (*name, path.as_path()));
    let process = Process::run(other.dir.path(), &text, listen, &variables);
    for _ in 0..5 {
        let answer = ask(listen).await;
        assert!(status(&answer) == 502 && answer.ends_with("there is no TLS with the endpoint\n"), "{answer}");
    }
    let said = process.says("the endpoint is not spoken to");
    let lines: Vec<_> = said.lines().filter(|line| line.contains("the endpoint is not spoken to")).collect();
    assert!(lines.len() == 1 && lines[0].contains("WARN"), "{said}");
    let address = secure.address.to_string();
    let told = ["pool=\"app\"", address.as_str(), "invalid peer certificate"];
    assert!(told.iter().all(|what| lines[0].contains(what)), "{said}");
}

#[tokio::test]
#[ignore = "needs openssl"]
async fn openssl_is_spoken_to() {
    struct Server(std::process::Child);
    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    // Only its certificate is used.
    let secure = Secure::start("app.internal").await;
    for version in ["-tls1_2", "-tls1_3"] {
        let address = nobody().await;
        let key = secure.dir.path().join("key.pem");
        let child = Command::new("openssl")
            .args(["s_server", "-quiet", "-www", version, "-accept", &address.to_string()])
            .arg("-cert")
            .arg(&secure.ca)
            .arg("-key")
            .arg(key)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let _server = Server(child.expect("openssl is installed"));
        let rig = rig(&[address], "", &secure.believed(", name = \"app.internal\""));
        let mut answer = String::new();
        for _ in 0..100 {
            let mut wire = rig.connect().await;
            wire.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
            answer.clear();
            wire.stream.read_to_string(&mut answer).await.unwrap();
            if status(&answer) == 200 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let named = if version == "-tls1_2" { "TLSv1.2" } else { "TLSv1.3" };
        assert!(answer.contains(named), "{answer}");
        let wrong = support::rig(&[address], "", &secure.believed(", name = \"other.internal\""));
        assert_eq!(status(&wrong.get("/").await), 502);
    }
}
