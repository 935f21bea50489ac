//! podman with this runtime in runc's place.
#![cfg(target_os = "linux")]

mod common;

use std::process::{Command, Stdio};

use common::{World, text};

/// podman over a root made here; containers are taken away at the end.
struct Podman {
    world: World,
    name: String,
}

impl Podman {
    fn new() -> Podman {
        let world = World::new("");
        let name = world.id.clone();
        Podman { world, name }
    }

    fn call(&self, words: &[&str]) -> (i32, String) {
        let output = Command::new("podman")
            .args(["--runtime", env!("CARGO_BIN_EXE_xs-container"), "--cgroup-manager=cgroupfs"])
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code().unwrap_or(-1), text(&output))
    }

    #[track_caller]
    fn ok(&self, words: &[&str]) -> String {
        let (code, out) = self.call(words);
        assert_eq!(code, 0, "{words:?}: {out}");
        out
    }

    fn run(&self, options: &[&str], program: &[&str]) -> (i32, String) {
        let rootfs = self.world.rootfs().to_string_lossy().into_owned();
        // Without the right to raise limits podman's own can't be set.
        let limits = ["--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1024:1024", "--network=none"];
        self.call(&[&["run", "--name", &self.name], &limits[..], options, &["--rootfs", &rootfs], program].concat())
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.call(&["rm", "--force", "--time", "0", &self.name]);
    }
}

#[test]
#[ignore = "needs root, busybox-static and podman"]
fn a_container_in_the_background() {
    let podman = Podman::new();
    let (code, out) = podman.run(
        &["-d", "--health-cmd", "echo fine", "--health-interval", "disable"],
        &["/bin/sh", "-c", "echo started; echo failed >&2; sleep 100"],
    );
    assert_eq!(code, 0, "{out}");
    let name = podman.name.as_str();
    assert_eq!(podman.ok(&["exec", name, "/bin/sh", "-c", "echo $((6 * 7))"]), "42\n");
    assert_eq!(podman.call(&["exec", name, "/bin/sh", "-c", "exit 9"]).0, 9);
    assert_eq!(podman.call(&["exec", name, "/nope"]).0, 127);
    assert!(podman.ok(&["exec", "-t", name, "/bin/tty"]).starts_with("/dev/pts/"));
    assert_eq!(podman.ok(&["logs", name]), "started\nfailed\n");
    podman.ok(&["healthcheck", "run", name]);
    assert!(podman.ok(&["stats", "--no-stream", "--format", "{{.PIDs}}", name]).trim() == "1");
    assert!(podman.ok(&["top", name, "args"]).contains("sleep 100"));
    podman.ok(&["pause", name]);
    assert_eq!(podman.ok(&["inspect", "--format", "{{.State.Status}}", name]).trim(), "paused");
    podman.ok(&["unpause", name]);
    podman.ok(&["kill", "--signal", "KILL", name]);
    assert_eq!(podman.ok(&["wait", name]).trim(), "137");
    podman.ok(&["rm", name]);
}

#[test]
#[ignore = "needs root, busybox-static and podman"]
fn a_container_in_the_foreground() {
    let podman = Podman::new();
    assert_eq!(podman.run(&["--rm"], &["/bin/sh", "-c", "echo out; exit 5"]), (5, "out\n".into()));
    let (code, out) = podman.run(
        &["--rm", "-t", "--tmpfs", "/full", "--read-only"],
        &["/bin/sh", "-c", "tty; touch /x; touch /full/x && echo made"],
    );
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("/dev/pts/0") && out.contains("Read-only file system"), "{out}");
    for (program, status) in [("/nope", 127), ("nope", 127), ("/etc/passwd", 127)] {
        let (code, out) = podman.run(&["--rm"], &[program]);
        assert_eq!(code, status, "{program}: {out}");
    }
    let (code, out) = podman.run(
        &["--rm", "--pids-limit", "33", "--memory", "64m", "--hostname", "named"],
        &["/bin/sh", "-c", "hostname; cat /sys/fs/cgroup/pids/pids.max"],
    );
    assert_eq!((code, out.as_str()), (0, "named\n33\n"));
}

#[test]
#[ignore = "needs root, busybox-static and podman"]
fn containers_of_a_pod_share_namespaces() {
    let podman = Podman::new();
    let (code, out) = podman.run(&["-d"], &["/bin/sleep", "100"]);
    assert_eq!(code, 0, "{out}");
    let shared = format!("container:{}", podman.name);
    let rootfs = podman.world.rootfs().to_string_lossy().into_owned();
    let read = "for n in ipc net pid uts; do readlink /proc/self/ns/$n; done";
    let other = podman.ok(&[
        "run",
        "--rm",
        "--ulimit",
        "nofile=1024:4096",
        "--ulimit",
        "nproc=1024:1024",
        "--network",
        &shared,
        "--ipc",
        &shared,
        "--pid",
        &shared,
        "--uts",
        &shared,
        "--rootfs",
        &rootfs,
        "/bin/sh",
        "-c",
        read,
    ]);
    assert_eq!(other, podman.ok(&["exec", &podman.name, "/bin/sh", "-c", read]));
}
