//! SQLite's dialect, judged by SQLite: what it accepts, what it says of what it doesn't, and where.
//! `corpus/` has a statement a line, right ones and wrong ones; a line that begins with `# ` is a heading.

mod dates;
mod differential;
mod formats;
mod functions;
mod hostile;
mod made;
mod operands;
mod oracle;
mod roundtrip;
mod sqlite;
mod sqllogictest;
mod throughput;
mod trees;
mod values;
mod versions;

/// The statements of the corpus.
fn corpus() -> impl Iterator<Item = &'static str> {
    let files = [
        include_str!("corpus/lexical.sql"),
        include_str!("corpus/expressions.sql"),
        include_str!("corpus/select.sql"),
        include_str!("corpus/from.sql"),
        include_str!("corpus/change.sql"),
        include_str!("corpus/tables.sql"),
        include_str!("corpus/schema.sql"),
        include_str!("corpus/statements.sql"),
    ];
    files.into_iter().flat_map(str::lines).filter(|line| !line.is_empty() && !line.starts_with("# "))
}
