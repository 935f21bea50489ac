//! The servers under measurement: started on the first core, watched through `/proc`, ended with the value.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::wire::Wire;
use crate::process;

/// Where servers run, and where clients do.
pub(super) const SERVER_CORE: &str = "0";
pub(super) const CLIENT_CORE: &str = "1";

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    /// The name and version to print.
    pub(super) name: String,
    pub(super) port: u16,
    child: Child,
    dir: tempfile::TempDir,
}

impl Server {
    /// Starts `program` without persistence, on one core and a free port.
    pub(super) fn start(name: &str, program: &Path) -> io::Result<Server> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let dir = tempfile::tempdir()?;
        let log = fs::File::create(dir.path().join("log"))?;
        // Not even a killed harness leaves a server behind.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "taskset", "-c", SERVER_CORE])
            .arg(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut server = Server { name: name.to_owned(), port, child, dir };
        server.wait_until_ready()?;
        let info = server.wire()?.ask(&["INFO", "server"])?;
        let version = |field: &str| info.lines().find_map(|line| line.strip_prefix(field)).map(str::to_owned);
        // Valkey announces a Redis version beside its own.
        if let Some(version) = version("valkey_version:").or_else(|| version("redis_version:")) {
            server.name = format!("{name} {version}");
        }
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        for _ in 0..1000 {
            if let Ok(mut wire) = self.wire()
                && wire.ask(&["PING"]).is_ok_and(|reply| reply == "PONG")
            {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() {
                break;
            }
            sleep(Duration::from_millis(10));
        }
        let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        Err(io::Error::other(format!("{} didn't start:\n{log}", self.name)))
    }

    pub(super) fn wire(&self) -> io::Result<Wire> {
        Wire::connect(self.port)
    }

    /// Seconds on the processor so far, of all its threads.
    pub(super) fn cpu_seconds(&self) -> io::Result<f64> {
        let pid = self.child.id();
        // Nanoseconds, where the kernel keeps them for each thread.
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let stat = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            nanos += stat.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
        }
        if nanos > 0 {
            return Ok(nanos as f64 / 1e9);
        }
        process::ticks(&pid.to_string())
    }

    /// Resident bytes as the kernel sees them.
    pub(super) fn resident(&self) -> io::Result<u64> {
        Ok(process::figure(&self.child.id().to_string(), "status", "VmRSS:")? * 1024)
    }

    /// Bytes in use by the server's own account.
    pub(super) fn used(&self) -> io::Result<u64> {
        let info = self.wire()?.ask(&["INFO", "memory"])?;
        let field = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        field.and_then(|text| text.trim().parse().ok()).ok_or_else(|| io::Error::other("no used_memory in INFO"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The example's server: `--ours`, or the release binary, which is built now.
pub(super) fn ours(given: Option<&Path>) -> io::Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path.to_path_buf());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--quiet", "-p", "xs-redis"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    if !built.success() {
        return Err(io::Error::other("the release build of xs-redis failed"));
    }
    // `<target>/<profile>/xs-benches` is running.
    let here = std::env::current_exe()?;
    let target = here.ancestors().nth(2).ok_or_else(|| io::Error::other("no target directory"))?;
    Ok(target.join("release/xs-redis"))
}

/// Where the search path has a program.
pub(super) fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}
