//! Statements that change rows, run with the triggers that they fire.
//!
//! A trigger's statements fire triggers themselves, a thousand deep if they like. So nobody calls anybody: a statement runs until it
//! needs a trigger, says so, and goes on when that has ended. Who waits for whom is a stack on the heap.
//!
//! ```text
//! INSERT INTO t ──Fire(BEFORE)──▶ trigger: UPDATE u ──Fire(AFTER)──▶ trigger: DELETE FROM v
//!        ◀────────Fired──────────────────  ◀──────────Fired────────────────── Done
//! ```

use std::sync::Arc;

use super::frame::{Env, Frame, Outer};
use super::routine::{Part, Routine};
use super::session::{Run, Session};
use crate::sql::ast::Conflict;
use crate::sql::catalog::Trigger;
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;

/// Triggers within each other, as many as SQLite allows.
const DEPTH: usize = 1000;

/// How far a statement came.
pub(in crate::sql) enum Step<S: Store> {
    Done,
    /// It goes on when these have run.
    Fire(Firing<S>),
}

/// What a statement that is told to go on should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Resume {
    Begin,
    /// What it fired has run.
    Fired,
    /// What it fired said `RAISE(IGNORE)`: nothing more is done with the row.
    Ignored,
}

/// A row's triggers.
pub(in crate::sql) struct Firing<S: Store> {
    pub(in crate::sql) triggers: Triggers,
    /// What the statement says of conflicts, which goes before what the triggers say.
    pub(in crate::sql) conflict: Option<Conflict>,
    /// `NEW` and `OLD`.
    pub(in crate::sql) frame: Frame<S>,
}

/// Triggers in the order in which they run.
pub(in crate::sql) type Triggers = Arc<[Arc<Trigger>]>;

/// A statement that changes rows.
pub(in crate::sql) trait Task<S: Store> {
    /// Runs to its end, or to the next row that has triggers.
    fn step(&mut self, resume: Resume, outer: Outer<'_, S>) -> Result<Step<S>>;
    /// How many rows it has changed so far.
    fn changed(&self) -> i64;
}

/// Runs a statement to its end. Answers how many rows it changed itself.
pub(in crate::sql) fn run<S: Store>(top: &mut dyn Task<S>, outer: Outer<'_, S>) -> Result<i64> {
    let session = outer.run.session;
    session.sequences.borrow_mut().clear();
    session.ignored.set(false);
    let mut stack = Stack { waiting: Vec::new(), running: Vec::new() };
    if let Err(failure) = stack.drive(top, outer) {
        while let Some(mut activation) = stack.waiting.pop() {
            activation.end(session, &mut stack.running);
        }
        return Err(failure);
    }
    if !session.sequences.borrow().is_empty() {
        session.touch();
    }
    session.sequences.take().write(&mut *session.store.borrow_mut())?;
    Ok(top.changed())
}

struct Stack<S: Store> {
    waiting: Vec<Activation<S>>,
    /// The triggers that run, outermost first.
    running: Vec<Arc<Trigger>>,
}

impl<S: Store> Stack<S> {
    fn drive(&mut self, top: &mut dyn Task<S>, outer: Outer<'_, S>) -> Result<()> {
        let session = outer.run.session;
        let mut resume = Resume::Begin;
        loop {
            let step = match self.waiting.last_mut() {
                None => top.step(resume, outer),
                Some(activation) => activation.step(resume, session, &mut self.running),
            };
            let step = match step {
                Err(_) if session.ignored.take() => {
                    let Some(mut activation) = self.waiting.pop() else {
                        return Err(Failure::internal("RAISE(IGNORE) outside of a trigger"));
                    };
                    activation.end(session, &mut self.running);
                    resume = Resume::Ignored;
                    continue;
                }
                step => step?,
            };
            resume = match step {
                Step::Fire(firing) => {
                    self.waiting.push(Activation { firing, at: 0, stage: Stage::Between });
                    Resume::Begin
                }
                Step::Done if self.waiting.pop().is_none() => return Ok(()),
                Step::Done => Resume::Fired,
            };
        }
    }
}

/// The triggers of one row that run, one after the other.
struct Activation<S: Store> {
    firing: Firing<S>,
    /// Which of them.
    at: usize,
    stage: Stage<S>,
}

enum Stage<S: Store> {
    Between,
    Within(Box<Within<S>>),
}

/// A trigger that runs.
struct Within<S: Store> {
    routine: Routine<S>,
    /// None before `WHEN` was asked.
    part: Option<usize>,
    /// Which execution it is: what subqueries found in an earlier one is old.
    number: u64,
    /// What a trigger leaves as it was.
    last_rowid: i64,
    changes: i64,
}

impl<S: Store> Activation<S> {
    fn step(&mut self, mut resume: Resume, session: &Session<S>, running: &mut Vec<Arc<Trigger>>) -> Result<Step<S>> {
        loop {
            let Stage::Within(within) = &mut self.stage else {
                let Some(trigger) = self.firing.triggers.get(self.at) else { return Ok(Step::Done) };
                // A trigger that would fire itself does not, unless that was asked for or it is what a foreign key does.
                let again = running.iter().any(|other| Arc::ptr_eq(other, trigger));
                if again && !trigger.is_action && !session.recursive_triggers.get() {
                    self.at += 1;
                    continue;
                }
                if running.len() >= DEPTH {
                    return Err(Failure::error("too many levels of trigger recursion"));
                }
                let within = Within {
                    routine: Routine::take(session, trigger, self.firing.conflict)?,
                    part: None,
                    number: session.begin_run(),
                    last_rowid: session.last_rowid.get(),
                    changes: session.changes.get(),
                };
                running.push(trigger.clone());
                self.stage = Stage::Within(Box::new(within));
                continue;
            };
            let run = Run { session, params: &[], number: within.number };
            let env = &Env { frame: &self.firing.frame, outer: Outer { up: None, run: &run } };
            let outer = Outer { up: Some(env), run: &run };
            let Some(part) = within.part else {
                within.part = Some(0);
                if let Some(when) = &within.routine.when
                    && !when.holds(env)?
                {
                    self.end(session, running);
                }
                continue;
            };
            let task: &mut dyn Task<S> = match within.routine.parts.get_mut(part) {
                None => {
                    self.end(session, running);
                    continue;
                }
                Some(Part::Query(query)) => {
                    query.reset();
                    while query.next(outer)? {
                        for at in 0..query.columns.len() {
                            query.output(at, outer)?;
                        }
                    }
                    within.part = Some(part + 1);
                    continue;
                }
                Some(Part::Insert(insert)) => &mut **insert,
                Some(Part::Change(change)) => &mut **change,
            };
            match task.step(std::mem::replace(&mut resume, Resume::Begin), outer)? {
                Step::Done => {
                    session.changes.set(task.changed());
                    session.total_changes.set(session.total_changes.get() + task.changed());
                    within.part = Some(part + 1);
                }
                fire => return Ok(fire),
            }
        }
    }

    /// The trigger that runs, if one does, is over.
    fn end(&mut self, session: &Session<S>, running: &mut Vec<Arc<Trigger>>) {
        if let Stage::Within(within) = std::mem::replace(&mut self.stage, Stage::Between) {
            session.last_rowid.set(within.last_rowid);
            session.changes.set(within.changes);
            if let Some(trigger) = running.pop() {
                within.routine.give_back(session, &trigger, self.firing.conflict);
            }
            self.at += 1;
        }
    }
}
