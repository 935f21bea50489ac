//! The same configuration carried out by runc and by this runtime: what the process inside sees is the same.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeMap;
use std::fs;

use common::World;
use serde_json::json;

/// What is seen inside, in sections by their names.
fn seen(world: &mut World, runtime: &str) -> BTreeMap<String, Vec<String>> {
    if runtime == "runc" {
        world.runtime = "runc".into();
    }
    let out = world.ok(&["run", &world.id]);
    let mut sections = BTreeMap::new();
    let mut current = &mut Vec::new();
    for line in out.lines() {
        match line.strip_prefix("== ") {
            Some(name) => current = sections.entry(name.to_owned()).or_insert_with(Vec::new),
            None => current.push(line.to_owned()),
        }
    }
    sections
}

const LOOK: &str = "
echo '== status'; grep -E '^(Uid|Gid|Groups|Umask|Cap|NoNewPrivs|Seccomp:|SigBlk|SigCgt)' /proc/1/status
echo '== mounts'; cat /proc/self/mountinfo
echo '== env'; env
echo '== limits'; cat /proc/self/limits
echo '== dev'; ls -ln /dev | grep -v total
echo '== groups'; cat /proc/self/cgroup
echo '== host'; hostname; cat /proc/self/oom_score_adj; pwd; id
echo '== fds'; ls /proc/1/fd
echo '== refused'; (mkdir /x && rmdir /x; echo > /proc/sysrq-trigger; cat /proc/keys; ls /sys/firmware) 2>&1
echo '== namespaces'; for n in ipc mnt net pid uts; do test $(readlink /proc/self/ns/$n) != $(grep ^$n= /host | head -n 1 | cat) && echo $n; done
";

/// Numbers of mounts and devices of a moment are no difference; nor is the host's path of the root.
fn plain(mounts: &[String], root: &str) -> Vec<String> {
    let mut plain: Vec<String> = mounts
        .iter()
        .map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let (shown, rest) = line.split_once(" - ").unwrap();
            let optional =
                shown.split(' ').skip(6).map(|field| field.split(':').next().unwrap()).collect::<Vec<_>>().join(" ");
            let typ = rest.split(' ').next().unwrap();
            match (fields[3], fields[4]) {
                // Which null device hides a file, and whether a file system is read-only or its mount, is the same from inside.
                ("/null", place) => return format!("/null {place}"),
                ("/", "/sys/fs/cgroup") => return format!("groups {typ}"),
                _ => {}
            }
            format!("{} {} {} {optional} - {typ}", fields[3].replace(root, "ROOT"), fields[4], fields[5])
        })
        .collect();
    plain.sort();
    plain
}

#[test]
#[ignore = "needs root, busybox-static and runc"]
fn the_same_machine_is_seen() {
    let changes: [fn(&mut World); 4] = [
        |_| {},
        |world| {
            world.config["process"]["user"] = json!({"uid": 12, "gid": 13, "additionalGids": [14], "umask": 0o77});
            world.config["process"]["env"] = json!(["PATH=/bin", "A=b", "HOME=/x"]);
            world.config["process"]["cwd"] = json!("/made/for/it");
            world.config["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]);
            world.config["process"]["oomScoreAdj"] = json!(100);
            world.config["root"]["readonly"] = json!(false);
            world.config["hostname"] = json!("other");
        },
        |world| {
            world.config["process"]["noNewPrivileges"] = json!(false);
            let all = json!(["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_SETUID", "CAP_NET_RAW"]);
            world.config["process"]["capabilities"] = json!({"bounding": all, "effective": all, "permitted": all, "inheritable": all, "ambient": ["CAP_CHOWN"]});
            world.config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]});
            world.config["linux"]["resources"]["pids"] = json!({"limit": 50});
        },
        |world| {
            world.config["mounts"].as_array_mut().unwrap().extend([
                json!({"destination": "/a", "type": "tmpfs", "source": "t", "options": ["nosuid", "noexec", "ro", "size=1m"]}),
                json!({"destination": "/etc/some", "type": "bind", "source": "/bin/busybox", "options": ["bind", "ro", "nosuid", "rprivate"]}),
                json!({"destination": "/dir", "type": "bind", "source": "/usr/share", "options": ["rbind", "rslave"]}),
            ]);
            world.config["linux"]["devices"] = json!([{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 3, "gid": 4}]);
            world.config["root"]["readonly"] = json!(false);
            world.config["linux"]["rootfsPropagation"] = json!("private");
            world.config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "cgroup"}));
        },
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut world = World::new(LOOK);
        let host = ["ipc", "mnt", "net", "pid", "uts"]
            .map(|ns| format!("{ns}={}", fs::read_link(format!("/proc/self/ns/{ns}")).unwrap().display()));
        fs::write(world.rootfs().join("host"), host.join("\n")).unwrap();
        change(&mut world);
        let root = world.rootfs().to_string_lossy().into_owned();
        let ours = seen(&mut world, "ours");
        let runc = seen(&mut world, "runc");
        for (name, mut expected) in runc {
            let mut found = ours.get(&name).cloned().unwrap_or_default();
            match name.as_str() {
                "mounts" => (expected, found) = (plain(&expected, &root), plain(&found, &root)),
                // When they were made.
                "dev" => {
                    for list in [&mut expected, &mut found] {
                        for line in list.iter_mut() {
                            let fields: Vec<&str> = line.split_whitespace().collect();
                            *line = [&fields[..4], &fields[fields.len().saturating_sub(3)..]]
                                .concat()
                                .join(" ")
                                .replace(':', "");
                            *line = line
                                .split(' ')
                                .filter(|field| !field.chars().all(|c| c.is_ascii_digit()) || field.len() < 3)
                                .collect::<Vec<_>>()
                                .join(" ");
                        }
                    }
                }
                _ => {}
            }
            assert_eq!(found, expected, "{name} of case {at}");
        }
        world.nothing_left();
    }
}
