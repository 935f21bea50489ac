//! The programs under measurement and their configurations.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;

use crate::web::{self, Measured, Running, free_port, nginx_head, nginx_kept, wait_for};

/// Who is measured beside ours.
pub(super) const PEERS: &[&str] = &["haproxy", "nginx", "pingora"];

/// Whether there is somebody of this name to be measured. The others are installed, or it was said that they aren't.
pub(super) fn is_there(name: &str) -> bool {
    name != "pingora" || pingora().is_some()
}

/// The program that has a workspace of its own: beside this one, or where it is built.
fn pingora() -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("pingora/target/release/bench-pingora");
    let beside = std::env::current_exe().ok()?.with_file_name("bench-pingora");
    [beside, built].into_iter().find(|program| program.exists())
}

/// The endpoints, and where all configurations lie.
#[derive(Debug)]
pub(super) struct Rig {
    dir: TempDir,
    ports: [u16; 3],
    _endpoints: Running,
}

/// What a balancer sees of what it passes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Requests,
    Bytes,
}

/// A balancer at work.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) name: &'static str,
    port: u16,
    /// Where it passes bytes on.
    tcp: u16,
    process: Running,
}

impl Rig {
    /// Starts endpoints that answer `/N` with N bytes, for each N of `sizes`.
    pub(super) fn start(sizes: impl Iterator<Item = usize>) -> io::Result<Rig> {
        let dir = tempfile::tempdir()?;
        let www = dir.path().join("www");
        fs::create_dir(&www)?;
        for size in sizes {
            fs::write(www.join(size.to_string()), vec![b'x'; size])?;
        }
        let ports = [free_port()?, free_port()?, free_port()?];
        let listen: String = ports.iter().map(|port| format!("listen 127.0.0.1:{port}; ")).collect();
        let text = format!(
            "{}http {{ {} access_log off; sendfile on; open_file_cache max=100; open_file_cache_valid 1h;
             server {{ {listen} root {}; location = /health {{ return 200 \"well\"; }} }} }}\n",
            nginx_head(dir.path(), "endpoints"),
            nginx_kept(dir.path(), "endpoints"),
            www.display(),
        );
        let file = dir.path().join("endpoints.conf");
        fs::write(&file, text)?;
        let endpoints = run("1", "nginx", &["-c", &file.display().to_string()])?;
        ports.iter().try_for_each(|&port| wait_for(port, "the endpoints"))?;
        Ok(Rig { dir, ports, _endpoints: endpoints })
    }

    /// Starts a balancer.
    pub(super) fn subject(&self, name: &'static str) -> io::Result<Subject> {
        let (port, tcp) = (free_port()?, free_port()?);
        let file = self.dir.path().join(format!("{name}.conf"));
        let path = file.display().to_string();
        let process = match name {
            "xs" => {
                fs::write(&file, self.ours(port, tcp))?;
                let program = std::env::current_exe()?.with_file_name("xs-load-balancer");
                if !program.exists() {
                    return Err(io::Error::other(
                        "build xs-load-balancer first: cargo build --release -p xs-load-balancer",
                    ));
                }
                run("0", &program.display().to_string(), &["run", &path])?
            }
            "pingora" => {
                let ports = [port, self.ports[0], self.ports[1], self.ports[2]].map(|port| port.to_string());
                let program = pingora().ok_or_else(|| io::Error::other("pingora is not built"))?;
                run("0", &program.display().to_string(), &ports.each_ref().map(String::as_str))?
            }
            "haproxy" => {
                fs::write(&file, self.haproxy(port, tcp))?;
                run("0", "haproxy", &["-f", &path])?
            }
            _ => {
                fs::write(&file, self.nginx(port))?;
                run("0", "nginx", &["-c", &path])?
            }
        };
        wait_for(port, name)?;
        Ok(Subject { name, port, tcp, process })
    }

    fn ours(&self, port: u16, tcp: u16) -> String {
        let [a, b, c] = self.ports;
        format!(
            "drain = \"1s\"
[[listener]]
name = \"web\"
listen = \"127.0.0.1:{port}\"
pool = \"app\"
[[listener.route]]
path = \"/api\"
pool = \"api\"
[[listener]]
name = \"raw\"
listen = \"127.0.0.1:{tcp}\"
mode = \"tcp\"
pool = \"app\"
[pool.app]
endpoints = [\"127.0.0.1:{a}\", \"127.0.0.1:{b}\", \"127.0.0.1:{c}\"]
health = {{ http = \"/health\" }}
[pool.api]
endpoints = [\"127.0.0.1:{a}\"]
"
        )
    }

    fn haproxy(&self, port: u16, tcp: u16) -> String {
        let [a, b, c] = self.ports;
        format!(
            "global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 3s
  timeout client 60s
  timeout server 60s
  http-reuse always
  retries 2
  option redispatch
frontend web
  bind 127.0.0.1:{port}
  acl api path_beg /api
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header Via \"1.1 lb\"
  use_backend api if api
  default_backend app
frontend raw
  mode tcp
  option splice-auto
  bind 127.0.0.1:{tcp}
  default_backend raw
backend raw
  mode tcp
  option splice-auto
  balance random(2)
  server a 127.0.0.1:{a} check inter 5s
  server b 127.0.0.1:{b} check inter 5s
  server c 127.0.0.1:{c} check inter 5s
backend app
  balance random(2)
  option httpchk GET /health
  server a 127.0.0.1:{a} check inter 5s
  server b 127.0.0.1:{b} check inter 5s
  server c 127.0.0.1:{c} check inter 5s
backend api
  server a 127.0.0.1:{a}
"
        )
    }

    fn nginx(&self, port: u16) -> String {
        let [a, b, c] = self.ports;
        format!(
            "{}http {{ {} access_log off;
  upstream app {{ random two least_conn; server 127.0.0.1:{a}; server 127.0.0.1:{b}; server 127.0.0.1:{c};
    keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location /api {{ proxy_pass http://127.0.0.1:{a}; }}
    location / {{
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header Via \"1.1 lb\";
    }}
  }}
}}
",
            nginx_head(self.dir.path(), "nginx"),
            nginx_kept(self.dir.path(), "nginx"),
        )
    }
}

impl Subject {
    /// Whether it can be measured so.
    pub(super) fn does(&self, seen: Seen) -> bool {
        seen == Seen::Requests || !["nginx", "pingora"].contains(&self.name)
    }

    /// Runs wrk once.
    pub(super) fn measure(&self, seen: Seen, path: &str, seconds: usize) -> io::Result<Measured> {
        let port = if seen == Seen::Bytes { self.tcp } else { self.port };
        web::wrk(&self.process, &format!("http://127.0.0.1:{port}{path}"), 1, seconds)
    }
}

/// Starts a program on a core.
fn run(core: &str, program: &str, args: &[&str]) -> io::Result<Running> {
    web::run(core, Path::new(program), args, Stdio::null())
}
