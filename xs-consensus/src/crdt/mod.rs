//! Values that replicas change apart, and that end up equal: counters, sets, registers, maps and texts.
//!
//! # The problem
//!
//! A phone in a tunnel, two data centres with a cut cable, a hundred people in one text: each must be able to write now,
//! without asking the others. Later the copies meet, and both have changed. Whoever then takes one of the two loses
//! something; whoever asks a person asks too often; whoever writes the merging by hand finds that three copies that meet in
//! different orders end up different.
//!
//! # How it works
//!
//! Take only values whose copies can be *merged* such that order and repetition don't matter ([`Merge`]): associative,
//! commutative, idempotent. Mathematically that is a join-semilattice: copies have an order, changes only move up in it,
//! and a merge is the least copy above both.
//!
//! ```text
//!            {a,b,c}                 copies that have seen the same changes are equal,
//!           ╱       ╲                whichever way they went
//!        {a,b}     {a,c}
//!        ╱    ╲   ╱     ╲            a delta is a copy with little in it:  {b}
//!      {b}     {a}      {c}          lost: send it again. Twice: no harm. Overtaken: no harm.
//!           ╲   │   ╱
//!              { }
//! ```
//!
//! So no protocol is needed that delivers once or in order. Each change answers with its *delta*, which is enough to send;
//! [`Merge::delta_since`] tells what somebody lacks whose copy is known; and whoever knows nothing takes the whole copy.
//!
//! | value | what happens to concurrent changes | what it keeps |
//! |---|---|---|
//! | [`GCounter`], [`PnCounter`] | all count | a number or two a replica |
//! | [`GSet`] | all stay | its values |
//! | [`TwoPhaseSet`] | removal wins, for ever | its values and all that were removed |
//! | [`OrSet`] | addition wins over a removal that did not know of it | its values |
//! | [`LwwRegister`], [`LwwMap`] | the larger stamp wins, the other is lost | one value, and each removed key |
//! | [`MvRegister`] | all stay, until somebody who has read them writes | the concurrent values |
//! | [`OrMap`] | as in the values below its keys; a change wins over a removal | its keys |
//! | [`Sequence`] | all stay, runs stay whole | its values, and a trace of each removed one |
//!
//! Three of them share one idea ([`Causal`]). Each piece stands under the event that put it there (a
//! [`Dot`](crate::clock::Dot)), and the copy knows all events that it has seen ([`Dots`](crate::clock::Dots)). When one copy
//! has a piece and the other has not, the question is whether it is *new here* or *gone there*: it is gone if the other has
//! seen its event. So what was removed leaves no tombstone, only the knowledge of its event, and that is one number a
//! replica once there are no gaps.
//!
//! The sequence is **Fugue** ([`Sequence`] draws it). RGA, the usual choice, interleaves two runs that were typed at one
//! place from right to left; positions in a dense order (Logoot, LSEQ) interleave those typed from left to right too, and
//! make a salad of letters of two sentences. YATA, as Yjs has it, finds places by a scan that compares the neighbours of
//! neighbours, and is hard to argue about; Fugue is a tree that is read from left to right, and its argument fits on a page.
//!
//! # Invariants
//!
//! - Merging is associative, commutative and idempotent, and never takes anything away: one suite is stamped on every value
//!   (`merge::laws`), over copies that drawn scripts of changes lead to.
//! - A change is its delta: the copy before, merged with it, is the copy behind. [`Merge::delta_since`] is the least delta
//!   that does what the whole copy would (`merge::laws`, against the definition by parts).
//! - Replicas that have heard everything are equal, after any loss, repetition, partition and crash
//!   (`tests/blocks/crdt.rs`, on the simulated network).
//! - No two events have the same dot. This one the caller keeps: a [`ReplicaId`](crate::clock::ReplicaId) is used by one
//!   process at a time, and never again once it has lost what it had counted.
//!
//! # Cost
//!
//! A delta is as large as the change; [`Merge::delta_since`] looks at all that both copies have, and so does a merge of
//! [`Causal`] values. A [`Sequence`] takes
//! O(log n) for each edit and element merged, beside walks over concurrent runs at one place, and some 200 bytes an
//! element, **removed ones too**: they are freed by nothing here. A text of which 90 % was rubbed out again is ten times
//! its length. So are [`LwwMap`]'s and [`TwoPhaseSet`]'s removed keys kept. Freeing them takes the knowledge that every
//! replica has heard of the removal, and no replica may then come back from longer ago; that is agreement, which is what
//! one wanted to do without. Watch [`Sequence::elements`], and start a new document when it is time.
//!
//! # Example
//!
//! ```
//! use xs_consensus::clock::ReplicaId;
//! use xs_consensus::crdt::{Merge, OrSet, Sequence};
//!
//! let (phone, laptop) = (ReplicaId(1), ReplicaId(2));
//! let mut on_phone = OrSet::default();
//! on_phone.insert(phone, "milk").unwrap();
//! let mut on_laptop = on_phone.clone();
//!
//! // Apart: the phone buys the milk, the laptop wants milk again, and tea.
//! on_phone.remove(&"milk");
//! on_laptop.insert(laptop, "milk").unwrap();
//! let tea = on_laptop.insert(laptop, "tea").unwrap();
//!
//! on_phone.merge(&tea);                          // a delta is enough
//! assert!(!on_phone.contains(&"milk"));
//! on_phone.merge(&on_laptop.delta_since(&on_phone));
//! assert!(on_phone.keys().eq(&["milk", "tea"]));  // the addition did not know of the removal, and wins
//!
//! let mut text = Sequence::default();
//! text.insert_all(phone, 0, "helo".chars()).unwrap();
//! let fix = text.insert(laptop, 3, 'l').unwrap();
//! assert_eq!(text.iter().collect::<String>(), "hello");
//! assert_eq!(fix.elements(), 1);
//! ```
//!
//! # How others do it
//!
//! Riak has counters, sets and maps with dotted vectors, merged as whole copies in the store. Redis Enterprise replicates
//! its types this way between regions. Akka sends deltas. Automerge and Yjs are documents of nested maps and texts that send
//! operations, and pack runs of characters into single entries, which brings an element down to a byte or two. Roshi keeps
//! last-writer-wins sets in Redis. Databases that resolve by the last writer (Cassandra, DynamoDB's global tables) are
//! [`LwwMap`]s, and lose concurrent writes as it does.
//!
//! # What this leaves out
//!
//! A byte format; values that are read from strangers must be checked against limits before they are merged, and none of
//! these types refuses a merge. Freeing of tombstones. Limits across copies ("never below zero", "at most ten seats"): they need agreement or escrow. Moves
//! in lists and trees, which by removal and insertion are doubled when concurrent. Formatting of text (Peritext). Counters
//! below an [`OrMap`]'s keys, whose removal and concurrent counting have no answer that everybody likes.
//!
//! # Try next
//!
//! Sort the siblings of [`Sequence`] the other way round on one replica, and see which test notices. Make [`OrSet`]'s removal
//! win: what must be kept then? Pack runs: one element for a word, split when somebody writes into it.
//!
//! # Sources
//!
//! M. Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated Data Types" (INRIA RR-7506, 2011);
//! A. Bieniusa et al., "An optimized conflict-free replicated set" (2012); P. S. Almeida, A. Shoker, C. Baquero, "Delta
//! State Replicated Data Types" (2018), for [`Causal`] and its stores; V. Enes et al., "Efficient Synchronization of
//! State-based CRDTs" (ICDE 2019), for decompositions and least deltas; M. Kleppmann et al., "Interleaving anomalies in
//! collaborative text editors" (2019); M. Weidner and M. Kleppmann, "The Art of the Fugue: Minimizing Interleaving in
//! Collaborative Text Editing" (2023); H.-G. Roh et al., "Replicated abstract data types" (2011), for RGA; P. Nicolaescu et
//! al., "Near Real-Time Peer-to-Peer Shared Editing on Extensible Data Types" (2016), for YATA.

mod causal;
mod counter;
mod merge;
mod register;
mod sequence;
mod set;

pub use causal::{Causal, DotFun, DotMap, DotSet, MvRegister, OrMap, OrSet, Store};
pub use counter::{GCounter, PnCounter};
pub use merge::Merge;
pub use register::{LwwMap, LwwRegister};
pub use sequence::{EditError, Sequence};
pub use set::{GSet, TwoPhaseSet};
