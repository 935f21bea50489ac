//! What two trees say to one another, and its bytes.

use super::{BITS, FANOUT, Options, node_at};

/// Bytes in front of nodes or entries, at most.
pub(super) const HEAD: usize = 1 + 8 + 8 + 4;
/// Bytes of a node, at most.
pub(super) const NODE: usize = 4 + 2 + FANOUT * 16;
/// Bytes of an entry, beside its key.
pub(super) const ENTRY: usize = 2 + 16;

/// A message between two trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The sum of everything: are you equal?
    Root(u128),
    /// The sums below some nodes of a level: which of them differ?
    Sums {
        /// The level of the nodes, from the root's, 0.
        level: u32,
        /// The nodes, in ascending order.
        nodes: Vec<Node>,
    },
    /// All keys of some places, which lie in one leaf: which of them differ?
    Keys {
        /// The first place.
        first: u64,
        /// The last place, included.
        last: u64,
        /// The keys.
        entries: Vec<Entry>,
    },
    /// The keys did not fit: which are there from this place to the end of its leaf?
    Rest {
        /// The place behind the last one that is known.
        from: u64,
    },
}

/// A node with the sums of its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Which one of its level.
    pub index: u32,
    /// A sum for each child.
    pub sums: [u128; FANOUT],
}

/// A key, with the hash of it and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Vec<u8>,
    /// The hash.
    pub hash: u128,
}

/// A message that a tree of this shape does not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadMessage {
    /// It ends too early, goes on too long, or begins with an unknown byte.
    #[error("the message is no message: drop it")]
    Garbled,
    /// It is larger than messages may be.
    #[error("a message of {len} bytes, of {most} at most: compare the limits of both sides")]
    TooLarge {
        /// Its length.
        len: usize,
        /// The most that is allowed.
        most: usize,
    },
    /// It speaks of a level, a node or a range that this tree doesn't have.
    #[error("the message is of a tree of another shape: compare the options of both sides")]
    Shape,
}

impl Message {
    /// Its bytes, numbers with the lowest byte first:
    ///
    /// ```text
    ///   0 root:16
    ///   1 level:1 count:4, then for each node   index:4 which:2 sum:16 …      a bit in `which` for each sum that isn't 0
    ///   2 first:8 last:8 count:4, then for each entry   length:2 key hash:16
    ///   3 from:8
    /// ```
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD);
        match self {
            Message::Root(root) => {
                bytes.push(0);
                bytes.extend(root.to_le_bytes());
            }
            Message::Sums { level, nodes } => {
                bytes.extend([1, *level as u8]);
                bytes.extend((nodes.len() as u32).to_le_bytes());
                for node in nodes {
                    let which = (0..FANOUT)
                        .filter(|child| node.sums[*child] != 0)
                        .fold(0_u16, |bits, child| bits | (1 << child));
                    bytes.extend(node.index.to_le_bytes());
                    bytes.extend(which.to_le_bytes());
                    node.sums.iter().filter(|sum| **sum != 0).for_each(|sum| bytes.extend(sum.to_le_bytes()));
                }
            }
            Message::Keys { first, last, entries } => {
                bytes.push(2);
                bytes.extend(first.to_le_bytes());
                bytes.extend(last.to_le_bytes());
                bytes.extend((entries.len() as u32).to_le_bytes());
                for entry in entries {
                    // Keys are no longer than this: the tree has checked it.
                    bytes.extend((entry.key.len() as u16).to_le_bytes());
                    bytes.extend(&entry.key);
                    bytes.extend(entry.hash.to_le_bytes());
                }
            }
            Message::Rest { from } => {
                bytes.push(3);
                bytes.extend(from.to_le_bytes());
            }
        }
        bytes
    }

    /// Reads bytes from anybody. It allocates no more than they are long, some times.
    pub fn decode(bytes: &[u8], options: &Options) -> Result<Message, BadMessage> {
        if bytes.len() > options.longest() {
            return Err(BadMessage::TooLarge { len: bytes.len(), most: options.longest() });
        }
        let mut rest = Reader(bytes);
        let message = match rest.number::<1>()? {
            0 => Message::Root(rest.sum()?),
            1 => {
                let (level, count) = (rest.number::<1>()? as u32, rest.number::<4>()?);
                let mut nodes = Vec::new();
                for _ in 0..count {
                    let (index, which) = (rest.number::<4>()? as u32, rest.number::<2>()?);
                    let mut sums = [0; FANOUT];
                    for (child, sum) in sums.iter_mut().enumerate() {
                        if which & (1 << child) != 0 {
                            *sum = rest.sum()?;
                        }
                    }
                    nodes.push(Node { index, sums });
                }
                Message::Sums { level, nodes }
            }
            2 => {
                let (first, last, count) = (rest.number::<8>()?, rest.number::<8>()?, rest.number::<4>()?);
                let mut entries = Vec::new();
                for _ in 0..count {
                    let len = rest.number::<2>()? as usize;
                    entries.push(Entry { key: rest.take(len)?.to_vec(), hash: rest.sum()? });
                }
                Message::Keys { first, last, entries }
            }
            3 => Message::Rest { from: rest.number::<8>()? },
            _ => return Err(BadMessage::Garbled),
        };
        if !rest.0.is_empty() {
            return Err(BadMessage::Garbled);
        }
        message.check(options)?;
        Ok(message)
    }

    /// Whether a tree with these options could have sent it.
    pub(super) fn check(&self, options: &Options) -> Result<(), BadMessage> {
        let fits = match self {
            Message::Root(_) | Message::Rest { .. } => true,
            Message::Sums { level, nodes } => {
                *level < options.levels()
                    && nodes.iter().all(|node| u64::from(node.index) < 1 << (BITS * level))
                    && nodes.windows(2).all(|pair| pair[0].index < pair[1].index)
            }
            Message::Keys { first, last, entries } => {
                first <= last
                    && node_at(*first, options.levels()) == node_at(*last, options.levels())
                    && entries.iter().all(|entry| entry.key.len() <= options.longest_key())
            }
        };
        if fits { Ok(()) } else { Err(BadMessage::Shape) }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], BadMessage> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(BadMessage::Garbled)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<u64, BadMessage> {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(self.take(N)?);
        Ok(u64::from_le_bytes(bytes))
    }

    fn sum(&mut self) -> Result<u128, BadMessage> {
        let bytes = self.take(16)?.try_into().map_err(|_| BadMessage::Garbled)?;
        Ok(u128::from_le_bytes(bytes))
    }
}
