//! The program under clients that were written by others, and under signals.
#![cfg(unix)]

mod curl;
mod languages;
mod program;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use xs_net::Timer;

/// A running `xs-http`.
struct Program {
    child: Child,
    url: String,
    /// What it has said since it was ready.
    log: tokio::task::JoinHandle<String>,
}

impl Program {
    /// Starts it on a free port, and returns when it says that it is ready.
    async fn start(args: &[&str]) -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_xs-http"))
            .args(args)
            .args(["--port", "0"])
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        soon(lines.read_line(&mut line)).await.unwrap();
        let url = line.split(" at ").nth(1).and_then(|rest| rest.split('/').nth(2).map(|host| (rest, host)));
        let (rest, host) = url.unwrap_or_else(|| panic!("not ready: {line}"));
        let url = format!("{}://{host}", rest.split(':').next().unwrap());
        let log = tokio::spawn(async move {
            let mut text = String::new();
            let _ = lines.read_to_string(&mut text).await;
            text
        });
        Program { child, url, log }
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().unwrap().try_into().unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Waits for its end; its exit code and what it said.
    async fn ended(mut self) -> (Option<i32>, String) {
        let status = soon(self.child.wait()).await.unwrap();
        (status.code(), self.log.await.unwrap())
    }
}

async fn soon<F: Future>(future: F) -> F::Output {
    Timer::system().timeout(Duration::from_secs(60), future).await.expect("it hangs")
}

async fn output(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    let child = command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    soon(child.output()).await.unwrap()
}

/// A client's output, which must have ended well.
async fn said(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> String {
    let output = output(program, args).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {text} {}", output.status, String::from_utf8_lossy(&output.stderr));
    text
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

/// A file of an hour ago.
fn write(dir: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, content).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(Timer::system().wall() - Duration::from_secs(3600)).unwrap();
    path
}

/// A certificate for localhost and its key.
fn certificate(dir: &Path, names: &[&str]) -> (PathBuf, PathBuf) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert, key)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
