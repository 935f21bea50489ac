//! Record batches inside of a message.

use std::any::Any;
use std::fmt::{self, Debug};

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use crate::Out;

/// Something that only the transport can fetch, such as a range of a file. Every type that can be cloned and sent is one;
/// what it gets is put with [`Out::put_external`] as it is.
pub trait Chunk: Any + Send + Sync {
    /// A copy for the outgoing bytes.
    fn to_external(&self) -> Box<dyn Any + Send>;
    /// A copy for another message.
    fn to_chunk(&self) -> Box<dyn Chunk>;
}

impl<T: Any + Send + Sync + Clone> Chunk for T {
    fn to_external(&self) -> Box<dyn Any + Send> {
        Box::new(self.clone())
    }

    fn to_chunk(&self) -> Box<dyn Chunk> {
        Box::new(self.clone())
    }
}

/// Record batches as a message carries them: pieces of memory and pieces that only the transport can fetch, one behind the
/// other. What was read is one piece of memory.
#[derive(Default)]
pub struct Blob {
    pieces: SmallVec<[Piece; 1]>,
}

enum Piece {
    Bytes(Bytes),
    External(Box<dyn Chunk>, usize),
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::External(_, len) => *len,
        }
    }
}

impl Blob {
    /// No bytes.
    pub fn new() -> Blob {
        Blob::default()
    }

    /// Appends bytes. Nothing is copied.
    pub fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.pieces.push(Piece::Bytes(bytes));
        }
    }

    /// Appends `len` bytes that the transport fetches.
    pub fn push_external(&mut self, chunk: impl Chunk, len: usize) {
        if len > 0 {
            self.pieces.push(Piece::External(Box::new(chunk), len));
        }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The bytes, copied if they are in several pieces. `None` if the transport has some of them.
    pub fn to_bytes(&self) -> Option<Bytes> {
        if let [Piece::Bytes(bytes)] = &self.pieces[..] {
            return Some(bytes.clone());
        }
        let mut all = BytesMut::new();
        for piece in &self.pieces {
            let Piece::Bytes(bytes) = piece else { return None };
            all.extend_from_slice(bytes);
        }
        Some(all.freeze())
    }

    pub(super) fn put(&self, out: &mut Out) {
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => out.put_bytes(bytes.clone()),
                Piece::External(chunk, len) => out.put_external((**chunk).to_external(), *len),
            }
        }
    }
}

impl From<Bytes> for Blob {
    fn from(bytes: Bytes) -> Blob {
        let mut blob = Blob::new();
        blob.push(bytes);
        blob
    }
}

impl Clone for Blob {
    fn clone(&self) -> Blob {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Bytes(bytes) => Piece::Bytes(bytes.clone()),
            Piece::External(chunk, len) => Piece::External((**chunk).to_chunk(), *len),
        });
        Blob { pieces: pieces.collect() }
    }
}

/// By the bytes. What the transport has is equal to nothing.
impl PartialEq for Blob {
    fn eq(&self, other: &Blob) -> bool {
        matches!((self.to_bytes(), other.to_bytes()), (Some(a), Some(b)) if a == b)
    }
}

impl Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.len())
    }
}
