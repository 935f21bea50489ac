//! Units as TOML: the sections and keys of unit files, in lower case with underscores.
//!
//! A file may say a service and the socket that starts it, each by its section.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::keys::OWN_SECTION;
use super::{Text, valid_name};
use crate::supervisor::unit::Unit;

/// A value: one, several, or names with values.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Flag(bool),
    Integer(i64),
    Float(f64),
    List(Vec<Value>),
    Table(BTreeMap<String, Value>),
}

type Section = BTreeMap<String, Spanned<Value>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    unit: Section,
    service: Option<Section>,
    socket: Option<Section>,
    #[serde(default)]
    install: Section,
    /// What is ours alone.
    #[serde(default)]
    supervisor: Section,
}

type Entries = Vec<(usize, String, String, String)>;

/// The units of a file, each with its assignments; or what is wrong with which line.
pub(super) fn units(text: &Text) -> Result<Vec<(Unit, Entries)>, (usize, String)> {
    let line = |at: usize| text.text.get(..at).unwrap_or_default().matches('\n').count() + 1;
    let file: File = ::toml::from_str(&text.text)
        .map_err(|error| (error.span().map_or(0, |span| line(span.start)), error.message().trim_end().to_owned()))?;
    let stem = text.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let entries = |section: &str, keys: &Section| -> Entries {
        let all = keys.iter().flat_map(|(key, value)| {
            let key = systemd_key(key);
            let at = line(value.span().start);
            let name = key.clone();
            flat(value.get_ref(), true).into_iter().map(move |value| (at, section.to_owned(), name.clone(), value))
        });
        all.collect()
    };
    let new = |suffix: &str| {
        let name = format!("{stem}.{suffix}");
        valid_name(&name).map_err(|why| (0, why))?;
        Unit::named(&name).ok_or_else(|| (0, format!("'{name}' is no unit")))
    };
    let mut units = Vec::new();
    let unit = entries("Unit", &file.unit);
    if let Some(socket) = &file.socket {
        let described = unit.iter().filter(|(_, _, key, _)| file.service.is_none() || key == "Description");
        let mut all: Entries = described.cloned().collect();
        all.extend(entries("Socket", socket));
        if file.service.is_none() {
            all.extend(entries("Install", &file.install));
        } else {
            // Of a service and its socket in one file, the socket is what runs from the beginning.
            all.push((0, "Install".into(), "WantedBy".into(), "sockets.target".into()));
        }
        units.push((new("socket")?, all));
    }
    if let Some(service) = &file.service {
        let sections = [("Service", service), ("Install", &file.install), (OWN_SECTION, &file.supervisor)];
        let more = sections.into_iter().flat_map(|(section, keys)| entries(section, keys));
        units.push((new("service")?, unit.into_iter().chain(more).collect()));
    } else if file.socket.is_none() {
        units.push((new("target")?, unit.into_iter().chain(entries("Install", &file.install)).collect()));
    }
    Ok(units)
}

/// A value as those that lines of a unit file would have: a list's are assigned one after the other.
fn flat(value: &Value, top: bool) -> Vec<String> {
    match value {
        Value::Text(text) => vec![text.clone()],
        Value::Flag(flag) => vec![if *flag { "yes" } else { "no" }.into()],
        Value::Integer(number) => vec![number.to_string()],
        Value::Float(number) => vec![number.to_string()],
        Value::List(list) if top => list.iter().flat_map(|value| flat(value, false)).collect(),
        // Variables; quoted, since a value may have blanks in it.
        Value::Table(table) if top => {
            let pairs = table.iter().flat_map(|(name, value)| flat(value, false).into_iter().map(move |v| (name, v)));
            pairs
                .map(|(name, value)| format!("\"{name}={}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
                .collect()
        }
        // Deeper than any key goes: as text that no key takes.
        Value::List(_) | Value::Table(_) => vec!["{…}".into()],
    }
}

/// Parts of keys that systemd writes in other letters than a word's.
const PARTS: [(&str, &str); 20] = [
    ("pid", "PID"),
    ("sigkill", "SIGKILL"),
    ("sighup", "SIGHUP"),
    ("umask", "UMask"),
    ("oom", "OOM"),
    ("cpu", "CPU"),
    ("nofile", "NOFILE"),
    ("nproc", "NPROC"),
    ("core", "CORE"),
    ("fsize", "FSIZE"),
    ("data", "DATA"),
    ("stack", "STACK"),
    ("memlock", "MEMLOCK"),
    ("as", "AS"),
    ("rss", "RSS"),
    ("locks", "LOCKS"),
    ("sigpending", "SIGPENDING"),
    ("msgqueue", "MSGQUEUE"),
    ("rtprio", "RTPRIO"),
    ("rttime", "RTTIME"),
];

/// `exec_start_pre` as `ExecStartPre`; what is written as systemd does stays.
fn systemd_key(key: &str) -> String {
    if key.starts_with(|c: char| c.is_ascii_uppercase()) {
        return key.to_owned();
    }
    let word = |word: &str| {
        if let Some((_, other)) = PARTS.iter().find(|(known, _)| *known == word) {
            return (*other).to_owned();
        }
        let mut chars = word.chars();
        chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
    };
    match key {
        "limit_nice" => "LimitNICE".into(),
        _ => key.split('_').map(word).collect(),
    }
}
