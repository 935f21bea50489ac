//! Expressions of columns that are given by name.

use super::{Generator, known};

const OPERATORS: &[&str] = &[
    "+",
    "-",
    "*",
    "/",
    "%",
    "||",
    "=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "AND",
    "OR",
    "IS",
    "IS NOT",
    "LIKE",
    "GLOB",
    "&",
    "|",
    "<<",
    ">>",
    "IS DISTINCT FROM",
    "IS NOT DISTINCT FROM",
    "==",
];
const TYPES: &[&str] = &["INTEGER", "TEXT", "REAL", "NUMERIC", "BLOB"];
const COLLATIONS: &[&str] = &["BINARY", "NOCASE", "RTRIM"];

/// The other side of a comparison.
pub(super) fn other_side(side: String) -> String {
    let column = !known::COMPARED_COLUMNS && side.starts_with(|first: char| first.is_ascii_lowercase());
    if column { format!("+{side}") } else { side }
}

impl Generator {
    pub(super) fn literal(&mut self) -> String {
        match self.of(12) {
            0..4 => (self.of(7) as i64 - 1).to_string(),
            4 => self.one(&["100", "-9223372036854775808", "9223372036854775807", "2147483648", "'7'", "' 2 '"]).into(),
            5 => self.one(&["0.5", "1.0", "-2.25", "3.75", "1e3"]).into(),
            6..9 => self.one(&["'a'", "'A'", "'b'", "'ab'", "'a '", "''", "'B'", "'é'", "'1'", "'2.0'"]).into(),
            9 => self.one(&["x'61'", "x''", "x'00ff'"]).into(),
            _ => "NULL".into(),
        }
    }

    /// A column, or a literal where there is none.
    pub(super) fn column(&mut self, scope: &[String]) -> String {
        if scope.is_empty() { self.literal() } else { self.one(scope) }
    }

    /// What has one value a row and asks no table.
    pub(super) fn scalar(&mut self, scope: &[String], depth: usize) -> String {
        if depth == 0 || self.once_in(6) {
            return if self.once_in(3) { self.literal() } else { self.column(scope) };
        }
        let one = self.scalar(scope, depth - 1);
        match self.of(14) {
            0..5 => {
                let (operator, other) = (self.one(OPERATORS), self.scalar(scope, depth - 1));
                match operator {
                    // Debian's SQLite matches no blobs.
                    "LIKE" | "GLOB" => format!("(({one} || '') {operator} ({other} || ''))"),
                    _ => format!("({one} {operator} {})", other_side(other)),
                }
            }
            5 => self.one(&["-", "NOT ", "~", "+"]).to_owned() + &one,
            6 => {
                let (not, low, high) = (self.one(&["", "NOT "]), self.literal(), self.scalar(scope, depth - 1));
                format!("({one} {not}BETWEEN {low} AND {high})")
            }
            7 => {
                let (not, list) = (
                    self.one(&["", "NOT "]),
                    self.several(usize::from(!known::EMPTY_LISTS), 4, |it| it.scalar(scope, 0)),
                );
                format!("({one} {not}IN ({}))", list.join(", "))
            }
            8 => {
                let (when, then, other) =
                    (self.scalar(scope, depth - 1), self.scalar(scope, 0), self.scalar(scope, depth - 1));
                match self.of(3) {
                    0 => format!("CASE {one} WHEN {when} THEN {then} ELSE {other} END"),
                    1 => format!("CASE WHEN {one} THEN {when} WHEN {then} THEN {other} END"),
                    _ => format!("iif({one}, {when}, {other})"),
                }
            }
            9 => format!("CAST({one} AS {})", self.one(TYPES)),
            10 => format!("({one} COLLATE {})", self.one(COLLATIONS)),
            11 => format!("({one} {})", self.one(&["ISNULL", "NOTNULL", "IS NULL", "IS NOT TRUE", "IS FALSE"])),
            _ => self.call(scope, &one),
        }
    }

    fn call(&mut self, scope: &[String], one: &str) -> String {
        let other = self.scalar(scope, 0);
        match self.of(12) {
            0 => format!("coalesce({one}, {other})"),
            1 => format!("nullif({one}, {other})"),
            2 => format!("substr({one}, {other}, 2)"),
            3 => format!("instr({one}, {other})"),
            4 => format!("replace({one}, {other}, 'z')"),
            5 => format!("{}({one}, {other})", self.one(&["min", "max", "ifnull"])),
            6 => format!("round({one}, 1)"),
            7 => format!("trim({one}, 'a')"),
            8 => format!("printf('%s/%d', {one}, {other})"),
            _ => {
                const NAMES: &[&str] = &[
                    "length", "typeof", "quote", "hex", "upper", "lower", "abs", "unicode", "likely", "ltrim", "sign",
                ];
                format!("{}({one})", self.one(NAMES))
            }
        }
    }

    /// A condition, which may ask tables.
    pub(super) fn condition(&mut self, scope: &[String], depth: usize) -> String {
        let column = self.column(scope);
        match self.of(12) {
            // What an index can answer.
            0..3 => format!("{column} {} {}", self.one(&["=", "<", ">=", "IS", ">"]), self.literal()),
            3 => {
                let (low, high) = (self.literal(), self.literal());
                format!("{column} BETWEEN {low} AND {high}")
            }
            4 => {
                let list = self.several(1, 4, Self::literal);
                format!("{column} IN ({})", list.join(", "))
            }
            5 if depth > 0 => {
                let operator = self.one(&["AND", "OR"]);
                let (one, other) = (self.condition(scope, depth - 1), self.condition(scope, depth - 1));
                format!("({one} {operator} {other})")
            }
            6 if depth > 0 => self.asking(scope, &column),
            7 => {
                let (one, other) = (self.column(scope), self.column(scope));
                let values = (self.literal(), self.literal());
                let operator = self.one(&["=", "<", ">=", "IS NOT"]);
                format!("({one}, {other}) {operator} ({}, {})", values.0, values.1)
            }
            _ => self.scalar(scope, 2),
        }
    }

    /// A condition with a subquery, which sees the columns around it.
    fn asking(&mut self, scope: &[String], column: &str) -> String {
        let Some(table) = self.readable() else { return self.literal() };
        let inner = table.scope("i");
        let mut both = inner.clone();
        both.extend_from_slice(scope);
        let (what, whether) = (other_side(self.one(&inner)), self.condition(&both, 0));
        let from = format!("FROM {} AS i WHERE {whether}", table.name);
        let not = self.one(&["", "NOT "]);
        match self.of(4) {
            0 => format!("{not}EXISTS (SELECT 1 {from})"),
            1 => format!("{column} {not}IN (SELECT {what} {from})"),
            2 => format!("{column} = (SELECT count(*) {from})"),
            _ => format!("{column} {} (SELECT max({what}) {from})", self.one(&["<=", ">", "="])),
        }
    }
}
