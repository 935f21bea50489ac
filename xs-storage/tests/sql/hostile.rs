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

/// What nests in itself: what is before, what is within, what is behind.
const NESTS: [(&str, &str, &str); 14] = [
    ("(", "1", ")"),
    ("- ", "1", ""),
    ("NOT ", "1", ""),
    ("1 + (", "1", ")"),
    ("(1, ", "2", ")"),
    ("f(", "1", ")"),
    ("CASE WHEN ", "1", " THEN 2 END"),
    ("CAST(", "1", " AS INT)"),
    ("1 IN (", "1", ")"),
    ("1 BETWEEN ", "1", " AND 2"),
    ("(SELECT ", "1", ")"),
    ("EXISTS (SELECT 1 WHERE ", "1", ")"),
    ("(SELECT 1 FROM (SELECT ", "1", "))"),
    ("(WITH x AS (SELECT ", "1", ") SELECT 1)"),
];

#[test]
fn depth_has_a_limit_and_the_stack_holds_up_to_it() {
    for (open, inner, close) in NESTS {
        let nested = |depth: usize| format!("SELECT {}{inner}{}", open.repeat(depth), close.repeat(depth));
        let mut deepest = 0;
        // The deepest that is taken, by halves.
        let mut step = 1 << 12;
        while step > 0 {
            if on_a_small_stack(nested(deepest + step)).is_none() {
                deepest += step;
            }
            step /= 2;
        }
        println!("{open}...{close} nests {deepest} deep");
        assert!((15..1_100).contains(&deepest), "{open}: {deepest}");
        let error = on_a_small_stack(nested(100_000)).unwrap();
        assert!(error == "Recursion limit" || error.starts_with("Expression tree is too large"), "{error}");
    }
    let joins = |depth: usize| format!("SELECT * FROM {}t{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(on_a_small_stack(joins(98)), None);
    assert_eq!(on_a_small_stack(joins(100_000)).unwrap(), "Recursion limit");
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
