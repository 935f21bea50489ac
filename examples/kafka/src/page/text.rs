//! The numbers in the text format of Prometheus.

use xs_net::observe::{Exposition, InvalidMetric, Kind, Recorder};

use super::seen::{GroupSeen, Seen, TopicSeen};
use crate::groups::State;

/// A metric that is a number: its name, kind and help, and where the number is.
type Number<T> = (&'static str, Kind, &'static str, fn(&T) -> u64);

/// What the broker has counted, and what there is.
pub(super) fn text(recorder: &Recorder, seen: &Seen) -> Result<String, InvalidMetric> {
    let mut page = Exposition::new();
    recorder.expose(&mut page);
    topics(&mut page, seen)?;
    groups(&mut page, seen)?;
    rest(&mut page, seen)?;
    Ok(page.into_text())
}

fn topics(page: &mut Exposition, seen: &Seen) -> Result<(), InvalidMetric> {
    use Kind::{Counter, Gauge};
    let numbers: [Number<TopicSeen>; 6] = [
        ("xs_kafka_topic_produced_records_total", Counter, "Records that producers brought.", |topic| {
            topic.counts.produced_records
        }),
        ("xs_kafka_topic_produced_bytes_total", Counter, "Bytes of their batches.", |topic| {
            topic.counts.produced_bytes
        }),
        ("xs_kafka_topic_fetched_bytes_total", Counter, "Bytes of batches in answers.", |topic| {
            topic.counts.fetched_bytes
        }),
        ("xs_kafka_topic_records", Gauge, "Offsets from the beginning to the end.", |topic| topic.records),
        ("xs_kafka_topic_disk_bytes", Gauge, "Bytes of its segments.", |topic| topic.disk_bytes),
        ("xs_kafka_topic_partitions", Gauge, "Its partitions.", |topic| topic.partitions as u64),
    ];
    for (name, kind, help, value) in numbers {
        let mut family = page.family(name, kind, help)?;
        for topic in &seen.topics {
            family.sample(&[("topic", &topic.name)], value(topic) as f64)?;
        }
    }
    Ok(())
}

fn groups(page: &mut Exposition, seen: &Seen) -> Result<(), InvalidMetric> {
    let mut family = page.family("xs_kafka_groups", Kind::Gauge, "Groups, by what they are doing.")?;
    for state in [State::Empty, State::PreparingRebalance, State::CompletingRebalance, State::Stable, State::Dead] {
        let count = seen.groups.iter().filter(|group| group.state == state).count();
        family.sample(&[("state", state.name())], count as f64)?;
    }
    let numbers: [Number<GroupSeen>; 2] = [
        ("xs_kafka_group_members", Kind::Gauge, "Its members.", |group| group.members as u64),
        ("xs_kafka_group_generation", Kind::Gauge, "Its generation: each rebalance makes another one.", |group| {
            u64::try_from(group.generation).unwrap_or(0)
        }),
    ];
    for (name, kind, help, value) in numbers {
        let mut family = page.family(name, kind, help)?;
        for group in &seen.groups {
            family.sample(&[("group", &group.name)], value(group) as f64)?;
        }
    }
    let help = "Offsets between what a group has committed and the end.";
    let mut family = page.family("xs_kafka_group_lag", Kind::Gauge, help)?;
    for group in &seen.groups {
        for offset in &group.offsets {
            let partition = offset.partition.to_string();
            let labels = [("group", &*group.name), ("topic", &*offset.topic), ("partition", &partition)];
            family.sample(&labels, offset.lag() as f64)?;
        }
    }
    let help = "Groups, and offsets of groups, for which there is no room on this page.";
    page.family("xs_kafka_group_rows_left_out", Kind::Gauge, help)?.sample(&[], seen.left_out as f64)
}

fn rest(page: &mut Exposition, seen: &Seen) -> Result<(), InvalidMetric> {
    let mut family = page.family("xs_kafka_transactions", Kind::Gauge, "Transactional ids, by where they are.")?;
    for (state, count) in &seen.transactions {
        family.sample(&[("state", state)], *count as f64)?;
    }
    let help = "For how long the oldest open transaction has been open.";
    let seconds = seen.oldest_ms as f64 / 1000.0;
    page.family("xs_kafka_oldest_transaction_seconds", Kind::Gauge, help)?.sample(&[], seconds)?;
    let help = "Fetch sessions that are open.";
    page.family("xs_kafka_fetch_sessions", Kind::Gauge, help)?.sample(&[], seen.sessions.0 as f64)?;
    let help = "Partitions that fetch sessions remember.";
    page.family("xs_kafka_fetch_session_partitions", Kind::Gauge, help)?.sample(&[], seen.sessions.1 as f64)
}
