//! Whether transactions behaved as if they had run one behind another, and what went wrong if not: [`check`].
//!
//! # The problem
//!
//! A database says "serializable" and gives snapshot isolation, or loses an update when a node changes. To see it from
//! outside one must know which transaction's write another one read, and which write replaced which. Registers don't
//! tell: of two writes that nobody read in between, no client knows the order.
//!
//! # How it works
//!
//! The trick is Elle's: the objects are lists and the only write is *append* of a value that is unique. A read of
//! `[1, 4, 2]` tells the whole past of its key. From the reads follow three kinds of edges between transactions:
//!
//! ```text
//!   T1  append x 1                      T1 ─ww→ T2    T2's append replaced the list that T1's had made
//!   T2  append x 4                      T2 ─wr→ T3    T3 read the list that T2 had made
//!   T3  read x → [1, 4]                 T3 ─rw→ T4    T4 replaced the list that T3 had read
//!   T4  append x 2                                    (rt: the one had returned when the other began)
//! ```
//!
//! If there is an order of the transactions, every edge goes forwards in it; so a cycle is a proof that there is none, and
//! the edges of the shortest one say which promise was broken:
//!
//! | anomaly | cycle | Adya |
//! |---|---|---|
//! | dirty write | ww only | G0 |
//! | aborted read | a value that was never committed | G1a |
//! | intermediate read | a value that its writer replaced itself | G1b |
//! | circular information flow | ww and wr | G1c |
//! | single anti-dependency (read skew, lost update) | exactly one rw | G-single |
//! | anti-dependency cycle (write skew) | more than one rw | G2 |
//!
//! Beside cycles there are things that no order explains at all: two reads of a key of which neither begins with the
//! other, a transaction that doesn't see its own append.
//!
//! # Invariants
//!
//! - Every anomaly that is named is one: each edge follows from what was read (`graph`), and a cycle is printed edge by
//!   edge with its reason.
//! - If each key is read whole in the end, a history without an anomaly is serializable: tested against a search
//!   over all orders (`tests::agrees_with_every_order`). What nobody ever read cannot be judged.
//! - Transactions with an unknown outcome count as committed when something of theirs was read, and else not at all.
//!
//! # Cost
//!
//! Linear in what was read, and then in the edges; a breadth-first search for the shortest cycle of each kind in each
//! strongly connected component.
//!
//! # Example
//!
//! Write skew: each of two transactions reads what the other one is about to change.
//!
//! ```
//! use xs_consensus::check::history::History;
//! use xs_consensus::check::serializability::{self, Anomaly, Step, Options};
//!
//! let mut history = History::new();
//! let one = history.invoke(1, 0, vec![Step::Read("x"), Step::Append("y", 1)]);
//! let two = history.invoke(2, 1, vec![Step::Read("y"), Step::Append("x", 2)]);
//! history.returned(one, 5, vec![vec![]]);         // what each read found, in order
//! history.returned(two, 6, vec![vec![]]);
//! let look = history.invoke(1, 7, vec![Step::Read("x"), Step::Read("y")]);
//! history.returned(look, 9, vec![vec![2], vec![1]]);
//!
//! let found = serializability::check(&history, Options::default())?;
//! assert_eq!(found[0].anomaly, Anomaly::AntiDependencyCycle);
//! # Ok::<(), serializability::BadHistory>(())
//! ```
//!
//! # How others do it
//!
//! Elle infers the same graph for several kinds of objects and names many more anomalies; Cobra and PolySI give the
//! possible orders of register writes to a solver.
//!
//! # What this leaves out
//!
//! Objects other than lists, predicates (and so phantoms: a list key that is created counts as an append), and the
//! weaker levels' own phenomena.
//!
//! # Try next
//!
//! Run `xs_storage::mvcc` at snapshot isolation under this, and find the write skew that its serializable mode refuses.
//!
//! # Sources
//!
//! A. Adya, "Weak Consistency: A Generalized Theory and Optimistic Implementations for Distributed Transactions" (MIT,
//! 1999); K. Kingsbury and P. Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations" (VLDB 2020);
//! R. Tarjan, "Depth-First Search and Linear Graph Algorithms" (1972).

mod graph;
mod infer;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fmt::Debug;

use super::history::History;

/// A step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "check-json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Step<K, V> {
    /// Reads the list of a key.
    Read(K),
    /// Appends a value, which no other step of the history appends to that key.
    Append(K, V),
}

/// A history of transactions: each is a list of steps, and its answer what its reads found, one list a read, in order.
pub type Transactions<K, V> = History<Vec<Step<K, V>>, Vec<Vec<V>>>;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Also asks that a transaction that had returned is in front of those that began later: strict serializability.
    pub strict: bool,
}

/// A promise that was broken, the worse ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Anomaly {
    /// Two reads of one key of which neither begins with the other, or one with a value twice: no order explains it.
    IncompatibleReads,
    /// A transaction doesn't see what it did itself.
    Internal,
    /// A value was read that nobody appended.
    Garbage,
    /// Adya's G0: transactions overwrote one another in a circle.
    DirtyWrite,
    /// Adya's G1a: a value was read whose transaction did not commit.
    AbortedRead,
    /// Adya's G1b: a list was read that its writer changed further before it committed.
    IntermediateRead,
    /// Adya's G1c: transactions depend on one another in a circle.
    CircularInformationFlow,
    /// G-single: a circle with one anti-dependency, such as a lost update or a read skew.
    SingleAntiDependency,
    /// Adya's G2: a circle with several anti-dependencies, such as a write skew.
    AntiDependencyCycle,
}

impl Anomaly {
    /// The name that the literature uses.
    pub fn name(self) -> &'static str {
        match self {
            Anomaly::IncompatibleReads => "incompatible reads",
            Anomaly::Internal => "internal inconsistency",
            Anomaly::Garbage => "garbage read",
            Anomaly::DirtyWrite => "G0, dirty write",
            Anomaly::AbortedRead => "G1a, aborted read",
            Anomaly::IntermediateRead => "G1b, intermediate read",
            Anomaly::CircularInformationFlow => "G1c, circular information flow",
            Anomaly::SingleAntiDependency => "G-single, one anti-dependency",
            Anomaly::AntiDependencyCycle => "G2, anti-dependency cycle",
        }
    }
}

/// Why one transaction is in front of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependency {
    /// The second replaced what the first had written.
    WriteWrite,
    /// The second read what the first had written.
    WriteRead,
    /// The second replaced what the first had read.
    ReadWrite,
    /// The first had returned when the second was called.
    RealTime,
}

/// Something that is wrong with a history. Its `Display` shows the cycle with the reason of each edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub anomaly: Anomaly,
    /// Whether the cycle needs the clock: the history may be serializable and is not strictly so.
    pub needs_time: bool,
    /// The transactions of the cycle, by place in the history, and what leads from each to the next (the last one's next
    /// is the first one). Without a cycle, the transactions that are concerned.
    pub cycle: Vec<(usize, Dependency)>,
    explanation: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = if self.needs_time { " (in real time)" } else { "" };
        write!(f, "{}{time}\n{}", self.anomaly.name(), self.explanation)
    }
}

/// A history that cannot be judged: a mistake of whoever recorded it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadHistory {
    /// Two steps append the same value to the same key, so a read of it doesn't tell whose it was.
    #[error("transactions {first} and {second} append the same value to the same key")]
    SameValue {
        /// Its place in the history.
        first: usize,
        /// Its place in the history.
        second: usize,
    },
    /// An answer has not one list for each read.
    #[error("transaction {transaction} has {reads} reads and {answers} answers")]
    Answers {
        /// Its place in the history.
        transaction: usize,
        /// Reads that it asked for.
        reads: usize,
        /// Lists that it got.
        answers: usize,
    },
}

/// Looks for anomalies: none means that an order of the transactions explains everything that was read. The worst one
/// comes first, and of each kind of cycle the shortest one of each knot of transactions.
pub fn check<K, V>(history: &Transactions<K, V>, options: Options) -> Result<Vec<Finding>, BadHistory>
where
    K: Clone + Ord + Debug,
    V: Clone + Ord + Debug,
{
    let mut inferred = infer::infer(history)?;
    let mut findings = std::mem::take(&mut inferred.findings);
    if options.strict {
        inferred.add_time(history);
    }
    findings.extend(graph::cycles(&inferred.graph, inferred.transactions).into_iter().map(|cycle| {
        let kinds = || cycle.iter().map(|(_, edge)| edge.kind);
        let anti = kinds().filter(|kind| *kind == Dependency::ReadWrite).count();
        let anomaly = match anti {
            0 if kinds().any(|kind| kind == Dependency::WriteRead) => Anomaly::CircularInformationFlow,
            0 => Anomaly::DirtyWrite,
            1 => Anomaly::SingleAntiDependency,
            _ => Anomaly::AntiDependencyCycle,
        };
        let mut explanation = String::new();
        for (nth, (from, edge)) in cycle.iter().enumerate() {
            let next = cycle[(nth + 1) % cycle.len()].0;
            explanation.push_str(&format!("  T{from} → T{next}: {}\n", inferred.reason(*edge, *from, next)));
        }
        for (from, _) in &cycle {
            explanation.push_str(&format!("  T{from} = {}\n", history.operations()[*from]));
        }
        Finding {
            anomaly,
            needs_time: kinds().any(|kind| kind == Dependency::RealTime),
            cycle: cycle.iter().map(|(from, edge)| (*from, edge.kind)).collect(),
            explanation,
        }
    }));
    findings.sort_by_key(|finding| (finding.anomaly, finding.needs_time, finding.cycle.len()));
    Ok(findings)
}
