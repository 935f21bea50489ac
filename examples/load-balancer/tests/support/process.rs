//! The program itself, as a process.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use xs_os::{Clock, SystemClock};

/// It is killed with the value.
pub(crate) struct Process {
    pub(crate) child: Child,
    said: Arc<Mutex<String>>,
}

impl Process {
    /// Writes `text` into a file, works by it, and waits until there is an answer at `listen`.
    pub(crate) fn run(dir: &Path, text: &str, listen: SocketAddr, variables: &[(&str, &Path)]) -> Process {
        let file = dir.join("balancer.toml");
        std::fs::write(&file, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_xs-load-balancer"))
            .arg("run")
            .arg(&file)
            .envs(variables.iter().copied())
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::<Mutex<String>>::default();
        let (mut pipe, heard) = (child.stderr.take().unwrap(), said.clone());
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(n) = pipe.read(&mut piece)
                && n > 0
            {
                *heard.lock().unwrap() += &String::from_utf8_lossy(&piece[..n]);
            }
        });
        let process = Process { child, said };
        process.wait(|| TcpStream::connect(listen).is_ok());
        process
    }

    /// Waits until it has said this.
    pub(crate) fn says(&self, what: &str) -> String {
        self.wait(|| self.said().contains(what));
        self.said()
    }

    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    fn wait(&self, done: impl Fn() -> bool) {
        let until = SystemClock.now() + Duration::from_secs(10);
        while !done() {
            assert!(SystemClock.now() < until, "it did not happen. The program said: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A figure of the kernel's about it, in KiB.
    pub(crate) fn figure(&self, label: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(label)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
