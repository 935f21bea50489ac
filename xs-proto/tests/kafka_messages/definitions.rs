//! The descriptions against Kafka's own definitions, where those are.

use std::path::{Path, PathBuf};

use serde_json::Value;
use xs_proto::kafka::messages::ApiKey;
use xs_proto::kafka::wire::{Field, Kind};

/// `3+`, `1-4`, `2` and `none`.
fn range(text: &str) -> Option<(i16, i16)> {
    if text == "none" {
        return None;
    }
    if let Some(first) = text.strip_suffix('+') {
        return Some((first.parse().unwrap(), i16::MAX));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().unwrap(), last.parse().unwrap()))
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.replace("V3AndBelow", "").chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// A number or a text as the descriptions say it. `None` where it is what the type has anyway.
fn default(field: &Value, null: bool) -> Option<String> {
    let text = match &field["default"] {
        Value::Null => String::new(),
        Value::String(text) => text.to_lowercase(),
        other => other.to_string(),
    };
    let value = match text.as_str() {
        "" | "0" | "false" => None,
        "null" => return None,
        "0x7fffffff" | "2147483647" => Some("i32::MAX".to_owned()),
        "-2147483648" => Some("i32::MIN".to_owned()),
        other => Some(other.to_owned()),
    };
    if null { Some(format!("Some({})", value.as_deref().unwrap_or("Default::default()"))) } else { value }
}

struct Definitions {
    common: Vec<Value>,
    first: i16,
    last: i16,
    checked: usize,
}

impl Definitions {
    fn fields(&mut self, at: &str, theirs: &Value, ours: &'static [Field]) {
        let mut ours = ours.iter();
        for field in theirs.as_array().unwrap() {
            let name = format!("{at}.{}", field["name"].as_str().unwrap());
            let Some((first, last)) = range(field["versions"].as_str().unwrap()) else { continue };
            if last < self.first || self.last < first {
                continue;
            }
            let our = ours.next().unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!(our.name, snake(field["name"].as_str().unwrap()), "{name}");
            let nullable = field["nullableVersions"].as_str().and_then(range);
            for version in self.first..=self.last {
                let there = first <= version && version <= last;
                assert_eq!(our.at.has(version), there, "{name} in version {version}");
                if there {
                    let null = nullable.is_some_and(|(first, last)| first <= version && version <= last);
                    assert_eq!(our.at.can_be_null(version), null, "{name} in version {version}");
                }
            }
            assert_eq!(our.at.tagged().map(u64::from), field["tag"].as_u64(), "{name}");
            if self.first < first || last < self.last {
                let theirs = field["ignorable"].as_bool().unwrap_or(false);
                // One that ends with our newest version may have become so for the sake of later ones.
                assert!(our.at.is_ignorable() == theirs || theirs && last == self.last, "{name}");
            }
            let null = nullable.is_some_and(|(first, _)| first <= self.last);
            assert_eq!(our.default.map(str::to_owned), default(field, null), "{name}");
            self.kind(&name, field, field["type"].as_str().unwrap(), our.kind);
            self.checked += 1;
        }
        assert_eq!(ours.next(), None, "{at}");
    }

    fn kind(&mut self, name: &str, field: &Value, theirs: &str, ours: Kind) {
        match (theirs, ours) {
            ("bool", Kind::Bool)
            | ("int8", Kind::Int8)
            | ("int16", Kind::Int16)
            | ("int32", Kind::Int32)
            | ("int64", Kind::Int64)
            | ("uuid", Kind::Uuid)
            | ("string", Kind::Text)
            | ("bytes", Kind::Bytes)
            | ("records", Kind::Records) => {}
            (theirs, Kind::Array(ours)) if theirs.starts_with("[]") => self.kind(name, field, &theirs[2..], *ours),
            (theirs, Kind::Struct(ours)) => {
                let mut fields = field["fields"].clone();
                if fields.is_null() {
                    let common = self.common.iter().find(|common| common["name"] == theirs);
                    fields = common.unwrap_or_else(|| panic!("{name}: no structure {theirs}"))["fields"].clone();
                }
                self.fields(name, &fields, ours);
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// JSON with comments: a line's rest behind `//` that is not within a string.
fn load(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let mut quoted = false;
        let end = line.char_indices().find(|&(at, c)| {
            quoted ^= c == '"';
            !quoted && line[at..].starts_with("//")
        });
        line[..end.map_or(line.len(), |(at, _)| at)].to_owned()
    };
    let text: Vec<String> = text.lines().map(line).collect();
    serde_json::from_str(&text.join("\n")).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What the variable KAFKA_MESSAGES names, which may be Kafka's own clients/src/main/resources/common/message; else what
/// kafka-python brings of it, where `.ci/tools` has put that.
fn definitions() -> PathBuf {
    if let Some(dir) = std::env::var_os("KAFKA_MESSAGES") {
        return dir.into();
    }
    let pythons = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/venv/lib");
    let pythons = std::fs::read_dir(&pythons).expect("the virtual environment of .ci/tools");
    let dirs = pythons.map(|python| python.unwrap().path().join("site-packages/kafka/protocol/schemas/resources"));
    dirs.into_iter().find(|dir| dir.is_dir()).expect("kafka-python, which .ci/tools installs")
}

#[test]
#[ignore = "needs Kafka's definitions of its messages, which come with kafka-python (PyPI)"]
fn the_descriptions_are_kafka_s_own() {
    let dir = definitions();
    let mut checked = 0;
    for &api in ApiKey::ALL {
        let (request, response) = api.kinds();
        for (suffix, kind) in [("Request", request), ("Response", response)] {
            let theirs = load(&dir.join(format!("{}{suffix}.json", api.name())));
            assert_eq!(theirs["apiKey"], api.code());
            let (first, last) = range(theirs["validVersions"].as_str().unwrap()).unwrap();
            let versions = api.versions();
            assert!(first <= *versions.start() && *versions.end() <= last, "{api:?}: {first} to {last}");
            let flexible = range(theirs["flexibleVersions"].as_str().unwrap());
            for version in versions.clone() {
                let theirs = flexible.is_some_and(|(first, last)| first <= version && version <= last);
                assert_eq!(api.is_flexible(version), theirs, "{api:?} {version}");
            }
            let common = theirs["commonStructs"].as_array().cloned().unwrap_or_default();
            let mut definitions = Definitions { common, first: *versions.start(), last: *versions.end(), checked: 0 };
            let Kind::Struct(ours) = kind else { panic!("{api:?} is no structure") };
            definitions.fields(&format!("{}{suffix}", api.name()), &theirs["fields"], ours);
            checked += definitions.checked;
        }
    }
    assert!(checked > 500, "{checked} fields");
}
