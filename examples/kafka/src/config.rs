//! What a broker and a topic can be told.

use std::time::Duration;

use xs_proto::kafka::ErrorCode;
use xs_storage::partition::PartitionOptions;

use crate::groups::Limits;

/// When a produce request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flush {
    /// When the log has the batch; the operating system writes it later. As Kafka does by default.
    #[default]
    Later,
    /// When the batch is on the disk.
    Always,
}

/// How a broker works.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Its number in the cluster.
    pub(crate) node: i32,
    /// Where clients are told to connect; where it listens, if nothing else is said.
    pub(crate) advertised: Option<(String, u16)>,
    /// How many partitions a topic gets if nobody says.
    pub(crate) partitions: i32,
    /// Whether asking for a topic makes it.
    pub(crate) auto_create: bool,
    /// When a produce request is answered.
    pub(crate) flush: Flush,
    /// The longest request.
    pub(crate) request_bytes: usize,
    /// Requests of one connection that may be worked on at a time.
    pub(crate) depth: usize,
    /// A fetch never waits longer than this.
    pub(crate) max_wait: Duration,
    /// A fetch never brings more than this.
    pub(crate) max_fetch: usize,
    /// All topics together have no more partitions than this.
    pub(crate) max_partitions: usize,
    /// What bounds groups, and how patient they are.
    pub(crate) groups: Limits,
    /// There are no more groups than this.
    pub(crate) max_groups: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub(crate) offsets_retention_ms: i64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            node: 1,
            advertised: None,
            partitions: 1,
            auto_create: true,
            flush: Flush::Later,
            request_bytes: xs_proto::kafka::codec::DEFAULT_LIMIT,
            depth: 64,
            max_wait: Duration::from_secs(60),
            max_fetch: 55 << 20,
            max_partitions: 10_000,
            groups: Limits { initial_delay: Duration::ZERO, ..Limits::default() },
            max_groups: 100_000,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1000,
        }
    }
}

/// What a topic may be configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicConfig {
    /// `max.message.bytes`.
    pub(crate) max_batch: u64,
    /// `segment.bytes`.
    pub(crate) segment_bytes: u64,
    /// `message.timestamp.type` is `LogAppendTime`.
    pub(crate) stamp: bool,
    /// `retention.ms`; none is for ever.
    pub(crate) retention_ms: Option<i64>,
    /// `retention.bytes`; none is any number.
    pub(crate) retention_bytes: Option<u64>,
}

impl Default for TopicConfig {
    fn default() -> Self {
        let defaults = PartitionOptions::default();
        TopicConfig {
            max_batch: defaults.max_batch,
            segment_bytes: defaults.segment_bytes,
            stamp: false,
            retention_ms: Some(7 * 24 * 60 * 60 * 1000),
            retention_bytes: None,
        }
    }
}

impl TopicConfig {
    /// Sets a value by its name in Kafka.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), (ErrorCode, String)> {
        let invalid = |why: &str| Err((ErrorCode::INVALID_CONFIG, format!("{name}: {why}")));
        let Some(value) = value else { return invalid("a value is missing") };
        let number = value.parse::<i64>().ok();
        match name {
            "max.message.bytes" => match number {
                Some(n @ 1..=0x7fff_ffff) => self.max_batch = n as u64,
                _ => return invalid("a number from 1 to 2147483647"),
            },
            "segment.bytes" => match number {
                Some(n @ 4096..=0x7fff_ffff) => self.segment_bytes = n as u64,
                _ => return invalid("a number from 4096 to 2147483647"),
            },
            "message.timestamp.type" => match value {
                "CreateTime" => self.stamp = false,
                "LogAppendTime" => self.stamp = true,
                _ => return invalid("CreateTime or LogAppendTime"),
            },
            "retention.ms" => match number {
                Some(-1) => self.retention_ms = None,
                Some(n @ 0..) => self.retention_ms = Some(n),
                _ => return invalid("a number from -1"),
            },
            "retention.bytes" => match number {
                Some(-1) => self.retention_bytes = None,
                Some(n @ 0..) => self.retention_bytes = Some(n as u64),
                _ => return invalid("a number from -1"),
            },
            // What is so anyway may be said.
            "cleanup.policy" if value == "delete" => {}
            "compression.type" if value == "producer" => {}
            "min.insync.replicas" if value == "1" => {}
            _ => return invalid("this broker cannot be configured so"),
        }
        Ok(())
    }

    /// As lines of `name=value`, which [`TopicConfig::read`] understands.
    pub(crate) fn write(&self) -> String {
        let or = |value: Option<i64>| value.unwrap_or(-1);
        format!(
            "max.message.bytes={}\nsegment.bytes={}\nmessage.timestamp.type={}\nretention.ms={}\nretention.bytes={}\n",
            self.max_batch,
            self.segment_bytes,
            if self.stamp { "LogAppendTime" } else { "CreateTime" },
            or(self.retention_ms),
            or(self.retention_bytes.map(|bytes| bytes as i64)),
        )
    }

    pub(crate) fn read(text: &str) -> Result<TopicConfig, String> {
        let mut config = TopicConfig::default();
        for line in text.lines() {
            let (name, value) = line.split_once('=').ok_or_else(|| format!("no value in {line:?}"))?;
            config.set(name, Some(value)).map_err(|(_, why)| why)?;
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut config = TopicConfig::default();
        for (name, value) in
            [("retention.ms", "-1"), ("retention.bytes", "5"), ("message.timestamp.type", "LogAppendTime")]
        {
            config.set(name, Some(value)).unwrap();
        }
        assert_eq!(TopicConfig::read(&config.write()), Ok(config));
        let mut config = TopicConfig::default();
        for (name, value) in [("retention.ms", "-2"), ("cleanup.policy", "compact"), ("nonsense", "1")] {
            assert_eq!(config.set(name, Some(value)).unwrap_err().0, ErrorCode::INVALID_CONFIG);
        }
        assert!(TopicConfig::read("max.message.bytes").is_err());
    }
}
