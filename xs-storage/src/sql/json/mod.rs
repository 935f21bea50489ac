//! JSON in SQL: text that functions take apart, change and make.
//!
//! # The problem
//!
//! A column may hold a document, of which a query wants one member. There is no type for it: JSON is text that happens to be well
//! formed, and whatever is stored keeps its digits as they were written. Yet `json_array(json('[1]'))` is `[[1]]` and
//! `json_array('[1]')` is `["[1]"]`: what a JSON function gave is known as JSON by the one around it.
//!
//! # How it works
//!
//! ```text
//!  {"a":[1,2],"b":"x"}          0 Object  5 nodes in it
//!                               1 Text    "a", a label
//!        │ parse                2 Array   2 nodes in it
//!        ▼                      3 Integer 1
//!   nodes in the order          4 Integer 2
//!   of the text                 5 Text    "b", a label
//!                               6 Text    "x"
//! ```
//!
//! A [`Tree`](node::Tree) is a list of nodes, each behind the one that it is in. Numbers and text stay where they are in the source. What is
//! changed is noted on nodes: removed, written as something else, or continued at nodes behind all others, where members are
//! added. Writing the tree minds the notes. Nothing is ever moved.
//!
//! That a value is JSON is no part of it. An expression answers it beside the value, as SQLite does with what it calls a subtype:
//! what is kept in a table or a subquery of `FROM` is text again.
//!
//! # Invariants
//!
//! - What is accepted, and what is said of the rest, is what SQLite 3.40 accepts and says, with its oddities: a label may be
//!   anything that ends with a text.
//! - Documents are nested no deeper than 2000. No function recurses by the depth of a document or the length of a path.
//! - Numbers and text are written as they were read.
//!
//! # Cost
//!
//! Every call reads the document anew: 20 bytes for each node, in one allocation. SQLite keeps the last few that it read.
//!
//! # Example
//!
//! ```
//! use xs_storage::sql::Connection;
//!
//! let db = Connection::open_in_memory()?;
//! let document = r#"{"b":[1,2]}"#;
//! let changed: String = db.query_row("SELECT json_set(?, '$.b[#]', 3)", (document,), |row| row.get(0))?;
//! assert_eq!(changed, r#"{"b":[1,2,3]}"#);
//! let last: i64 = db.query_row("SELECT ? ->> '$.b[#-1]'", (changed,), |row| row.get(0))?;
//! assert_eq!(last, 3);
//! # Ok::<(), xs_storage::sql::Failure>(())
//! ```
//!
//! # How others do it
//!
//! PostgreSQL's `jsonb` is a format of its own, with sorted keys that are searched in halves; so does SQLite since 3.45. MySQL keeps
//! offsets of each member and can change some values in place.
//!
//! # What this leaves out
//!
//! What came after 3.40: JSON5, `jsonb`, positions of errors, `json_pretty`.
//!
//! # Try next
//!
//! Predict `json_set('[1,2]', '$[2]', 3, '$[0]', 9)`, then ask, then find out why in `path.rs`.
//!
//! # Sources
//!
//! - <https://www.sqlite.org/json1.html>
//! - RFC 8259, and RFC 7396 for `json_patch()`

mod aggregate;
mod each;
mod edit;
mod node;
mod parse;
mod patch;
mod path;
mod render;
mod scalar;
#[cfg(test)]
mod tests;

use super::function::Registry;

/// Adds the functions of JSON.
pub(super) fn register(registry: &mut Registry) {
    scalar::register(registry);
    edit::register(registry);
    aggregate::register(registry);
    each::register(registry);
}
