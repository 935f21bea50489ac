//! A container's `config.json`: no input panics; what is taken leads nowhere outside, and is the same when it is written and read
//! again. The kernel's list of mounts and groups: no input panics.
#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use xs_os::container::{Plan, cgroup_of, device_rules, parse_config, parse_hierarchies, unified, version_1, version_2};

fn inside(path: &Path) {
    assert!(path.is_absolute());
    assert!(path.components().skip(1).all(|part| matches!(part, Component::Normal(_))), "{path:?}");
}

fuzz_target!(|data: &[u8]| {
    let half = data.len() / 2;
    for hierarchy in parse_hierarchies(&data[..half], &data[half..]) {
        assert!(hierarchy.directory(Path::new("/../a/../../b")).starts_with(&hierarchy.mount));
    }
    let Ok(spec) = parse_config(data) else { return };
    let again = serde_json::to_vec(&spec).unwrap();
    assert_eq!(parse_config(&again).unwrap(), spec);
    let linux = spec.linux().as_ref().unwrap();
    if let Some(resources) = linux.resources() {
        let _ = (version_1(resources), version_2(resources), unified(resources), device_rules(Some(resources), true));
    }
    for systemd in [false, true] {
        if let Ok(group) = cgroup_of(linux.cgroups_path().as_deref(), "id", systemd) {
            assert!(group.components().all(|part| part != Component::ParentDir));
        }
    }
    let Ok(plan) = Plan::new(&spec, Path::new("/bundle")) else { return };
    plan.mounts.iter().for_each(|mount| inside(&mount.destination));
    plan.devices.iter().for_each(|device| inside(&device.path));
    plan.masked.iter().chain(&plan.readonly_paths).for_each(|path| inside(path));
    plan.settings.keys().for_each(|path| assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{path:?}"));
});
