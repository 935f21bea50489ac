//! Fetch: batches from the log, where they lie, as soon as there are enough.

mod sessions;

use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures::future::{Either, select, select_all};
use xs_net::Timer;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::{
    AbortedTransaction, FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse, PartitionData,
    Response,
};
use xs_proto::kafka::wire::Blob;
use xs_storage::log::{FileRange, Index};
use xs_storage::partition::{Isolation, Partition, ReadError};

use crate::acl::Operation;
use crate::broker::Broker;
use crate::caller::Caller;
use crate::topics::Topic;

pub(crate) use sessions::Sessions;

/// Answers when `min_bytes` are there, something is wrong, or `max_wait_ms` are over.
pub(crate) async fn answer(broker: Arc<Broker>, caller: Caller, request: FetchRequest, sends_files: bool) -> Response {
    let plan = match broker.sessions.begin(&request, broker.timer.now(), &broker.rng) {
        Ok(plan) => plan,
        Err(error_code) => return FetchResponse { error_code, ..Default::default() }.into(),
    };
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(broker.config.max_wait);
    let deadline = broker.timer.now() + wait;
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
    loop {
        let mut round = Round::read(&broker, &caller, &request, &plan.topics, sends_files);
        if round.bytes >= min_bytes || round.decided || broker.timer.now() >= deadline {
            broker.meters.fetched_bytes.increment(round.bytes as u64);
            round.topics.iter().for_each(|(topic, bytes)| topic.traffic.fetched(*bytes as u64));
            broker.sessions.end(&plan, &mut round.response);
            return round.response.into();
        }
        more(&broker.timer, deadline, &round.waiting).await;
    }
}

/// Until one of the partitions has more, or the time is over.
async fn more(timer: &Timer, deadline: std::time::Instant, waiting: &[(Partition, Index)]) {
    let over = timer.sleep_until(deadline);
    if waiting.is_empty() {
        return over.await;
    }
    let raised: Vec<Pin<Box<dyn Future<Output = ()> + Send>>> =
        waiting.iter().map(|(partition, past)| Box::pin(partition.raised(*past)) as _).collect();
    match select(select_all(raised), over).await {
        Either::Left(_) | Either::Right(_) => {}
    }
}

/// One look at all partitions.
struct Round {
    response: FetchResponse,
    bytes: usize,
    /// What is in it of each topic.
    topics: Vec<(Arc<Topic>, usize)>,
    /// Something is wrong with a partition, which is told at once.
    decided: bool,
    /// Partitions with the high watermark that was seen.
    waiting: Vec<(Partition, Index)>,
}

impl Round {
    fn read(
        broker: &Broker,
        caller: &Caller,
        request: &FetchRequest,
        topics: &[FetchTopic],
        sends_files: bool,
    ) -> Round {
        let mut round = Round {
            response: FetchResponse::default(),
            bytes: 0,
            topics: Vec::new(),
            decided: false,
            waiting: Vec::new(),
        };
        let most = usize::try_from(request.max_bytes).unwrap_or(0).min(broker.config.max_fetch);
        // What would have to be waited for afterwards is not sent in one piece.
        let quota = broker.config.quotas.fetch.and_then(|quota| usize::try_from(quota).ok());
        let most = most.min(quota.unwrap_or(usize::MAX));
        for asked in topics {
            let (found, before) = (broker.topics.get(&asked.topic), round.bytes);
            // Rules may change while a fetch waits.
            let topic = match caller.topic(Operation::Read, &asked.topic) {
                Ok(()) => found.as_deref().ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                Err(denied) => Err(denied),
            };
            let reader = Reader { topic, isolation: request.isolation_level, sends_files };
            let partitions = asked.partitions.iter().map(|asked| reader.partition(asked, most, &mut round)).collect();
            round.response.responses.push(FetchableTopicResponse { topic: asked.topic.clone(), partitions });
            round.topics.extend(found.filter(|_| round.bytes > before).map(|topic| (topic, round.bytes - before)));
        }
        round
    }
}

struct Reader<'a> {
    topic: Result<&'a Topic, ErrorCode>,
    isolation: i8,
    sends_files: bool,
}

impl Reader<'_> {
    fn partition(&self, asked: &FetchPartition, most: usize, round: &mut Round) -> PartitionData {
        let mut data = PartitionData {
            partition_index: asked.partition,
            high_watermark: -1,
            records: Some(Blob::new()),
            ..Default::default()
        };
        if let Err(error) = self.fill(asked, most, round, &mut data) {
            data.error_code = error;
            round.decided = true;
        }
        data
    }

    fn fill(
        &self,
        asked: &FetchPartition,
        most: usize,
        round: &mut Round,
        data: &mut PartitionData,
    ) -> Result<(), ErrorCode> {
        let partition = self.topic?.partition(asked.partition);
        let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        match asked.current_leader_epoch {
            ..=0 => {}
            _ => return Err(ErrorCode::UNKNOWN_LEADER_EPOCH),
        }
        let isolation = match self.isolation {
            1 => Isolation::Committed,
            _ => Isolation::Uncommitted,
        };
        let bounds = partition.bounds();
        data.log_start_offset = bounds.start.0 as i64;
        data.high_watermark = bounds.high_watermark.0 as i64;
        let from = u64::try_from(asked.fetch_offset).map_err(|_| ErrorCode::OFFSET_OUT_OF_RANGE)?;
        // The first batch of an answer is sent however long it is; of later partitions only what still has room.
        let left = most.saturating_sub(round.bytes);
        let limit = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(left);
        let fetched = match partition.read(Index(from), limit as u64, isolation) {
            Ok(fetched) => fetched,
            Err(ReadError::OutOfRange { .. }) => return Err(ErrorCode::OFFSET_OUT_OF_RANGE),
            Err(error) => {
                tracing::error!(%error, "records cannot be read");
                return Err(ErrorCode::KAFKA_STORAGE_ERROR);
            }
        };
        data.high_watermark = fetched.high_watermark.0 as i64;
        data.last_stable_offset = fetched.last_stable.0 as i64;
        data.log_start_offset = fetched.start.0 as i64;
        let aborted = |aborted: &xs_storage::partition::Aborted| AbortedTransaction {
            producer_id: aborted.producer,
            first_offset: aborted.first.0 as i64,
        };
        data.aborted_transactions =
            (isolation == Isolation::Committed).then(|| fetched.aborted.iter().map(aborted).collect());
        let bytes = fetched.bytes() as usize;
        if bytes > limit && round.bytes > 0 {
            return Ok(());
        }
        round.waiting.push((partition.clone(), fetched.high_watermark));
        round.bytes += bytes;
        data.records = Some(self.records(fetched.ranges)?);
        Ok(())
    }

    /// The batches: as ranges of files where they can be sent so, and else as bytes.
    fn records(&self, ranges: Vec<FileRange>) -> Result<Blob, ErrorCode> {
        let mut blob = Blob::new();
        for range in ranges {
            let len = range.len as usize;
            if self.sends_files && range.file.descriptor().is_some() {
                let start = range.offset;
                blob.push_external(xs_net::transport::FileRange::new(Arc::new(OpenFile(range)), start), len);
                continue;
            }
            blob.push(read(&range)?.freeze());
        }
        Ok(blob)
    }
}

/// A range of a file of the operating system's, which the kernel can send from. It holds on to its segment.
struct OpenFile(FileRange);

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file.descriptor().expect("asked when it was made, and a file keeps its descriptor")
    }
}

pub(crate) fn read(range: &FileRange) -> Result<BytesMut, ErrorCode> {
    let mut bytes = BytesMut::zeroed(range.len as usize);
    match range.file.read_exact_at(&mut bytes, range.offset) {
        Ok(()) => Ok(bytes),
        Err(error) => {
            tracing::error!(%error, "records cannot be read");
            Err(ErrorCode::KAFKA_STORAGE_ERROR)
        }
    }
}
