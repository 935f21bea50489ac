//! SQL: no text panics, and every statement that is taken is printed as a text that is read as the same statement.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xs_storage::sql::Parser;

fuzz_target!(|sql: &str| {
    let mut parser = Parser::new(sql);
    while let Ok(Some(statement)) = parser.next_statement() {
        assert!(parser.offset() <= sql.len());
        let printed = statement.to_string();
        assert_eq!(Parser::new(&printed).next_statement(), Ok(Some(statement)), "{printed}");
    }
});
