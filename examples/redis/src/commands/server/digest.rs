//! `DEBUG DIGEST`: a fingerprint of the data that does not depend on its encoding or on the order of what has none.
//!
//! Two operations make it. *Xor* with the hash of something forgets order; *mix*, which hashes the result once more,
//! keeps it. Both, and what they are applied to, are Redis' own, so equal data has equal digests on both servers.

use sha1::{Digest, Sha1};
use xs_storage::keyspace::stream::StreamId;
use xs_storage::keyspace::{Keyspace, Value};

/// A fingerprint. All zeros stands for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fingerprint([u8; 20]);

impl Fingerprint {
    fn xor(&mut self, bytes: &[u8]) {
        let hash = Sha1::digest(bytes);
        self.0.iter_mut().zip(hash).for_each(|(byte, other)| *byte ^= other);
    }

    fn mix(&mut self, bytes: &[u8]) {
        self.xor(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    pub(super) fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Takes in a value and whether its key has a deadline.
    pub(super) fn take_in(&mut self, value: &Value, expires: bool) {
        let mut scratch = [0; 20];
        let kind: u32 = match value {
            Value::Str(_) => 0,
            Value::List(_) => 1,
            Value::Set(_) => 2,
            Value::Zset(_) => 3,
            Value::Hash(_) => 4,
            Value::Stream(_) => 6,
        };
        self.mix(&kind.to_be_bytes());
        match value {
            Value::Str(text) => self.mix(text.as_bytes(&mut scratch)),
            Value::List(list) => list.iter().for_each(|element| self.mix(element.as_bytes(&mut scratch))),
            Value::Set(set) => set.iter().for_each(|member| self.xor(member.as_bytes(&mut scratch))),
            Value::Zset(zset) => {
                for (member, score) in zset.iter() {
                    let mut pair = Fingerprint::default();
                    pair.mix(member.as_bytes(&mut scratch));
                    let mut text = Vec::new();
                    xs_proto::resp::format_double(score, &mut text);
                    pair.mix(&text);
                    self.xor(&pair.0);
                }
            }
            Value::Hash(hash) => {
                for (field, value) in hash.iter() {
                    let mut pair = Fingerprint::default();
                    pair.mix(field.as_bytes(&mut scratch));
                    pair.mix(value.as_bytes(&mut scratch));
                    self.xor(&pair.0);
                }
            }
            Value::Stream(stream) => {
                for entry in stream.range(StreamId::MIN, StreamId::MAX) {
                    self.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                    for (field, value) in entry.fields() {
                        self.mix(field);
                        self.mix(value);
                    }
                }
            }
        }
        if expires {
            self.xor(b"!!expire!!");
        }
    }
}

/// The fingerprint of everything.
pub(super) fn of_all(keyspace: &Keyspace) -> Fingerprint {
    let mut all = Fingerprint::default();
    for db in (0..keyspace.databases()).filter(|db| !keyspace.is_empty(*db)) {
        all.mix(&(db as u32).to_be_bytes());
        for (key, value, deadline) in keyspace.iter(db) {
            let mut pair = Fingerprint::default();
            pair.mix(key);
            pair.take_in(value, deadline.is_some());
            all.xor(&pair.0);
        }
    }
    all
}
