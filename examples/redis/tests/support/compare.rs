//! Two runs of one suite side by side: what passes on the reference must pass on ours.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How one test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed,
    /// Left out by the suite itself, by a tag or a condition.
    Ignored,
}

/// Everything one run said. Suites use a name more than once, so passes and failures are counted per name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    tests: BTreeMap<String, Counts>,
    /// Why a test failed, as far as the suite said it.
    reasons: BTreeMap<String, String>,
    /// The run didn't come to its end: how, instead.
    pub(crate) broken_off: Option<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Tally {
    pub(crate) fn add(&mut self, name: &str, verdict: Verdict) {
        let counts = self.tests.entry(name.to_owned()).or_default();
        match verdict {
            Verdict::Passed => counts.passed += 1,
            Verdict::Failed => counts.failed += 1,
            Verdict::Ignored => counts.ignored += 1,
        }
    }

    pub(crate) fn explain(&mut self, name: &str, reason: &str) {
        self.reasons.entry(name.to_owned()).or_insert_with(|| reason.to_owned());
    }

    /// Passed, failed, ignored.
    pub(crate) fn totals(&self) -> (u32, u32, u32) {
        self.tests.values().fold((0, 0, 0), |(passed, failed, ignored), counts| {
            (passed + counts.passed, failed + counts.failed, ignored + counts.ignored)
        })
    }

    pub(crate) fn summary(&self) -> String {
        let (passed, failed, ignored) = self.totals();
        let end = self.broken_off.as_deref().map(|how| format!(", BROKEN OFF: {how}")).unwrap_or_default();
        format!("{passed} passed, {failed} failed, {ignored} left out{end}")
    }
}

/// The tests that pass on the reference and not (or not as often) on ours, each with what ours said about it.
/// `skipped(name)` tests don't count.
pub(crate) fn missing(reference: &Tally, ours: &Tally, skipped: impl Fn(&str) -> bool) -> Vec<String> {
    let mut missing = Vec::new();
    for (name, expected) in &reference.tests {
        let found = ours.tests.get(name).copied().unwrap_or_default();
        if found.passed >= expected.passed || skipped(name) {
            continue;
        }
        let mut line = name.clone();
        match ours.reasons.get(name) {
            Some(reason) => write!(line, " — {reason}"),
            None if found.failed > 0 => write!(line, " — failed"),
            None if found.ignored > 0 => write!(line, " — left out"),
            None => write!(line, " — never reached"),
        }
        .expect("a string takes any text");
        missing.push(line);
    }
    missing
}

/// Whether a test passes on both, on ours as often as on the reference.
pub(crate) fn passes(reference: &Tally, ours: &Tally, name: &str) -> bool {
    let passed = |tally: &Tally| tally.tests.get(name).map_or(0, |counts| counts.passed);
    passed(reference) > 0 && passed(ours) >= passed(reference)
}

/// As [`missing`], but a few tests get a second run of ours (`again`): on a busy machine, tests that measure time fail
/// now and then anywhere.
pub(crate) fn missing_twice(
    reference: &Tally,
    ours: &Tally,
    skipped: impl Fn(&str) -> bool,
    again: impl FnOnce() -> Tally,
) -> Vec<String> {
    const FEW: usize = 5;
    let first = missing(reference, ours, &skipped);
    if first.is_empty() || first.len() > FEW {
        return first;
    }
    for line in &first {
        println!("    second run, because of: {line}");
    }
    let second = missing(reference, &again(), &skipped);
    let name = |line: &str| line.split(" — ").next().map(str::to_owned);
    first.into_iter().filter(|line| second.iter().any(|other| name(other) == name(line))).collect()
}

/// Held while a suite runs: suites have ports of their own, and two at a time would fight for the processors.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs both subjects' halves of the work at once.
pub(crate) fn both<T: Send>(half: impl Fn(super::Subject) -> T + Sync) -> (T, T) {
    std::thread::scope(|scope| {
        let reference = scope.spawn(|| half(super::Subject::Redis));
        let ours = half(super::Subject::Ours);
        (reference.join().expect("the reference's half"), ours)
    })
}
