//! What a topic can be told, by Kafka's names: one row a setting.
//!
//! A topic remembers what was said of it. All else is as the broker has it, today and after its next start.

use std::collections::BTreeSet;

use xs_proto::kafka::ErrorCode;
use xs_storage::partition::{Compaction, PartitionOptions, Retention};

use crate::topics::Refusal;

/// A topic's settings, all of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TopicConfig {
    pub(crate) max_batch: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) segment_ms: i64,
    /// Records get the broker's time.
    pub(crate) stamp: bool,
    /// None is for ever.
    pub(crate) retention_ms: Option<i64>,
    /// None is any number.
    pub(crate) retention_bytes: Option<u64>,
    /// Old records are deleted.
    pub(crate) delete: bool,
    /// Of each key the last record is kept, at least.
    pub(crate) compact: bool,
    pub(crate) min_dirty_ratio: f64,
    pub(crate) min_lag_ms: i64,
    /// None is never.
    pub(crate) max_lag_ms: Option<i64>,
    pub(crate) delete_retention_ms: i64,
    /// The names of what was said.
    said: BTreeSet<&'static str>,
}

impl Default for TopicConfig {
    fn default() -> Self {
        let (partition, compaction) = (PartitionOptions::default(), Compaction::default());
        TopicConfig {
            max_batch: partition.max_batch,
            segment_bytes: partition.segment_bytes,
            segment_ms: partition.segment_ms.unwrap_or(i64::MAX),
            stamp: false,
            retention_ms: Some(7 * 24 * 60 * 60 * 1000),
            retention_bytes: None,
            delete: true,
            compact: false,
            min_dirty_ratio: compaction.min_dirty_ratio,
            min_lag_ms: compaction.min_lag_ms,
            max_lag_ms: compaction.max_lag_ms,
            delete_retention_ms: compaction.delete_retention_ms,
            said: BTreeSet::new(),
        }
    }
}

/// The kinds of values, with their numbers in DescribeConfigs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean = 1,
    Text = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// A row: how a setting is called, shown and understood.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// It holds from a topic's beginning on.
    pub(crate) fixed: bool,
    pub(crate) get: fn(&TopicConfig) -> String,
    set: fn(&mut TopicConfig, &str) -> Result<(), &'static str>,
}

const fn row(
    name: &'static str,
    kind: Kind,
    get: fn(&TopicConfig) -> String,
    set: fn(&mut TopicConfig, &str) -> Result<(), &'static str>,
) -> Setting {
    Setting { name, kind, fixed: false, get, set }
}

const fn fixed(row: Setting) -> Setting {
    Setting { fixed: true, ..row }
}

/// A number from `least` to `most`.
fn number(text: &str, least: i64, most: i64, why: &'static str) -> Result<i64, &'static str> {
    text.parse().ok().filter(|n| (least..=most).contains(n)).ok_or(why)
}

const INT: i64 = i32::MAX as i64;
const FROM_0: &str = "a number from 0";
const FROM_MINUS_1: &str = "a number from -1";

fn or_minus_1<T: TryInto<i64>>(value: Option<T>) -> String {
    value.and_then(|n| n.try_into().ok()).unwrap_or(-1).to_string()
}

/// All that there is, sorted by name.
pub(crate) const SETTINGS: &[Setting] = &[
    row("cleanup.policy", Kind::List, |topic| topic.policies().join(","), TopicConfig::set_policies),
    row(
        "compression.type",
        Kind::Text,
        |_| "producer".into(),
        |_, text| match text {
            // What is so anyway may be said.
            "producer" => Ok(()),
            _ => Err("batches are kept as producers compress them: producer"),
        },
    ),
    row(
        "delete.retention.ms",
        Kind::Long,
        |topic| topic.delete_retention_ms.to_string(),
        |topic, text| {
            topic.delete_retention_ms = number(text, 0, i64::MAX, FROM_0)?;
            Ok(())
        },
    ),
    row(
        "max.compaction.lag.ms",
        Kind::Long,
        |topic| topic.max_lag_ms.unwrap_or(i64::MAX).to_string(),
        |topic, text| {
            topic.max_lag_ms = Some(number(text, 1, i64::MAX, "a number from 1")?).filter(|ms| *ms < i64::MAX);
            Ok(())
        },
    ),
    row(
        "max.message.bytes",
        Kind::Int,
        |topic| topic.max_batch.to_string(),
        |topic, text| {
            topic.max_batch = number(text, 0, INT, "a number from 0 to 2147483647")?.unsigned_abs();
            Ok(())
        },
    ),
    row(
        "message.timestamp.type",
        Kind::Text,
        |topic| if topic.stamp { "LogAppendTime" } else { "CreateTime" }.into(),
        |topic, text| {
            topic.stamp = match text {
                "CreateTime" => false,
                "LogAppendTime" => true,
                _ => return Err("CreateTime or LogAppendTime"),
            };
            Ok(())
        },
    ),
    row(
        "min.cleanable.dirty.ratio",
        Kind::Double,
        |topic| topic.min_dirty_ratio.to_string(),
        |topic, text| {
            let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
            topic.min_dirty_ratio = ratio.ok_or("a number from 0 to 1")?;
            Ok(())
        },
    ),
    row(
        "min.compaction.lag.ms",
        Kind::Long,
        |topic| topic.min_lag_ms.to_string(),
        |topic, text| {
            topic.min_lag_ms = number(text, 0, i64::MAX, FROM_0)?;
            Ok(())
        },
    ),
    row(
        "min.insync.replicas",
        Kind::Int,
        |_| "1".into(),
        |_, text| match text {
            "1" => Ok(()),
            _ => Err("there is one broker: 1"),
        },
    ),
    row(
        "retention.bytes",
        Kind::Long,
        |topic| or_minus_1(topic.retention_bytes),
        |topic, text| {
            topic.retention_bytes = u64::try_from(number(text, -1, i64::MAX, FROM_MINUS_1)?).ok();
            Ok(())
        },
    ),
    row(
        "retention.ms",
        Kind::Long,
        |topic| or_minus_1(topic.retention_ms),
        |topic, text| {
            topic.retention_ms = Some(number(text, -1, i64::MAX, FROM_MINUS_1)?).filter(|ms| *ms >= 0);
            Ok(())
        },
    ),
    fixed(row(
        "segment.bytes",
        Kind::Int,
        |topic| topic.segment_bytes.to_string(),
        |topic, text| {
            topic.segment_bytes = number(text, 4096, INT, "a number from 4096 to 2147483647")?.unsigned_abs();
            Ok(())
        },
    )),
    fixed(row(
        "segment.ms",
        Kind::Long,
        |topic| topic.segment_ms.to_string(),
        |topic, text| {
            topic.segment_ms = number(text, 1, i64::MAX, "a number from 1")?;
            Ok(())
        },
    )),
];

/// The row of this name.
fn setting(name: &str) -> Result<&'static Setting, Refusal> {
    let unknown = || (ErrorCode::INVALID_CONFIG, format!("Unknown topic config name: {name}"));
    SETTINGS.iter().find(|setting| setting.name == name).ok_or_else(unknown)
}

impl TopicConfig {
    fn policies(&self) -> Vec<&'static str> {
        let policies = [(self.compact, "compact"), (self.delete, "delete")];
        policies.into_iter().filter(|(on, _)| *on).map(|(_, name)| name).collect()
    }

    fn set_policies(&mut self, text: &str) -> Result<(), &'static str> {
        let (mut compact, mut delete) = (false, false);
        for policy in text.split(',').map(str::trim) {
            match policy {
                "compact" => compact = true,
                "delete" => delete = true,
                _ => return Err("compact, delete or both"),
            }
        }
        (self.compact, self.delete) = (compact, delete);
        Ok(())
    }

    /// Says a setting.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), Refusal> {
        let setting = setting(name)?;
        let set = value.ok_or("a value is missing").and_then(|value| (setting.set)(self, value));
        set.map_err(|why| (ErrorCode::INVALID_CONFIG, format!("Invalid value for configuration {name}: {why}")))?;
        self.said.insert(setting.name);
        Ok(())
    }

    /// Takes back what was said.
    pub(crate) fn unset(&mut self, name: &str, defaults: &TopicConfig) -> Result<(), Refusal> {
        let setting = setting(name)?;
        self.said.remove(setting.name);
        (setting.set)(self, &(setting.get)(defaults)).expect("what was shown is understood");
        Ok(())
    }

    /// Adds to a list, or takes out of it.
    pub(crate) fn edit(&mut self, name: &str, value: Option<&str>, add: bool) -> Result<(), Refusal> {
        let setting = setting(name)?;
        if setting.kind != Kind::List {
            return Err((ErrorCode::INVALID_CONFIG, format!("Configuration {name} is no list.")));
        }
        let now = (setting.get)(self);
        let items: Vec<&str> = value.unwrap_or_default().split(',').map(str::trim).collect();
        let mut list: Vec<&str> = now.split(',').filter(|item| add || !items.contains(item)).collect();
        if add {
            list.extend(items);
        }
        self.set(name, Some(&list.join(",")))
    }

    /// Whether this was said of the topic.
    pub(crate) fn is_said(&self, setting: &Setting) -> bool {
        self.said.contains(setting.name)
    }

    /// What may not be changed once a topic is there, and differs.
    pub(crate) fn fixed_change(&self, to: &TopicConfig) -> Result<(), Refusal> {
        match SETTINGS.iter().find(|setting| setting.fixed && (setting.get)(self) != (setting.get)(to)) {
            None => Ok(()),
            Some(Setting { name, .. }) => {
                Err((ErrorCode::INVALID_CONFIG, format!("Configuration {name} is said when a topic is made.")))
            }
        }
    }

    /// What was said, as lines of `name=value` that [`TopicConfig::read`] understands.
    pub(crate) fn write(&self) -> String {
        let said = SETTINGS.iter().filter(|setting| self.is_said(setting));
        said.map(|setting| format!("{}={}\n", setting.name, (setting.get)(self))).collect()
    }

    pub(crate) fn read(text: &str, defaults: &TopicConfig) -> Result<TopicConfig, String> {
        let mut config = defaults.clone();
        for line in text.lines() {
            let (name, value) = line.split_once('=').ok_or_else(|| format!("no value in {line:?}"))?;
            config.set(name, Some(value)).map_err(|(_, why)| why)?;
        }
        Ok(config)
    }

    /// How long records are kept.
    pub(crate) fn retention(&self) -> Retention {
        Retention {
            older_than_ms: self.retention_ms.filter(|_| self.delete),
            more_than_bytes: self.retention_bytes.filter(|_| self.delete),
            ..Retention::default()
        }
    }

    /// How keys that stand there twice are cleaned away, if they are.
    pub(crate) fn compaction(&self) -> Option<Compaction> {
        self.compact.then(|| Compaction {
            min_dirty_ratio: self.min_dirty_ratio,
            min_lag_ms: self.min_lag_ms,
            max_lag_ms: self.max_lag_ms,
            delete_retention_ms: self.delete_retention_ms,
            ..Compaction::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_written_and_read_and_can_be_taken_back() {
        let defaults = TopicConfig { segment_bytes: 8192, ..TopicConfig::default() };
        let mut config = defaults.clone();
        assert_eq!(config.write(), "");
        for (name, value) in [
            ("retention.ms", "-1"),
            ("retention.bytes", "5"),
            ("message.timestamp.type", "LogAppendTime"),
            ("cleanup.policy", "delete,compact"),
            ("min.cleanable.dirty.ratio", "0.25"),
        ] {
            config.set(name, Some(value)).unwrap();
        }
        assert_eq!(TopicConfig::read(&config.write(), &defaults), Ok(config.clone()));
        assert!(config.compact && config.delete && config.retention().older_than_ms.is_none());
        config.edit("cleanup.policy", Some("delete"), false).unwrap();
        assert_eq!(config.policies(), ["compact"]);
        for setting in SETTINGS {
            config.unset(setting.name, &defaults).unwrap();
        }
        assert_eq!(config, defaults);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut config = TopicConfig::default();
        for (name, value) in [
            ("retention.ms", "-2"),
            ("cleanup.policy", ""),
            ("segment.bytes", "1"),
            ("min.cleanable.dirty.ratio", "1.5"),
            ("min.cleanable.dirty.ratio", "NaN"),
            ("nonsense", "1"),
        ] {
            assert_eq!(config.set(name, Some(value)).unwrap_err().0, ErrorCode::INVALID_CONFIG, "{name}");
        }
        assert_eq!(config, TopicConfig::default());
        assert!(TopicConfig::read("max.message.bytes", &config).is_err());
        assert!(config.edit("retention.ms", Some("1"), true).is_err());
        assert!(SETTINGS.is_sorted_by_key(|setting| setting.name));
    }
}
