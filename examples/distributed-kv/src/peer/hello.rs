//! Who speaks: the first frame of both sides.

use std::time::Duration;

use crate::wire::{Malformed, Reader, put_string};

/// What this version speaks. Another one is refused: a node that misunderstands another does more harm than one that is
/// missing.
const VERSION: u16 = 2;
/// Tells a node from whoever else connects, before anything else is believed.
const MAGIC: [u8; 6] = *b"xs-dkv";

/// Who a node is, and whom it means to speak with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The cluster.
    pub(crate) cluster: u64,
    /// The node.
    pub(crate) from: u64,
    /// Whom it takes the other one for.
    pub(crate) to: u64,
    /// Which disk it has.
    pub(crate) incarnation: u64,
    /// For how long it elects nobody else after it has answered a leader, also behind a restart; zero if nobody relies on it.
    pub(crate) promise: Duration,
    /// Where nodes reach it.
    pub(crate) peer: String,
    /// Where clients reach it.
    pub(crate) client: String,
}

impl Hello {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        let promise = u64::try_from(self.promise.as_nanos()).unwrap_or(u64::MAX);
        for number in [self.cluster, self.from, self.to, self.incarnation, promise] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_string(out, self.peer.as_bytes());
        put_string(out, self.client.as_bytes());
    }

    pub(super) fn decode(from: &mut Reader) -> Result<Hello, Malformed> {
        for byte in MAGIC {
            if from.u8()? != byte {
                return from.wrong("the greeting of a node");
            }
        }
        let version = u16::from_le_bytes([from.u8()?, from.u8()?]);
        if version != VERSION {
            return from.wrong("version 2 of what nodes speak: run the same version everywhere");
        }
        let (cluster, sender, to, incarnation) = (from.u64()?, from.u64()?, from.u64()?, from.u64()?);
        let promise = Duration::from_nanos(from.u64()?);
        Ok(Hello { cluster, from: sender, to, incarnation, promise, peer: from.text()?, client: from.text()? })
    }

    /// Whether `self` may speak with the node that `ours` is from; the reason if not.
    pub(crate) fn suits(&self, ours: &Hello) -> Result<(), String> {
        if self.cluster != ours.cluster {
            return Err(format!(
                "n{} belongs to another cluster ({:x}, and this is {:x})",
                self.from, self.cluster, ours.cluster
            ));
        }
        if self.to != ours.from {
            return Err(format!(
                "n{} looks for n{}, and this is n{}: an address is wrong",
                self.from, self.to, ours.from
            ));
        }
        if self.from == ours.from {
            return Err(format!("two processes say that they are n{}", self.from));
        }
        // A leader counts on what the others promise: on all of them, since it can't choose who answers it.
        if self.promise != ours.promise {
            return Err(format!(
                "n{} elects nobody for {:?} behind its last word to a leader, and n{} for {:?}: reads by lease need the \
                same --reads and --election-timeout on all nodes",
                self.from, self.promise, ours.from, ours.promise
            ));
        }
        Ok(())
    }
}
