//! Whether a text ends a statement.

use xs_storage::sql::lexer::{Lexer, TokenKind};

/// Whether it ends with a semicolon that ends a statement: not one within a string, a comment or a trigger's body, which ends
/// with `;END;`.
pub(crate) fn is_complete(sql: &str) -> bool {
    let (mut words, mut trigger, mut complete) = (Vec::new(), false, false);
    let mut lexer = Lexer::new(sql);
    loop {
        let token = lexer.next_token();
        let word = token.text(sql).to_ascii_lowercase();
        if token.kind == TokenKind::End {
            return complete;
        }
        if token.kind == TokenKind::Semi {
            let ended = !trigger || words.last().is_some_and(|last| last == "end");
            // A body's last word stands behind a semicolon of its own.
            let behind = words.len() < 2 || words[words.len() - 2] == ";";
            complete = ended && (!trigger || behind);
            if complete {
                words.clear();
                trigger = false;
            } else {
                words.push(";".into());
            }
            continue;
        }
        // Of what is no token, an open string for one, nobody knows where it ends.
        complete = false;
        words.push(word);
        let beginning: Vec<&str> = words.iter().take(5).map(String::as_str).collect();
        let beginning = match beginning.as_slice() {
            ["explain", "query", "plan", rest @ ..] | ["explain", rest @ ..] => rest,
            rest => rest,
        };
        trigger |= matches!(beginning, ["create", "trigger", ..] | ["create", "temp" | "temporary", "trigger", ..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_ends_a_statement_where_it_is_one() {
        for text in ["select 1;", ";", "select 1; -- more\n", "select ';';", "create table t(a); /* x */"] {
            assert!(is_complete(text), "{text}");
        }
        for text in ["", "select 1", "select 'a;", "select 1; select 2", "-- a;", "/* ; ", "select \"a;"] {
            assert!(!is_complete(text), "{text}");
        }
        let trigger = "create trigger x after insert on t begin select 1;";
        assert!(!is_complete(trigger));
        assert!(!is_complete(&format!("{trigger} select case 1 when 1 then 2 end;")));
        assert!(is_complete(&format!("{trigger} end;")));
        assert!(!is_complete(&format!("explain create temp {} ", &trigger[7..])));
    }
}
