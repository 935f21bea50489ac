//! The directives whose values are several words, or texts with rules of their own.

use super::directive::memory;
use crate::notify::Class;

/// How long output may queue up for one class of clients (`client-output-buffer-limit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OutputLimit {
    /// At this many bytes the client is dropped; 0 for never.
    pub(crate) hard: u64,
    /// At this many bytes for `seconds` it is dropped; 0 for never.
    pub(crate) soft: u64,
    pub(crate) seconds: u64,
}

/// The classes of clients, as they are printed.
const CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

pub(super) fn anything(_: &[u8]) -> Result<(), &'static str> {
    Ok(())
}

pub(super) fn file_name(text: &[u8]) -> Result<(), &'static str> {
    match text.contains(&b'/') {
        true => Err("dbfilename can't be a path, just a filename"),
        false => Ok(()),
    }
}

pub(super) fn log_name(text: &[u8]) -> Result<(), &'static str> {
    match text {
        b"" => Err("appendfilename can't be empty"),
        _ if text.contains(&b'/') => Err("appendfilename can't be a path, just a filename"),
        _ => Ok(()),
    }
}

pub(super) fn directory_name(text: &[u8]) -> Result<(), &'static str> {
    match text {
        b"" => Err("appenddirname can't be empty"),
        _ if text.contains(&b'/') => Err("appenddirname can't be a path, just a dirname"),
        _ => Ok(()),
    }
}

pub(super) fn host_name(text: &[u8]) -> Result<(), &'static str> {
    if text.len() >= 256 {
        return Err("Hostnames must be less than 256 characters");
    }
    match text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
        true => Ok(()),
        false => Err("Hostnames may only contain alphanumeric characters, hyphens or dots"),
    }
}

pub(super) fn title(text: &[u8]) -> Result<(), &'static str> {
    const KNOWN: [&str; 7] = ["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"];
    const ERROR: &str = "template format is invalid or contains unknown variables";
    let text = std::str::from_utf8(text).ok().filter(|text| !text.is_empty()).ok_or(ERROR)?;
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let close = rest[open..].find('}').ok_or(ERROR)?;
        if !KNOWN.contains(&&rest[open + 1..open + close]) {
            return Err(ERROR);
        }
        rest = &rest[open + close + 1..];
    }
    if rest.contains('}') { Err(ERROR) } else { Ok(()) }
}

pub(super) fn directory(_: &[u8], args: &[&[u8]]) -> Result<Vec<u8>, String> {
    let [path] = args else { return Err("wrong number of arguments".to_owned()) };
    let path = String::from_utf8_lossy(path);
    match std::fs::canonicalize(&*path) {
        Ok(path) if path.is_dir() => Ok(path.to_string_lossy().into_owned().into_bytes()),
        Ok(_) => Err("Not a directory".to_owned()),
        Err(error) => Err(reason(&error)),
    }
}

/// The system's own words for an error, without the number that Rust adds.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

pub(super) fn save(_: &[u8], args: &[&[u8]]) -> Result<Vec<u8>, String> {
    if matches!(args, [] | [b""]) {
        return Ok(Vec::new());
    }
    let least = |at: usize| if at.is_multiple_of(2) { 1 } else { 0 };
    let valid = |(at, arg): (usize, &&[u8])| crate::parse::int(arg).is_some_and(|value| value >= least(at));
    if args.len() % 2 == 1 || !args.iter().enumerate().all(valid) {
        return Err("Invalid save parameters".to_owned());
    }
    Ok(args.join(&b' '))
}

pub(super) fn bind(_: &[u8], args: &[&[u8]]) -> Result<Vec<u8>, String> {
    match args {
        [b""] => Ok(Vec::new()),
        _ if args.len() > 16 => Err("Too many bind addresses specified.".to_owned()),
        _ => Ok(args.join(&b' ')),
    }
}

pub(super) fn replica_of(_: &[u8], args: &[&[u8]]) -> Result<Vec<u8>, String> {
    let [host, port] = args else { return Err("wrong number of arguments".to_owned()) };
    Ok(master(&[host, port])?.map(|_| args.join(&b' ')).unwrap_or_default())
}

/// The master's port in `host port`; `None` for `no one`.
pub(crate) fn master([host, port]: &[&[u8]; 2]) -> Result<Option<u16>, &'static str> {
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        return Ok(None);
    }
    let port = crate::parse::int(port).and_then(|port| u16::try_from(port).ok());
    port.map(Some).ok_or("Invalid master port")
}

pub(super) fn events(_: &[u8], args: &[&[u8]]) -> Result<Vec<u8>, String> {
    let [letters] = args else { return Err("wrong number of arguments".to_owned()) };
    let class = std::str::from_utf8(letters).ok().and_then(Class::parse);
    let class = class.ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
    Ok(class.text().into_bytes())
}

/// Times a second; what is out of reason is brought back into it silently.
pub(super) fn frequency(_: &[u8], args: &[&[u8]]) -> Result<Vec<u8>, String> {
    let [arg] = args else { return Err("wrong number of arguments".to_owned()) };
    match crate::parse::int(arg).ok_or("argument couldn't be parsed into an integer")? {
        value @ 0..=0x7fff_ffff => Ok(value.clamp(1, 500).to_string().into_bytes()),
        _ => Err(format!("argument must be between 0 and {} inclusive", i32::MAX)),
    }
}

pub(super) fn oom_scores(_: &[u8], args: &[&[u8]]) -> Result<Vec<u8>, String> {
    if args.len() != 3 {
        return Err("wrong number of arguments".to_owned());
    }
    match args.iter().all(|arg| crate::parse::int(arg).is_some_and(|value| (-2000..=2000).contains(&value))) {
        true => Ok(args.join(&b' ')),
        false => Err("Invalid oom-score-adj-values, elements must be between -2000 and 2000.".to_owned()),
    }
}

/// `yes` and `relative` are the same, and shown as the first.
pub(super) fn oom_mode(_: &[u8], args: &[&[u8]]) -> Result<Vec<u8>, String> {
    let mode = args.first().copied().unwrap_or_default().to_ascii_lowercase();
    match mode.as_slice() {
        b"no" | b"yes" | b"absolute" => Ok(mode),
        b"relative" => Ok(b"yes".to_vec()),
        _ => Err("argument(s) must be one of the following: no, yes, relative, absolute".to_owned()),
    }
}

pub(super) fn percentiles(_: &[u8], args: &[&[u8]]) -> Result<Vec<u8>, String> {
    if matches!(args, [b""]) {
        return Ok(Vec::new());
    }
    let mut shown = Vec::new();
    for arg in args {
        let value = crate::parse::float(arg).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
        if !(0.0..=100.0).contains(&value) {
            return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".to_owned());
        }
        shown.push(percentile(value));
    }
    Ok(shown.join(" ").into_bytes())
}

/// A percentile as it is printed: six digits behind the point, less the zeros at the end.
pub(crate) fn percentile(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(super) fn output_limits(current: &[u8], args: &[&[u8]]) -> Result<Vec<u8>, String> {
    if matches!(args, [b""]) {
        return Ok(current.to_vec());
    }
    const NUMBERS: &str = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    if !args.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
    }
    let mut limits = parse_output_limits(current);
    for four in args.chunks_exact(4) {
        let class = match four[0].to_ascii_lowercase().as_slice() {
            b"normal" => 0,
            b"slave" | b"replica" => 1,
            b"pubsub" => 2,
            _ => return Err("Invalid client class specified in buffer limit configuration.".to_owned()),
        };
        let seconds = crate::parse::int(four[3]).and_then(|seconds| u64::try_from(seconds).ok());
        let (Some(hard), Some(soft), Some(seconds)) = (memory(four[1]), memory(four[2]), seconds) else {
            return Err(NUMBERS.to_owned());
        };
        limits[class] = OutputLimit { hard, soft, seconds };
    }
    let shown: Vec<String> = CLASSES
        .iter()
        .zip(limits)
        .map(|(class, limit)| format!("{class} {} {} {}", limit.hard, limit.soft, limit.seconds))
        .collect();
    Ok(shown.join(" ").into_bytes())
}

/// The limits of normal clients, replicas and subscribers, from the canonical text.
pub(super) fn parse_output_limits(text: &[u8]) -> [OutputLimit; 3] {
    let numbers: Vec<u64> =
        std::str::from_utf8(text).unwrap_or_default().split(' ').filter_map(|word| word.parse().ok()).collect();
    let mut limits = [OutputLimit::default(); 3];
    for (limit, three) in limits.iter_mut().zip(numbers.chunks_exact(3)) {
        *limit = OutputLimit { hard: three[0], soft: three[1], seconds: three[2] };
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reader: super::super::directive::WordsReader, current: &str, line: &str) -> Result<String, String> {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        reader(current.as_bytes(), &args).map(|value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn buffer_limits_change_only_the_classes_that_are_named() {
        let now = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        let new = read(output_limits, now, "Replica 1k 2kb 3").unwrap();
        assert_eq!(new, "normal 0 0 0 slave 1000 2048 3 pubsub 33554432 8388608 60");
        assert!(read(output_limits, now, "normal 0 0").unwrap_err().starts_with("Wrong number"));
        assert!(read(output_limits, now, "master 0 0 0").unwrap_err().starts_with("Invalid client class"));
        assert!(read(output_limits, now, "normal x 0 0").unwrap_err().starts_with("Error in hard"));
    }

    #[test]
    fn save_points_are_pairs() {
        assert_eq!(read(save, "", "900 1 300 0"), Ok("900 1 300 0".into()));
        assert_eq!(read(save, "900 1", ""), Ok(String::new()));
        for bad in ["900", "0 1", "900 -1", "a b"] {
            assert_eq!(read(save, "", bad), Err("Invalid save parameters".into()), "{bad}");
        }
    }

    #[test]
    fn percentiles_are_printed_short() {
        assert_eq!(read(percentiles, "", "50 99.90 0.0"), Ok("50 99.9 0".into()));
        assert_eq!(read(percentiles, "", ""), Ok(String::new()));
        assert!(read(percentiles, "", "101").is_err());
    }
}
