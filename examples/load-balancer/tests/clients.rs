//! The program itself, between real clients and real servers.

mod support;

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use support::nobody;
use tempfile::TempDir;
use xs_os::{Clock, SystemClock};

/// A process, killed with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &str, args: &[&str]) -> Running {
    let child =
        Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Running(child.unwrap_or_else(|error| panic!("{program}: {error}")))
}

fn wait_for(port: u16) {
    let until = SystemClock.now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(SystemClock.now() < until, "nobody listens on {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

async fn free_port() -> u16 {
    nobody().await.port()
}

/// An nginx that answers `/` with its name, echoes nothing, and keeps its files in `dir`.
async fn nginx(dir: &Path, name: &str) -> (Running, u16) {
    let port = free_port().await;
    let at = dir.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {at}/{name}-{kind}; "))
        .collect();
    let text = format!(
        "daemon off; master_process off; pid {at}/{name}.pid; error_log {at}/{name}.log; events {{ }}
         http {{ access_log off; {temporary} keepalive_requests 100000000;
         server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"{name}\"; }} }} }}\n"
    );
    let file = dir.join(format!("{name}.conf"));
    std::fs::write(&file, text).unwrap();
    let running = start("nginx", &["-c", &file.display().to_string()]);
    wait_for(port);
    (running, port)
}

struct Site {
    dir: TempDir,
    servers: Vec<(Running, u16)>,
    balancer: Running,
    port: u16,
}

impl Site {
    /// The program in front of three servers.
    async fn start() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let mut servers = Vec::new();
        for name in ["one", "two", "three"] {
            servers.push(nginx(dir.path(), name).await);
        }
        let port = free_port().await;
        Site::write(&dir, port, &servers, "");
        let file = dir.path().join("balancer.toml").display().to_string();
        let balancer = start(env!("CARGO_BIN_EXE_xs-load-balancer"), &["run", &file]);
        wait_for(port);
        Site { dir, servers, balancer, port }
    }

    fn write(dir: &TempDir, port: u16, servers: &[(Running, u16)], more: &str) {
        let endpoints: Vec<_> = servers.iter().map(|(_, port)| format!("\"127.0.0.1:{port}\"")).collect();
        let text = format!(
            "drain = \"5s\"\n[[listener]]\nname = \"web\"\nlisten = \"127.0.0.1:{port}\"\npool = \"app\"\n\
             [pool.app]\nendpoints = [{}]\n{more}\n",
            endpoints.join(", ")
        );
        std::fs::write(dir.path().join("balancer.toml"), text).unwrap();
    }

    fn signal(&self, name: &str) {
        let pid = self.balancer.0.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    fn wrk(&self, seconds: u32) -> Child {
        let args = ["-t1", "-c32", &format!("-d{seconds}s"), &self.url()];
        Command::new("wrk").args(args).stdout(Stdio::piped()).spawn().unwrap()
    }
}

fn text(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What wrk says of a run in which every request was answered well.
fn all_good(said: &str) -> u64 {
    assert!(!said.contains("Non-2xx") && !said.contains("Socket errors"), "{said}");
    let line = said.lines().find(|line| line.contains(" requests in ")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
#[ignore = "needs nginx and wrk"]
async fn kill_9_of_one_of_three_under_wrk_costs_no_request() {
    let mut site = Site::start().await;
    let wrk = site.wrk(4);
    std::thread::sleep(Duration::from_millis(1500));
    site.servers[1].0.0.kill().unwrap(); // that is SIGKILL
    let requests = all_good(&text(wrk.wait_with_output().unwrap()));
    assert!(requests > 200, "{requests}");
}

#[tokio::test]
#[ignore = "needs nginx and wrk"]
async fn reloading_under_wrk_costs_no_request() {
    let site = Site::start().await;
    let wrk = site.wrk(4);
    for nth in 0..10 {
        std::thread::sleep(Duration::from_millis(300));
        let more = if nth % 2 == 0 { "policy = \"round-robin\"" } else { "policy = \"random\"" };
        Site::write(&site.dir, site.port, &site.servers, more);
        site.signal("-HUP");
    }
    assert!(all_good(&text(wrk.wait_with_output().unwrap())) > 200);
}

#[tokio::test]
#[ignore = "needs nginx and curl"]
async fn curl_is_answered_and_a_wrong_file_changes_nothing() {
    let mut site = Site::start().await;
    let ask = |site: &Site| {
        let args = ["--silent", "--show-error", "--max-time", "10", "--include", &site.url()];
        text(Command::new("curl").args(args).output().unwrap())
    };
    assert!(ask(&site).starts_with("HTTP/1.1 200 OK\r\n"));
    std::fs::write(site.dir.path().join("balancer.toml"), "[[listener]]\nname = 1\n").unwrap();
    site.signal("-HUP");
    std::thread::sleep(Duration::from_millis(200));
    assert!(ask(&site).starts_with("HTTP/1.1 200 OK\r\n"));
    let file = site.dir.path().join("balancer.toml").display().to_string();
    let check = Command::new(env!("CARGO_BIN_EXE_xs-load-balancer")).args(["--check", &file]).output().unwrap();
    let said = String::from_utf8(check.stderr).unwrap();
    assert!(!check.status.success() && said.starts_with(&format!("{file}:2:8: ")), "{said}");
    site.signal("-TERM");
    assert!(site.balancer.0.wait().unwrap().success());
}

#[tokio::test]
#[ignore = "needs nginx and python3"]
async fn pythons_client_keeps_its_connection() {
    let site = Site::start().await;
    let script = "
import http.client, sys
c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=10)
seen = set()
for n in range(20):
    c.request('GET', '/', headers={'X-N': str(n)})
    r = c.getresponse()
    assert r.status == 200, r.status
    seen.add(r.read().decode())
    sock = c.sock
    assert sock is not None
c.request('POST', '/', body=iter([b'one', b'two']), encode_chunked=True, headers={'Transfer-Encoding': 'chunked'})
assert c.getresponse().read().decode() in ('one', 'two', 'three')
print(len(seen))
";
    let said = text(Command::new("python3").args(["-c", script, &site.port.to_string()]).output().unwrap());
    assert_eq!(said.trim(), "3", "all three servers were met");
}

#[tokio::test]
#[ignore = "needs nginx and node"]
async fn nodes_client_sends_many_at_once() {
    let site = Site::start().await;
    let script = "
const http = require('http');
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
const one = n => new Promise((good, bad) => {
  const request = http.request({ port: process.argv[1], method: n % 2 ? 'GET' : 'POST', agent }, response => {
    let body = '';
    response.on('data', piece => body += piece);
    response.on('end', () => response.statusCode === 200 ? good(body) : bad(response.statusCode));
  });
  request.on('error', bad);
  request.end(n % 2 ? undefined : 'x'.repeat(n * 100));
});
Promise.all([...Array(200).keys()].map(one)).then(all => { console.log(all.length); agent.destroy(); });
";
    let said = text(Command::new("node").args(["-e", script, &site.port.to_string()]).output().unwrap());
    assert_eq!(said.trim(), "200");
}
