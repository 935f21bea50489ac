//! What the kernel tells of a process: `/proc`.

use std::path::Path;
use std::{fs, io};

/// The kernel's clock ticks a second, as `/proc` counts them.
const TICKS: f64 = 100.0;

/// Processor seconds of a process (`self`, or its number) and of its threads, the ended ones included; in hundredths.
pub(crate) fn ticks(pid: &str) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold anything; the counts are the 14th and 15th field.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / TICKS)
}

/// The number behind a label in one of a process's files.
pub(crate) fn figure(pid: &str, file: &str, label: &str) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("no {label} in /proc/{pid}/{file}")))
}

/// What the files take on the disk, holes not counted. A file that goes meanwhile takes nothing.
pub(crate) fn directory_bytes(dir: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        bytes += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => directory_bytes(&entry.path())?,
            Ok(metadata) => metadata.blocks() * 512,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(bytes)
}
