//! A supervisor in a directory of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(crate) struct Home {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) child: Option<Child>,
    words: Vec<String>,
}

/// Waits until something holds, for as long as a loaded machine may need.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1500 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("never: {what}");
}

/// A number of seconds for `sleep` that no other test sleeps: so that its processes can be told from all others.
pub(crate) fn marker() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{}.{:03}", 100_000 + std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The processes whose command line has this in it, and that are no zombies.
pub(crate) fn alive(part: &str) -> Vec<u32> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if pid != std::process::id() && String::from_utf8_lossy(&line).contains(part) {
            all.push(pid);
        }
    }
    all
}

impl Home {
    /// Of these files, with `{}` for its directory. It is up when this comes back.
    pub(crate) fn new(files: &[(&str, &str)]) -> Home {
        Home::with(files, &[])
    }

    pub(crate) fn with(files: &[(&str, &str)], words: &[&str]) -> Home {
        let dir = tempfile::tempdir().unwrap();
        // Services may run as somebody else.
        fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("units")).unwrap();
        let mut home = Home { dir, child: None, words: words.iter().map(ToString::to_string).collect() };
        files.iter().for_each(|(name, text)| home.write(name, text));
        home.begin();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path("units").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("{}", &self.dir.path().display().to_string())).unwrap();
    }

    pub(crate) fn begin(&mut self) {
        let mut command = self.program();
        command.arg("run").arg(self.path("units")).arg("--quiet").args(&self.words);
        self.child = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
        until("it answers", || self.run(&["list-jobs"]).0 == 0);
    }

    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xs-supervisor"));
        command.arg("--control").arg(self.path("control"));
        command
    }

    /// Exit code, standard output and standard error of a command.
    pub(crate) fn run(&self, words: &[&str]) -> (i32, String, String) {
        // Whatever waits for ever is a failure, and not a test that hangs.
        let mut command = Command::new("timeout");
        command.args(["60", env!("CARGO_BIN_EXE_xs-supervisor"), "--control"]).arg(self.path("control"));
        let output = command.args(words).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    #[track_caller]
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let (code, out, err) = self.run(words);
        assert_eq!(code, 0, "{words:?}: {out}{err}{}", self.log("supervisor"));
        out
    }

    pub(crate) fn state(&self, unit: &str) -> String {
        self.run(&["is-active", unit]).1.trim().to_owned()
    }

    /// The main process.
    pub(crate) fn main_pid(&self, unit: &str) -> Option<u32> {
        let out = self.run(&["status", unit, "--json"]).1;
        let value: serde_json::Value = serde_json::from_str(out.lines().next()?).ok()?;
        value["main_pid"].as_u64().map(|pid| pid as u32)
    }

    pub(crate) fn log(&self, unit: &str) -> String {
        fs::read_to_string(self.path("log").join(format!("{unit}.log"))).unwrap_or_default()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Ends it as a system would, and checks that it ends well.
    pub(crate) fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
            assert!(child.wait().unwrap().success());
            assert!(!self.path("control").exists());
        }
    }

    /// Ends it as only the kernel does.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM);
            let _ = child.wait();
        }
    }
}

/// Both ways to find processes.
pub(crate) const BOTH: [&[&str]; 2] = [&[], &["--no-cgroups"]];

pub(crate) fn is_zombie(pid: &Path) -> bool {
    let stat = fs::read_to_string(pid.join("stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, after)| after.trim_start().starts_with('Z'))
}
