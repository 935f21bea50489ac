//! A container's life through the program: made, started, looked at, held, signalled, taken away; and what is left when a step of it fails.
#![cfg(target_os = "linux")]

mod common;

use std::fs;

use common::World;
use serde_json::{Value, json};

#[test]
fn commands_without_a_container_need_no_rights() {
    let world = World::with(|_| {}, &["/bin/true"]);
    for words in [
        &["state", "nope"][..],
        &["kill", "nope"],
        &["delete", "nope"],
        &["start", "nope"],
        &["exec", "nope", "a"],
        &["events", "nope"],
    ] {
        world.refused(words, "container does not exist");
    }
    world.ok(&["delete", "--force", "nope"]);
    assert_eq!(world.ok(&["list", "-q"]), "");
    assert_eq!(world.ok(&["list", "--format", "json"]).trim(), "[]");
    let version = world.ok(&["--version"]);
    assert!(version.starts_with("xs-container version ") && version.contains("\nspec: 1.0."), "{version}");
    let features: Value = serde_json::from_str(&world.ok(&["features"])).unwrap();
    assert_eq!(features["linux"]["seccomp"]["enabled"], true);
    for id in ["..", "a/b", "", "a b"] {
        world.refused(&["state", id], "invalid container ID");
    }
}

#[test]
fn errors_are_logged_as_tools_read_them() {
    let world = World::with(|_| {}, &["/bin/true"]);
    let log = world.path().join("log");
    let (code, _, err) = world.call(&["--log", log.to_str().unwrap(), "--log-format", "json", "state", "nope"]);
    assert_eq!((code, err.trim()), (1, "container does not exist"));
    let line: Value = serde_json::from_str(&fs::read_to_string(log).unwrap()).unwrap();
    assert_eq!((line["level"].as_str(), line["msg"].as_str()), (Some("error"), Some("container does not exist")));
}

#[test]
fn a_hostile_configuration_is_refused_before_anything_is_done() {
    for (change, because) in [
        (json!({"ociVersion": "2.0"}), "ociVersion"),
        (json!({"root": null}), "root: is missing"),
        (json!({"mounts": [{"destination": "/a/../../b", "type": "tmpfs"}]}), "must not lead upwards"),
        (json!({"mounts": [{"destination": "/", "type": "tmpfs"}]}), "is the container's root"),
        (json!({"mounts": [{"destination": "/a", "type": "tmpfs", "options": ["a\u{0}b"]}]}), "NUL"),
        (json!({"process": {"user": {}, "cwd": "relative", "args": ["a"]}}), "process.cwd"),
        (json!({"process": {"user": {}, "cwd": "/", "args": []}}), "process.args"),
        (
            json!({"process": {"user": {}, "cwd": "/", "args": ["a"], "capabilities": {"bounding": ["CAP_NONE"]}}}),
            "process.capabilities.bounding[0]",
        ),
        (json!({"hooks": {"prestart": [{"path": "relative"}]}}), "hooks.prestart[0].path"),
        (json!({"linux": {"namespaces": []}}), "mount namespace"),
        (json!({"linux": {"namespaces": [{"type": "mount"}, {"type": "mount"}]}}), "a second"),
        (json!({"linux": {"namespaces": [{"type": "mount"}, {"type": "user"}]}}), "needs mappings"),
        (
            json!({"linux": {"namespaces": [{"type": "mount"}], "sysctl": {"kernel.core_pattern": "|/x"}}}),
            "separate kernel namespace",
        ),
        (
            json!({"linux": {"namespaces": [{"type": "mount"}, {"type": "network"}], "sysctl": {"net/../kernel/core_pattern": "|/x"}}}),
            "no name of a setting",
        ),
        (json!({"linux": {"namespaces": [{"type": "mount"}], "cgroupsPath": "/../.."}}), "root of the hierarchy"),
        (json!({"linux": {"namespaces": [{"type": "mount"}], "intelRdt": {}}}), "not supported"),
    ] {
        let mut world = World::with(|_| {}, &["/bin/true"]);
        for (key, value) in change.as_object().unwrap() {
            world.config[key] = value.clone();
        }
        if change.get("linux").is_some() {
            world.config["hostname"] = Value::Null;
        }
        world.refused(&["create", &world.id], because);
    }
}

#[test]
#[ignore = "needs root and busybox-static"]
fn from_creation_to_deletion() {
    let world = World::new("sleep 100");
    world.ok(&["create", "--pid-file", world.path().join("pid").to_str().unwrap(), &world.id]);
    assert_eq!(world.status(), "created");
    world.refused_kept(&["create", &world.id], "container with given ID already exists");
    let pid: u32 = fs::read_to_string(world.path().join("pid")).unwrap().parse().unwrap();
    let state: Value = serde_json::from_str(&world.ok(&["state", &world.id])).unwrap();
    assert_eq!(state["pid"], pid);
    assert!(!world.cgroups().is_empty());
    world.ok(&["start", &world.id]);
    assert_eq!(world.status(), "running");
    world.refused_kept(&["start", &world.id], "cannot start an already running container");
    world.refused_kept(&["delete", &world.id], "that is not stopped");
    assert_eq!(world.ok(&["ps", "--format", "json", &world.id]).trim(), format!("[{pid}]"));
    assert!(world.ok(&["ps", &world.id]).contains("sleep 100"));
    assert!(world.ok(&["list"]).contains(&world.id));
    let stats: Value = serde_json::from_str(&world.ok(&["events", "--stats", &world.id])).unwrap();
    assert_eq!(stats["data"]["pids"]["current"], 1);
    world.ok(&["pause", &world.id]);
    assert_eq!(world.status(), "paused");
    world.refused_kept(&["exec", &world.id, "/bin/true"], "paused");
    world.ok(&["resume", &world.id]);
    assert_eq!(world.status(), "running");
    world.ok(&["update", "--pids-limit", "7", &world.id]);
    assert!(
        world
            .cgroups()
            .iter()
            .any(|group| fs::read_to_string(group.join("pids.max")).is_ok_and(|max| max.trim() == "7"))
    );
    world.ok(&["kill", &world.id, "KILL"]);
    world.until("stopped");
    world.refused_kept(&["kill", &world.id, "KILL"], "container not running");
    world.refused_kept(&["start", &world.id], "stopped");
    world.ok(&["delete", &world.id]);
    world.nothing_left();
}

#[test]
#[ignore = "needs root and busybox-static"]
fn a_container_that_never_began_is_deleted() {
    let world = World::new("echo never");
    world.ok(&["create", &world.id]);
    world.ok(&["delete", &world.id]);
    world.nothing_left();
}

#[test]
#[ignore = "needs root and busybox-static"]
fn a_run_answers_the_programs_status() {
    let world = World::new("echo out; echo err >&2; exit 7");
    let (code, out, err) = world.call(&["run", &world.id]);
    assert_eq!((code, out.as_str(), err.as_str()), (7, "out\n", "err\n"));
    world.nothing_left();
    let world = World::new("kill -9 $$");
    world.call(&["run", &world.id]);
    world.nothing_left();
}

#[test]
#[ignore = "needs root and busybox-static"]
fn processes_left_in_the_hosts_namespace_are_killed() {
    let mut world = World::new("sleep 100 & sleep 100 & exit 0");
    let namespaces = world.config["linux"]["namespaces"].as_array().unwrap().clone();
    world.config["linux"]["namespaces"] = namespaces.into_iter().filter(|ns| ns["type"] != "pid").collect();
    world.ok(&["create", &world.id]);
    world.ok(&["start", &world.id]);
    world.until("stopped");
    assert_eq!(world.processes().len(), 2);
    world.ok(&["delete", &world.id]);
    world.nothing_left();
}

#[test]
#[ignore = "needs root and busybox-static"]
fn a_step_that_fails_leaves_nothing() {
    let failing: [(fn(&mut World), &str); 12] = [
        (|world| world.config["process"]["args"] = json!(["/nope"]), "stat /nope: no such file or directory"),
        (|world| world.config["process"]["args"] = json!(["nope"]), "executable file not found in $PATH"),
        (|world| push(world, json!({"destination": "/a", "type": "nofs", "source": "x"})), "mount nofs on /a"),
        (
            |world| push(world, json!({"destination": "/a", "type": "bind", "source": "/nope", "options": ["bind"]})),
            "mount /nope on /a",
        ),
        (
            |world| push(world, json!({"destination": "/bin/busybox/a", "type": "tmpfs", "source": "x"})),
            "not a directory",
        ),
        (
            |world| {
                push(world, json!({"destination": "/a", "type": "tmpfs", "source": "x", "options": ["size=nonsense"]}))
            },
            "mount tmpfs on /a",
        ),
        (
            |world| world.config["hooks"] = json!({"createRuntime": [{"path": "/bin/false"}]}),
            "error running createRuntime hook #0: exit status 1",
        ),
        (
            |world| world.config["hooks"] = json!({"createContainer": [{"path": "/nope"}]}),
            "error running createContainer hook #0: /nope: no such file or directory",
        ),
        (
            |world| {
                world.config["hooks"] =
                    json!({"prestart": [{"path": "/bin/sleep", "args": ["sleep", "100"], "timeout": 1}]})
            },
            "ran past specified timeout",
        ),
        (|world| world.config["linux"]["sysctl"] = json!({"net.ipv4.nope": "1"}), "write sysctl"),
        (|world| world.config["linux"]["namespaces"][0]["path"] = json!("/nope"), "open namespace /nope"),
        (|world| world.config["linux"]["resources"]["memory"] = json!({"limit": 100}), ""),
    ];
    for (change, because) in failing {
        let mut world = World::new("true");
        change(&mut world);
        world.refused(&["create", &world.id], because);
        world.refused(&["run", &world.id], because);
    }
    let mut world = World::new("true");
    world.config["hooks"] = json!({"startContainer": [{"path": "/bin/nope"}]});
    world.refused(&["run", &world.id], "error running startContainer hook #0");
    world.config["hooks"] = json!({"poststart": [{"path": "/bin/false"}]});
    world.refused(&["run", &world.id], "error running poststart hook #0");
}

#[test]
#[ignore = "needs root and busybox-static"]
fn a_maker_that_is_killed_leaves_what_delete_takes_back() {
    let mut world = World::new("true");
    // It is killed by the hook that it waits for.
    world.config["hooks"] = json!({"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "kill -9 $PPID"]}]});
    let (code, _, _) = world.call(&["create", &world.id]);
    assert_ne!(code, 0);
    world.ok(&["delete", "--force", &world.id]);
    world.nothing_left();
}

#[test]
#[ignore = "needs root and busybox-static"]
fn hooks_come_in_order_and_are_told_the_state() {
    let mut world = World::new("true");
    let log = world.path().join("log");
    let hook = |name: &str| {
        let script = format!(
            "s=$(cat); echo {name} $(echo $s | grep -o '\"status\":\"[a-z]*\"') $(echo $s | grep -c {}) $X >> /log",
            world.id
        );
        json!([{"path": "/bin/sh", "args": ["sh", "-c", script.replace("/log", log.to_str().unwrap())], "env": ["X=1", "PATH=/bin:/usr/bin"]}])
    };
    world.config["hooks"] = json!({"prestart": hook("prestart"), "createRuntime": hook("createRuntime"), "createContainer": hook("createContainer"),
        "poststart": hook("poststart"), "poststop": hook("poststop")});
    world.run();
    let told = fs::read_to_string(log).unwrap();
    let expected = [
        ("prestart", "creating"),
        ("createRuntime", "creating"),
        ("createContainer", "creating"),
        ("poststart", "running"),
        ("poststop", "stopped"),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(name, status)| format!("{name} \"status\":\"{status}\" 1 1")).collect();
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

fn push(world: &mut World, mount: Value) {
    world.config["mounts"].as_array_mut().unwrap().push(mount);
}

impl World {
    /// A refusal of a command about a container that stays as it is.
    #[track_caller]
    fn refused_kept(&self, words: &[&str], because: &str) {
        let (code, _, err) = self.call(words);
        assert_ne!(code, 0, "{words:?}");
        assert!(err.contains(because), "{words:?}: {err}");
    }
}
