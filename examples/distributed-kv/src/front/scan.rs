//! `SCAN`: all keys, a part at a time.
//!
//! A cursor must be a number, since clients read it as one; the place it stands for is a key. So each node keeps the places
//! that it has given out, a bounded number of them, and forgets the oldest. A scan that is continued at another node, or
//! too late, is told so. Keys come in order; one that is there from the first call to the last is met exactly once.

use std::collections::BTreeMap;

use bytes::Bytes;
use xs_proto::resp::{Reply, Request, parse_i64};

use super::{Front, glob};

/// So many scans may be under way.
const MAX_CURSORS: usize = 4096;
/// So many keys are looked at by one call, whatever it asks for.
const MAX_COUNT: usize = 10_000;

/// Where scans go on.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    places: BTreeMap<u64, Bytes>,
    last: u64,
}

impl Cursors {
    fn keep(&mut self, place: Bytes) -> u64 {
        self.last += 1;
        self.places.insert(self.last, place);
        if self.places.len() > MAX_CURSORS {
            self.places.pop_first();
        }
        self.last
    }

    /// The place stays: a client that got no answer asks again.
    fn find(&self, cursor: u64) -> Option<Bytes> {
        if cursor == 0 { Some(Bytes::new()) } else { self.places.get(&cursor).cloned() }
    }
}

/// A call of `SCAN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    cursor: u64,
    pattern: Option<Bytes>,
    count: usize,
    /// Keys of another type than strings were asked for: there are none.
    nothing: bool,
}

pub(super) fn parse(request: &Request) -> Result<Scan, String> {
    let cursor = request.get(1).ok_or("ERR wrong number of arguments for 'scan' command")?;
    let cursor = std::str::from_utf8(cursor).ok().and_then(|text| text.parse().ok()).ok_or("ERR invalid cursor")?;
    let mut scan = Scan { cursor, pattern: None, count: 10, nothing: false };
    for i in (2..request.len()).step_by(2) {
        let value = request.get_bytes(i + 1).ok_or("ERR syntax error")?;
        match &request.get(i).unwrap_or_default().to_ascii_uppercase()[..] {
            b"MATCH" => scan.pattern = Some(value),
            b"COUNT" => {
                let count = parse_i64(&value).ok_or("ERR value is not an integer or out of range")?;
                scan.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or("ERR syntax error")?;
            }
            b"TYPE" => scan.nothing = !value.eq_ignore_ascii_case(b"string"),
            _ => return Err("ERR syntax error".into()),
        }
    }
    Ok(scan)
}

pub(super) async fn run(front: &Front, scan: Scan, reads_here: bool, reply: &mut Reply<'_>) {
    let Some(from) = front.cursors.lock().find(scan.cursor) else {
        return reply.error("ERR unknown cursor: it is of another node, or too old; begin again with 0");
    };
    if !reads_here && let Err(why) = front.node.read().await {
        return reply.error(why.to_string());
    }
    match front.node.view.scan(&from, scan.count.min(MAX_COUNT)) {
        Err(why) => reply.error(format!("ERR {why}")),
        Ok(scanned) => {
            let cursor = scanned.next.map_or(0, |place| front.cursors.lock().keep(place));
            let matches =
                |key: &&Bytes| !scan.nothing && scan.pattern.as_ref().is_none_or(|pattern| glob::matches(pattern, key));
            let keys: Vec<&Bytes> = scanned.keys.iter().filter(matches).collect();
            reply.array(2);
            reply.bulk(cursor.to_string().as_bytes());
            reply.array(keys.len());
            keys.into_iter().for_each(|key| reply.bulk(key));
        }
    }
}
