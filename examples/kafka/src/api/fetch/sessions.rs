//! Fetch sessions (KIP-227): a client that reads a thousand partitions names them once, and from then on only what changes.
//!
//! ```text
//!   epoch 0   all partitions          ─▶ all partitions, and a session's number; 0 if there is no room
//!   epoch 1   what is new or forgotten ─▶ what has records, an error, or other bounds than were last told
//!   epoch 2   …
//!   epoch -1  all partitions          ─▶ all partitions; the session is over
//! ```
//!
//! What a session answered is remembered when the answer is made. An answer that gets lost takes its connection with it,
//! and the client begins anew: with the epoch that it knows nothing is accepted.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use bytestring::ByteString;
use parking_lot::Mutex;
use xs_os::Rng;
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData};

use crate::topics::MAX_NAME;

/// A session that nobody has used for so long makes room for another (`min.incremental.fetch.session.eviction.ms`).
const IDLE: Duration = Duration::from_secs(120);
/// All sessions together remember no more partitions than this.
const MAX_PARTITIONS: usize = 100_000;

type Name = (ByteString, i32);

/// A partition of a session.
#[derive(Debug)]
struct Kept {
    asked: FetchPartition,
    /// High watermark and beginning, as they were told last.
    told: Option<(i64, i64)>,
    /// The lowest is looked at first: who was given something waits behind the others.
    turn: u64,
}

#[derive(Debug)]
struct Session {
    /// What the next request must say.
    epoch: i32,
    used: Instant,
    partitions: HashMap<Name, Kept>,
    turns: u64,
}

/// All sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    most: usize,
    all: Mutex<BTreeMap<i32, Session>>,
}

/// What a request asks for, with what its session knows.
#[derive(Debug)]
pub(super) struct Plan {
    /// The session's number, or 0.
    id: i32,
    /// Only what has changed is told.
    incremental: bool,
    pub(super) topics: Vec<FetchTopic>,
}

impl Session {
    /// Takes in what a request says. Whether there was room.
    fn update(&mut self, request: &FetchRequest, mut room: usize) -> bool {
        for forgotten in &request.forgotten_topics_data {
            for partition in &forgotten.partitions {
                self.partitions.remove(&(forgotten.topic.clone(), *partition));
            }
        }
        for topic in &request.topics {
            for asked in &topic.partitions {
                let name = (topic.topic.clone(), asked.partition);
                if let Some(kept) = self.partitions.get_mut(&name) {
                    kept.asked = asked.clone();
                } else if room == 0 || topic.topic.len() > MAX_NAME {
                    return false;
                } else {
                    room -= 1;
                    self.turns += 1;
                    self.partitions.insert(name, Kept { asked: asked.clone(), told: None, turn: self.turns });
                }
            }
        }
        true
    }

    fn topics(&self) -> Vec<FetchTopic> {
        let mut all: Vec<(&Name, &Kept)> = self.partitions.iter().collect();
        all.sort_unstable_by_key(|(_, kept)| kept.turn);
        let mut topics: Vec<FetchTopic> = Vec::new();
        for ((topic, _), kept) in all {
            // A topic stands as often as the turns of its partitions are apart.
            match topics.last_mut().filter(|last| last.topic == *topic) {
                Some(last) => last.partitions.push(kept.asked.clone()),
                None => topics.push(FetchTopic { topic: topic.clone(), partitions: vec![kept.asked.clone()] }),
            }
        }
        topics
    }

    /// Takes down what is told of a partition; whether it is worth telling to somebody who knows the rest.
    fn tell(&mut self, topic: &ByteString, data: &PartitionData) -> bool {
        let bounds = (data.high_watermark, data.log_start_offset);
        let has_records = data.records.as_ref().is_some_and(|records| !records.is_empty());
        let Some(kept) = self.partitions.get_mut(&(topic.clone(), data.partition_index)) else { return true };
        if has_records {
            self.turns += 1;
            kept.turn = self.turns;
        }
        // Who is told of an error is told again when it is over.
        let told = data.error_code.is_ok().then_some(bounds);
        let news = has_records || told.is_none() || kept.told != told;
        kept.told = told;
        news
    }
}

impl Sessions {
    pub(crate) fn new(most: usize) -> Sessions {
        Sessions { most, all: Mutex::default() }
    }

    /// How many there are, and the partitions that they remember.
    pub(crate) fn count(&self) -> (usize, usize) {
        let all = self.all.lock();
        (all.len(), remembered(&all))
    }

    /// Which partitions a request is about.
    pub(super) fn begin(&self, request: &FetchRequest, now: Instant, rng: &Mutex<Rng>) -> Result<Plan, ErrorCode> {
        let mut all = self.all.lock();
        if request.session_epoch <= 0 {
            if request.session_id != 0 {
                all.remove(&request.session_id);
            }
            let id = if request.session_epoch == 0 { self.open(&mut all, request, now, rng) } else { 0 };
            return Ok(Plan { id, incremental: false, topics: request.topics.clone() });
        }
        let id = request.session_id;
        let room = MAX_PARTITIONS.saturating_sub(remembered(&all));
        let session = all.get_mut(&id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.epoch != request.session_epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if !session.update(request, room) {
            all.remove(&id);
            return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        }
        session.epoch = next(session.epoch);
        session.used = now;
        Ok(Plan { id, incremental: true, topics: session.topics() })
    }

    /// A new session's number, or 0 if there is no room for one.
    fn open(&self, all: &mut BTreeMap<i32, Session>, request: &FetchRequest, now: Instant, rng: &Mutex<Rng>) -> i32 {
        if all.len() >= self.most {
            let oldest = all.iter().min_by_key(|(_, session)| session.used).map(|(id, session)| (*id, session.used));
            match oldest {
                Some((id, used)) if now.saturating_duration_since(used) >= IDLE => drop(all.remove(&id)),
                _ => return 0,
            }
        }
        let mut session = Session { epoch: 1, used: now, partitions: HashMap::new(), turns: 0 };
        if !session.update(request, MAX_PARTITIONS.saturating_sub(remembered(all))) {
            return 0;
        }
        // Numbers are drawn, so that nobody meets the session of another by counting.
        let mut rng = rng.lock();
        let id = std::iter::repeat_with(|| 1 + rng.below(i32::MAX as u64) as i32).find(|id| !all.contains_key(id));
        let id = id.expect("there are more numbers than sessions");
        all.insert(id, session);
        id
    }

    /// Leaves out of an answer what the client knows.
    pub(super) fn end(&self, plan: &Plan, response: &mut FetchResponse) {
        if plan.id == 0 {
            return;
        }
        let mut all = self.all.lock();
        let Some(session) = all.get_mut(&plan.id) else { return };
        response.session_id = plan.id;
        for topic in &mut response.responses {
            let name = &topic.topic;
            topic.partitions.retain(|data| session.tell(name, data) || !plan.incremental);
        }
        response.responses.retain(|topic| !topic.partitions.is_empty() || !plan.incremental);
    }
}

fn remembered(all: &BTreeMap<i32, Session>) -> usize {
    all.values().map(|session| session.partitions.len()).sum()
}

fn next(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    use xs_os::{Clock, VirtualClock};

    fn request(session_id: i32, session_epoch: i32, partitions: &[i32]) -> FetchRequest {
        let asked = |partition: &i32| FetchPartition { partition: *partition, ..Default::default() };
        let topic = FetchTopic { topic: "t".into(), partitions: partitions.iter().map(asked).collect() };
        FetchRequest { session_id, session_epoch, topics: vec![topic], ..Default::default() }
    }

    fn numbers(plan: &Plan) -> Vec<i32> {
        plan.topics.iter().flat_map(|topic| &topic.partitions).map(|asked| asked.partition).collect()
    }

    #[test]
    fn there_are_only_so_many_and_the_idle_go_first() {
        let (clock, rng) = (VirtualClock::new(), Mutex::new(Rng::from_seed(1)));
        let sessions = Sessions::new(2);
        let open = || sessions.begin(&request(0, 0, &[0]), clock.now(), &rng).unwrap().id;
        let (first, second) = (open(), open());
        assert!(first > 0 && second > 0 && first != second);
        assert_eq!(open(), 0, "no room");
        clock.advance(IDLE);
        sessions.begin(&request(second, 1, &[1]), clock.now(), &rng).unwrap();
        assert!(open() > 0);
        let gone = sessions.begin(&request(first, 1, &[]), clock.now(), &rng);
        assert_eq!(gone.unwrap_err(), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        // The end of one makes room at once.
        assert_eq!(open(), 0);
        sessions.begin(&request(second, -1, &[0]), clock.now(), &rng).unwrap();
        assert!(open() > 0);
    }

    #[test]
    fn partitions_are_added_changed_forgotten_and_take_turns() {
        let (clock, rng) = (VirtualClock::new(), Mutex::new(Rng::from_seed(1)));
        let sessions = Sessions::new(10);
        let begin = |request: &FetchRequest| sessions.begin(request, clock.now(), &rng);
        let id = begin(&request(0, 0, &[0, 1])).unwrap().id;
        let plan = begin(&request(id, 1, &[2])).unwrap();
        assert_eq!(numbers(&plan), [0, 1, 2]);
        assert_eq!(begin(&request(id, 1, &[])).unwrap_err(), ErrorCode::INVALID_FETCH_SESSION_EPOCH);

        let data = |partition_index, records: &'static [u8]| PartitionData {
            partition_index,
            records: Some(bytes::Bytes::from_static(records).into()),
            ..Default::default()
        };
        let told = |plan: &Plan, data: Vec<PartitionData>| {
            let topic = xs_proto::kafka::messages::FetchableTopicResponse { topic: "t".into(), partitions: data };
            let mut response = FetchResponse { responses: vec![topic], ..Default::default() };
            sessions.end(plan, &mut response);
            assert_eq!(response.session_id, id);
            let told = response.responses.iter().flat_map(|topic| &topic.partitions);
            told.map(|data| data.partition_index).collect::<Vec<_>>()
        };
        assert_eq!(told(&plan, vec![data(0, b"x"), data(1, b""), data(2, b"")]), [0, 1, 2], "bounds are news at first");
        let mut asked = request(id, 2, &[]);
        asked.forgotten_topics_data =
            vec![xs_proto::kafka::messages::ForgottenTopic { topic: "t".into(), partitions: vec![1] }];
        let plan = begin(&asked).unwrap();
        assert_eq!(numbers(&plan), [2, 0], "who got something comes last");
        assert_eq!(told(&plan, vec![data(2, b""), data(0, b"")]), [0_i32; 0]);
        let failed = PartitionData { error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ..data(2, b"") };
        let plan = begin(&request(id, 3, &[])).unwrap();
        assert_eq!(told(&plan, vec![failed.clone(), data(0, b"")]), [2]);
        let plan = begin(&request(id, 4, &[])).unwrap();
        assert_eq!(told(&plan, vec![failed, data(0, b"")]), [2], "as long as it is so");
        let plan = begin(&request(id, 5, &[])).unwrap();
        assert_eq!(told(&plan, vec![data(2, b""), data(0, b"")]), [2], "and when it is over");
    }

    #[test]
    fn epochs_start_over() {
        assert_eq!((next(1), next(i32::MAX)), (2, 1));
    }
}
