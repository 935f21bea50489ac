//! A query in `FROM` that is nothing but some columns and rows of one table is that table: its condition is one of the query
//! around it, and its indexes serve both.

use std::sync::Arc;

use super::common::{Common, Reach};
use super::{Binder, Level, ScopeColumn, ScopeTable};
use crate::sql::ast::{self, Core, FromItem, Indexed, JoinKind, ResultColumn, Source};
use crate::sql::catalog::{Relation, Table, View};
use crate::sql::exec::{Expr, OutputColumn, Place};
use crate::sql::failure::Result;
use crate::sql::store::Store;

/// What became of the query.
pub(in crate::sql) struct Flat<'q> {
    /// The name that the table has within it.
    pub(in crate::sql) name: Box<str>,
    /// Its columns' names, and which of the table's they are.
    columns: Vec<(Box<str>, usize)>,
    filter: Option<&'q ast::Expr>,
    /// The text that it is of.
    text: &'q str,
    /// How many common tables it sees, and which one it is itself.
    commons: usize,
    common: Option<usize>,
    /// A view sees nothing of where it is used.
    of_view: bool,
    /// Where its names are looked for, if not everywhere.
    home: Option<usize>,
}

/// Whether a join here keeps right rows: then a condition that came from within would not be asked of them in time.
pub(super) fn has_right(from: &[FromItem]) -> bool {
    from.iter().any(|item| {
        let nested = match &item.source {
            Source::Nested(items) => has_right(items),
            _ => false,
        };
        nested || item.join.is_some_and(|join| matches!(join.kind, JoinKind::Right | JoinKind::Full))
    })
}

impl<'q, S: Store> Binder<'q, S> {
    /// The table that a source is, if it is one in a simple query, and what the query makes of it.
    pub(super) fn flat(&mut self, item: &'q FromItem) -> Result<Option<(Arc<Table>, Flat<'q>, Option<&'q Indexed>)>> {
        match &item.source {
            Source::Select(select) => self.flat_select(select, (self.text, self.commons.len()), &[], "", None),
            Source::Table(name, None) => {
                if let Some(at) = self.common_named(name, self.commons.len()) {
                    let common = &self.commons[at];
                    let (table, text, seen) = (common.table, common.text, common.seen);
                    let refused = !matches!(common.reach, Reach::Query);
                    if refused || self.uses.are_several(table) {
                        return Ok(None);
                    }
                    let flat = self.flat_select(&table.select, (text, seen), &table.columns, &table.name.text, None)?;
                    return Ok(flat.map(|(table, flat, indexed)| (table, Flat { common: Some(at), ..flat }, indexed)));
                }
                match self.find(name) {
                    Ok(Relation::View(view)) => {
                        let View { create, sql, .. } = &**view;
                        self.flat_select(&create.select, (sql, 0), &create.columns, &create.name.name.text, Some(view))
                    }
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// The common table of a name, among the first so many.
    fn common_named(&self, name: &ast::QualifiedName, commons: usize) -> Option<usize> {
        let is_named = |common: &Common<'q, S>| name.schema.is_none() && common.table.name.is(&name.name.text);
        self.commons.iter().take(commons).rposition(is_named)
    }

    /// `commons` is how many common tables are seen, `names` what the columns are called instead.
    fn flat_select(
        &mut self,
        select: &'q ast::Select,
        (text, commons): (&'q str, usize),
        names: &[ast::Ident],
        of: &str,
        view: Option<&View>,
    ) -> Result<Option<(Arc<Table>, Flat<'q>, Option<&'q Indexed>)>> {
        let Core::Query(query) = &select.first else { return Ok(None) };
        let (of_view, home) = (view.is_some(), view.map_or(self.home, View::home));
        let simple = select.with.is_none()
            && select.compounds.is_empty()
            && select.order_by.is_empty()
            && select.limit.is_none()
            && query.distinct.is_none()
            && query.group_by.is_empty()
            && query.having.is_none()
            && query.windows.is_empty();
        let [FromItem { join: None, source: Source::Table(name, indexed), alias, constraint: None }] = &query.from[..]
        else {
            return Ok(None);
        };
        if !simple || self.common_named(name, commons).is_some() {
            return Ok(None);
        }
        let Ok(Relation::Table(table)) = self.catalog.find(name, home) else { return Ok(None) };
        self.schemas |= 1_u16.checked_shl(table.schema as u32).unwrap_or(0);
        let inner = alias.as_ref().map_or_else(|| name.name.text.clone(), |alias| alias.text.clone());
        let mut outputs: Vec<(OutputColumn, usize)> = Vec::new();
        let all = super::from::table_columns(table, 0);
        for column in &query.columns {
            match column {
                ResultColumn::All => {
                    outputs
                        .extend(all.iter().cloned().enumerate().map(|(at, column)| (OutputColumn::from(column), at)));
                }
                ResultColumn::Expr { expr: ast::Expr::Column(column), alias, .. }
                    if column.schema.is_none() && column.table.as_ref().is_none_or(|table| table.is(&inner)) =>
                {
                    let Some(at) = table.column(&column.name.text) else { return Ok(None) };
                    let mut output = OutputColumn::from(all[at].clone());
                    if let Some(alias) = alias {
                        output.name = alias.text.clone();
                    }
                    outputs.push((output, at));
                }
                _ => return Ok(None),
            }
        }
        let (mut columns, places): (Vec<_>, Vec<_>) = outputs.into_iter().unzip();
        super::from::rename(&mut columns, names, of)?;
        let columns = columns.into_iter().map(|column| column.name).zip(places).collect();
        self.reads.push(table.root);
        self.selects += u32::from(!of_view);
        let flat =
            Flat { name: inner, columns, filter: query.filter.as_ref(), text, commons, common: None, of_view, home };
        Ok(Some((table.clone(), flat, indexed.as_ref())))
    }

    /// The condition of the query that a slot's table was in.
    pub(super) fn flat_conditions(
        &mut self,
        flat: &Flat<'q>,
        table: &Table,
        slot: usize,
    ) -> Result<Vec<(Expr<S>, u64)>> {
        let Some(filter) = flat.filter else { return Ok(Vec::new()) };
        // It sees what it would see where it stands.
        let hidden = self.commons.split_off(flat.commons.min(self.commons.len()));
        let mut own = flat.common.and_then(|at| self.commons.get_mut(at));
        let circular = Reach::Refused("circular reference");
        let reach = own.as_mut().map(|own| std::mem::replace(&mut own.reach, circular));
        self.open_view()?;
        let text = std::mem::replace(&mut self.text, flat.text);
        let home = std::mem::replace(&mut self.home, flat.home);
        let outside = if flat.of_view { self.levels.len().saturating_sub(1) } else { 0 };
        let mut levels: Vec<_> = self.levels.drain(..outside).collect();
        let mut inner = Level::new(self.levels.len().saturating_sub(1));
        inner.columns = vec![Default::default(); slot + 1];
        let columns = super::from::table_columns(table, slot as u16);
        let rowid = table.key.is_none().then_some(Place::Rowid { slot: slot as u16 });
        inner.tables.push(ScopeTable { name: flat.name.clone(), schema: Some(table.schema), columns, rowid });
        let mut own = std::mem::replace(self.level(), inner);
        let bound = self.conditions(filter);
        std::mem::swap(self.level(), &mut own);
        let inner = own;
        let level = self.level();
        if let (Some(to), Some(from)) = (level.columns.get_mut(slot), inner.columns.into_iter().nth(slot)) {
            to.extend(from);
        }
        if !flat.of_view {
            level.reaches = level.reaches.min(inner.reaches);
        }
        levels.append(&mut self.levels);
        self.levels = levels;
        (self.text, self.home) = (text, home);
        self.views -= 1;
        if let (Some(own), Some(reach)) = (flat.common.and_then(|at| self.commons.get_mut(at)), reach) {
            own.reach = reach;
        }
        self.commons.extend(hidden);
        bound
    }
}

impl Flat<'_> {
    /// The columns that are shown, of those that the table has.
    pub(super) fn shown(&self, all: &[ScopeColumn]) -> Vec<ScopeColumn> {
        let shown = |(name, at): &(Box<str>, usize)| {
            all.get(*at).map(|column| ScopeColumn { name: name.clone(), ..column.clone() })
        };
        self.columns.iter().filter_map(shown).collect()
    }
}
