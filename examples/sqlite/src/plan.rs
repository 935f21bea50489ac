//! A query plan as a tree of lines.

use xs_storage::sql::lexer::Lexer;

/// Whether a statement asks for a plan.
pub(crate) fn is_asked(sql: &str) -> bool {
    let mut lexer = Lexer::new(sql);
    ["explain", "query", "plan"].into_iter().all(|word| lexer.next_token().text(sql).eq_ignore_ascii_case(word))
}

/// Lines that follow those of their parents, `(number, parent, text)`, drawn below each other.
pub(crate) fn tree(lines: &[(i64, i64, String)]) -> String {
    let Some((_, _, title)) = lines.first() else { return String::new() };
    let mut out = format!("{title}\n");
    children(&lines[1..], 0, "", &mut out);
    out
}

fn children(lines: &[(i64, i64, String)], parent: i64, indent: &str, out: &mut String) {
    let mut mine = lines.iter().filter(|(_, of, _)| *of == parent).peekable();
    while let Some((number, _, text)) = mine.next() {
        let last = mine.peek().is_none();
        out.push_str(&format!("{indent}{}{text}\n", if last { "`--" } else { "|--" }));
        if *number != parent {
            children(lines, *number, &format!("{indent}{}", if last { "   " } else { "|  " }), out);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_plan_is_drawn_as_a_tree() {
        let line = |number, parent, text: &str| (number, parent, text.to_owned());
        let lines = [line(0, 0, "QUERY PLAN"), line(3, 0, "SCAN t"), line(5, 3, "LIST"), line(9, 0, "SEARCH u")];
        assert_eq!(super::tree(&lines), "QUERY PLAN\n|--SCAN t\n|  `--LIST\n`--SEARCH u\n");
    }
}
