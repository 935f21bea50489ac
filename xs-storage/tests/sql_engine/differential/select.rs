//! Queries.

use super::expr::other_side;
use super::schema::Table;
use super::{Generator, Step, known};

// Not group_concat: SQLite 3.40 forgets empty texts when others leave the frame.
const WINDOWS: &[&str] = &[
    "row_number()",
    "rank()",
    "dense_rank()",
    "ntile(3)",
    "percent_rank()",
    "cume_dist()",
    "count(*)",
    "lag(#)",
    "lead(#, 2, 'none')",
    "first_value(#)",
    "last_value(#)",
    "nth_value(#, 2)",
    "count(#)",
    "min(#)",
    "max(#)",
    "sum(# % 100)",
    "count(*) FILTER (WHERE # > 1)",
];
const FRAMES: &[&str] = &[
    "",
    "",
    " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    " ROWS UNBOUNDED PRECEDING",
    " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW",
    " GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW",
    " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES",
    " ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING",
];
const AGGREGATES: &[&str] = &[
    "count(*)",
    "count(#)",
    "count(DISTINCT #)",
    "min(#)",
    "max(#)",
    "sum(# % 100)",
    "total(# % 100)",
    "avg(# % 100)",
    "sum(DISTINCT # % 10)",
    "count(*) FILTER (WHERE # IS NOT NULL)",
];

impl Generator {
    pub(super) fn select(&mut self) -> Step {
        match self.of(12) {
            0..3 => self.plain(),
            3..6 => self.join(),
            6..8 => self.grouped(),
            8 | 9 => self.windowed(),
            10 => self.compound(),
            _ => self.common(),
        }
    }

    fn table_of(&mut self) -> Table {
        self.readable().unwrap_or_else(|| self.stored())
    }

    /// One table, in the order of its key now and then.
    fn plain(&mut self) -> Step {
        let table = if self.once_in(4) { self.table_of() } else { self.stored() };
        let scope = table.scope("s");
        let mut columns = self.several(1, 3, |it| it.scalar(&scope, 2));
        if self.once_in(3) {
            columns.push("s.*".into());
        }
        let whether = if self.once_in(5) { String::new() } else { format!(" WHERE {}", self.condition(&scope, 2)) };
        let from = format!("FROM {} AS s{whether}", table.name);
        if !table.is_view() && self.once_in(2) {
            let mut order = Vec::new();
            if self.once_in(2) {
                let direction = self.one(&["", " DESC", " NULLS LAST", " DESC NULLS FIRST", " COLLATE NOCASE DESC"]);
                order.push(self.one(&scope) + direction);
            }
            order.extend(table.key.iter().map(|key| format!("s.{key}")));
            let limit = self.one(&["", " LIMIT 3", " LIMIT 2 OFFSET 1", " LIMIT -1 OFFSET 2"]);
            let sql = format!("SELECT {} {from} ORDER BY {}{limit}", columns.join(", "), order.join(", "));
            return Step { sql, ordered: true, loose: false };
        }
        let distinct = self.once_in(4);
        let sql = format!("SELECT {}{} {from}", if distinct { "DISTINCT " } else { "" }, columns.join(", "));
        Step { sql, ordered: false, loose: distinct || table.is_view() }
    }

    fn join(&mut self) -> Step {
        let tables = self.several(2, 3, Self::table_of);
        let loose = tables.iter().any(Table::is_view);
        let (mut from, mut scope) = (String::new(), Vec::new());
        let mut natural = false;
        for (at, table) in tables.iter().enumerate() {
            let alias = format!("j{at}");
            let columns = table.scope(&alias);
            if at > 0 {
                let right = tables.len() == 2 || known::RIGHT_OF_THREE;
                let kinds = ["JOIN", "LEFT JOIN", "LEFT JOIN", ",", "CROSS JOIN", "RIGHT JOIN", "FULL JOIN"];
                let kind = self.one(if right { &kinds } else { &kinds[..5] });
                let common = known::COMPARED_COLUMNS && at == 1 && kind.ends_with("JOIN") && self.once_in(8);
                natural |= common;
                from += &match (kind, common) {
                    (_, true) => format!(" {kind} {} AS {alias} USING (a)", table.name),
                    (",", _) => format!(", {} AS {alias}", table.name),
                    _ => {
                        let (one, other) = (other_side(self.one(&scope)), self.one(&columns));
                        let mut on = format!("{one} {} {other}", self.one(&["=", "=", "=", "IS", "<"]));
                        if self.once_in(4) {
                            let both: Vec<String> = scope.iter().chain(&columns).cloned().collect();
                            on = format!("{on} AND {}", self.condition(&both, 0));
                        }
                        format!(" {kind} {} AS {alias} ON {on}", table.name)
                    }
                };
            } else {
                from = format!("{} AS {alias}", table.name);
            }
            scope.extend(columns);
        }
        let columns = if natural { vec!["*".to_owned()] } else { self.several(1, 4, |it| it.scalar(&scope, 1)) };
        let whether = if self.once_in(2) { format!(" WHERE {}", self.condition(&scope, 1)) } else { String::new() };
        Step { sql: format!("SELECT {} FROM {from}{whether}", columns.join(", ")), ordered: false, loose }
    }

    fn aggregate(&mut self, scope: &[String], of: &[&str]) -> String {
        let argument = self.one(scope);
        self.one(of).replace('#', &argument)
    }

    fn grouped(&mut self) -> Step {
        let table = self.table_of();
        let scope = table.scope("s");
        let whether = if self.once_in(3) { format!(" WHERE {}", self.condition(&scope, 1)) } else { String::new() };
        let aggregates = self.several(1, 3, |it| it.aggregate(&scope, AGGREGATES));
        let from = format!("FROM {} AS s{whether}", table.name);
        if self.once_in(4) {
            return Step { sql: format!("SELECT {} {from}", aggregates.join(", ")), ordered: false, loose: true };
        }
        let keys = self.several(1, 2, |it| it.one(&scope));
        let having = if self.once_in(3) { format!(" HAVING {} > 1", aggregates[0]) } else { String::new() };
        let (keys, aggregates) = (keys.join(", "), aggregates.join(", "));
        Step { sql: format!("SELECT {keys}, {aggregates} {from} GROUP BY {keys}{having}"), ordered: false, loose: true }
    }

    fn windowed(&mut self) -> Step {
        let table = self.stored();
        let scope = table.scope("s");
        let order: Vec<_> = table.key.iter().map(|key| format!("s.{key}")).collect();
        let columns = self.several(1, 2, |it| {
            let call = it.aggregate(&scope, WINDOWS);
            let part = if it.once_in(2) { format!("PARTITION BY {} ", it.one(&scope)) } else { String::new() };
            let first = if it.once_in(3) { it.one(&scope) + ", " } else { String::new() };
            let frame = it.one(FRAMES);
            format!("{call} OVER ({part}ORDER BY {first}{}{frame})", order.join(", "))
        });
        let whether = if self.once_in(4) { format!(" WHERE {}", self.condition(&scope, 0)) } else { String::new() };
        let sql = format!("SELECT {}, s.* FROM {} AS s{whether}", columns.join(", "), table.name);
        Step { sql, ordered: false, loose: false }
    }

    fn compound(&mut self) -> Step {
        let width = 1 + self.of(2);
        let mut sql = String::new();
        for at in 0..2 + self.of(2) {
            if at > 0 {
                sql += self.one(&[" UNION ", " UNION ALL ", " EXCEPT ", " INTERSECT "]);
            }
            let table = self.table_of();
            let scope = table.scope("s");
            let columns: Vec<_> = (0..width).map(|_| self.scalar(&scope, 1)).collect();
            sql += &format!("SELECT {} FROM {} AS s", columns.join(", "), table.name);
        }
        Step { sql, ordered: false, loose: true }
    }

    /// Common tables: ordinary, materialized or not, and recursive; subqueries in FROM and among the columns.
    fn common(&mut self) -> Step {
        let inner = self.compound().sql;
        let table = self.stored();
        let scope = table.scope("s");
        let hints = ["", "NOT MATERIALIZED ", "MATERIALIZED "];
        let hint = self.one(if known::MATERIALIZED_COMPOUNDS { &hints } else { &hints[..2] });
        let sql = match self.of(4) {
            0 => format!("WITH w AS {hint}({inner}) SELECT * FROM w"),
            1 => {
                let column = self.one(&scope);
                format!("WITH w AS {hint}({inner}) SELECT {column}, (SELECT count(*) FROM w) FROM {} AS s", table.name)
            }
            2 => {
                let (column, count) = (self.one(&scope), 2 + self.of(6));
                let step = format!("SELECT n + 1 FROM w WHERE n < {count}");
                let from = format!("FROM w LEFT JOIN {} AS s ON {column} = n", table.name);
                format!("WITH RECURSIVE w(n) AS (SELECT 1 UNION {step}) SELECT n, s.* {from}")
            }
            _ => format!("SELECT q.*, count(*) OVER () FROM ({inner}) AS q"),
        };
        Step { sql, ordered: false, loose: true }
    }
}
