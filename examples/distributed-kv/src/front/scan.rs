//! `SCAN`: all keys, a part at a time.
//!
//! A cursor must be a number, since clients read it as one; the place it stands for is a key. So each node keeps two places for
//! each scan, the last that it has given out and the one before, which a client asks for again that got no answer; and it
//! forgets the oldest scans when there are too many, or their places too long. A scan that is continued at another node, or
//! too late, is told so. Keys come in order; one that is there from the first call to the last is met exactly once.

use std::collections::BTreeMap;

use bytes::Bytes;
use xs_proto::resp::{Reply, Request, parse_i64};
use xs_storage::glob;

use super::Front;

/// So many places are kept, two for each scan,
const MAX_CURSORS: usize = 8192;
/// of so many bytes.
const MAX_BYTES: usize = 16 << 20;
/// So many keys are looked at by one call, whatever it asks for.
const MAX_COUNT: usize = 10_000;

/// Where scans go on.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    places: BTreeMap<u64, Place>,
    bytes: usize,
    last: u64,
}

#[derive(Debug)]
struct Place {
    key: Bytes,
    /// The cursor before it in the same scan.
    before: u64,
}

impl Cursors {
    /// The next place of the scan that was continued by the cursor `before`.
    fn keep(&mut self, before: u64, key: Bytes) -> u64 {
        self.last += 1;
        self.bytes += key.len();
        self.places.insert(self.last, Place { key, before });
        // Who has come by `before` has the answer that gave it out, and asks no more for what was in front of that.
        let past = self.places.get(&before).map(|place| place.before);
        if let Some(past) = past.and_then(|past| self.places.remove(&past)) {
            self.bytes -= past.key.len();
        }
        // The last place stays, however long it is.
        while self.places.len() > MAX_CURSORS || self.bytes > MAX_BYTES && self.places.len() > 1 {
            let oldest = self.places.pop_first().map_or(0, |(_, place)| place.key.len());
            self.bytes -= oldest;
        }
        self.last
    }

    /// The place stays: a client that got no answer asks again.
    fn find(&self, cursor: u64) -> Option<Bytes> {
        if cursor == 0 { Some(Bytes::new()) } else { self.places.get(&cursor).map(|place| place.key.clone()) }
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
            let cursor = scanned.next.map_or(0, |place| front.cursors.lock().keep(scan.cursor, place));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_keeps_two_places_however_long_it_is() {
        let mut cursors = Cursors::default();
        let (mut cursor, mut before) = (0, 0);
        for n in 0..100_000 {
            let next = cursors.keep(cursor, format!("key:{n}").into());
            assert!(cursors.find(cursor).is_some());
            if n > 1 {
                assert_eq!(cursors.find(before), None);
            }
            (before, cursor) = (cursor, next);
        }
        assert_eq!(cursors.places.len(), 2);
        assert_eq!(cursors.find(cursor), Some("key:99999".into()));
        assert_eq!(cursors.find(before), Some("key:99998".into()), "asked for again");
        assert_eq!(cursors.bytes, 18);
    }

    #[test]
    fn places_are_bounded_in_number_and_in_bytes() {
        let mut cursors = Cursors::default();
        let first = cursors.keep(0, "first".into());
        for _ in 0..MAX_CURSORS {
            cursors.keep(0, "x".into());
        }
        assert_eq!((cursors.places.len(), cursors.bytes), (MAX_CURSORS, MAX_CURSORS));
        assert_eq!(cursors.find(first), None);
        let long = cursors.keep(0, vec![b'x'; MAX_BYTES].into());
        let longer = cursors.keep(0, vec![b'x'; 2 * MAX_BYTES].into());
        assert_eq!((cursors.find(long), cursors.places.len()), (None, 1));
        assert!(cursors.find(longer).is_some());
    }
}
