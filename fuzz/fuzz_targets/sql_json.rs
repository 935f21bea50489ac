//! JSON: no document, path or patch panics, and what is made of them is JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xs_storage::sql::{Connection, Value};

thread_local! {
    static DATABASE: Connection = Connection::open_in_memory().unwrap();
}

/// Of a document, a path and a patch.
const CALLS: &[&str] = &[
    "SELECT json(?1)",
    "SELECT json_array(?1, ?2, json_quote(?3))",
    "SELECT json_object(?1, ?2, ?3, 1)",
    "SELECT json_patch(?1, ?2)",
    "SELECT json_remove(?1, ?2, ?2)",
    "SELECT json_set(?1, '$.a' || ?2, ?3)",
    "SELECT json_set(?1, '$[0]', ?3, '$[#]', 1, '$[0].a' || ?2, 2)",
    "SELECT json_insert('{}', '$.a' || ?2, ?3)",
    "SELECT json_extract(?1, ?2, ?3)",
    "SELECT ?1 -> ?2",
    "SELECT json_group_array(value) FROM json_each(?1)",
    "SELECT json_group_object(fullkey, value) FROM json_tree(?1, ?2)",
];

fuzz_target!(|input: (&str, &str, &str)| {
    let (document, path, patch) = input;
    DATABASE.with(|database| {
        for sql in CALLS {
            let mut statement = database.prepare(sql).unwrap();
            let mut values: Vec<Value> = vec![document.into(), path.into(), patch.into()];
            values.truncate(statement.parameter_count());
            let Ok(mut rows) = statement.query(values) else { continue };
            let Ok(Some(row)) = rows.next() else { continue };
            let made: Value = row.get(0).unwrap();
            if made != Value::Null {
                let valid = database.query_row("SELECT json_valid(?)", (made,), |row| row.get::<i64>(0));
                assert_eq!(valid, Ok(1), "{sql} {input:?}");
            }
        }
    });
});
