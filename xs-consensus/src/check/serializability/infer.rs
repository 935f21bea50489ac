//! What reads tell about the order of transactions.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::graph::{Edge, Graph};
use super::{Anomaly, BadHistory, Dependency, Finding, Step, Transactions};
use crate::check::history::Outcome;

/// A graph over transactions, with what is wrong without it.
pub(super) struct Inferred<K, V> {
    pub(super) graph: Graph,
    pub(super) transactions: usize,
    pub(super) findings: Vec<Finding>,
    /// What edges are about: a key, and the value that was appended or read last; none for the empty list.
    reasons: Vec<(K, Option<V>)>,
}

/// Who appended a value, and whether it was that transaction's last one to the key.
struct Writer {
    transaction: usize,
    last: bool,
}

struct Infer<'a, K, V> {
    history: &'a Transactions<K, V>,
    writers: BTreeMap<&'a K, BTreeMap<&'a V, Writer>>,
    /// Reads from outside of a transaction's own appends.
    reads: BTreeMap<&'a K, Vec<(usize, &'a [V])>>,
    findings: Vec<Finding>,
}

pub(super) fn infer<K, V>(history: &Transactions<K, V>) -> Result<Inferred<K, V>, BadHistory>
where
    K: Clone + Ord + Debug,
    V: Clone + Ord + Debug,
{
    let mut infer = Infer { history, writers: BTreeMap::new(), reads: BTreeMap::new(), findings: Vec::new() };
    infer.note_writers()?;
    infer.note_reads()?;
    Ok(infer.into_graph())
}

impl<'a, K, V> Infer<'a, K, V>
where
    K: Clone + Ord + Debug,
    V: Clone + Ord + Debug,
{
    fn note_writers(&mut self) -> Result<(), BadHistory> {
        for (nth, transaction) in self.history.operations().iter().enumerate() {
            let mut last: BTreeMap<&K, &V> = BTreeMap::new();
            for step in &transaction.op {
                let Step::Append(key, value) = step else { continue };
                let writers = self.writers.entry(key).or_default();
                if let Some(first) = writers.insert(value, Writer { transaction: nth, last: true }) {
                    return Err(BadHistory::SameValue { first: first.transaction, second: nth });
                }
                if let Some(before) = last.insert(key, value)
                    && let Some(before) = writers.get_mut(before)
                {
                    before.last = false;
                }
            }
        }
        Ok(())
    }

    fn note_reads(&mut self) -> Result<(), BadHistory> {
        for (nth, transaction) in self.history.operations().iter().enumerate() {
            let Some(answers) = transaction.ret() else { continue };
            let reads = transaction.op.iter().filter(|step| matches!(step, Step::Read(_))).count();
            if reads != answers.len() {
                return Err(BadHistory::Answers { transaction: nth, reads, answers: answers.len() });
            }
            let mut answers = answers.iter();
            // What the transaction knows of a key: what it read from outside, and what it appended since.
            let mut outside: BTreeMap<&K, &[V]> = BTreeMap::new();
            let mut own: BTreeMap<&K, Vec<&V>> = BTreeMap::new();
            for step in &transaction.op {
                let key = match step {
                    Step::Append(key, value) => {
                        own.entry(key).or_default().push(value);
                        continue;
                    }
                    Step::Read(key) => key,
                };
                let Some(answer) = answers.next() else { break };
                let appended = own.get(key).map_or(&[][..], Vec::as_slice);
                let from_outside = answer.len().checked_sub(appended.len()).map(|at| answer.split_at(at));
                match from_outside {
                    Some((before, after)) if after.iter().eq(appended.iter().copied()) => {
                        if let Some(value) = before.iter().find(|value| self.is_writer(nth, key, value)) {
                            let what = format!("reads {value:?} in {key:?} before it has appended it");
                            self.report(Anomaly::Internal, &[nth], what);
                            continue;
                        }
                        if *outside.entry(key).or_insert(before) != before {
                            self.report(
                                Anomaly::Internal,
                                &[nth],
                                format!("reads {key:?} twice and finds {before:?} the second time"),
                            );
                        }
                        if outside[key] == before && !self.reads.get(key).is_some_and(|r| r.contains(&(nth, before))) {
                            self.reads.entry(key).or_default().push((nth, before));
                        }
                    }
                    _ => {
                        let what = format!("appended {appended:?} to {key:?} and reads {answer:?}");
                        self.report(Anomaly::Internal, &[nth], what);
                    }
                }
            }
        }
        Ok(())
    }

    fn is_writer(&self, nth: usize, key: &K, value: &V) -> bool {
        let writer = self.writers.get(key).and_then(|writers| writers.get(value));
        writer.is_some_and(|writer| writer.transaction == nth)
    }

    /// Which transactions were committed: those that returned, and those of which something was read.
    fn committed(&self) -> Vec<bool> {
        let mut committed: Vec<bool> = self.history.operations().iter().map(|one| one.ret().is_some()).collect();
        for (key, reads) in &self.reads {
            let Some(writers) = self.writers.get(*key) else { continue };
            for value in reads.iter().flat_map(|(_, list)| *list) {
                if let Some(writer) = writers.get(value) {
                    committed[writer.transaction] = true;
                }
            }
        }
        committed
    }

    fn report(&mut self, anomaly: Anomaly, transactions: &[usize], what: String) {
        let mut explanation = format!("  T{} {what}\n", transactions[0]);
        for nth in transactions {
            explanation.push_str(&format!("  T{nth} = {}\n", self.history.operations()[*nth]));
        }
        let cycle = transactions.iter().map(|nth| (*nth, Dependency::WriteRead)).collect();
        self.findings.push(Finding { anomaly, needs_time: false, cycle, explanation });
    }

    fn into_graph(mut self) -> Inferred<K, V> {
        let transactions = self.history.len();
        let committed = self.committed();
        let mut graph = Graph::new(transactions);
        let mut reasons: Vec<(K, Option<V>)> = Vec::new();
        let mut edge = |from: usize, to: usize, kind, key: &K, value: Option<&V>| {
            reasons.push((key.clone(), value.cloned()));
            graph.add(from, to, Edge { kind, reason: reasons.len() - 1 });
        };
        for (key, reads) in std::mem::take(&mut self.reads) {
            let none = BTreeMap::new();
            let writers = self.writers.remove(key).unwrap_or(none);
            let Some(&(longest_reader, longest)) = reads.iter().max_by_key(|(_, list)| list.len()) else { continue };
            let mut sorted: Vec<&V> = longest.iter().collect();
            sorted.sort();
            if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                self.report(
                    Anomaly::IncompatibleReads,
                    &[longest_reader],
                    format!("finds {:?} twice in {key:?}", twice[0]),
                );
                continue;
            }
            let mut fits = true;
            for &(reader, list) in &reads {
                if !longest.starts_with(list) {
                    fits = false;
                    let what = format!("reads {key:?} as {list:?}, and T{longest_reader} as {longest:?}");
                    self.report(Anomaly::IncompatibleReads, &[reader, longest_reader], what);
                }
                for value in list {
                    let Some(writer) = writers.get(value) else {
                        self.report(
                            Anomaly::Garbage,
                            &[reader],
                            format!("reads {value:?} in {key:?}, which nobody appended"),
                        );
                        fits = false;
                        continue;
                    };
                    if matches!(self.history.operations()[writer.transaction].outcome, Outcome::Failed { .. }) {
                        let what = format!("reads {value:?} in {key:?}, which was not committed");
                        self.report(Anomaly::AbortedRead, &[reader, writer.transaction], what);
                    }
                }
                if let Some(last) = list.last()
                    && let Some(writer) =
                        writers.get(last).filter(|writer| !writer.last && writer.transaction != reader)
                {
                    let what = format!("reads {key:?} up to {last:?}, in the middle of a transaction");
                    self.report(Anomaly::IntermediateRead, &[reader, writer.transaction], what);
                }
            }
            if !fits {
                continue;
            }
            let writer = |value: &V| writers[value].transaction;
            for pair in longest.windows(2) {
                edge(writer(&pair[0]), writer(&pair[1]), Dependency::WriteWrite, key, Some(&pair[1]));
            }
            // Lists only grow: what was committed and is in no list comes behind everything that is.
            let unseen: Vec<(&V, usize)> = writers
                .iter()
                .filter(|(value, writer)| committed[writer.transaction] && sorted.binary_search(value).is_err())
                .map(|(value, writer)| (*value, writer.transaction))
                .collect();
            for (value, transaction) in &unseen {
                if let Some(last) = longest.last() {
                    edge(writer(last), *transaction, Dependency::WriteWrite, key, Some(value));
                }
            }
            for &(reader, list) in &reads {
                if let Some(last) = list.last() {
                    edge(writer(last), reader, Dependency::WriteRead, key, Some(last));
                }
                // A transaction's own appends right behind what it read replace nothing that matters to it; the next one
                // by somebody else does.
                match longest[list.len()..].iter().find(|value| writer(value) != reader) {
                    Some(next) => edge(reader, writer(next), Dependency::ReadWrite, key, Some(next)),
                    None => {
                        unseen.iter().for_each(|(value, to)| edge(reader, *to, Dependency::ReadWrite, key, Some(value)))
                    }
                }
            }
        }
        graph.finish();
        Inferred { graph, transactions, findings: self.findings, reasons }
    }
}

impl<K: Debug, V: Debug> Inferred<K, V> {
    /// Adds the order of the clock: a chain of moments, one for each return, which transactions enter when they return
    /// and leave when they are called.
    pub(super) fn add_time(&mut self, history: &Transactions<K, V>) {
        let time = Edge { kind: Dependency::RealTime, reason: usize::MAX };
        let mut returns: Vec<(u64, usize)> = history
            .operations()
            .iter()
            .enumerate()
            .filter_map(|(nth, transaction)| transaction.ret().map(|_| (transaction.end(), nth)))
            .collect();
        returns.sort_unstable();
        let mut moments: Vec<(u64, usize)> = Vec::new();
        for (at, nth) in returns {
            let moment = self.graph.add_node();
            self.graph.add(nth, moment, time);
            if let Some((_, before)) = moments.last() {
                self.graph.add(*before, moment, time);
            }
            moments.push((at, moment));
        }
        for (nth, transaction) in history.operations().iter().enumerate() {
            let before = moments.partition_point(|(at, _)| *at < transaction.invoked);
            if let Some((_, moment)) = before.checked_sub(1).map(|last| moments[last])
                && !matches!(transaction.outcome, Outcome::Failed { .. })
            {
                self.graph.add(moment, nth, time);
            }
        }
        self.graph.finish();
    }

    /// What an edge means, in words.
    pub(super) fn reason(&self, edge: Edge, from: usize, to: usize) -> String {
        let about = self.reasons.get(edge.reason).map(|(key, value)| (key, value.as_ref()));
        match (edge.kind, about) {
            (Dependency::WriteWrite, Some((key, Some(value)))) => {
                format!("ww, T{to} appended {value:?} to {key:?} behind what T{from} had appended")
            }
            (Dependency::WriteRead, Some((key, Some(value)))) => {
                format!("wr, T{to} read {value:?} in {key:?}, which T{from} had appended")
            }
            (Dependency::ReadWrite, Some((key, Some(value)))) => {
                format!("rw, T{from} read {key:?} without {value:?}, which T{to} appended")
            }
            _ => format!("rt, T{from} had returned when T{to} was called"),
        }
    }
}
