//! `CREATE INDEX`: of columns and of expressions, of all rows or of some.

use super::super::ast::{Conflict, CreateIndex, Expr, Literal, Nulls, Order};
use super::columns_in;
use super::refers::without_queries;
use super::table::{Index, IndexPart, Origin, Table, collation_named};
use crate::row::{Collation, KeyColumn};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::TreeId;

impl Index {
    /// The index of a statement. What its expressions mean is looked at when they are bound.
    pub(in crate::sql) fn create(create: &CreateIndex, table: &Table, root: TreeId) -> Result<Index> {
        let known: usize = table.indexes.iter().map(|index| index.expressions.len()).sum();
        let (mut parts, mut expressions) = (Vec::with_capacity(create.columns.len()), Vec::new());
        for term in &create.columns {
            if let Some(nulls) = term.nulls {
                let which = if nulls == Nulls::First { "FIRST" } else { "LAST" };
                return Err(Failure::error(format!("unsupported use of NULLS {which}")));
            }
            let (expr, collation) = match &term.expr {
                Expr::Collate(expr, name) => (&**expr, Some(collation_named(&name.text)?)),
                expr => (expr, None),
            };
            let column = match expr {
                Expr::Column(column) if column.table.is_none() => table.column(&column.name.text),
                Expr::Literal(Literal::String(name)) => table.column(name),
                _ => None,
            };
            let (column, own) = match column {
                Some(column) => (column, table.columns[column].collation),
                None => {
                    without_queries(expr, "index expressions")?;
                    let column = table.columns.len() + known + expressions.len();
                    expressions.push((column, expr.clone()));
                    (column, Collation::Binary)
                }
            };
            let descending = term.order == Some(Order::Desc);
            parts.push(IndexPart { column, key: KeyColumn { collation: collation.unwrap_or(own), descending } });
        }
        if let Some(filter) = &create.filter {
            without_queries(filter, "partial index WHERE clauses")?;
        }
        let unique = create.unique.then_some(Conflict::Abort);
        let index = Index::new(create.name.name.text.clone(), root, parts, unique, Origin::Create);
        let mut index = Index { expressions, filter: create.filter.clone(), ..index };
        if let Some(primary) = table.primary() {
            index.end_in_key(&primary.parts);
        }
        Ok(index)
    }

    /// The columns that it depends on.
    pub(in crate::sql) fn reads<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = usize> + 'a {
        let computed = self.expressions.iter().map(|(_, expr)| expr).chain(&self.filter).flat_map(columns_in);
        let computed = computed.filter_map(|name| table.column(&name.text));
        self.parts.iter().map(|part| part.column).chain(computed)
    }

    /// Whether its records are columns of all rows, and nothing has to be computed for it.
    pub(in crate::sql) fn is_plain(&self) -> bool {
        self.expressions.is_empty() && self.filter.is_none()
    }
}
