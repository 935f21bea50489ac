//! What a foreign key does to the children of a row that goes or changes, as the trigger that nobody wrote and that SQLite makes of
//! it. It waits on the parent:
//!
//! ```text
//! ON DELETE CASCADE     AFTER DELETE                               DELETE FROM child WHERE OLD.p = c
//! ON UPDATE SET NULL    AFTER UPDATE WHEN NOT (OLD.p IS NEW.p)     UPDATE child SET c = NULL WHERE OLD.p = c
//! ON DELETE RESTRICT    AFTER DELETE                               SELECT RAISE(ABORT, '...') FROM child WHERE OLD.p = c
//! ```

use std::sync::Arc;

use super::{ForeignKey, ParentKey, Table, Trigger};
use crate::sql::ast::{
    Assignment, Binary, BinaryOp, Column, Core, CreateTrigger, Delete, Expr, FromItem, Ident, Literal, QualifiedName,
    Query, Quote, Raise, ReferenceAction, ResultColumn, Select, Source, Span, Target, TriggerEvent, TriggerStep,
    TriggerTime, UnaryOp, Update,
};

fn name(text: &str) -> Ident {
    Ident::new(text, Quote::Other)
}

fn qualified(text: &str) -> QualifiedName {
    QualifiedName { schema: None, name: name(text) }
}

fn column(table: Option<&str>, text: &str) -> Expr {
    Expr::Column(Box::new(Column { schema: None, table: table.map(name), name: name(text) }))
}

fn binary(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    Expr::Binary(Box::new(Binary { op, left, right }))
}

/// All of the conditions; in halves, so that many of them don't make a deep tree.
fn all(mut conditions: Vec<Expr>) -> Option<Expr> {
    if conditions.len() < 2 {
        return conditions.pop();
    }
    let second = conditions.split_off(conditions.len() / 2);
    Some(binary(BinaryOp::And, all(conditions)?, all(second)?))
}

/// The table of a statement that changes rows.
pub(in crate::sql) fn target(table: &Table) -> Target {
    Target { name: qualified(&table.name), alias: None }
}

impl ParentKey {
    fn names<'a>(&self, child: &'a Table, parent: &'a Table) -> Vec<(&'a str, &'a str)> {
        let name = |table: &'a Table, at: usize| table.columns.get(at).map_or("", |column| &*column.name);
        self.pairs.iter().map(|(of, to)| (name(child, *of), name(parent, *to))).collect()
    }

    /// Which children a row has. The parent's column comes first: its affinity and collation are those of the comparison.
    pub(in crate::sql) fn children(&self, child: &Table, parent: &Table) -> Option<Expr> {
        let same = |(of, to): (&str, &str)| binary(BinaryOp::Eq, column(Some("old"), to), column(None, of));
        all(self.names(child, parent).into_iter().map(same).collect())
    }

    fn changes(&self, child: &Table, parent: &Table) -> Option<Expr> {
        let same = |(_, to): (&str, &str)| binary(BinaryOp::Is, column(Some("old"), to), column(Some("new"), to));
        let same = all(self.names(child, parent).into_iter().map(same).collect())?;
        Some(Expr::Unary(UnaryOp::Not, Box::new(same)))
    }
}

impl ForeignKey {
    /// What it does when a row of the parent goes, or is updated.
    pub(in crate::sql) fn action(
        &self,
        child: &Table,
        parent: &Table,
        found: &ParentKey,
        updates: bool,
    ) -> Option<Arc<Trigger>> {
        let action = if updates { self.on_update } else { self.on_delete };
        if action == ReferenceAction::NoAction {
            return None;
        }
        let made = || Arc::new(self.trigger(child, parent, found, updates));
        Some(self.triggers[usize::from(updates)].get_or_init(made).clone())
    }

    fn trigger(&self, child: &Table, parent: &Table, found: &ParentKey, updates: bool) -> Trigger {
        let action = if updates { self.on_update } else { self.on_delete };
        let filter = found.children(child, parent);
        let step = match action {
            ReferenceAction::Restrict => TriggerStep::Select(Box::new(restrict(child, filter))),
            ReferenceAction::Cascade if !updates => {
                let target = target(child);
                TriggerStep::Delete(Box::new(Delete { with: None, target, indexed: None, filter, returning: vec![] }))
            }
            _ => TriggerStep::Update(Box::new(Update {
                with: None,
                conflict: None,
                target: target(child),
                indexed: None,
                sets: found.pairs.iter().map(|pair| set(action, child, parent, *pair)).collect(),
                from: Vec::new(),
                filter,
                returning: Vec::new(),
            })),
        };
        let create = CreateTrigger {
            temporary: false,
            if_not_exists: false,
            name: qualified(""),
            time: Some(TriggerTime::After),
            event: if updates { TriggerEvent::Update(Vec::new()) } else { TriggerEvent::Delete },
            table: qualified(&parent.name),
            for_each_row: true,
            when: updates.then(|| found.changes(child, parent)).flatten(),
            steps: vec![step],
        };
        Trigger { create, sql: String::new(), schema: child.schema, on: child.schema, is_action: true }
    }
}

/// What a column of the child becomes.
fn set(action: ReferenceAction, child: &Table, parent: &Table, (of, to): (usize, usize)) -> Assignment {
    let null = Expr::Literal(Literal::Null);
    let (own, theirs) = (child.columns.get(of), parent.columns.get(to));
    let value = match action {
        ReferenceAction::Cascade => theirs.map_or(null, |theirs| column(Some("new"), &theirs.name)),
        ReferenceAction::SetDefault => own.and_then(|own| own.default.clone()).unwrap_or(null),
        _ => null,
    };
    Assignment::Column(name(own.map_or("", |own| &own.name)), value)
}

/// The query that fails where there are children.
fn restrict(child: &Table, filter: Option<Expr>) -> Select {
    let message = Expr::Literal(Literal::String("FOREIGN KEY constraint failed".into()));
    let raise = Expr::Raise(Raise::Abort(Box::new(message)));
    let source = Source::Table(qualified(&child.name), None);
    let query = Query {
        distinct: None,
        columns: vec![ResultColumn::Expr { expr: raise, alias: None, span: Span::default() }],
        from: vec![FromItem { join: None, source, alias: None, constraint: None }],
        filter,
        group_by: Vec::new(),
        having: None,
        windows: Vec::new(),
    };
    let first = Core::Query(Box::new(query));
    Select { with: None, first, compounds: Vec::new(), order_by: Vec::new(), limit: None }
}
