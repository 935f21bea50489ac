//! A few trees, as they should be: what binds how is seen in the parentheses that a printer would need.

use xs_storage::sql::Parser;
use xs_storage::sql::ast::{Core, Expr, ResultColumn, Statement};

/// The only result column of a query.
fn parsed(expr: &str) -> Expr {
    let sql = format!("SELECT {expr}");
    let Ok(Some(Statement::Select(select))) = Parser::new(&sql).next_statement() else { panic!("{sql}") };
    let Core::Query(mut query) = select.first else { panic!("{sql}") };
    let Some(ResultColumn::Expr { expr, .. }) = query.columns.pop() else { panic!("{sql}") };
    expr
}

#[test]
fn operators_bind_as_in_sqlite() {
    for (sql, grouped) in [
        ("a OR b AND c", "a OR (b AND c)"),
        ("NOT a = b", "NOT (a = b)"),
        ("NOT a AND b", "(NOT a) AND b"),
        ("a = b < c", "a = (b < c)"),
        ("a = b IS c", "(a = b) IS c"),
        ("a IS NOT b = c", "(a IS NOT b) = c"),
        ("a < b & c", "a < (b & c)"),
        ("a & b + c", "a & (b + c)"),
        ("a << b | c", "(a << b) | c"),
        ("a - b - c", "(a - b) - c"),
        ("a + b * c || d", "a + (b * (c || d))"),
        ("a || b -> c ->> d", "((a || b) -> c) ->> d"),
        ("-a COLLATE x", "(-a) COLLATE x"),
        ("a || b COLLATE x", "a || (b COLLATE x)"),
        ("~a + b", "(~a) + b"),
        ("a + NOT b = c", "a + (NOT (b = c))"),
        ("a = b NOT NULL", "(a = b) NOT NULL"),
        ("a + b ISNULL", "(a + b) ISNULL"),
        ("NOT a ISNULL", "NOT (a ISNULL)"),
        ("a LIKE b = c", "(a LIKE b) = c"),
        ("a LIKE b < c ESCAPE d || e", "a LIKE (b < c) ESCAPE (d || e)"),
        ("a BETWEEN b AND c AND d", "(a BETWEEN b AND c) AND d"),
        ("a = b BETWEEN c AND d", "(a = b) BETWEEN c AND d"),
        ("a NOT IN (1) = b", "(a NOT IN (1)) = b"),
    ] {
        assert_eq!(parsed(sql), parsed(grouped), "{sql}");
    }
}

#[test]
fn the_printer_sets_the_parentheses_that_are_needed() {
    for (sql, printed) in [
        ("(a + b) * c", "(a + b) * c"),
        ("((a) + (b * c))", "a + b * c"),
        ("a - (b - c)", "a - (b - c)"),
        ("- - a", "- -a"),
        ("(NOT a) = b", "(NOT a) = b"),
        ("a = (b = c)", "a = (b = c)"),
        ("\"a\"\"b\".[c d]", "\"a\"\"b\".`c d`"),
    ] {
        assert_eq!(parsed(sql).to_string(), printed);
    }
}
