//! What the operating system knows of this process and its machine. Zero where it doesn't tell.

use std::fs;

fn words(path: &str) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Bytes of memory that the process really takes.
pub(in super::super) fn resident() -> u64 {
    const PAGE: u64 = 4096;
    words("/proc/self/statm").get(1).and_then(|pages| pages.parse().ok()).map_or(0, |pages: u64| pages * PAGE)
}

/// Bytes of memory of the machine.
pub(super) fn memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).map_or(0, |kib: u64| kib * 1024)
}

/// The operating system, its release, the machine.
pub(super) fn system() -> String {
    let first = |path: &str| words(path).into_iter().next();
    let name = first("/proc/sys/kernel/ostype").unwrap_or_else(|| std::env::consts::OS.to_owned());
    let release = first("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{name} {release} {}", std::env::consts::ARCH)
}

/// Seconds of processor time that the process, and of that its first thread, spent in the system and in itself.
pub(super) fn processor() -> [[f64; 2]; 2] {
    const TICKS: f64 = 100.0;
    let times = |path: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        // The name of the program may hold spaces and brackets; the numbers come behind its last bracket.
        let numbers = text.rsplit(')').next().unwrap_or_default();
        let numbers: Vec<f64> = numbers.split_whitespace().map(|word| word.parse().unwrap_or(0.0)).collect();
        [12, 11].map(|at| numbers.get(at).copied().unwrap_or(0.0) / TICKS)
    };
    let pid = std::process::id();
    [times("/proc/self/stat"), times(&format!("/proc/self/task/{pid}/stat"))]
}
