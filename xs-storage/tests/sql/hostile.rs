//! Texts that want to do harm: deep, wide, long, cut, random.

use proptest::prelude::*;
use xs_storage::sql::{ErrorKind, Limits, Parser};

/// The stack of a test's thread, which is a spawned thread's default too.
const STACK: usize = 2 << 20;

/// Parses, clones, prints, compares and drops on a thread of two megabytes; gives the error's text.
fn on_a_small_stack(sql: String) -> Option<String> {
    let work = move || match Parser::new(&sql).next_statement() {
        Ok(statement) => {
            let printed = format!("{}", statement.as_ref().unwrap());
            assert!(!format!("{statement:?}").is_empty());
            assert_eq!(statement.clone(), statement);
            assert_eq!(Parser::new(&printed).next_statement().unwrap(), statement);
            None
        }
        Err(error) => Some(error.to_string()),
    };
    std::thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap()
}

/// What nests in itself: what is before, what is within, what is behind, and how often SQLite's parser takes it.
const NESTS: [(&str, &str, &str, usize); 24] = [
    ("(", "1", ")", 93),
    ("- ", "1", "", 94),
    ("NOT ", "1", "", 94),
    ("1 + (", "1", ")", 31),
    ("1 AND 2 < 3 + (", "1", ")", 13),
    ("f(", "1", ")", 31),
    ("f(1, ", "1", ")", 18),
    ("(1, ", "2", ")", 31),
    ("CASE WHEN ", "1", " THEN 2 END", 30),
    ("CASE WHEN 1 THEN ", "1", " END", 18),
    ("CASE WHEN 1 THEN 1 ELSE ", "1", " END", 23),
    ("CASE WHEN 1 THEN 1 WHEN ", "1", " THEN 1 END", 23),
    ("CASE ", "1", " WHEN 1 THEN 1 END", 90),
    ("CAST(", "1", " AS INT)", 45),
    ("1 IN (", "1", ")", 31),
    ("1 IN (1, ", "1", ")", 18),
    ("1 BETWEEN ", "1", " AND 2", 46),
    ("1 BETWEEN 1 AND (", "1", ")", 18),
    ("(VALUES (", "1", "))", 31),
    ("(SELECT ", "1", ")", 18),
    ("EXISTS (SELECT ", "1", ")", 15),
    ("1 IN (SELECT ", "1", ")", 12),
    ("(SELECT 1 FROM (SELECT ", "1", "))", 8),
    ("(WITH x AS (SELECT ", "1", ") SELECT 1)", 9),
];

fn nested((open, inner, close): (&str, &str, &str), depth: usize) -> String {
    format!("SELECT {}{inner}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn what_nests_ends_where_sqlites_stack_does() {
    for (open, inner, close, deepest) in NESTS {
        let nested = |depth| nested((open, inner, close), depth);
        assert_eq!(on_a_small_stack(nested(deepest)), None, "{open}");
        for depth in [deepest + 1, 100_000] {
            assert_eq!(on_a_small_stack(nested(depth)).as_deref(), Some("parser stack overflow"), "{open}");
        }
    }
    let joins = |depth: usize| format!("SELECT * FROM {}t{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(on_a_small_stack(joins(45)), None);
    assert_eq!(on_a_small_stack(joins(46)).unwrap(), "parser stack overflow");
    assert_eq!(on_a_small_stack(joins(100_000)).unwrap(), "parser stack overflow");
    let tables = |depth: usize| format!("{}SELECT 1{}", "WITH t AS (".repeat(depth), ") SELECT 1".repeat(depth));
    assert_eq!(on_a_small_stack(tables(18)), None);
    assert_eq!(on_a_small_stack(tables(19)).unwrap(), "parser stack overflow");
    assert_eq!(on_a_small_stack(tables(100_000)).unwrap(), "parser stack overflow");
}

#[test]
#[ignore = "needs python3 with sqlite3"]
fn sqlites_stack_ends_there() {
    let mut db = super::oracle::open();
    let overflows = |error: super::sqlite::Refusal| error.message == "parser stack overflow";
    for (open, inner, close, deepest) in NESTS {
        let mut ends = |depth| db.prepare(&nested((open, inner, close), depth)).is_err_and(overflows);
        assert!(!ends(deepest) && ends(deepest + 1), "{open}");
    }
}

#[test]
fn chains_of_operators_count_as_depth_as_in_sqlite() {
    let chain = |operators: usize| format!("SELECT 1{}", " AND 1".repeat(operators));
    assert_eq!(on_a_small_stack(chain(999)), None);
    assert_eq!(on_a_small_stack(chain(1_000)).unwrap(), "Expression tree is too large (maximum depth 1000)");
}

#[test]
#[ignore = "needs python3 with sqlite3"]
fn chains_of_operators_are_as_deep_to_sqlite() {
    let mut db = super::oracle::open();
    let mut told = |operators: usize| db.prepare(&format!("SELECT 1{}", " AND 1".repeat(operators)));
    assert!(told(999).is_ok());
    assert!(told(1_000).unwrap_err().message.starts_with("Expression tree is too large"));
}

#[test]
fn width_has_limits() {
    let error = |sql: String| Parser::new(&sql).next_statement().unwrap_err().to_string();
    assert_eq!(error("SELECT 1".to_owned() + &" UNION SELECT 1".repeat(500)), "too many terms in compound SELECT");
    assert!(Parser::new(&("SELECT 1".to_owned() + &" UNION SELECT 1".repeat(499))).next_statement().is_ok());
    let columns = |many: usize| (0..many).map(|at| format!("c{at}")).collect::<Vec<_>>().join(", ");
    assert_eq!(error(format!("CREATE TABLE n ({})", columns(2_001))), "too many columns on n");
    assert_eq!(error(format!("SELECT f({})", columns(1_001))), "too many arguments on function f");
    assert!(Parser::new(&format!("VALUES {}(1)", "(1), ".repeat(100_000))).next_statement().is_ok());
    let short = Limits { length: 10, ..Limits::default() };
    assert_eq!(
        Parser::with_limits("SELECT 1, 2", short).next_statement().unwrap_err().to_string(),
        "string or blob too big"
    );
}

#[test]
fn errors_say_where() {
    let error = Parser::new("SELECT 'é',\n  é FRM t t").next_statement().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unexpected("t".into()));
    assert_eq!((error.position.line, error.position.column, error.position.offset), (2, 9, 22));
    assert_eq!(error.to_string(), "near \"t\": syntax error");
    assert_eq!(error.position.to_string(), "2:9");
}

#[test]
fn behind_an_error_nothing_comes() {
    let mut parser = Parser::new("SELECT 1; nonsense; SELECT 2");
    assert!(parser.next_statement().unwrap().is_some());
    assert_eq!(parser.offset(), 9);
    assert!(parser.next_statement().is_err());
    assert_eq!(parser.next_statement(), Ok(None));
}

fn word() -> impl Strategy<Value = String> {
    let words = "SELECT FROM WHERE ( ) , ; . * 1 x 'a' \"b\" [c] -- /* */ NOT IN IS NULL LIKE ESCAPE BETWEEN AND OR CASE WHEN \
        THEN END CREATE TABLE INDEX TRIGGER BEGIN AS WITH VALUES JOIN LEFT ON USING OVER WINDOW FILTER ORDER BY LIMIT \
        INSERT INTO UPDATE SET DELETE RETURNING CONFLICT DO ? :a x'00' x'0 ' 0x 1_ -> ->> || \0";
    let words: Vec<_> = words.split(' ').map(str::to_owned).collect();
    prop_oneof![9 => proptest::sample::select(words), 1 => ".{0,4}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// No text panics, and what is taken is printed and read again as it was.
    #[test]
    fn soup_is_parsed_or_refused(words in proptest::collection::vec(word(), 0..40)) {
        let sql = words.join(" ");
        for statement in Parser::new(&sql).map_while(Result::ok) {
            let printed = statement.to_string();
            prop_assert_eq!(Parser::new(&printed).next_statement(), Ok(Some(statement)), "{}", printed);
        }
    }
}
