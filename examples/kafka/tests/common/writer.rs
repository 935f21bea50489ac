//! Who writes numbers into a partition of its own, over as many connections as it takes, and knows what was acknowledged.

#![allow(dead_code, reason = "each test program needs other parts of it")]

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use xs_os::Rng;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::BatchBuilder;

use crate::client::{Client, values};

/// As many requests as an idempotent producer may have under way.
const UNDER_WAY: usize = 5;
pub(crate) const TOPIC: &str = "t";

/// The numbers `from..to`, as one batch.
#[derive(Debug, Clone, Copy)]
struct Sent {
    from: u64,
    to: u64,
}

#[derive(Debug)]
pub(crate) struct Writer {
    partition: i32,
    idempotent: bool,
    producer: Option<i64>,
    /// What may or may not be there: the oldest first.
    pending: VecDeque<Sent>,
    next: u64,
    rng: Rng,
    pub(crate) acknowledged: u64,
    /// The last thing that was refused.
    pub(crate) refused: Option<ErrorCode>,
}

impl Writer {
    /// Every other one is an idempotent producer.
    pub(crate) fn new(partition: i32, rng: Rng) -> Writer {
        let idempotent = partition % 2 == 0;
        let pending = VecDeque::new();
        Writer { partition, idempotent, producer: None, pending, next: 0, rng, acknowledged: 0, refused: None }
    }

    /// Writes until the connection is gone or something is refused, or nothing more is to be begun and all is acknowledged.
    pub(crate) async fn write<S>(&mut self, client: &mut Client<S>, more: impl Fn() -> bool)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.idempotent && self.producer.is_none() {
            let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
            if client.try_send(4, request).await.is_err() {
                return;
            }
            let Some(Response::InitProducerId(answer)) = client.receive().await else { return };
            if !self.took(answer.error_code) {
                return;
            }
            self.producer = Some(answer.producer_id);
        }
        let mut unsent = self.pending.clone();
        loop {
            while self.pending.len() - unsent.len() < UNDER_WAY && (more() || !unsent.is_empty()) {
                let sent = unsent.pop_front().unwrap_or_else(|| {
                    let sent = Sent { from: self.next, to: self.next + 1 + self.rng.below(20) };
                    self.next = sent.to;
                    self.pending.push_back(sent);
                    sent
                });
                if client.try_send(9, self.request(sent)).await.is_err() {
                    return;
                }
            }
            if self.pending.is_empty() {
                return;
            }
            let Some(Response::Produce(answer)) = client.receive().await else { return };
            let answer = &answer.responses[0].partition_responses[0];
            if !self.took(answer.error_code) {
                return;
            }
            let done = self.pending.pop_front().expect("it was sent");
            self.acknowledged = done.to;
        }
    }

    /// Whether it was not refused. Only a disk may be the reason for that.
    fn took(&mut self, error: ErrorCode) -> bool {
        self.refused = Some(error).filter(|error| !error.is_ok());
        assert!(self.refused.is_none_or(|error| error == ErrorCode::KAFKA_STORAGE_ERROR), "{self:?}");
        self.refused.is_none()
    }

    /// Whether all that was sent is acknowledged.
    pub(crate) fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Everything acknowledged is there, and of an idempotent producer everything once. None if the connection is gone.
    pub(crate) async fn check<S: AsyncRead + AsyncWrite + Unpin>(&self, client: &mut Client<S>) -> Option<()> {
        let found = all(client, self.partition).await?;
        let (n, acknowledged) = (self.partition, self.acknowledged);
        if self.idempotent {
            // From 0 on, each once.
            assert!(found.iter().copied().eq(0..found.len() as u64), "writer {n}: {found:?}");
            assert!(found.len() as u64 >= acknowledged, "writer {n}: {} of {acknowledged}", found.len());
        } else {
            let mut there = found.clone();
            there.sort_unstable();
            there.dedup();
            assert!(there.iter().copied().take(acknowledged as usize).eq(0..acknowledged), "writer {n}: {found:?}");
        }
        Some(())
    }

    fn request(&self, sent: Sent) -> ProduceRequest {
        let mut builder = BatchBuilder::new();
        if let Some(producer) = self.producer {
            let header = &mut builder.header;
            (header.producer_id, header.producer_epoch, header.base_sequence) = (producer, 0, sent.from as i32);
        }
        for number in sent.from..sent.to {
            builder.append(number as i64, None, Some(number.to_string().as_bytes()));
        }
        let records: Bytes = builder.finish().unwrap();
        let partition = PartitionProduceData { index: self.partition, records: Some(records.into()) };
        let topic = TopicProduceData { name: TOPIC.into(), partition_data: vec![partition] };
        ProduceRequest { acks: -1, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() }
    }
}

/// Makes the topic, with so many partitions, or finds it. None if the connection is gone.
pub(crate) async fn make_topic<S>(client: &mut Client<S>, partitions: i32) -> Option<Result<(), ErrorCode>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let forever = CreatableTopicConfig { name: "retention.ms".into(), value: Some("-1".into()) };
    let topic = CreatableTopic {
        name: TOPIC.into(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: vec![forever],
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
    client.try_send(7, request).await.ok()?;
    let Response::CreateTopics(made) = client.receive().await? else { panic!("another answer") };
    match made.topics[0].error_code {
        ErrorCode::NONE | ErrorCode::TOPIC_ALREADY_EXISTS => Some(Ok(())),
        error => Some(Err(error)),
    }
}

/// All numbers of a partition, in the order of their offsets. None if the connection is gone.
async fn all<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>, partition: i32) -> Option<Vec<u64>> {
    let (mut found, mut next) = (Vec::new(), 0);
    loop {
        let asked =
            FetchPartition { partition, fetch_offset: next, partition_max_bytes: 1 << 20, ..Default::default() };
        let topic = FetchTopic { topic: TOPIC.into(), partitions: vec![asked] };
        let request = FetchRequest { max_wait_ms: 0, max_bytes: 1 << 20, topics: vec![topic], ..Default::default() };
        client.try_send(12, request).await.ok()?;
        let Response::Fetch(answer) = client.receive().await? else { panic!("another answer") };
        let data = &answer.responses[0].partitions[0];
        assert!(data.error_code.is_ok(), "{data:?}");
        let read = values(data);
        let Some((last, _)) = read.last() else { return Some(found) };
        found.extend(read.iter().filter(|(offset, _)| *offset >= next).map(|(_, text)| text.parse::<u64>().unwrap()));
        next = last + 1;
    }
}
