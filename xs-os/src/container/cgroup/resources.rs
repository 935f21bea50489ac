//! What is written where to hold a container to its limits, as data.

use oci_spec::runtime::{LinuxBlockIo, LinuxDeviceCgroup, LinuxResources, LinuxThrottleDevice};

use crate::container::error::{Error, Result};

/// One value for one file of a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The controller.
    pub controller: String,
    /// The file in the group's directory.
    pub file: String,
    /// What is written to it.
    pub value: String,
}

fn write(controller: &str, file: impl Into<String>, value: impl ToString) -> Write {
    Write { controller: controller.into(), file: file.into(), value: value.to_string() }
}

/// No limit is -1 in version 1, and a word in version 2.
fn or_max(value: i64) -> String {
    if value < 0 { "max".into() } else { value.to_string() }
}

/// What limits mean for a controller of version 1. The order matters: a limit with swap can't be below the one without.
#[allow(deprecated)] // the limit of kernel memory: old configurations say it, and the kernel takes no heed
pub fn version_1(resources: &LinuxResources) -> Result<Vec<Write>> {
    let mut writes = Vec::new();
    let mut put = |controller: &str, file: &str, value: Option<String>| {
        writes.extend(value.map(|value| write(controller, file, value)));
    };
    if let Some(memory) = resources.memory() {
        put("memory", "memory.limit_in_bytes", memory.limit().map(|v| v.to_string()));
        put("memory", "memory.memsw.limit_in_bytes", memory.swap().map(|v| v.to_string()));
        put("memory", "memory.soft_limit_in_bytes", memory.reservation().map(|v| v.to_string()));
        put("memory", "memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp().map(|v| v.to_string()));
        put("memory", "memory.swappiness", memory.swappiness().map(|v| v.to_string()));
        put("memory", "memory.oom_control", memory.disable_oom_killer().filter(|off| *off).map(|_| "1".into()));
    }
    if let Some(cpu) = resources.cpu() {
        put("cpu", "cpu.shares", cpu.shares().filter(|v| *v != 0).map(|v| v.to_string()));
        put("cpu", "cpu.cfs_period_us", cpu.period().filter(|v| *v != 0).map(|v| v.to_string()));
        put("cpu", "cpu.cfs_quota_us", cpu.quota().filter(|v| *v != 0).map(|v| v.to_string()));
        put("cpu", "cpu.cfs_burst_us", cpu.burst().map(|v| v.to_string()));
        put("cpu", "cpu.rt_period_us", cpu.realtime_period().filter(|v| *v != 0).map(|v| v.to_string()));
        put("cpu", "cpu.rt_runtime_us", cpu.realtime_runtime().filter(|v| *v != 0).map(|v| v.to_string()));
        put("cpu", "cpu.idle", cpu.idle().map(|v| v.to_string()));
        put("cpuset", "cpuset.cpus", cpu.cpus().clone().filter(|set| !set.is_empty()));
        put("cpuset", "cpuset.mems", cpu.mems().clone().filter(|set| !set.is_empty()));
    }
    put("pids", "pids.max", pids(resources));
    if let Some(io) = resources.block_io() {
        let device =
            |major: i64, minor: i64, value: &dyn ToString| Some(format!("{major}:{minor} {}", value.to_string()));
        put("blkio", "blkio.weight", io.weight().filter(|v| *v != 0).map(|v| v.to_string()));
        put("blkio", "blkio.leaf_weight", io.leaf_weight().filter(|v| *v != 0).map(|v| v.to_string()));
        for one in io.weight_device().iter().flatten() {
            put("blkio", "blkio.weight_device", one.weight().and_then(|v| device(one.major(), one.minor(), &v)));
            put(
                "blkio",
                "blkio.leaf_weight_device",
                one.leaf_weight().and_then(|v| device(one.major(), one.minor(), &v)),
            );
        }
        for (file, list) in throttles(
            io,
            [
                "blkio.throttle.read_bps_device",
                "blkio.throttle.write_bps_device",
                "blkio.throttle.read_iops_device",
                "blkio.throttle.write_iops_device",
            ],
        ) {
            for one in list {
                put("blkio", file, device(one.major(), one.minor(), &one.rate()));
            }
        }
    }
    for one in resources.hugepage_limits().iter().flatten() {
        put(
            "hugetlb",
            &format!("hugetlb.{}.limit_in_bytes", page_size(one.page_size())?),
            Some(one.limit().to_string()),
        );
    }
    if let Some(network) = resources.network() {
        put("net_cls", "net_cls.classid", network.class_id().map(|v| v.to_string()));
        for one in network.priorities().iter().flatten() {
            put("net_prio", "net_prio.ifpriomap", Some(format!("{} {}", one.name(), one.priority())));
        }
    }
    rdma(resources, &mut put);
    Ok(writes)
}

/// What limits mean for a controller of version 2.
pub fn version_2(resources: &LinuxResources) -> Result<Vec<Write>> {
    let mut writes = Vec::new();
    let mut put = |controller: &str, file: &str, value: Option<String>| {
        writes.extend(value.map(|value| write(controller, file, value)));
    };
    if let Some(memory) = resources.memory() {
        put("memory", "memory.max", memory.limit().filter(|v| *v != 0).map(or_max));
        // Version 1 counts memory and swap together, version 2 apart.
        let swap = match (memory.swap(), memory.limit()) {
            (None | Some(0), _) => None,
            (Some(swap), _) if swap < 0 => Some("max".into()),
            (Some(swap), Some(limit)) if limit >= 0 && swap >= limit => Some((swap - limit).to_string()),
            (Some(_), _) => {
                return Err(Error::config(
                    "linux.resources.memory.swap",
                    "should not be less than the limit of memory",
                ));
            }
        };
        put("memory", "memory.swap.max", swap);
        put("memory", "memory.low", memory.reservation().filter(|v| *v != 0).map(or_max));
        if memory.disable_oom_killer() == Some(true) || memory.swappiness().is_some() || memory.kernel_tcp().is_some() {
            return Err(Error::Unsupported(
                "linux.resources.memory: disableOOMKiller, swappiness or kernelTCP in version 2 of control groups"
                    .into(),
            ));
        }
    }
    if let Some(cpu) = resources.cpu() {
        put("cpu", "cpu.weight", cpu.shares().filter(|v| *v != 0).map(|shares| weight(shares).to_string()));
        if cpu.quota().is_some_and(|v| v != 0) || cpu.period().is_some_and(|v| v != 0) {
            let quota = cpu.quota().filter(|quota| *quota > 0).map_or("max".into(), |quota| quota.to_string());
            let period = cpu.period().filter(|period| *period != 0).unwrap_or(100_000);
            put("cpu", "cpu.max", Some(format!("{quota} {period}")));
        }
        put("cpu", "cpu.max.burst", cpu.burst().map(|v| v.to_string()));
        put("cpu", "cpu.idle", cpu.idle().map(|v| v.to_string()));
        put("cpuset", "cpuset.cpus", cpu.cpus().clone().filter(|set| !set.is_empty()));
        put("cpuset", "cpuset.mems", cpu.mems().clone().filter(|set| !set.is_empty()));
        if cpu.realtime_period().is_some_and(|v| v != 0) || cpu.realtime_runtime().is_some_and(|v| v != 0) {
            return Err(Error::Unsupported("linux.resources.cpu: real time in version 2 of control groups".into()));
        }
    }
    put("pids", "pids.max", pids(resources));
    if let Some(io) = resources.block_io() {
        put("io", "io.weight", io.weight().filter(|v| *v != 0).map(|weight| format!("default {weight}")));
        for one in io.weight_device().iter().flatten() {
            put("io", "io.weight", one.weight().map(|weight| format!("{}:{} {weight}", one.major(), one.minor())));
        }
        for (key, list) in throttles(io, ["rbps", "wbps", "riops", "wiops"]) {
            for one in list {
                put("io", "io.max", Some(format!("{}:{} {key}={}", one.major(), one.minor(), one.rate())));
            }
        }
        if io.leaf_weight().is_some_and(|v| v != 0) {
            return Err(Error::Unsupported("linux.resources.blockIO.leafWeight in version 2 of control groups".into()));
        }
    }
    for one in resources.hugepage_limits().iter().flatten() {
        put("hugetlb", &format!("hugetlb.{}.max", page_size(one.page_size())?), Some(one.limit().to_string()));
    }
    if resources
        .network()
        .as_ref()
        .is_some_and(|network| network.class_id().is_some_and(|v| v != 0) || network.priorities().is_some())
    {
        return Err(Error::Unsupported("linux.resources.network in version 2 of control groups".into()));
    }
    rdma(resources, &mut put);
    Ok(writes)
}

/// Files of version 2 that the configuration names itself.
pub fn unified(resources: &LinuxResources) -> Result<Vec<Write>> {
    let mut writes = Vec::new();
    for (file, value) in resources.unified().iter().flatten() {
        let path = || format!("linux.resources.unified.{file}");
        let controller = file.split_once('.').map(|(controller, _)| controller);
        let Some(controller) =
            controller.filter(|name| !name.is_empty() && !file.contains('/') && !file.contains('\0'))
        else {
            return Err(Error::config(path(), "is no file of a controller"));
        };
        writes.extend(value.lines().map(|line| write(controller, file.as_str(), line)));
    }
    writes.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(writes)
}

fn pids(resources: &LinuxResources) -> Option<String> {
    let limit = resources.pids().as_ref()?.limit();
    if limit == 0 { None } else { Some(or_max(limit)) }
}

/// Shares from 2 to 262144 as a weight from 1 to 10000, as systemd and the other runtimes convert them.
pub fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

fn page_size(size: &str) -> Result<&str> {
    let fine = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fine {
        Ok(size)
    } else {
        Err(Error::config("linux.resources.hugepageLimits", format!("{size:?} is no size of a page")))
    }
}

fn throttles<'a>(io: &'a LinuxBlockIo, names: [&'static str; 4]) -> [(&'static str, &'a [LinuxThrottleDevice]); 4] {
    let [a, b, c, d] = names;
    [
        (a, io.throttle_read_bps_device().as_deref().unwrap_or_default()),
        (b, io.throttle_write_bps_device().as_deref().unwrap_or_default()),
        (c, io.throttle_read_iops_device().as_deref().unwrap_or_default()),
        (d, io.throttle_write_iops_device().as_deref().unwrap_or_default()),
    ]
}

fn rdma(resources: &LinuxResources, put: &mut impl FnMut(&str, &str, Option<String>)) {
    for (name, limit) in resources.rdma().iter().flatten() {
        let part = |key: &str, value: Option<u32>| value.map(|value| format!(" {key}={value}")).unwrap_or_default();
        let line =
            format!("{name}{}{}", part("hca_handle", limit.hca_handles()), part("hca_object", limit.hca_objects()));
        put("rdma", "rdma.max", Some(line));
    }
}

/// One rule for devices; the last that fits counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRule {
    /// It lets something be done.
    pub allow: bool,
    /// `a` for all, `b` or `c`.
    pub kind: char,
    /// The driver; any if none.
    pub major: Option<u32>,
    /// Which of its devices; any if none.
    pub minor: Option<u32>,
    /// What: reading, writing, making the file.
    pub access: String,
}

impl DeviceRule {
    /// The file that version 1 reads it from, and how it is written there.
    pub fn version_1(&self) -> Write {
        let number = |number: Option<u32>| number.map_or("*".into(), |number| number.to_string());
        let file = if self.allow { "devices.allow" } else { "devices.deny" };
        write("devices", file, format!("{} {}:{} {}", self.kind, number(self.major), number(self.minor), self.access))
    }
}

/// The rules of a container: what its configuration says, and then what every container may do. Without the latter no program
/// would run.
pub fn device_rules(resources: Option<&LinuxResources>, terminal: bool) -> Result<Vec<DeviceRule>> {
    let said = resources.and_then(|resources| resources.devices().as_deref()).unwrap_or_default();
    if said.is_empty() {
        return Ok(Vec::new());
    }
    let mut rules = said.iter().enumerate().map(|(at, rule)| device_rule(at, rule)).collect::<Result<Vec<_>>>()?;
    let mut allow = |kind, major, minor, access: &str| {
        rules.push(DeviceRule { allow: true, kind, major, minor, access: access.into() });
    };
    allow('c', None, None, "m");
    allow('b', None, None, "m");
    for (_, major, minor) in crate::container::plan::DEVICES {
        allow('c', Some(major), Some(minor), "rwm");
    }
    // Terminals, and what makes them.
    allow('c', Some(136), None, "rwm");
    allow('c', Some(5), Some(2), "rwm");
    if terminal {
        allow('c', Some(5), Some(1), "rwm");
    }
    Ok(rules)
}

fn device_rule(at: usize, rule: &LinuxDeviceCgroup) -> Result<DeviceRule> {
    let path = format!("linux.resources.devices[{at}]");
    let number = |number: Option<i64>| match number {
        None | Some(-1) => Ok(None),
        Some(number) => {
            u32::try_from(number).map(Some).map_err(|_| Error::config(path.as_str(), "a number is out of range"))
        }
    };
    let access = rule.access().as_deref().unwrap_or("rwm");
    if access.is_empty() || !access.bytes().all(|byte| b"rwm".contains(&byte)) {
        return Err(Error::config(path, format!("access {access:?} is not of r, w and m")));
    }
    let kind = match rule.typ().map(|typ| typ.as_str().to_owned()).as_deref() {
        Some("b") => 'b',
        Some("c" | "u") => 'c',
        None | Some("a") => 'a',
        Some(_) => return Err(Error::config(path, "type is none that a device can have")),
    };
    Ok(DeviceRule {
        allow: rule.allow(),
        kind,
        major: number(rule.major())?,
        minor: number(rule.minor())?,
        access: access.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(json: &str) -> LinuxResources {
        serde_json::from_str(json).unwrap()
    }

    fn told(writes: Vec<Write>) -> Vec<String> {
        writes.into_iter().map(|write| format!("{}={}", write.file, write.value)).collect()
    }

    const SOME: &str = r#"{"memory": {"limit": 1000, "swap": 1500, "reservation": -1}, "cpu": {"shares": 1024, "quota": 5000, "cpus": "0-1"},
        "pids": {"limit": -1}, "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}]}}"#;

    #[test]
    fn the_same_limits_in_both_versions() {
        assert_eq!(
            told(version_1(&resources(SOME)).unwrap()),
            [
                "memory.limit_in_bytes=1000",
                "memory.memsw.limit_in_bytes=1500",
                "memory.soft_limit_in_bytes=-1",
                "cpu.shares=1024",
                "cpu.cfs_quota_us=5000",
                "cpuset.cpus=0-1",
                "pids.max=max",
                "blkio.throttle.read_bps_device=8:0 600"
            ]
        );
        assert_eq!(
            told(version_2(&resources(SOME)).unwrap()),
            [
                "memory.max=1000",
                "memory.swap.max=500",
                "memory.low=max",
                "cpu.weight=39",
                "cpu.max=5000 100000",
                "cpuset.cpus=0-1",
                "pids.max=max",
                "io.max=8:0 rbps=600"
            ]
        );
    }

    #[test]
    fn shares_are_weights() {
        assert_eq!((weight(0), weight(2), weight(1024), weight(262_144), weight(u64::MAX)), (1, 1, 39, 10_000, 10_000));
    }

    #[test]
    fn a_file_of_another_directory_is_refused() {
        for file in ["../cgroup.procs", "x", "/etc.x", ".x"] {
            let json = format!(r#"{{"unified": {{"{file}": "1"}}}}"#);
            assert!(unified(&resources(&json)).is_err(), "{file}");
        }
        assert_eq!(
            told(unified(&resources(r#"{"unified": {"io.max": "8:0 rbps=1\n8:1 rbps=2"}}"#)).unwrap()),
            ["io.max=8:0 rbps=1", "io.max=8:1 rbps=2"]
        );
    }

    #[test]
    fn device_rules_end_with_what_everybody_may() {
        let rules =
            device_rules(Some(&resources(r#"{"devices": [{"allow": false, "access": "rwm"}]}"#)), false).unwrap();
        let lines: Vec<_> = rules.iter().map(DeviceRule::version_1).collect();
        assert_eq!((lines[0].file.as_str(), lines[0].value.as_str()), ("devices.deny", "a *:* rwm"));
        assert!(lines[1..].iter().all(|line| line.file == "devices.allow"));
        assert!(device_rules(None, false).unwrap().is_empty());
        assert!(device_rules(Some(&resources(r#"{"devices": [{"allow": true, "access": "x"}]}"#)), false).is_err());
    }
}
