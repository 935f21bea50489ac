//! Programs that are started and looked at.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(150);

/// A broker in a process of its own, gone when this goes.
pub(crate) struct Broker {
    child: Child,
    pub(crate) addr: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

impl Broker {
    /// Starts it with these options and waits until it listens.
    pub(crate) fn start(args: &[&str]) -> Broker {
        Broker::launch(args, &[])
    }

    /// The same, and its log tells of every request.
    #[allow(dead_code, reason = "not everybody looks")]
    pub(crate) fn traced(args: &[&str]) -> Broker {
        Broker::launch(args, &[("XS_LOG", "info,xs_kafka=trace"), ("NO_COLOR", "1")])
    }

    /// The lines of its log so far.
    #[allow(dead_code, reason = "not everybody looks")]
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().expect("no panic").clone()
    }

    fn launch(args: &[&str], env: &[(&str, &str)]) -> Broker {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xs-kafka"));
        let command = command.args(args).envs(env.iter().copied());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the broker starts");
        let (lines, is_kept) = (Arc::new(Mutex::new(Vec::new())), !env.is_empty());
        let log_of = lines.clone();
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let (found, addr) = mpsc::channel();
        // Reads on, so that it never waits for somebody to read.
        thread::spawn(move || {
            let mut line = String::new();
            while log.read_line(&mut line).is_ok_and(|read| read > 0) {
                if let Some((_, rest)) = line.split_once("listening on ") {
                    let addr = rest.split_whitespace().next().and_then(|addr| addr.parse().ok());
                    let _ = found.send(addr.expect("an address"));
                }
                match is_kept {
                    true => log_of.lock().expect("no panic").push(std::mem::take(&mut line)),
                    false => print!("{line}"),
                }
                line.clear();
            }
        });
        let addr = addr.recv_timeout(PATIENCE).expect("the broker listens");
        Broker { child, addr, log: lines }
    }

    /// Starts it on a directory, on a free port.
    pub(crate) fn on(dir: &Path, args: &[&str]) -> Broker {
        Broker::start(&[&["--port", "0", "--data-dir", dir.to_str().expect("a path")], args].concat())
    }

    pub(crate) fn bootstrap(&self) -> String {
        self.addr.to_string()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// No warning, no time to do anything.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs a program to its end, with something to read, and answers what it wrote.
pub(crate) fn run(program: impl AsRef<std::ffi::OsStr>, args: &[&str], input: &str) -> String {
    let (program, name) = (program.as_ref(), program.as_ref().to_string_lossy());
    let started = Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = started.unwrap_or_else(|error| panic!("{name}: {error}"));
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let mut output = child.stdout.take().expect("a pipe");
    let (done, read) = mpsc::channel();
    thread::spawn(move || {
        let mut said = String::new();
        let _ = done.send(output.read_to_string(&mut said).map(|_| said));
    });
    let Ok(said) = read.recv_timeout(2 * PATIENCE) else {
        let _ = child.kill();
        let _ = child.wait();
        panic!("{name} {args:?} goes on and on");
    };
    let status = child.wait().expect("it ended");
    assert!(status.success(), "{name} {args:?}: {status}");
    said.expect("text")
}

/// The Python of the tests' own packages, or the system's.
pub(crate) fn python() -> std::path::PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/venv/bin/python");
    if own.exists() { own } else { "python3".into() }
}

/// A file of the tests.
pub(crate) fn beside(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name).into_os_string().into_string().expect("a path")
}
