//! One row that is changed: its triggers before, the change, its triggers behind.
//!
//! ```text
//!           ╭─ BEFORE ─▶ Check ──▶ Write ─ actions ─▶ Told ─ AFTER ─▶ Over
//! Begin ────┤                      │  ▲
//!           ╰──────────────────────╯  ╰─ Clear: a row in the way goes, with its own triggers and actions
//! ```

use std::sync::Arc;

use super::change::Target;
use super::foreign::Foreign;
use super::frame::{Frame, Outer};
use super::pair::pair;
use super::returning::Returning;
use super::task::{Firing, Resume, Triggers};
use super::write::{Old, Outcome, Writer};
use crate::sql::ast::Conflict;
use crate::sql::failure::Result;
use crate::sql::store::Store;
use crate::sql::value::Value;

/// What goes with a kind of change.
pub(in crate::sql) struct Hooks<S: Store> {
    pub(in crate::sql) before: Triggers,
    /// The foreign keys that it concerns.
    pub(in crate::sql) foreign: Option<Box<Foreign<S>>>,
    pub(in crate::sql) after: Triggers,
}

impl<S: Store> Default for Hooks<S> {
    fn default() -> Self {
        Hooks { before: Arc::new([]), foreign: None, after: Arc::new([]) }
    }
}

impl<S: Store> Hooks<S> {
    pub(in crate::sql) fn is_empty(&self) -> bool {
        !self.has_triggers() && self.foreign.is_none()
    }

    pub(in crate::sql) fn has_triggers(&self) -> bool {
        !self.before.is_empty() || !self.after.is_empty()
    }

    /// What foreign keys do to other rows.
    pub(in crate::sql) fn actions(&self) -> Option<&Triggers> {
        self.foreign.as_ref().map(|foreign| &foreign.actions).filter(|actions| !actions.is_empty())
    }
}

/// What all rows of a statement have in common.
pub(in crate::sql) struct Rules<'a, S: Store> {
    pub(in crate::sql) hooks: &'a Hooks<S>,
    /// Of rows that are deleted for others.
    pub(in crate::sql) deletes: &'a Hooks<S>,
    /// What an update assigns to: other columns keep what triggers make of them.
    pub(in crate::sql) targets: &'a [Target],
    pub(in crate::sql) returning: Option<&'a mut Returning<S>>,
    /// In which of the ways that those know.
    pub(in crate::sql) way: usize,
    pub(in crate::sql) changed: &'a mut i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Insert,
    Update,
    Delete,
}

enum Phase {
    Begin,
    Check,
    Write,
    /// A row in the way, and how it goes.
    Clear(i64, Option<Box<RowChange>>),
    Told,
    Over,
}

/// A row that is changed.
pub(in crate::sql) struct RowChange {
    event: Event,
    conflict: Option<Conflict>,
    /// As it was. Without values, where nobody asks for them; without a rowid, of a view.
    old: Option<(Option<i64>, Vec<Value>)>,
    new: Vec<Value>,
    /// The rowid that it is to have.
    rowid: Option<i64>,
    phase: Phase,
    /// How many of the table's keys are free by now.
    free: usize,
}

/// How far a row came.
pub(in crate::sql) enum Progress<S: Store> {
    Fire(Firing<S>),
    /// It was changed, or passed over.
    Over,
    /// A row is in the way, and a clause of `ON CONFLICT` says what is done with that instead.
    Upsert {
        clause: usize,
        other: i64,
        new: Vec<Value>,
        rowid: i64,
    },
}

impl RowChange {
    fn new(event: Event, conflict: Option<Conflict>) -> RowChange {
        let (old, new, rowid) = (None, Vec::new(), None);
        RowChange { event, conflict, old, new, rowid, phase: Phase::Begin, free: 0 }
    }

    pub(in crate::sql) fn insert(new: Vec<Value>, rowid: Option<i64>, conflict: Option<Conflict>) -> RowChange {
        RowChange { new, rowid, ..RowChange::new(Event::Insert, conflict) }
    }

    /// `old` without a rowid is of a view.
    pub(in crate::sql) fn update(
        old: (Option<i64>, Vec<Value>),
        new: Vec<Value>,
        rowid: Option<i64>,
        conflict: Option<Conflict>,
    ) -> RowChange {
        RowChange { old: Some(old), new, rowid, ..RowChange::new(Event::Update, conflict) }
    }

    pub(in crate::sql) fn delete(old: (Option<i64>, Vec<Value>), conflict: Option<Conflict>) -> RowChange {
        RowChange { old: Some(old), ..RowChange::new(Event::Delete, conflict) }
    }

    /// Goes on to its end, or to the next triggers.
    pub(in crate::sql) fn step<S: Store>(
        &mut self,
        writer: &mut Writer<S>,
        rules: &mut Rules<'_, S>,
        mut resume: Resume,
        outer: Outer<'_, S>,
    ) -> Result<Progress<S>> {
        let session = outer.run.session;
        // A row in the way that a trigger keeps stays in the way.
        if resume == Resume::Ignored && !matches!(self.phase, Phase::Clear(..)) {
            return Ok(Progress::Over);
        }
        loop {
            match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Begin => {
                    self.phase = Phase::Check;
                    if !rules.hooks.before.is_empty() {
                        // The triggers see the types of the columns, except of what is inserted to a view.
                        let given = (self.event == Event::Insert).then(|| self.new.clone());
                        if self.event == Event::Update || given.is_some() && !writer.is_view() {
                            writer.announced(&mut self.new, self.rowid, outer)?;
                        }
                        let firing = self.firing(writer, &rules.hooks.before);
                        self.new = given.unwrap_or_else(|| std::mem::take(&mut self.new));
                        return Ok(Progress::Fire(firing));
                    }
                }
                Phase::Check => {
                    self.phase = Phase::Write;
                    if writer.is_view() {
                        self.phase = Phase::Told;
                    } else if let Some((Some(old), _)) = self.old
                        && !rules.hooks.before.is_empty()
                    {
                        // A trigger may have taken the row away, or changed it.
                        if !writer.has(old, session)? {
                            return Ok(Progress::Over);
                        }
                        if self.event == Event::Update {
                            self.keep(writer.row(old, session)?, rules.targets, writer.table.rowid_column);
                        }
                    }
                }
                Phase::Write => {
                    let old = self.old.as_ref().and_then(|(rowid, _)| *rowid);
                    let foreign = rules.hooks.foreign.as_ref();
                    let goes = || match (foreign, &self.old) {
                        (Some(foreign), Some((Some(rowid), values))) => foreign.goes(*rowid, values, outer),
                        _ => Ok(()),
                    };
                    if let (Event::Delete, Some(old)) = (self.event, old) {
                        goes()?;
                        writer.delete(old, session)?;
                    } else {
                        let announce = !rules.deletes.is_empty();
                        let new = if announce { self.new.clone() } else { std::mem::take(&mut self.new) };
                        let given = (self.event == Event::Insert && writer.asks_rowid_first()).then(|| new.clone());
                        (writer.announce, writer.free) = (announce, self.free);
                        let before = std::mem::replace(&mut writer.conflict, self.conflict);
                        let old = old.map(|rowid| Old { rowid, values: None });
                        writer.frame.registers = new;
                        let checked = writer.check(self.rowid, old, outer);
                        writer.conflict = before;
                        match checked? {
                            Outcome::Passed => return Ok(Progress::Over),
                            Outcome::InTheWay { other, rowid, free } => {
                                self.rowid = Some(rowid);
                                (self.phase, self.free) = (Phase::Clear(other, None), free);
                                continue;
                            }
                            Outcome::Upsert { clause, other, rowid } => {
                                // SQLite has given nothing its type yet when it finds the rowid taken.
                                let mut new = match given.filter(|_| other == rowid) {
                                    Some(given) => given,
                                    None => writer.values().to_vec(),
                                };
                                if let Some(value) = writer.table.rowid_column.and_then(|at| new.get_mut(at)) {
                                    *value = Value::Integer(rowid);
                                }
                                return Ok(Progress::Upsert { clause, other, new, rowid });
                            }
                            Outcome::Fits(rowid) => {
                                goes()?;
                                writer.put(rowid, old, session)?;
                                if let Some(foreign) = foreign {
                                    foreign.comes(rowid, writer.values(), outer)?;
                                }
                                if self.event == Event::Insert && writer.table.key.is_none() {
                                    session.last_rowid.set(rowid);
                                }
                                self.rowid = Some(rowid);
                                let hooks = rules.hooks;
                                if rules.returning.is_some() || !hooks.after.is_empty() || hooks.actions().is_some() {
                                    self.new = writer.values().to_vec();
                                }
                            }
                        }
                    }
                    *rules.changed += 1;
                    self.phase = Phase::Told;
                    if let Some(actions) = rules.hooks.actions()
                        && self.event != Event::Insert
                    {
                        // Nothing but what the statement itself does may go for others.
                        let conflict = Some(Conflict::Abort);
                        return Ok(Progress::Fire(Firing { conflict, ..self.firing(writer, actions) }));
                    }
                }
                Phase::Clear(other, going) => {
                    let going = match going {
                        Some(going) => Some(going).filter(|_| resume != Resume::Ignored),
                        None => {
                            let old = (Some(other), writer.row(other, session)?);
                            Some(Box::new(RowChange::delete(old, Some(Conflict::Replace))))
                        }
                    };
                    if let Some(mut going) = going {
                        let (mut changed, deletes) = (0, rules.deletes);
                        let mut rules = Rules {
                            hooks: deletes,
                            deletes,
                            targets: &[],
                            returning: None,
                            way: 0,
                            changed: &mut changed,
                        };
                        let progress = going.step(writer, &mut rules, Resume::Fired, outer)?;
                        if let Progress::Fire(firing) = progress {
                            self.phase = Phase::Clear(other, Some(going));
                            return Ok(Progress::Fire(firing));
                        }
                    }
                    resume = Resume::Fired;
                    self.phase = Phase::Write;
                }
                Phase::Told => {
                    if let Some(returning) = &mut rules.returning {
                        returning.tell(rules.way, &self.frame(writer), outer)?;
                    }
                    if !rules.hooks.after.is_empty() {
                        return Ok(Progress::Fire(self.firing(writer, &rules.hooks.after)));
                    }
                }
                Phase::Over => return Ok(Progress::Over),
            }
        }
    }

    /// Takes over what a trigger made of the columns that are not assigned to.
    fn keep(&mut self, now: Vec<Value>, targets: &[Target], rowid_column: Option<usize>) {
        for (at, (new, now)) in self.new.iter_mut().zip(now).enumerate() {
            if rowid_column != Some(at) && !targets.contains(&Target::Column(at)) {
                *new = now;
            }
        }
    }

    fn firing<S: Store>(&self, writer: &Writer<S>, triggers: &Triggers) -> Firing<S> {
        Firing { triggers: triggers.clone(), conflict: self.conflict, frame: self.frame(writer) }
    }

    fn frame<S: Store>(&self, writer: &Writer<S>) -> Frame<S> {
        let table = &writer.table;
        // The rowid of a row that isn't there yet is -1.
        let rowid = self.rowid.or((self.event == Event::Insert).then_some(-1));
        let mut new = (self.event != Event::Delete).then_some((&self.new[..], rowid));
        let mut numbered;
        if let (Some((values, Some(rowid))), Some(column)) = (new, table.rowid_column) {
            numbered = values.to_vec();
            if let Some(value) = numbered.get_mut(column) {
                *value = Value::Integer(rowid);
            }
            new = Some((&numbered, Some(rowid)));
        }
        let old = self.old.as_ref().map(|(rowid, values)| (&values[..], *rowid));
        pair(table.columns.len(), new, old)
    }
}
