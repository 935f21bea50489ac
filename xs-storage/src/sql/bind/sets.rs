//! `IN`, of a list, a query or a table.

use std::cell::RefCell;

use super::expr::comparison;
use super::vector::may_be_row;
use super::{Binder, Bound};
use crate::sql::ast::{self, InSet as Set};
use crate::sql::exec::{Comparison, Datum, Expr, InSet, Query, Relation, Subquery};
use crate::sql::failure::{Failure, Result};
use crate::sql::store::Store;

impl<'q, S: Store> Binder<'q, S> {
    pub(super) fn within(&mut self, within: &'q ast::In) -> Result<Bound<S>> {
        let negated = within.negated;
        match &within.set {
            Set::List(list) => {
                if may_be_row(&within.operand) {
                    return self.row_in_list(&within.operand, list, negated);
                }
                let operand = self.expr(&within.operand)?;
                // The list has no say: it is compared as the operand is.
                let how = Comparison { affinity: operand.affinity, collation: operand.collation.unwrap_or_default() };
                let list = self.exprs(list)?;
                // One value is compared with, as `=` does.
                if let (false, [Expr::Constant(_) | Expr::Parameter(_)]) = (negated, &list[..]) {
                    let mut list = list;
                    let Some(value) = list.pop() else { return Err(Failure::internal("a list of one without it")) };
                    return Ok(Bound::plain(Expr::Compare(Relation::Eq, how, Box::new((operand.expr, value)))));
                }
                let operand = Box::new(operand.expr);
                if !list.iter().all(|item| matches!(item, Expr::Constant(_))) {
                    return Ok(Bound::plain(Expr::InList { negated, how, operand, list }));
                }
                let mut set = InSet::new(vec![how]);
                let constant = |item| if let Expr::Constant(value) = item { Some(value) } else { None };
                let list: Vec<_> = list.into_iter().filter_map(constant).collect();
                for value in &list {
                    set.insert(&[Datum::Ref(value.as_ref())]);
                }
                Ok(Bound::plain(Expr::InSet { negated, operand, set: Box::new(set), list }))
            }
            Set::Select(select) => {
                let operands = self.operands(&within.operand)?;
                let (query, correlated) = self.subquery(select, "LIST ")?;
                self.in_query(negated, operands, query, correlated)
            }
            Set::Table(name, Some(args)) => {
                let operands = self.operands(&within.operand)?;
                let (query, reaches) = self.whole_function(name, args)?;
                let correlated = reaches < self.levels.len();
                self.in_query(negated, operands, query, correlated)
            }
            Set::Table(name, None) => {
                let operands = self.operands(&within.operand)?;
                let (query, reaches) = self.whole_table(name)?;
                let correlated = reaches < self.levels.len();
                self.in_query(negated, operands, query, correlated)
            }
        }
    }

    fn operands(&mut self, operand: &'q ast::Expr) -> Result<Vec<Bound<S>>> {
        let operand = self.operand(operand)?;
        self.columns_of_operand(operand)
    }

    fn in_query(
        &mut self,
        negated: bool,
        operands: Vec<Bound<S>>,
        query: Query<S>,
        correlated: bool,
    ) -> Result<Bound<S>> {
        if operands.len() != query.columns.len() {
            let (found, expected) = (query.columns.len(), operands.len());
            return Err(Failure::error(format!("sub-select returns {found} columns - expected {expected}")));
        }
        let how = operands.iter().zip(&query.columns).map(|(operand, column)| {
            let mut right = Bound::plain(Expr::<S>::Constant(crate::sql::value::Value::Null));
            (right.affinity, right.collation) = (column.affinity, column.collation);
            comparison(operand, &right)
        });
        let how = how.collect();
        let query = Subquery::new(query, correlated, how);
        let operands = operands.into_iter().map(|operand| operand.expr).collect();
        Ok(Bound::plain(Expr::InQuery { negated, operands, query: Box::new(RefCell::new(query)) }))
    }
}
