//! A B+tree in one file, with a log beside it: [`BTree`].
//!
//! # The problem
//!
//! Keep ordered entries on a disk so that any of them is found with a handful of page reads, a range is read in order,
//! and a crash between any two writes loses nothing that was promised. Three things pull against each other: pages that
//! are changed in place can be torn; every durable commit wants to write the pages that it touched, and a random batch
//! touches one page an entry; and readers want a tree that stands still while a writer rebuilds it.
//!
//! # How it works
//!
//! **Copy on write in memory, a logical log on the disk, and from time to time a checkpoint.**
//!
//! ```text
//!   submit(batch) ──▶ copy the pages it touches, change the copies ──▶ the batch to the log ──▶ new root: visible
//!                                                                          │ group commit           │
//!                                                                          ▼ one sync for many      ▼
//!                                                                       durable             readers: root ─▶ leaf
//!   checkpoint, behind the writer's back, by steps:
//!     pages that are not in the file ──▶ free places ──▶ sync ──▶ the older of two headers ──▶ sync ──▶ trim the log
//! ```
//!
//! *Writing.* A batch copies each page that it changes once, under a new page number, up to the root; after that it
//! edits its own copies in place. Then the batch itself, not the pages, goes to the [log](crate::log), and the new root
//! is published. A key and a value of 116 bytes cost 116 bytes of log, not a page of 4096, and many writers share one
//! sync.
//!
//! *A split.* The leaf under `m` is full and `p` comes. Cells are dealt to two pages, each with its own prefix, and the
//! shortest key that parts them goes up; keys that come in ascending order leave the left page full instead:
//!
//! ```text
//!          ┌────────────────┐                          ┌────────────────────┐
//!          │  ·  │ m  │ t   │                          │  ·  │ m │ o  │ t   │   copies, with new numbers;
//!          └──┼──┴─┼──┴─┼───┘        put p             └──┼──┴─┼─┴─┼──┴─┼───┘   the old ones stay for those
//!             ▼    ▼    ▼           ──────▶               ▼    ▼   ▼    ▼       who read them
//!            …  [m n o q] …                              …  [m n] [o p q] …
//! ```
//!
//! A node that falls below a quarter takes entries from a neighbour, or becomes one with it. A range is deleted by
//! leaving whole subtrees behind.
//!
//! *Reading.* A reader takes the published root and follows page numbers through the page table, an array of atomic
//! pointers: no lock, no shared counter. Within a page it searches slots of eight bytes, each with the first four bytes
//! of its key (behind the prefix that all keys of the page share), so that the cells are looked at once or twice. A
//! cursor steps through a leaf without descending, and lends key and value from the page.
//!
//! *Forgetting.* Pages that are in the file can be forgotten, those first that nobody read since the hand of a clock last
//! came by. While memory is full, a page that is read from the file is kept only if it was missed before, not long ago:
//! a scan of everything pushes nothing out.
//!
//! *Who needs a page.* A page that a batch leaves behind is seen by older versions until their holders drop them, and
//! by the checkpoint in the file until the next one is durable. What was born after a version and left before the next
//! that is held goes at once: a snapshot keeps what it sees, not everything since.
//!
//! *A checkpoint* begins with a moment under the writer's lock, in which the root, the free list and the pages that are
//! not in the file are noted. Its steps write these pages, in the order of the file, into places that the last
//! checkpoint does not use: a torn page hurts nobody. It runs as a job; when the log has grown to one and a half times
//! [`Options::log_bytes`] writers do a step each, and at twice that they wait.
//!
//! *Opening* takes the newer header that is whole, reads what the log has beyond it, and sorts that in memory. No page
//! of the tree is read for it. Reads look there first and at the tree behind it; the background brings the writes into
//! the tree, by steps, and the first writer does what is left of that.
//!
//! *Giving space back.* A checkpoint cannot write over the one before it, so the file holds two copies of what changes,
//! and three while writers are ahead of a checkpoint. Before a checkpoint, pages that are not in the file yet are given
//! the lowest free numbers, which costs no write. When nobody writes and more than a quarter is free, a job moves
//! pages down, a thousand for a checkpoint, and each checkpoint cuts the free end off. Nothing of this happens while an
//! old snapshot is held, nor to what was written since the last checkpoint, until the next one.
//!
//! *A batch larger than memory* writes pages that it is done with to free places as it goes, from a quarter of
//! [`Options::memory`] on. The batch itself is held in memory, and refused above [`Options::max_batch`].
//!
//! *Why not pages in place*, as in SQLite or InnoDB? They need every page in the log, whole, before its first change
//! after a checkpoint, or a torn page could not be mended; and readers need locks on pages, or a second copy. *Why not
//! copy on write alone*, as in LMDB? Then each durable commit writes and syncs the whole path of each leaf.
//!
//! ## The file
//!
//! All numbers are little-endian, all checksums CRC32C. A directory holds `data` (this file), `log/` (format of
//! [`log`](crate::log), one entry a batch, as in [`WriteBatch`](crate::engine::WriteBatch)) and `LOCK`.
//!
//! Two headers at 0 (checkpoints of even number) and 4096 (odd). Pages begin behind byte 8192; page `n` stands at `n`
//! times the page size.
//!
//! ```text
//!   header                                            page
//!     0  8  magic `xs-btree`                            0  4  checksum of all that follows
//!     8  4  format version: 1                           4  1  kind: 1 leaf, 2 inner, 3 run
//!    12  4  page size                                   5  1  level: leaves 0
//!    16  8  number of the checkpoint                    6  2  number of cells
//!    24  8  first entry of the log to be applied        8  4  its own number
//!    32  8  entries                                    12  4  0
//!    40  4  root; 0 if there is none                   16  8  the checkpoint that it was made for
//!    44  4  pages of the file                          24  2  length of the prefix ┐
//!    48  4  run of the free list; 0 if it is empty     26  2  lowest cell          │ of a run: 8 bytes,
//!    52  4  0                                          28  2  bytes of dead cells  │ the payload's length
//!    56  8  its length in bytes                        30  2  0                    ┘
//!    64 60  0                                          32 8n  slots (of a run: the payload)
//!   124  4  checksum of bytes 0 to 123                 …      free, then cells, then the prefix at the end
//!
//!   slot                                              cell
//!     0  4  first 4 bytes of the key behind the         0  2  length of the value
//!           prefix, as a number; short: 0s behind       2  …  key behind the prefix
//!     4  2  offset of the cell                          …  …  value: of a leaf, bytes; of an inner node, a page (4)
//!     6  2  length of the key in the cell; and
//!           0x8000: it ends with a reference to a run that holds the whole key: page (4), key length (4)
//!           0x4000: the value is a reference to a run: page (4), length (8)
//! ```
//!
//! Slots are in the order of the keys. An inner node's first slot has no key: everything below the second's belongs
//! there. A cell takes a quarter of a page at most: longer values stand in runs, pages that follow each other under one
//! checksum, as do keys above an eighth of a page. The free list is a run: alternately the number of pages in use and
//! free, as LEB128, from the first page on.
//!
//! # Invariants
//!
//! [`BTree::check`] verifies those of the structure.
//!
//! - A page that a durable checkpoint, the one being written, or a held version can reach is never written again
//!   (`write`, `checkpoint`).
//! - Every page is one of: reachable from the root, left behind and accounted for, the free list's, or free. Nothing
//!   leaks (`check`).
//! - Keys ascend within a node and stay between those of the nodes above; all leaves are at one level (`grow`,
//!   `shrink`).
//! - Nothing from the disk is believed before its checksum, its own number, its age and the bounds of its cells have
//!   been looked at (`store`, `node`). A page that comes back whole but older than what was written last since the file
//!   was opened is an error as well.
//! - The header that a store was opened with is durable before anything is written over: it is written again in front
//!   of the first page (`checkpoint`).
//! - A version with recovered writes over it answers the same however many of them the tree has (`recovered`).
//! - A header is durable after the pages and the log entries in front of the one that it names (`checkpoint`).
//! - Pages in memory stay within [`Options::memory`]; when nearly all of it is pages that are not in the file,
//!   writers wait for the checkpoint (`table`, `checkpoint`).
//!
//! # Cost
//!
//! A lookup among a million entries passes three or four pages: an atomic load, a binary search over slots that lie
//! side by side, and one or two comparisons of keys in each. A batch copies a leaf of 4 KiB for each leaf that it
//! touches, and the nodes above once. Writing to the disk is the log once, and each page that changed since the last
//! checkpoint once: the more log ([`Options::log_bytes`]), the less, and the longer an opening. The page table takes
//! 16 bytes a page of the file. A free list is written whole at each checkpoint, two to four bytes a gap.
//!
//! Opening costs the header, the free list, and the log beyond the checkpoint: at most twice [`Options::log_bytes`] and a
//! batch, 64 MiB with the defaults, whatever the store holds. [`stats`](crate::engine::Engine::stats) says how long it
//! took and how much log was read. Measured with 116 bytes an entry: 27 ms after a kill at a million entries, 45 ms with
//! 28 MiB of log to be read, 85 to 105 ms with 59 MiB, which is nearly as much as there can be. What the log had takes
//! memory until it is in the tree, its own bytes and 32 a write, besides [`Options::memory`]; the first write after a
//! crash waits for that, and so does [`BTree::entries`].
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//! use std::sync::Arc;
//! use xs_os::vfs::MemoryVfs;
//! use xs_storage::btree::{BTree, Options};
//! use xs_storage::engine::{EngineExt, KeyRange, ReadView};
//!
//! // A disk in memory; the default is the system's.
//! let vfs = Arc::new(MemoryVfs::new());
//! let options = || Options { vfs: vfs.clone(), ..Options::default() };
//! let store = BTree::open(Path::new("db"), options())?;
//! store.bulk_load((0..1000_u32).map(|n| (n.to_be_bytes(), format!("entry {n}"))))?;
//! store.put(b"\xff", b"the last")?;
//! drop(store);
//!
//! let store = BTree::open(Path::new("db"), options())?;
//! let mut cursor = store.cursor(KeyRange::all())?;
//! cursor.seek_end()?;
//! assert!(cursor.prev()? && cursor.prev()?);
//! assert_eq!(cursor.value()?, b"entry 999");
//! assert_eq!(store.check()?.entries, 1001);
//! # Ok::<(), xs_storage::Error>(())
//! ```
//!
//! # How others do it
//!
//! LMDB copies on write too, without a log: the file is mapped into memory, and readers follow pointers into it, which
//! cannot be beaten for reading and makes each durable commit two syncs and every page of every path. redb is LMDB's
//! idea in safe Rust with checksums. canopydb puts a log and a memory-only stage in front of copy-on-write trees, and
//! is the nearest relative. SQLite and InnoDB change pages in place, the one after logging whole pages, the other with a
//! doublewrite buffer. LeanStore and Umbra swap page numbers for pointers while a page is in memory, where the table
//! here is one load more.
//!
//! # What this leaves out
//!
//! Several trees in one file (use prefixes, or several files), savepoints that outlive their transaction, compression,
//! merge operators, and a write that does not know its key's old value: every put finds its leaf first, which is what
//! an LSM tree does without.
//!
//! # Try next
//!
//! Let an inner node keep the checksum of each child beside its number: then a page that the disk lost before the file
//! was opened is noticed as well. What does it cost a leaf's parent in fan-out?
//!
//! # Sources
//!
//! R. Bayer and E. McCreight, "Organization and Maintenance of Large Ordered Indices" (1972); R. Bayer and
//! K. Unterauer, "Prefix B-Trees" (TODS 1977); G. Graefe, "Modern B-Tree Techniques" (2011), §3 on prefixes and poor
//! man's normalised keys, §6 on logging; O. Rodeh, "B-trees, Shadowing, and Clones" (TOS 2008); H. Chu, "MDB" (2011); J. Gray and
//! A. Reuter, "Transaction Processing" (1993), §13 on shadow pages and checkpoints.

mod batch;
mod bulk;
mod check;
mod checkpoint;
mod cursor;
mod edit;
mod grow;
mod header;
mod node;
mod open;
mod options;
mod overlay;
mod pack;
mod page;
mod recovered;
mod shrink;
mod space;
mod store;
mod table;
mod transaction;
mod tree;
mod write;

#[cfg(all(test, not(xs_loom)))]
mod tests;

pub use check::Report;
pub use options::Options;
pub use transaction::{Savepoint, Transaction};
pub use tree::BTree;
