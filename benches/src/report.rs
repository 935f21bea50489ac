//! Figures in tables: Markdown for people, JSON for programs.

use std::fmt;

use serde_json::{Value, json};

/// What a benchmark found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) tables: Vec<Table>,
}

/// One table of figures; the first column names the rows.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<(String, Vec<f64>)>,
    /// Digits after the point.
    pub(crate) decimals: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tables.iter().try_for_each(|table| write!(f, "{table}"))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n| | {} |", self.title, self.columns.join(" | "))?;
        writeln!(f, "|---|{}", "---:|".repeat(self.columns.len()))?;
        for (name, figures) in &self.rows {
            let figures: Vec<String> = figures.iter().map(|figure| format!("{figure:.*}", self.decimals)).collect();
            writeln!(f, "| {name} | {} |", figures.join(" | "))?;
        }
        writeln!(f)
    }
}

impl Report {
    /// The whole report as one object.
    pub(crate) fn to_json(&self, name: &str) -> Value {
        let tables: Vec<Value> = self.tables.iter().map(Table::to_json).collect();
        json!({ "bench": name, "tables": tables })
    }
}

impl Table {
    fn to_json(&self) -> Value {
        let rows: serde_json::Map<String, Value> = self
            .rows
            .iter()
            .map(|(name, figures)| {
                let figures = self.columns.iter().cloned().zip(figures.iter().map(|figure| json!(figure))).collect();
                (name.clone(), Value::Object(figures))
            })
            .collect();
        json!({ "title": self.title, "rows": rows })
    }
}
