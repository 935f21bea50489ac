//! What the tests with real programs share: servers started on free ports and stopped by process, commands with a time
//! limit, and the comparison of two runs of somebody else's test suite.

#![allow(dead_code, reason = "every test binary uses its own part")]

pub(crate) mod compare;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

/// How often a waiting loop looks. Limits of time are counted in these, so that no clock is read.
const TICK: Duration = Duration::from_millis(10);

/// Which server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The real `redis-server` of this machine.
    Redis,
    /// The example's release binary, or the program that `XS_REDIS` names.
    Ours,
}

impl Subject {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Subject::Redis => "redis-server",
            Subject::Ours => "xs-redis",
        }
    }

    /// The program to start. The release binary is built at the first call.
    pub(crate) fn program(self) -> PathBuf {
        static OURS: OnceLock<PathBuf> = OnceLock::new();
        match self {
            Subject::Redis => PathBuf::from("redis-server"),
            Subject::Ours => OURS.get_or_init(ours).clone(),
        }
    }
}

fn ours() -> PathBuf {
    if let Some(path) = std::env::var_os("XS_REDIS") {
        return PathBuf::from(path);
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--quiet", "-p", "xs-redis"])
        .current_dir(workspace())
        .status()
        .expect("cargo starts");
    assert!(built.success(), "the release build of xs-redis failed");
    // Cargo gives tests `<target>/tmp`.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target directory");
    target.join("release/xs-redis")
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("the package lies two levels deep").to_path_buf()
}

/// A file or folder that `.ci/tools` brings.
pub(crate) fn tool(name: &str) -> PathBuf {
    let path = workspace().join(".cache").join(name);
    assert!(path.exists(), "{} is missing: run .ci/tools", path.display());
    path
}

/// A port that nobody listens on at this moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// A process that ends with this value, and with it whatever it started in its process group.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    status: Option<ExitStatus>,
}

impl Running {
    /// Starts `command` as the leader of a process group of its own.
    pub(crate) fn start(command: &mut Command) -> Running {
        let child = command.process_group(0).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Running { child, status: None }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The status, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("a child can be waited for");
        }
        self.status
    }

    /// Waits for the end. `None`: still running after `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        for _ in 0..limit.as_millis() / TICK.as_millis() {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            sleep(TICK);
        }
        self.ended()
    }

    /// Sends SIGTERM to the process alone.
    pub(crate) fn terminate(&self) {
        signal("-TERM", &self.pid().to_string());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended().is_none() {
            // The group first: its leader's number stays taken until the wait below.
            signal("-KILL", &format!("-{}", self.pid()));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A command that the kernel ends when the thread that started it ends, so that not even a killed test leaves it behind.
fn guarded(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

fn signal(signal: &str, whom: &str) {
    let _ = Command::new("kill").args([signal, "--", whom]).stderr(Stdio::null()).status();
}

/// A server in a directory of its own.
#[derive(Debug)]
pub(crate) struct Server {
    process: Running,
    dir: TempDir,
    pub(crate) port: u16,
}

impl Server {
    /// Starts the subject on a free port without persistence and with DEBUG allowed, and waits until it answers.
    pub(crate) fn start(subject: Subject, extra: &[&str]) -> Server {
        let port = free_port();
        let port_text = port.to_string();
        let base = ["--port", &port_text, "--bind", "127.0.0.1", "--save", "", "--enable-debug-command", "yes"];
        Server::launch(subject, port, &[&base[..], extra].concat(), "")
    }

    /// Starts the subject with exactly these arguments (in its own directory) and this text as standard input.
    pub(crate) fn launch(subject: Subject, port: u16, args: &[&str], stdin: &str) -> Server {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let log = File::create(dir.path().join("log")).expect("a log file");
        let mut command = guarded(subject.program());
        command.args(args).current_dir(dir.path());
        command.stdin(Stdio::piped()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        let mut process = Running::start(&mut command);
        if let Some(mut pipe) = process.child.stdin.take() {
            // A server that reads no configuration from there may have closed it.
            let _ = pipe.write_all(stdin.as_bytes());
        }
        let mut server = Server { process, dir, port };
        server.wait_until_ready(subject);
        server
    }

    fn wait_until_ready(&mut self, subject: Subject) {
        for _ in 0..1500 {
            if answers(self.port) {
                return;
            }
            if let Some(status) = self.process.ended() {
                panic!("{} ended at its start with {status}:\n{}", subject.name(), self.log());
            }
            sleep(TICK);
        }
        panic!("{} doesn't answer on port {}:\n{}", subject.name(), self.port, self.log());
    }

    /// What the server has written so far.
    pub(crate) fn log(&self) -> String {
        read_lossy(&self.dir.path().join("log"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The status, if the server has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// Asks the server to end and gives its status. `None`: it didn't within ten seconds.
    pub(crate) fn terminate(&mut self) -> Option<ExitStatus> {
        self.process.terminate();
        self.process.wait(Duration::from_secs(10))
    }
}

/// Whether a server on this port answers a PING (an error is an answer, too).
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let mut first = [0];
    stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut first).is_ok() && matches!(first[0], b'+' | b'-')
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// `None`: it was ended because it took too long.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Standard output of a command that must have succeeded.
    pub(crate) fn expect(self, what: &str) -> String {
        assert!(self.succeeded(), "{what}: {:?}\n{}\n{}", self.status, self.stdout, self.stderr);
        self.stdout
    }
}

/// Runs a command to its end, or ends it and what it started after `limit`. Output goes through files, so that a
/// grandchild that keeps a pipe open cannot hold the test.
pub(crate) fn run<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = S>,
    dir: &Path,
    stdin: &[u8],
    limit: Duration,
) -> Outcome {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| scratch.path().join(name);
    std::fs::write(path("in"), stdin).expect("the input is written");
    let create = |name: &str| File::create(path(name)).expect("an output file");
    let mut command = guarded(program);
    command.args(args).current_dir(dir).env("TERM", "dumb").env("COLUMNS", "200");
    command.stdin(File::open(path("in")).expect("the input")).stdout(create("out")).stderr(create("err"));
    let mut process = Running::start(&mut command);
    let status = process.wait(limit);
    drop(process);
    Outcome { status, stdout: read_lossy(&path("out")), stderr: read_lossy(&path("err")) }
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
