//! What stands on a connection between two nodes.
//!
//! ```text
//!   length (4)   CRC32C of what follows (4)   kind (1)   the rest of `length` bytes
//! ```

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use xs_consensus::raft::Message;

use super::Hello;
use crate::answer;
use crate::command;
use crate::store::Outcome;
use crate::wire::{Malformed, Reader, put_string};

/// The longest frame: an append that carries one entry of the largest kind, and what goes with it.
pub(crate) const MAX_FRAME: usize = 8 << 20;
const HEAD: usize = 8;

/// What one node tells another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Frame {
    /// The first frame, from both.
    Hello(Hello),
    /// Instead of the answering hello: why not.
    Refused(String),
    /// Raft's own.
    Raft(Message),
    /// An entry for the leader to propose, with the asker's number for it.
    Forward(u64, Bytes),
    /// What became of a forward.
    Told(u64, Told),
    /// Are you there?
    Ping,
    /// Yes.
    Pong,
}

/// What became of a forwarded entry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    /// It came to this.
    Outcome(Outcome),
    /// It was certainly not applied, and may be sent again, perhaps to somebody else.
    NotDone(Option<u64>),
    /// It may have been applied, or may be yet.
    Unknown,
    /// It can't be: and the reason.
    Refused(String),
}

/// Why a connection can't go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame of {0} bytes, and the limit is {MAX_FRAME}: not one of ours speaks there")]
    TooLong(usize),
    #[error("a frame's checksum is wrong: it was damaged on its way, or not one of ours speaks there")]
    Checksum,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("a message of raft: {0}")]
    Raft(String),
}

impl Frame {
    /// Appends the frame's bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEAD]);
        match self {
            Frame::Hello(hello) => {
                out.push(0);
                hello.encode(out);
            }
            Frame::Refused(why) => {
                out.push(1);
                put_string(out, why.as_bytes());
            }
            Frame::Raft(message) => {
                out.push(2);
                message.encode(out);
            }
            Frame::Forward(number, entry) => {
                out.push(3);
                out.extend_from_slice(&number.to_le_bytes());
                out.extend_from_slice(entry);
            }
            Frame::Told(number, told) => {
                out.push(4);
                out.extend_from_slice(&number.to_le_bytes());
                told.encode(out);
            }
            Frame::Ping => out.push(5),
            Frame::Pong => out.push(6),
        }
        let body = &out[start + HEAD..];
        let (len, sum) = (body.len() as u32, crc32c::crc32c(body));
        out[start..start + 4].copy_from_slice(&len.to_le_bytes());
        out[start + 4..start + HEAD].copy_from_slice(&sum.to_le_bytes());
    }

    /// Takes a frame off the front of what was read; `None` if it is not all there yet.
    pub(crate) fn take(from: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(head) = from.first_chunk::<HEAD>() else { return Ok(None) };
        let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let sum = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        if len > MAX_FRAME {
            return Err(FrameError::TooLong(len));
        }
        if from.len() < HEAD + len {
            return Ok(None);
        }
        from.advance(HEAD);
        let body = from.split_to(len).freeze();
        if crc32c::crc32c(&body) != sum {
            return Err(FrameError::Checksum);
        }
        Frame::decode(body).map(Some)
    }

    fn decode(body: Bytes) -> Result<Frame, FrameError> {
        let mut from = Reader::new(body);
        let frame = match from.u8()? {
            0 => Frame::Hello(Hello::decode(&mut from)?),
            1 => Frame::Refused(from.text()?),
            2 => {
                let message = Message::decode(from.rest()).map_err(|error| FrameError::Raft(error.to_string()))?;
                return Ok(Frame::Raft(message));
            }
            3 => return Ok(Frame::Forward(from.u64()?, from.rest())),
            4 => Frame::Told(from.u64()?, Told::decode(&mut from)?),
            5 => Frame::Ping,
            6 => Frame::Pong,
            _ => return Err(from.wrong::<()>("a kind of frame").unwrap_err().into()),
        };
        from.end()?;
        Ok(frame)
    }
}

/// So much is asked for with each read: a busy leader's append comes with one or two.
const READ: usize = 64 << 10;

/// Reads what has come, behind what is there; 0 at the end.
///
/// Entries keep the memory that they were read into, so a buffer is filled to its end before there is another one.
pub(super) async fn read_more(io: &mut (impl AsyncRead + Unpin), read: &mut BytesMut) -> io::Result<usize> {
    if read.capacity() - read.len() < READ / 16 {
        read.reserve(READ);
    }
    io.read_buf(read).await
}

impl Told {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Told::Outcome(Outcome::Done(answers)) => {
                out.push(0);
                answer::encode_all(answers, out);
            }
            Told::Outcome(Outcome::DoneBefore) => out.push(1),
            Told::Outcome(Outcome::TooOld) => out.push(2),
            Told::NotDone(hint) => {
                out.extend_from_slice(&[3, u8::from(hint.is_some())]);
                out.extend(hint.iter().flat_map(|node| node.to_le_bytes()));
            }
            Told::Unknown => out.push(4),
            Told::Refused(why) => {
                out.push(5);
                put_string(out, why.as_bytes());
            }
        }
    }

    fn decode(from: &mut Reader) -> Result<Told, Malformed> {
        Ok(match from.u8()? {
            0 => Told::Outcome(Outcome::Done(answer::decode_all(from)?)),
            1 => Told::Outcome(Outcome::DoneBefore),
            2 => Told::Outcome(Outcome::TooOld),
            3 => Told::NotDone(from.option(Reader::u64)?),
            4 => Told::Unknown,
            5 => Told::Refused(from.text()?),
            _ => return from.wrong("what became of a forward"),
        })
    }
}

/// Takes frames off any bytes. What is taken must be the same when it is written and taken again, and so must an entry that
/// it brings: for the fuzz target `peer_frames` and the tests.
///
/// # Panics
/// If it isn't.
pub fn take_any_frames(bytes: &[u8]) {
    let mut from = BytesMut::from(bytes);
    while let Ok(Some(frame)) = Frame::take(&mut from) {
        let mut again = Vec::new();
        frame.encode(&mut again);
        assert_eq!(Frame::take(&mut BytesMut::from(&again[..])).as_ref(), Ok(&Some(frame.clone())));
        if let Frame::Forward(_, bytes) = frame
            && let Ok(entry) = command::decode(bytes.clone())
        {
            assert_eq!(command::encode(&entry), bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::answer::Answer;

    fn frames() -> Vec<Frame> {
        let hello = Hello {
            cluster: 7,
            from: 1,
            to: 2,
            incarnation: 3,
            promise: std::time::Duration::from_millis(4),
            peer: "localhost:1".into(),
            client: "localhost:2".into(),
        };
        vec![
            Frame::Hello(hello),
            Frame::Refused("no".into()),
            Frame::Forward(9, Bytes::from_static(b"entry")),
            Frame::Told(9, Told::Outcome(Outcome::Done(vec![Answer::Ok]))),
            Frame::Told(9, Told::NotDone(Some(3))),
            Frame::Told(9, Told::Unknown),
            Frame::Told(9, Told::Refused("no".into())),
            Frame::Ping,
            Frame::Pong,
        ]
    }

    #[test]
    fn frames_survive_their_bytes_in_whatever_pieces_they_come() {
        let mut bytes = Vec::new();
        frames().iter().for_each(|frame| frame.encode(&mut bytes));
        let (mut read, mut found) = (BytesMut::new(), Vec::new());
        for byte in bytes {
            read.extend_from_slice(&[byte]);
            found.extend(Frame::take(&mut read).unwrap());
        }
        assert_eq!(found, frames());
    }

    #[test]
    fn every_flipped_bit_is_an_error_or_asks_for_more() {
        let mut sound = Vec::new();
        frames()[0].encode(&mut sound);
        for bit in 0..sound.len() * 8 {
            let mut bytes = BytesMut::from(&sound[..]);
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(Frame::take(&mut bytes), Ok(Some(_))), "bit {bit}");
        }
    }

    #[tokio::test]
    async fn long_frames_come_with_few_reads() {
        let mut sent = Vec::new();
        for number in 0..4 {
            Frame::Forward(number, vec![7; 100_000].into()).encode(&mut sent);
        }
        let (mut io, mut read, mut reads, mut found) = (&sent[..], BytesMut::new(), 0, 0);
        while read_more(&mut io, &mut read).await.unwrap() > 0 {
            reads += 1;
            while Frame::take(&mut read).unwrap().is_some() {
                found += 1;
            }
        }
        assert!(found == 4 && reads <= 16, "{found} frames with {reads} reads");
    }

    #[test]
    fn a_length_that_is_only_claimed_costs_nothing() {
        let mut bytes = BytesMut::from(&[0xFF; 8][..]);
        assert!(matches!(Frame::take(&mut bytes), Err(FrameError::TooLong(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_with_the_right_checksum_do_no_harm(bodies in vec((0_u8..8, vec(any::<u8>(), 0..60)), 0..5)) {
            let mut bytes = Vec::new();
            for (kind, rest) in bodies {
                let body = [&[kind], &rest[..]].concat();
                bytes.extend((body.len() as u32).to_le_bytes());
                bytes.extend(crc32c::crc32c(&body).to_le_bytes());
                bytes.extend(body);
            }
            take_any_frames(&bytes);
        }
    }
}
