//! Who writes transactions: each puts its number into two partitions and commits it as a group's offset. It knows which were
//! answered.

#![allow(dead_code, reason = "each test program needs other parts of it")]

use std::collections::HashSet;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::{BatchBuilder, BatchIter, DEFAULT_LIMIT};

use crate::client::{Client, records};

const ID: &str = "payer";
const GROUP: &str = "paid";
const TOPIC: &str = "t";

#[derive(Debug)]
pub(crate) struct Payer {
    partitions: [i32; 2],
    next: i64,
    /// The transactions that were answered, in their order.
    pub(crate) answered: Vec<i64>,
    /// The last thing that was refused.
    pub(crate) refused: Option<ErrorCode>,
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    version: i16,
    request: impl Into<Request>,
) -> Option<Response> {
    client.try_send(version, request).await.ok()?;
    client.receive().await
}

fn batch(who: &InitProducerIdResponse, sequence: i32, number: i64) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.header.producer_id = who.producer_id;
    (builder.header.producer_epoch, builder.header.base_sequence) = (who.producer_epoch, sequence);
    builder.header.set_transactional(true);
    builder.append(number, None, Some(number.to_string().as_bytes()));
    builder.finish().unwrap()
}

impl Payer {
    pub(crate) fn new(partitions: [i32; 2]) -> Payer {
        Payer { partitions, next: 0, answered: Vec::new(), refused: None }
    }

    /// Whether nothing was refused.
    fn took(&mut self, mut errors: impl Iterator<Item = ErrorCode>) -> Option<()> {
        self.refused = errors.find(|error| !error.is_ok());
        if self.refused.is_none() { Some(()) } else { None }
    }

    /// Takes the transactional id; what was left open is ended by that.
    async fn begin<S>(&mut self, client: &mut Client<S>) -> Option<InitProducerIdResponse>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let request = InitProducerIdRequest {
            transactional_id: Some(ID.into()),
            transaction_timeout_ms: 60_000,
            ..Default::default()
        };
        let Response::InitProducerId(who) = ask(client, 4, request).await? else { panic!("another answer") };
        self.took([who.error_code].into_iter())?;
        Some(who)
    }

    /// Writes as long as more is to be begun; none if the broker is gone, or refuses something.
    pub(crate) async fn write<S>(&mut self, client: &mut Client<S>, more: impl Fn() -> bool) -> Option<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let who = self.begin(client).await?;
        for sequence in 0.. {
            if !more() {
                break;
            }
            let number = self.next;
            self.next += 1;
            self.transact(client, &who, sequence, number).await?;
            self.answered.push(number);
        }
        Some(())
    }

    async fn transact<S>(
        &mut self,
        client: &mut Client<S>,
        who: &InitProducerIdResponse,
        sequence: i32,
        number: i64,
    ) -> Option<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (producer_id, producer_epoch) = (who.producer_id, who.producer_epoch);
        let topic = AddPartitionsToTxnTopic { name: TOPIC.into(), partitions: self.partitions.to_vec() };
        let request =
            AddPartitionsToTxnRequest { transactional_id: ID.into(), producer_id, producer_epoch, topics: vec![topic] };
        let Response::AddPartitionsToTxn(added) = ask(client, 3, request).await? else { panic!("another answer") };
        self.took(added.results_by_topic[0].results_by_partition.iter().map(|p| p.partition_error_code))?;
        let request =
            AddOffsetsToTxnRequest { transactional_id: ID.into(), producer_id, producer_epoch, group_id: GROUP.into() };
        let Response::AddOffsetsToTxn(added) = ask(client, 3, request).await? else { panic!("another answer") };
        self.took([added.error_code].into_iter())?;
        let write = |index| PartitionProduceData { index, records: Some(batch(who, sequence, number).into()) };
        let partition_data = self.partitions.map(write).to_vec();
        let request = ProduceRequest {
            transactional_id: Some(ID.into()),
            acks: -1,
            timeout_ms: 1000,
            topic_data: vec![TopicProduceData { name: TOPIC.into(), partition_data }],
        };
        let Response::Produce(written) = ask(client, 9, request).await? else { panic!("another answer") };
        self.took(written.responses[0].partition_responses.iter().map(|p| p.error_code))?;
        let partition = TxnOffsetCommitRequestPartition {
            partition_index: self.partitions[0],
            committed_offset: number,
            ..Default::default()
        };
        let request = TxnOffsetCommitRequest {
            transactional_id: ID.into(),
            group_id: GROUP.into(),
            producer_id,
            producer_epoch,
            topics: vec![TxnOffsetCommitRequestTopic { name: TOPIC.into(), partitions: vec![partition] }],
            ..Default::default()
        };
        let Response::TxnOffsetCommit(moved) = ask(client, 3, request).await? else { panic!("another answer") };
        self.took(moved.topics[0].partitions.iter().map(|p| p.error_code))?;
        let request = EndTxnRequest { transactional_id: ID.into(), producer_id, producer_epoch, committed: true };
        let Response::EndTxn(ended) = ask(client, 3, request).await? else { panic!("another answer") };
        self.took([ended.error_code].into_iter())
    }

    /// Each counts everywhere or nowhere, and those that were answered count. None if the connection is gone.
    pub(crate) async fn check<S>(&mut self, client: &mut Client<S>) -> Option<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // The last one may still be open: whoever takes its place ends it.
        self.begin(client).await?;
        let one = committed(client, self.partitions[0]).await?;
        let two = committed(client, self.partitions[1]).await?;
        assert_eq!(one, two, "a transaction counts in one partition only");
        assert!(one.is_sorted_by(|a, b| a < b), "a transaction counts twice: {one:?}");
        let lost: Vec<&i64> = self.answered.iter().filter(|number| !one.contains(number)).collect();
        assert!(lost.is_empty(), "answered, and lost: {lost:?}");
        let request = OffsetFetchRequest {
            group_id: GROUP.into(),
            topics: Some(vec![OffsetFetchRequestTopic {
                name: TOPIC.into(),
                partition_indexes: vec![self.partitions[0]],
            }]),
            require_stable: true,
            ..Default::default()
        };
        let Response::OffsetFetch(found) = ask(client, 7, request).await? else { panic!("another answer") };
        if let Some(last) = one.last() {
            assert_eq!(&found.topics[0].partitions[0].committed_offset, last, "the offset is another one's");
        }
        Some(())
    }
}

/// The numbers of a partition that count, for a reader of committed records.
async fn committed<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>, index: i32) -> Option<Vec<i64>> {
    let (mut found, mut next) = (Vec::new(), 0);
    loop {
        let partition =
            FetchPartition { partition: index, fetch_offset: next, partition_max_bytes: 1 << 20, ..Default::default() };
        let request = FetchRequest {
            max_bytes: 1 << 20,
            isolation_level: 1,
            topics: vec![FetchTopic { topic: TOPIC.into(), partitions: vec![partition] }],
            ..Default::default()
        };
        let Response::Fetch(answer) = ask(client, 12, request).await? else { panic!("another answer") };
        let data = &answer.responses[0].partitions[0];
        assert_eq!(data.last_stable_offset, data.high_watermark, "a transaction is open");
        found.extend(counted(data, next));
        match records(data).last() {
            Some(last) => next = last.offset + 1,
            None => return Some(found),
        }
    }
}

/// As a consumer does it: from an aborted transaction's first offset on, its producer's records do not count, up to its
/// marker.
fn counted(data: &PartitionData, from: i64) -> Vec<i64> {
    let mut aborted = data.aborted_transactions.clone().unwrap_or_default();
    aborted.sort_by_key(|aborted| aborted.first_offset);
    let (mut aborted, mut out) = (aborted.into_iter().peekable(), HashSet::new());
    let mut found = Vec::new();
    for batch in BatchIter::new(data.records.clone().unwrap_or_default().to_bytes().unwrap()) {
        let batch = batch.unwrap();
        let header = batch.header();
        while let Some(begun) = aborted.next_if(|aborted| aborted.first_offset <= header.last_offset()) {
            out.insert(begun.producer_id);
        }
        if header.is_control() {
            out.remove(&header.producer_id);
        } else if !out.contains(&header.producer_id) {
            let records = batch.records(DEFAULT_LIMIT).unwrap().map(Result::unwrap);
            let here = records.filter(|record| record.offset >= from);
            found.extend(
                here.map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap().parse::<i64>().unwrap()),
            );
        }
    }
    found
}
