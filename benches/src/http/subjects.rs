//! Starting the servers, and what is measured of each.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;

use crate::process;
use crate::web::{self, Measured, Running, free_port, nginx_head, nginx_kept, wait_for};

/// What is asked, and of whom.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    /// How many requests wrk sends at once.
    pub(super) depth: usize,
    pub(super) subjects: &'static [&'static str],
}

/// How many connections are opened to see what an idle one takes: as many as the usual limit of descriptors leaves room for.
pub(super) const IDLE: usize = 900;

/// Where files and configurations lie.
#[derive(Debug)]
pub(super) struct Rig {
    dir: TempDir,
}

/// A server at work.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) name: &'static str,
    port: u16,
    process: Running,
}

impl Rig {
    pub(super) fn new() -> io::Result<Rig> {
        let dir = tempfile::tempdir()?;
        fs::create_dir(dir.path().join("www"))?;
        fs::write(dir.path().join("www/file"), vec![b'x'; 64 * 1024])?;
        Ok(Rig { dir })
    }

    /// The web server of the examples, beside this program.
    fn xs_http() -> io::Result<PathBuf> {
        Ok(std::env::current_exe()?.with_file_name("xs-http"))
    }

    /// Why a server cannot be measured, if it can't.
    pub(super) fn why_not(&self, name: &str) -> Option<&'static str> {
        match name {
            "hyper" if !cfg!(feature = "peers-http") => Some("it isn't built in (--features peers-http)"),
            "nginx" if !web::is_installed("nginx") => Some("it isn't installed (.ci/tools installs it)"),
            "xs-http" if !Rig::xs_http().is_ok_and(|program| program.exists()) => {
                Some("it isn't built (cargo build --release -p xs-http)")
            }
            _ => None,
        }
    }

    /// Starts a server.
    pub(super) fn start(&self, name: &'static str) -> io::Result<Subject> {
        let www = self.dir.path().join("www");
        match name {
            "nginx" => {
                let port = free_port()?;
                let text = format!(
                    "{}http {{ {} access_log off; sendfile on;
                     server {{ listen 127.0.0.1:{port}; root {}; location = /small {{ return 200 \"hey\"; }} }} }}\n",
                    nginx_head(self.dir.path(), "nginx"),
                    nginx_kept(self.dir.path(), "nginx"),
                    www.display(),
                );
                let file = self.dir.path().join("nginx.conf");
                fs::write(&file, text)?;
                let args = ["-c", &file.display().to_string()];
                let process = web::run("0", "nginx".as_ref(), &args, Stdio::null())?;
                wait_for(port, name)?;
                Ok(Subject { name, port, process })
            }
            "xs-http" => {
                let port = free_port()?;
                let (at, www) = (port.to_string(), www.display().to_string());
                let args = ["serve", &www, "--port", &at, "--threads", "1", "--quiet"];
                let process = web::run("0", &Rig::xs_http()?, &args, Stdio::null())?;
                wait_for(port, name)?;
                Ok(Subject { name, port, process })
            }
            _ => {
                let args = ["http", "--serve", name];
                let mut process = web::run("0", &std::env::current_exe()?, &args, Stdio::piped())?;
                let mut line = String::new();
                if let Some(stdout) = process.0.stdout.take() {
                    BufReader::new(stdout).read_line(&mut line)?;
                }
                match line.trim().parse() {
                    Ok(port) => Ok(Subject { name, port, process }),
                    Err(_) => Err(io::Error::other(format!("the server {name} didn't start"))),
                }
            }
        }
    }
}

impl Subject {
    /// Runs wrk once.
    pub(super) fn measure(&self, row: &Row, seconds: usize) -> io::Result<Measured> {
        web::wrk(&self.process, &format!("http://127.0.0.1:{}{}", self.port, row.path), row.depth, seconds)
    }

    /// Resident bytes for each connection that has asked once and asks no more.
    pub(super) fn idle_memory(&self) -> io::Result<f64> {
        let pid = self.process.0.id().to_string();
        let resident = || process::figure(&pid, "status", "VmRSS:").map(|kib| kib as f64 * 1024.0);
        let ask = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.write_all(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
            let mut answer = [0; 1024];
            if stream.read(&mut answer)? == 0 {
                return Err(io::Error::other("the server closed an idle connection"));
            }
            Ok(stream)
        };
        // The first ones pay for what all share.
        let _first = (0..IDLE / 9).map(|_| ask()).collect::<io::Result<Vec<_>>>()?;
        let before = resident()?;
        let idle = (0..IDLE / 9 * 8).map(|_| ask()).collect::<io::Result<Vec<_>>>()?;
        Ok((resident()? - before) / idle.len() as f64)
    }
}
