//! What a container has used, in the form that `runc events` tells it in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// What a container has used so far, and uses now.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Of the CPUs.
    pub cpu: Cpu,
    /// Of memory.
    pub memory: Memory,
    /// How many processes.
    pub pids: Count,
    /// Of the disks.
    pub blkio: Blkio,
}

/// Of the CPUs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// For how long.
    pub usage: CpuUsage,
    /// How often it was held back by its limit.
    pub throttling: Throttling,
}

/// For how long, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CpuUsage {
    /// Altogether.
    pub total: u64,
    /// On each CPU.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu: Vec<u64>,
    /// In the kernel.
    pub kernel: u64,
    /// Outside of it.
    pub user: u64,
}

/// How often it was held back by its limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throttling {
    /// In how many periods it ran.
    #[serde(skip_serializing_if = "zero")]
    pub periods: u64,
    /// In how many it was held back.
    #[serde(skip_serializing_if = "zero")]
    pub throttled_periods: u64,
    /// For how many nanoseconds.
    #[serde(skip_serializing_if = "zero")]
    pub throttled_time: u64,
}

/// Of memory.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Memory {
    /// What only saves reading files again.
    #[serde(skip_serializing_if = "zero")]
    pub cache: u64,
    /// All of it.
    pub usage: Amount,
    /// With what was swapped out.
    pub swap: Amount,
    /// Of the kernel for it.
    pub kernel: Amount,
    /// Every number that the controller tells.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub raw: BTreeMap<String, u64>,
}

/// An amount with its limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Amount {
    /// How much there may be.
    pub limit: u64,
    /// How much there is.
    #[serde(skip_serializing_if = "zero")]
    pub usage: u64,
    /// How much there was at most.
    #[serde(skip_serializing_if = "zero")]
    pub max: u64,
    /// How often there wasn't enough.
    pub failcnt: u64,
}

/// How many there are, with their limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Count {
    /// How many there are.
    #[serde(skip_serializing_if = "zero")]
    pub current: u64,
    /// How many there may be; 0 is any number.
    #[serde(skip_serializing_if = "zero")]
    pub limit: u64,
}

/// Of the disks.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blkio {
    /// Bytes by device and direction.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_bytes_recursive: Vec<Transfer>,
    /// Transfers by device and direction.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_serviced_recursive: Vec<Transfer>,
}

/// What went between a container and a device.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Transfer {
    /// The driver.
    pub major: u64,
    /// Which of its devices.
    pub minor: u64,
    /// Which direction.
    pub op: String,
    /// How much.
    pub value: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks so
fn zero(value: &u64) -> bool {
    *value == 0
}

/// Reads what the controllers tell; what none tells is 0.
pub(in crate::container) fn read(paths: &BTreeMap<String, PathBuf>) -> Stats {
    let mut stats = Stats::default();
    if let Some(unified) = paths.get("") {
        read_unified(unified, &mut stats);
    }
    if let Some(group) = paths.get("cpuacct") {
        stats.cpu.usage.total = number(group, "cpuacct.usage");
        stats.cpu.usage.percpu =
            text(group, "cpuacct.usage_percpu").split_whitespace().filter_map(|n| n.parse().ok()).collect();
        // In ticks of a hundredth of a second, whatever the kernel's own clock does.
        let ticks = table(&text(group, "cpuacct.stat"));
        let nanos = |name: &str| ticks.get(name).copied().unwrap_or(0).saturating_mul(10_000_000);
        stats.cpu.usage.kernel = nanos("system");
        stats.cpu.usage.user = nanos("user");
    }
    if let Some(group) = paths.get("cpu") {
        let told = table(&text(group, "cpu.stat"));
        let of = |name: &str| told.get(name).copied().unwrap_or(0);
        stats.cpu.throttling = Throttling {
            periods: of("nr_periods"),
            throttled_periods: of("nr_throttled"),
            throttled_time: of("throttled_time"),
        };
    }
    if let Some(group) = paths.get("memory") {
        let amount = |name: &str| Amount {
            limit: number(group, &format!("{name}.limit_in_bytes")),
            usage: number(group, &format!("{name}.usage_in_bytes")),
            max: number(group, &format!("{name}.max_usage_in_bytes")),
            failcnt: number(group, &format!("{name}.failcnt")),
        };
        stats.memory.usage = amount("memory");
        stats.memory.swap = amount("memory.memsw");
        stats.memory.kernel = amount("memory.kmem");
        stats.memory.raw = table(&text(group, "memory.stat"));
        stats.memory.cache = stats.memory.raw.get("cache").copied().unwrap_or(0);
    }
    if let Some(group) = paths.get("pids") {
        stats.pids = Count { current: number(group, "pids.current"), limit: number(group, "pids.max") };
    }
    if let Some(group) = paths.get("blkio") {
        let list = |name: &str| transfers(&text(group, name));
        stats.blkio.io_service_bytes_recursive = list("blkio.throttle.io_service_bytes_recursive");
        stats.blkio.io_serviced_recursive = list("blkio.throttle.io_serviced_recursive");
    }
    stats
}

fn read_unified(group: &Path, stats: &mut Stats) {
    let cpu = table(&text(group, "cpu.stat"));
    // In microseconds.
    let nanos = |name: &str| cpu.get(name).copied().unwrap_or(0).saturating_mul(1000);
    stats.cpu.usage.total = nanos("usage_usec");
    stats.cpu.usage.kernel = nanos("system_usec");
    stats.cpu.usage.user = nanos("user_usec");
    stats.cpu.throttling = Throttling {
        periods: cpu.get("nr_periods").copied().unwrap_or(0),
        throttled_periods: cpu.get("nr_throttled").copied().unwrap_or(0),
        throttled_time: nanos("throttled_usec"),
    };
    let memory = table(&text(group, "memory.stat"));
    stats.memory.cache = memory.get("file").copied().unwrap_or(0);
    stats.memory.raw = memory;
    stats.memory.usage = Amount {
        limit: number(group, "memory.max"),
        usage: number(group, "memory.current"),
        max: number(group, "memory.peak"),
        failcnt: table(&text(group, "memory.events")).get("max").copied().unwrap_or(0),
    };
    stats.memory.swap = Amount {
        limit: number(group, "memory.swap.max"),
        usage: number(group, "memory.swap.current").saturating_add(stats.memory.usage.usage),
        ..Amount::default()
    };
    stats.pids = Count { current: number(group, "pids.current"), limit: number(group, "pids.max") };
    for line in text(group, "io.stat").lines() {
        let mut fields = line.split_whitespace();
        let Some((major, minor)) = fields.next().and_then(device) else { continue };
        for (key, value) in fields.filter_map(|field| field.split_once('=')) {
            let value = value.parse().unwrap_or(0);
            let (list, op) = match key {
                "rbytes" => (&mut stats.blkio.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut stats.blkio.io_service_bytes_recursive, "Write"),
                "rios" => (&mut stats.blkio.io_serviced_recursive, "Read"),
                "wios" => (&mut stats.blkio.io_serviced_recursive, "Write"),
                _ => continue,
            };
            list.push(Transfer { major, minor, op: op.into(), value });
        }
    }
}

fn text(group: &Path, file: &str) -> String {
    fs::read_to_string(group.join(file)).unwrap_or_default()
}

/// A file of one number; a word such as `max` is no limit, told as the largest number.
fn number(group: &Path, file: &str) -> u64 {
    match text(group, file).trim() {
        "max" if file != "pids.max" => u64::MAX,
        text => text.parse().unwrap_or(0),
    }
}

/// Lines of a name and a number.
fn table(text: &str) -> BTreeMap<String, u64> {
    let line =
        |line: &str| line.split_once(' ').and_then(|(name, value)| Some((name.to_owned(), value.trim().parse().ok()?)));
    text.lines().filter_map(line).collect()
}

fn device(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Lines of a device, a direction and a number.
fn transfers(text: &str) -> Vec<Transfer> {
    let line = |line: &str| {
        let mut fields = line.split_whitespace();
        let (major, minor) = device(fields.next()?)?;
        Some(Transfer { major, minor, op: fields.next()?.to_owned(), value: fields.next()?.parse().ok()? })
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_tell_the_same() {
        let groups = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("cpuacct.usage", "5000000\n"),
            ("cpuacct.stat", "user 1\nsystem 2\n"),
            ("cpuacct.usage_percpu", "4 1 \n"),
            ("memory.usage_in_bytes", "77"),
            ("memory.limit_in_bytes", "100"),
            ("memory.stat", "cache 3\nrss 4\n"),
            ("pids.current", "2"),
            ("pids.max", "max"),
            ("blkio.throttle.io_serviced_recursive", "8:0 Read 3\nTotal 3\n"),
            ("cpu.stat", "usage_usec 7\nuser_usec 3\nsystem_usec 4\n"),
            ("memory.current", "5"),
            ("memory.max", "max"),
            ("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"),
        ] {
            fs::write(groups.path().join(file), text).unwrap();
        }
        let paths = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), groups.path().to_owned())).collect();
        let old = read(&paths(&["cpuacct", "memory", "pids", "blkio"]));
        assert_eq!((old.cpu.usage.total, old.cpu.usage.kernel, old.cpu.usage.percpu.len()), (5_000_000, 20_000_000, 2));
        assert_eq!((old.memory.usage.usage, old.memory.usage.limit, old.memory.cache), (77, 100, 3));
        assert_eq!((old.pids.current, old.pids.limit), (2, 0));
        assert_eq!(old.blkio.io_serviced_recursive, [Transfer { major: 8, minor: 0, op: "Read".into(), value: 3 }]);
        let new = read(&paths(&[""]));
        assert_eq!((new.cpu.usage.total, new.memory.usage.usage, new.memory.usage.limit), (7000, 5, u64::MAX));
        assert_eq!(new.blkio.io_service_bytes_recursive.len(), 2);
    }
}
