//! A bundle with a root made from this machine's busybox, and the program under test.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A bundle, the directory where the runtime keeps containers, and the name of one.
pub struct World {
    directory: TempDir,
    pub id: String,
    pub config: Value,
    pub runtime: PathBuf,
}

impl World {
    /// A container that runs a shell's script.
    pub fn new(script: &str) -> World {
        World::with(
            |root| {
                fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
                for name in [
                    "sh", "true", "cat", "echo", "id", "ls", "sleep", "grep", "mkdir", "touch", "mount", "stat", "tty",
                    "env", "kill", "nc", "test", "dd", "hostname", "rmdir", "readlink", "head",
                ] {
                    symlink("busybox", root.join("bin").join(name)).unwrap();
                }
            },
            &["/bin/sh", "-c", script],
        )
    }

    pub fn with(fill: impl FnOnce(&Path), args: &[&str]) -> World {
        let directory = tempfile::tempdir().unwrap();
        // The container's users walk through it.
        fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let root = directory.path().join("rootfs");
        for name in ["bin", "proc", "sys", "dev", "tmp", "etc"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fill(&root);
        let mut config = xs_container::template(None);
        config["process"]["args"] = json!(args);
        config["process"]["terminal"] = json!(false);
        let id = format!("xs-test-{}", directory.path().file_name().unwrap().to_string_lossy().replace('.', ""));
        config["linux"]["cgroupsPath"] = json!(format!("/{id}"));
        World { directory, id, config, runtime: env!("CARGO_BIN_EXE_xs-container").into() }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn rootfs(&self) -> PathBuf {
        self.path().join("rootfs")
    }

    /// The runtime with these words; a container that it leaves behind writes to a file, so that nobody waits for it.
    pub fn call(&self, words: &[&str]) -> (i32, String, String) {
        fs::write(self.path().join("config.json"), self.config.to_string()).unwrap();
        let (out, err) = (self.path().join("out"), self.path().join("err"));
        let status = Command::new(&self.runtime)
            .arg("--root")
            .arg(self.path().join("run"))
            .args(words)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .status()
            .unwrap();
        let text = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        (status.code().unwrap_or(-1), text(out), text(err))
    }

    #[track_caller]
    pub fn ok(&self, words: &[&str]) -> String {
        let (code, out, err) = self.call(words);
        assert_eq!(code, 0, "{words:?}: {out}{err}");
        out
    }

    /// What the container says when it is run to its end.
    #[track_caller]
    pub fn run(&self) -> String {
        let out = self.ok(&["run", &self.id]);
        self.nothing_left();
        out
    }

    /// A refusal that tells why, after which nothing is left.
    #[track_caller]
    pub fn refused(&self, words: &[&str], because: &str) {
        let (code, _, err) = self.call(words);
        assert_ne!(code, 0, "{words:?}");
        assert!(err.contains(because) && !err.contains("panicked"), "{words:?}: {err}");
        self.nothing_left();
    }

    pub fn status(&self) -> String {
        let state: Value = serde_json::from_str(&self.ok(&["state", &self.id])).unwrap();
        state["status"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn until(&self, status: &str) {
        for _ in 0..500 {
            if self.status() == status {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("it is {} and not {status}", self.status());
    }

    /// The directories of the container's control groups.
    pub fn cgroups(&self) -> Vec<PathBuf> {
        let all = fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path().join(&self.id));
        all.chain([Path::new("/sys/fs/cgroup").join(&self.id)]).filter(|path| path.exists()).collect()
    }

    /// No mount, no process, no control group, no state.
    #[track_caller]
    pub fn nothing_left(&self) {
        let here = self.path().to_string_lossy().into_owned();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(&here), "mounts: {mounts}");
        assert_eq!(self.cgroups(), Vec::<PathBuf>::new());
        let kept = fs::read_dir(self.path().join("run")).map_or(0, |entries| entries.flatten().count());
        assert_eq!(kept, 0, "state");
        let processes = self.processes();
        assert!(processes.is_empty(), "processes: {processes:?}");
    }

    /// Processes that see a mount of this container.
    pub fn processes(&self) -> Vec<String> {
        let rootfs = format!(" {} ", self.rootfs().display());
        let sees = |path: std::path::PathBuf| {
            fs::read_to_string(path.join("mountinfo")).is_ok_and(|mounts| mounts.contains(&rootfs))
        };
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|entry| sees(entry.path()))
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.call(&["delete", "--force", &self.id]);
    }
}

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
