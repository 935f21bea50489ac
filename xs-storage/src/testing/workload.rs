//! A random workload that remembers what a store may hold after it was cut off at any moment.
//!
//! Batches are numbered from 1, and every batch puts its number under one key, last. So a store says itself up to which
//! batch it holds, and its whole content can be compared with the model after that one.

use std::ops::RangeInclusive;
use std::time::Duration;

use xs_os::Rng;

use super::Machine;
use super::engine::Model;
use super::engine::store::block_on;
use crate::Result;
use crate::engine::{Commit, Durability, Engine, Op, ReadView, WriteBatch};

/// Where a batch puts its number.
const NUMBER: &[u8] = b"user/number";

pub(super) struct Workload {
    rng: Rng,
    batches: Vec<WriteBatch>,
    /// What a store holds after so many batches.
    models: Vec<Model>,
    /// Up to which batch everything was acknowledged as durable.
    acknowledged: usize,
    /// Commits of batches that are waited for later.
    later: Vec<(usize, Commit)>,
}

impl Workload {
    pub(super) fn new(seed: u64) -> Self {
        let rng = Rng::from_seed(seed).fork("workload");
        Workload { rng, batches: Vec::new(), models: vec![Model::new()], acknowledged: 0, later: Vec::new() }
    }

    /// The batches that a store may end with, after a crash at this moment.
    pub(super) fn bounds(&self) -> RangeInclusive<usize> {
        self.acknowledged..=self.models.len() - 1
    }

    /// Lets go of all commits that were not waited for yet.
    pub(super) fn drop_commits(&mut self) {
        self.later.clear();
    }

    /// Submits so many batches, waits for some, flushes and lets the background work now and then. `tell` hears of
    /// every change of the [bounds](Self::bounds), in time.
    pub(super) fn run(
        &mut self,
        engine: &impl Engine,
        machine: &Machine,
        batches: usize,
        tell: &mut dyn FnMut(RangeInclusive<usize>),
    ) -> Result<()> {
        let ran = (0..batches).try_for_each(|_| self.step(engine, machine, tell));
        // A commit may hold on to the store, which is to be opened again.
        self.later.clear();
        ran
    }

    fn step(
        &mut self,
        engine: &impl Engine,
        machine: &Machine,
        tell: &mut dyn FnMut(RangeInclusive<usize>),
    ) -> Result<()> {
        let number = self.models.len();
        let batch = self.batch(number);
        let mut model = self.models[number - 1].clone();
        model.apply(batch.iter());
        self.models.push(model);
        self.batches.push(batch.clone());
        tell(self.bounds());
        let how = self.rng.below(10);
        let durability = if how < 4 { Durability::Buffered } else { Durability::Synced };
        let commit = engine.submit(batch, durability)?;
        match how {
            0..5 => drop(commit),
            5..7 => {
                commit.wait()?;
                self.acknowledge(number, tell);
            }
            7 => {
                block_on(commit, machine)?;
                self.acknowledge(number, tell);
            }
            _ => self.later.push((number, commit)),
        }
        if self.later.len() > 3 || self.rng.chance(0.1) {
            let nth = self.rng.index(self.later.len());
            if nth < self.later.len() {
                let (number, commit) = self.later.swap_remove(nth);
                commit.wait()?;
                self.acknowledge(number, tell);
            }
        }
        if self.rng.chance(0.06) {
            engine.flush()?;
            self.acknowledge(number, tell);
        }
        if self.rng.chance(0.4) {
            machine.run_until_idle(1 + self.rng.index(4));
        }
        if self.rng.chance(0.1) {
            machine.advance(Duration::from_secs(1));
            machine.run_until_idle(20);
        }
        Ok(())
    }

    fn acknowledge(&mut self, number: usize, tell: &mut dyn FnMut(RangeInclusive<usize>)) {
        self.acknowledged = self.acknowledged.max(number);
        tell(self.bounds());
    }

    /// Overwrites, deletes and range deletes among some hundred keys, so that every structure grows and shrinks.
    fn batch(&mut self, number: usize) -> WriteBatch {
        let rng = &mut self.rng;
        let mut batch = WriteBatch::new();
        let key = |rng: &mut Rng| format!("user/{:03}", rng.below(250)).into_bytes();
        let writes = if rng.chance(0.1) { 40 } else { 1 + rng.below(8) };
        for _ in 0..writes {
            let len = match rng.below(40) {
                0 => 2000 + rng.index(6000),
                1..5 => 200 + rng.index(400),
                5 => 0,
                _ => 10 + rng.index(60),
            };
            match rng.below(30) {
                0 => batch.delete_range(&key(rng), &key(rng)),
                1..6 => batch.delete(&key(rng)),
                _ => batch.put(&key(rng), &vec![number as u8 ^ rng.next_u64() as u8; len]),
            };
        }
        if rng.chance(0.02) {
            let first = rng.below(100);
            let (start, end) = (format!("user/{first:03}"), format!("user/{:03}", first + 150));
            batch.delete_range(start.as_bytes(), end.as_bytes());
        }
        batch.put(NUMBER, &(number as u64).to_be_bytes());
        batch
    }

    /// Goes on from where a store is, and waits; says which batch it holds then.
    pub(super) fn write_next(&self, engine: &dyn Engine, held: usize) -> Result<usize> {
        let (batch, holds) = match self.batches.get(held) {
            Some(batch) => (batch.clone(), held + 1),
            None if held == 0 => (WriteBatch::new(), 0),
            None => (WriteBatch::from_iter([Op::Put(NUMBER, &(held as u64).to_be_bytes())]), held),
        };
        engine.submit(batch, Durability::Synced)?.wait()?;
        Ok(holds)
    }

    /// Up to which batch a store holds everything, and nothing of those behind; `Err` says what is wrong.
    pub(super) fn holds(&self, engine: &dyn ReadView, bounds: RangeInclusive<usize>) -> Result<usize, String> {
        let number = engine.get(NUMBER).map_err(|error| format!("reading: {error}"))?;
        let number = match number.as_deref().map(<[u8; 8]>::try_from) {
            None => 0,
            Some(Ok(number)) => u64::from_be_bytes(number) as usize,
            Some(Err(_)) => return Err("the number of the last batch is not what any batch has put".into()),
        };
        let (least, most) = bounds.into_inner();
        if number < least {
            return Err(format!("holds batches up to {number}, and those up to {least} were acknowledged"));
        }
        if number > most || number >= self.models.len() {
            return Err(format!("holds batch {number}, and only {most} were submitted"));
        }
        let compared = self.models[number].compare(engine);
        compared.map_err(|what| format!("says that it holds the batches up to {number} and no more, but {what}"))?;
        Ok(number)
    }

    /// Up to which batch a store shows everything after a write has failed: perhaps with the batch that failed, or without.
    pub(super) fn holds_visible(&self, engine: &dyn ReadView) -> Result<usize, String> {
        let last = *self.bounds().end();
        self.holds(engine, last.saturating_sub(1)..=last)
    }

    /// The same where an error is an answer, too: none. Goes through everything also behind the first error, as a caller
    /// would who tries again.
    pub(super) fn answers(
        &self,
        engine: &dyn ReadView,
        bounds: RangeInclusive<usize>,
    ) -> Result<Option<usize>, String> {
        let number = match engine.get(NUMBER).map(|number| number.as_deref().map(<[u8; 8]>::try_from)) {
            Err(_) => None,
            Ok(None) => Some(0),
            Ok(Some(Ok(number))) => Some(u64::from_be_bytes(number) as usize),
            Ok(Some(Err(_))) => return Err("the number of the last batch is not what any batch has put".into()),
        };
        if let Some(number) = number.filter(|number| !bounds.contains(number)) {
            return Err(format!("holds batches up to {number}, expected {bounds:?}"));
        }
        // When not even the number can be read, every answer must come from one of the states that are allowed.
        let candidates: Vec<usize> = number.map_or(bounds.collect(), |number| vec![number]);
        let mut wrong = String::new();
        for number in candidates {
            match self.models[number].compare_answers(engine) {
                Ok(true) => return Ok(Some(number)),
                Ok(false) => return Ok(None),
                Err(what) => wrong = format!("compared with batches up to {number}: {what}"),
            }
        }
        Err(wrong)
    }
}
