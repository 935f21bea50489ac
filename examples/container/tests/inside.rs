//! What a container's process sees and may do: rights, limits, filters, mounts, identifiers; and what a hostile root can't.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use common::World;
use serde_json::json;

fn line<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {text}")).trim()
}

#[test]
#[ignore = "needs root and busybox-static"]
fn rights_and_identity() {
    let mut world = World::new("cat /proc/self/status; umask; env; id");
    world.config["process"]["user"] = json!({"uid": 1000, "gid": 1001, "additionalGids": [5, 6], "umask": 0o27});
    let rights = json!(["CAP_CHOWN", "CAP_KILL"]);
    world.config["process"]["capabilities"] = json!({"bounding": rights, "effective": rights, "permitted": rights, "inheritable": rights, "ambient": ["CAP_KILL"]});
    let out = world.run();
    for (name, value) in [("CapInh:", 0x21), ("CapBnd:", 0x21), ("CapAmb:", 0x20), ("CapPrm:", 0x20), ("CapEff:", 0x20)]
    {
        assert_eq!(line(&out, name), format!("{value:016x}"), "{name}");
    }
    assert_eq!(line(&out, "NoNewPrivs:"), "1");
    assert_eq!(line(&out, "Uid:").split_whitespace().next(), Some("1000"));
    assert_eq!(line(&out, "Groups:").split_whitespace().collect::<Vec<_>>(), ["5", "6"]);
    assert_eq!((line(&out, "SigBlk:"), line(&out, "SigIgn:")), ("0000000000000000", "0000000000000000"));
    assert!(out.contains("\n0027\n") && out.contains("\nHOME=/\n"), "{out}");
}

#[test]
#[ignore = "needs root and busybox-static"]
fn limits() {
    let mut world = World::new(
        "cat /proc/self/limits /proc/self/oom_score_adj; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/memory/memory.limit_in_bytes",
    );
    world.config["process"]["rlimits"] =
        json!([{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 128}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]);
    world.config["process"]["oomScoreAdj"] = json!(500);
    world.config["linux"]["resources"]["pids"] = json!({"limit": 20});
    world.config["linux"]["resources"]["memory"] = json!({"limit": 67_108_864});
    let out = world.run();
    assert_eq!(line(&out, "Max open files").split_whitespace().take(2).collect::<Vec<_>>(), ["64", "128"]);
    assert!(out.ends_with("500\n20\n67108864\n"), "{out}");
}

#[test]
#[ignore = "needs root and busybox-static"]
fn a_denied_call_gets_the_profiles_answer() {
    let mut world = World::new("mkdir /tmp/a; echo $?; hostname x; grep Seccomp: /proc/self/status");
    world.config["root"]["readonly"] = json!(false);
    world.config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
        {"names": ["sethostname"], "action": "SCMP_ACT_ERRNO"}]});
    for no_new in [true, false] {
        world.config["process"]["noNewPrivileges"] = json!(no_new);
        let (_, out, err) = world.call(&["run", &world.id]);
        assert!(out.starts_with("1\n") && line(&out, "Seccomp:") == "2", "{out}");
        assert!(err.contains("No space left on device") && err.contains("Operation not permitted"), "{err}");
    }
}

#[test]
#[ignore = "needs root and busybox-static"]
fn what_is_hidden_and_what_is_protected() {
    let mut world = World::new(
        "cat /proc/keys | head -c 1; ls -A /sys/firmware /secret; for f in /proc/sys/kernel/hostname /etc/x /protected/f; do echo 1 > $f && echo written $f; done; cat /etc/motd; test -e /dev/kmsg && echo kmsg",
    );
    for name in ["secret", "protected"] {
        fs::create_dir(world.rootfs().join(name)).unwrap();
        fs::write(world.rootfs().join(name).join("f"), "seen").unwrap();
    }
    fs::write(world.rootfs().join("etc/motd"), "seen").unwrap();
    world.config["linux"]["maskedPaths"] = json!(["/proc/keys", "/sys/firmware", "/secret", "/etc/motd", "/not/there"]);
    world.config["linux"]["readonlyPaths"] = json!(["/proc/sys", "/protected", "/not/there"]);
    let (_, out, err) = world.call(&["run", &world.id]);
    assert_eq!(out, "/secret:\n\n/sys/firmware:\n", "{err}");
    assert_eq!(err.matches("Read-only file system").count(), 3, "{err}");
    assert_eq!(fs::read_to_string(world.rootfs().join("secret/f")).unwrap(), "seen");
}

#[test]
#[ignore = "needs root and busybox-static"]
fn mounts_are_as_they_are_asked_for() {
    let mut world = World::new(
        "cat /proc/self/mountinfo; cat /full/f; ls -ld /full; echo x > /ro/f || echo refused; echo x > /rw/f",
    );
    let (ro, rw, full) = (world.path().join("ro"), world.path().join("rw"), world.rootfs().join("full"));
    for path in [&ro, &rw, &full] {
        fs::create_dir(path).unwrap();
    }
    fs::write(full.join("f"), "copied\n").unwrap();
    fs::set_permissions(&full, std::os::unix::fs::PermissionsExt::from_mode(0o1711)).unwrap();
    world.config["mounts"].as_array_mut().unwrap().extend([
        json!({"destination": "/ro", "type": "bind", "source": "ro", "options": ["rbind", "ro", "nosuid", "noexec"]}),
        json!({"destination": "/rw", "type": "none", "source": rw, "options": ["bind", "rprivate"]}),
        json!({"destination": "/full", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "size=1m", "ro", "rprivate"]}),
        json!({"destination": "/deep/er", "type": "tmpfs", "source": "tmpfs"}),
    ]);
    let out = world.run();
    let options = |place: &str| {
        out.lines().find(|line| line.contains(&format!(" {place} "))).unwrap().split(' ').nth(5).unwrap().to_owned()
    };
    assert_eq!(options("/ro"), "ro,nosuid,noexec,relatime");
    assert_eq!(options("/rw"), "rw,relatime");
    assert_eq!(options("/full"), "ro,relatime");
    assert!(out.contains("copied\n") && out.contains("drwx--x--t") && out.contains("refused"), "{out}");
    assert_eq!(fs::read_to_string(rw.join("f")).unwrap(), "x\n");
    assert_eq!(fs::read_dir(ro).unwrap().count(), 0);
}

#[test]
#[ignore = "needs root and busybox-static"]
fn a_link_in_the_root_leads_nowhere_outside() {
    // What a mount or device would land on outside, if a link could lead there.
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("f"), "outside").unwrap();
    let before =
        || (fs::read_dir(outside.path()).unwrap().count(), fs::read_to_string(outside.path().join("f")).unwrap());
    let expected = before();
    let mut world = World::new("echo inside > /link/a/f2; echo inside > /file; ls /dev/null2");
    world.config["root"]["readonly"] = json!(false);
    symlink(outside.path(), world.rootfs().join("link")).unwrap();
    symlink(outside.path().join("f"), world.rootfs().join("file")).unwrap();
    symlink("../../../../../../../../../../../..", world.rootfs().join("up")).unwrap();
    let up = format!("/up{}", outside.path().display());
    world.config["mounts"].as_array_mut().unwrap().extend([
        json!({"destination": "/link/a", "type": "tmpfs", "source": "tmpfs"}),
        json!({"destination": "/file", "type": "bind", "source": "/dev/null", "options": ["bind"]}),
        json!({"destination": format!("{up}/b"), "type": "tmpfs", "source": "tmpfs"}),
    ]);
    world.config["linux"]["devices"] = json!([{"path": "/link/null2", "type": "c", "major": 1, "minor": 3}]);
    world.config["linux"]["maskedPaths"] = json!(["/link/f", "/file"]);
    world.config["process"]["cwd"] = json!("/link/cwd");
    world.call(&["run", &world.id]);
    world.nothing_left();
    assert_eq!(before(), expected);
    let inside = world.rootfs().join(outside.path().strip_prefix("/").unwrap());
    assert!(inside.join("a").is_dir() && inside.join("b").is_dir() && inside.join("cwd").is_dir());
}

#[test]
#[ignore = "needs root and busybox-static"]
fn the_kernels_files_are_not_mounted_elsewhere() {
    for (place, typ) in [("proc", "proc"), ("sys", "sysfs")] {
        let mut world = World::new("true");
        fs::remove_dir(world.rootfs().join(place)).unwrap();
        fs::create_dir(world.rootfs().join("tmp/other")).unwrap();
        symlink("/tmp/other", world.rootfs().join(place)).unwrap();
        world.refused(&["run", &world.id], &format!("mount {typ} on /{place}: it must be an ordinary directory"));
        world.config["root"]["path"] = json!("/");
        world.refused(&["run", &world.id], "is the host's root");
    }
    // The whole of /dev led elsewhere: what is made lands inside, and the host's is as it was.
    let world = World::new("true");
    fs::remove_dir(world.rootfs().join("dev")).unwrap();
    symlink("/../../../../dev", world.rootfs().join("dev")).unwrap();
    let host = fs::read_dir("/dev").unwrap().count();
    world.call(&["run", &world.id]);
    world.nothing_left();
    assert_eq!(fs::read_dir("/dev").unwrap().count(), host);
}

#[test]
#[ignore = "needs root and busybox-static"]
fn a_program_cannot_reach_the_runtime() {
    let mut world = World::new("");
    // The program is the link by which the runtime would be run again, inside, from a file that could then be written.
    world.config["process"]["args"] = json!(["/proc/self/exe", "--version"]);
    let (_, out, err) = world.call(&["run", &world.id]);
    world.nothing_left();
    assert!(out.is_empty() || out.starts_with("xs-container"), "{out}{err}");
    // As long as it waits, it runs from a sealed copy.
    world.config["process"]["args"] = json!(["/bin/true"]);
    world.ok(&["create", "--pid-file", world.path().join("pid").to_str().unwrap(), &world.id]);
    let pid = fs::read_to_string(world.path().join("pid")).unwrap();
    let exe = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    assert!(exe.to_string_lossy().starts_with("/memfd:"), "{exe:?}");
}

#[test]
#[ignore = "needs root and busybox-static"]
fn identifiers_are_others_in_a_user_namespace() {
    let mut world = World::new("id; cat /proc/self/uid_map /proc/self/gid_map; ls -ln /dev/null; touch /tmp/made");
    world.config["root"]["readonly"] = json!(false);
    world.config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
    world.config["linux"]["uidMappings"] = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}, {"containerID": 1000, "hostID": 300_000, "size": 7}]);
    world.config["linux"]["gidMappings"] = json!([{"containerID": 0, "hostID": 200_000, "size": 1000}]);
    fs::set_permissions(world.rootfs().join("tmp"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    // Its root makes directories in the root.
    std::os::unix::fs::chown(world.rootfs(), Some(100_000), Some(200_000)).unwrap();
    let out = world.run();
    let maps: Vec<_> = out
        .lines()
        .filter(|line| line.starts_with(' '))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(maps, ["0 100000 1000", "1000 300000 7", "0 200000 1000"], "{out}");
    assert!(out.starts_with("uid=0 gid=0"), "{out}");
    use std::os::unix::fs::MetadataExt as _;
    let made = fs::metadata(world.rootfs().join("tmp/made")).unwrap();
    assert_eq!((made.uid(), made.gid()), (100_000, 200_000));
}

#[test]
#[ignore = "needs root and busybox-static"]
fn who_is_not_root_runs_containers() {
    let mut world = World::new("id; echo $$; cat /proc/self/uid_map");
    let template = xs_container::template(Some((65534, 65534)));
    let args = world.config["process"]["args"].clone();
    world.config = template;
    world.config["process"]["args"] = args;
    world.config["process"]["terminal"] = json!(false);
    world.ok(&["list"]);
    // The world is nobody's from here on; the program is where nobody can read it.
    let program = world.path().join("xs-container");
    fs::copy(&world.runtime, &program).unwrap();
    let all = Command::new("chown").args(["-R", "65534:65534"]).arg(world.path()).status().unwrap();
    assert!(all.success());
    let out = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .arg("--root")
        .arg(world.path().join("own"))
        .args(["run", "--bundle"])
        .arg(world.path())
        .arg("rootless")
        .output()
        .unwrap();
    let out = common::text(&out);
    assert!(out.contains("uid=0") && out.contains("65534"), "{out}");
    assert_eq!(fs::read_dir(world.path().join("own")).unwrap().count(), 0);
}

#[test]
#[ignore = "needs root and busybox-static"]
fn a_process_is_added() {
    let world = World::new("echo own > /tmp/x; sleep 100");
    world.ok(&["run", "--detach", &world.id]);
    let exec = |words: &[&str]| world.call(&[&["exec"], words].concat());
    let id = world.id.as_str();
    assert_eq!(exec(&[id, "/bin/sh", "-c", "echo $$ $A; exit 9"]).0, 9);
    let (_, out, _) =
        exec(&["--env", "A=1", "--cwd", "/bin", "--user", "7:8", id, "sh", "-c", "echo $A $(id -u) $(id -g) $PWD"]);
    assert_eq!(out, "1 7 8 /bin\n");
    let (_, out, _) = exec(&["--cap", "CAP_SYS_CHROOT", id, "grep", "CapEff", "/proc/self/status"]);
    assert!(out.contains("0000000020040420"), "{out}");
    let (code, _, err) = exec(&[id, "/nope"]);
    assert!(code != 0 && err.contains("stat /nope: no such file or directory"), "{err}");
    let (_, out, _) = exec(&[id, "cat", "/proc/self/cgroup"]);
    assert!(out.lines().all(|line| line.ends_with(id)), "{out}");
    let file = world.path().join("process.json");
    fs::write(&file, r#"{"user": {"uid": 3}, "cwd": "/", "args": ["/bin/id"], "env": []}"#).unwrap();
    let pid = world.path().join("exec.pid");
    let (code, out, err) =
        exec(&["--process", file.to_str().unwrap(), "--pid-file", pid.to_str().unwrap(), "--detach", id]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(fs::read_to_string(pid).unwrap().parse::<u32>().is_ok());
    world.ok(&["delete", "--force", id]);
    world.nothing_left();
}

#[test]
#[ignore = "needs root and busybox-static"]
fn devices_that_no_rule_allows_cannot_be_opened() {
    let mut world = World::new("head -c 1 /dev/zero | grep -c .; head -c 1 /dev/kmsg2");
    world.config["linux"]["devices"] =
        json!([{"path": "/dev/kmsg2", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}]);
    let (_, _, err) = world.call(&["run", &world.id]);
    assert!(err.contains("/dev/kmsg2: Operation not permitted"), "{err}");
    world.nothing_left();
}
