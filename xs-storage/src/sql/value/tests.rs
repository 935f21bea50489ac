//! Answers that SQLite gave, and what must hold whatever it says.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;
use crate::row::Collation;

const NULL: ValueRef<'static> = ValueRef::Null;

fn text(text: &str) -> ValueRef<'_> {
    ValueRef::Text(text.as_bytes())
}

fn int(integer: i64) -> ValueRef<'static> {
    ValueRef::Integer(integer)
}

fn real(real: f64) -> ValueRef<'static> {
    ValueRef::Real(real)
}

#[test]
fn text_is_a_number_as_far_as_it_begins_with_one() {
    for (from, number, integer) in [
        ("", int(0), 0),
        (" 12 ", int(12), 12),
        ("12a", int(12), 12),
        ("1.5a", real(1.5), 1),
        ("1e3", real(1000.0), 1),
        ("1e", int(1), 1),
        ("1.e", real(1.0), 1),
        (".5", real(0.5), 0),
        ("-", int(0), 0),
        ("0x10", int(0), 0),
        ("9223372036854775807", int(i64::MAX), i64::MAX),
        ("9223372036854775808", real(9_223_372_036_854_775_808.0), i64::MAX),
        ("-9223372036854775808", int(i64::MIN), i64::MIN),
        ("-9e99", real(-9e99), -9),
        ("\u{a0}1", int(0), 0),
    ] {
        assert_eq!(text(from).to_number(), number, "{from}");
        assert_eq!(text(from).to_integer(), integer, "{from}");
    }
}

#[test]
fn casts_convert() {
    let cast = |value: ValueRef<'_>, name| Value::from(value.cast(Affinity::of_cast(name), &mut NumberText::new()));
    assert_eq!(cast(text("1e3"), "INTEGER"), Value::Integer(1));
    assert_eq!(cast(text("1e3"), "NUMERIC"), Value::Integer(1000));
    assert_eq!(cast(text("1e3x"), "NUMERIC"), Value::Integer(1000));
    assert_eq!(cast(text("1.5x"), "DECIMAL(10)"), Value::Real(1.5));
    assert_eq!(cast(text("x"), "FLOAT"), Value::Real(0.0));
    assert_eq!(cast(real(2.0), "NUMERIC"), Value::Real(2.0));
    assert_eq!(cast(real(1e300), "INT"), Value::Integer(i64::MAX));
    assert_eq!(cast(real(-2.9), "INT"), Value::Integer(-2));
    assert_eq!(cast(int(12), "BLOB"), Value::Blob(b"12"[..].into()));
    assert_eq!(cast(ValueRef::Blob(b"ab"), "VARCHAR"), Value::from("ab"));
    assert_eq!(cast(NULL, "TEXT"), Value::Null);
}

#[test]
fn columns_change_what_is_stored() {
    let stored = |value: ValueRef<'_>, name| Affinity::of_column(name).apply_to(Value::from(value));
    assert_eq!(stored(text("12"), ""), Value::from("12"));
    assert_eq!(stored(int(12), "TEXT"), Value::from("12"));
    assert_eq!(stored(real(12.0), "CLOB"), Value::from("12.0"));
    assert_eq!(stored(text(" 12 "), "BIGINT"), Value::Integer(12));
    assert_eq!(stored(text("12a"), "INT"), Value::from("12a"));
    assert_eq!(stored(text("1e3"), "INT"), Value::Integer(1000));
    assert_eq!(stored(real(3.0), "NUMERIC"), Value::Integer(3));
    assert_eq!(stored(text("12"), "DOUBLE"), Value::Real(12.0));
    assert_eq!(stored(int(1), "REAL"), Value::Real(1.0));
    assert_eq!(stored(ValueRef::Blob(b"12"), "INT"), Value::Blob(b"12"[..].into()));
    // The rules in their order: the first that finds its word decides.
    for (name, affinity) in [
        ("FLOATING POINT", Affinity::Integer),
        ("CHARINT", Affinity::Integer),
        ("TEXTBLOB", Affinity::Text),
        ("REALBLOB", Affinity::Blob),
        ("STRING", Affinity::Numeric),
        ("double", Affinity::Real),
    ] {
        assert_eq!(Affinity::of_column(name), affinity, "{name}");
    }
}

#[test]
fn comparisons_apply_affinities_first() {
    let column = |name| Some(Affinity::of_column(name));
    let equal =
        |a, b, left, right| compare(a, b, Affinity::of_comparison(left, right), Collation::Binary).map(Ordering::is_eq);
    assert_eq!(equal(text("10"), int(10), None, None), Some(false));
    assert_eq!(equal(text("10"), int(10), None, column("INT")), Some(true));
    assert_eq!(equal(text("10"), int(10), column("TEXT"), None), Some(true));
    assert_eq!(equal(text("10.0"), int(10), column("TEXT"), None), Some(false));
    assert_eq!(equal(text("10.0"), int(10), column("TEXT"), column("INT")), Some(true));
    assert_eq!(equal(text("10"), int(10), column("TEXT"), column("BLOB")), Some(false));
    assert_eq!(equal(NULL, int(1), None, None), None);
    assert!(is(NULL, NULL, None, Collation::Binary) && !is(NULL, int(0), None, Collation::Binary));
    assert_eq!(order(text("abC"), text("ABc"), Collation::NoCase), Ordering::Equal);
}

#[test]
fn integers_overflow_into_reals() {
    assert_eq!(add(int(i64::MAX), int(1)), real(9_223_372_036_854_775_808.0));
    assert_eq!(multiply(int(i64::MIN), int(-1)), real(9_223_372_036_854_775_808.0));
    assert_eq!(divide(int(i64::MIN), int(-1)), real(9_223_372_036_854_775_808.0));
    assert_eq!(remainder(int(i64::MIN), int(-1)), int(0));
    assert_eq!(negate(int(i64::MIN)), real(9_223_372_036_854_775_808.0));
    assert_eq!(divide(int(-7), int(2)), int(-3));
    assert_eq!(remainder(int(-7), int(2)), int(-1));
    assert_eq!(remainder(real(7.9), int(4)), real(3.0));
    assert_eq!(divide(int(1), real(0.0)), NULL);
    assert_eq!(remainder(int(1), real(0.5)), NULL);
    assert_eq!(subtract(real(f64::INFINITY), real(f64::INFINITY)), NULL);
    assert_eq!(add(text("1.5"), text("x")), real(1.5));
    assert_eq!(shift_left(int(1), int(-64)), int(0));
    assert_eq!(shift_right(int(-1), int(i64::MAX)), int(-1));
    assert_eq!(shift_left(int(-1), int(i64::MIN)), int(-1));
    assert_eq!(bit_not(text("5x")), int(-6));
}

#[test]
fn nothing_is_contagious_but_for_and_and_or() {
    assert_eq!(add(NULL, int(1)), NULL);
    assert_eq!(concat(NULL, text("a"), 9), Ok(Value::Null));
    assert_eq!((and(None, Some(false)), and(None, Some(true))), (Some(false), None));
    assert_eq!((or(None, Some(true)), or(None, Some(false))), (Some(true), None));
    assert_eq!((text("0.1x").truth(), text("x").truth(), NULL.truth()), (Some(true), Some(false), None));
    assert_eq!(concat(int(1), ValueRef::Blob(b"b"), 2), Ok(Value::from("1b")));
    assert_eq!(concat(real(1.0), text("b"), 3), Err(TooBig));
}

#[test]
fn patterns_match() {
    let glob = |subject: &str, pattern: &str| like(text(subject), text(pattern), None, PatternKind::Glob);
    for (subject, pattern, matches) in [
        ("abc", "a*", true),
        ("abc", "*b*", true),
        ("abc", "A*", false),
        ("a]c", "a[]]c", true),
        ("a]c", "a[^]]c", false),
        ("a-c", "a[b-]c", true),
        ("abc", "a[a-c]c", true),
        ("abc", "a[c-a]c", false),
        ("abc", "a[b", false),
        ("é", "?", true),
        ("aab", "*a?", true),
    ] {
        assert_eq!(glob(subject, pattern), Ok(Some(matches)), "{subject} GLOB {pattern}");
    }
    let like = |subject: &str, pattern: &str, escape: Option<&str>| {
        like(text(subject), text(pattern), escape.map(text), PatternKind::Like)
    };
    for (subject, pattern, escape, matches) in [
        ("aBc", "AbC", None, true),
        ("É", "é", None, false),
        ("abc", "%", None, true),
        ("abc", "a_", None, false),
        ("a%c", "a\\%c", Some("\\"), true),
        ("abc", "a\\%c", Some("\\"), false),
        ("a", "a\\", Some("\\"), false),
        ("a%", "a%%", Some("%"), true),
        ("a\0b", "a", None, true),
    ] {
        assert_eq!(like(subject, pattern, escape), Ok(Some(matches)), "{subject} LIKE {pattern}");
    }
    assert_eq!(like("a", "a", Some("")), Err(PatternError::Escape));
    assert_eq!(like("a", "a", Some("ab")), Err(PatternError::Escape));
    assert_eq!(like("a", &"a".repeat(50_001), None), Err(PatternError::TooComplex));
}

/// Where backtracking into every wildcard would take until the end of the world.
#[test]
fn patterns_of_many_wildcards_end() {
    let subject = "a".repeat(10_000);
    let pattern = format!("{}b", "%a".repeat(50));
    assert_eq!(like(text(&subject), text(&pattern), None, PatternKind::Like), Ok(Some(false)));
}

proptest! {
    #[test]
    fn fifteen_digits_survive(digits in 1_u64..1_000_000_000_000_000, exponent in -300_i32..290, negative: bool) {
        let written = format!("{}{digits}e{exponent}", if negative { "-" } else { "" });
        let real: f64 = written.parse().unwrap();
        prop_assert_eq!(ValueRef::Text(NumberText::new().real(real)).to_real(), real);
    }

    #[test]
    fn any_real_is_written(bits: u64) {
        let real = f64::from_bits(bits);
        let mut room = NumberText::new();
        let written = room.real(real);
        prop_assert!(written.len() <= 24 && written.is_ascii());
        if real.is_finite() {
            prop_assert!((ValueRef::Text(written).to_real() - real).abs() <= real.abs() * 1e-14);
        }
    }

    /// The quick way and the plain one: every way to split the text at a wildcard.
    #[test]
    fn patterns_match_as_their_definition_says(subject in "[ab]{0,8}", pattern in "[ab%_]{0,6}") {
        fn matches(subject: &[u8], pattern: &[u8]) -> bool {
            match pattern.split_first() {
                None => subject.is_empty(),
                Some((b'%', rest)) => (0..=subject.len()).any(|at| matches(&subject[at..], rest)),
                Some((wanted, rest)) => subject.split_first().is_some_and(|(first, behind)| {
                    (first == wanted || *wanted == b'_') && matches(behind, rest)
                }),
            }
        }
        let found = Pattern::new(pattern.as_bytes(), PatternKind::Like, None).unwrap().matches(subject.as_bytes());
        prop_assert_eq!(found, matches(subject.as_bytes(), pattern.as_bytes()));
    }

    #[test]
    fn any_bytes_are_a_value(a: Vec<u8>, b: Vec<u8>) {
        let (a, b) = (ValueRef::Text(&a), ValueRef::Text(&b));
        let _ = (add(a, b), remainder(a, b), shift_left(a, b), concat(a, b, 100), a.truth());
        let _ = compare(a, b, Some(Affinity::Numeric), Collation::NoCase);
        let _ = like(a, b, Some(b), PatternKind::Glob);
        let _ = a.cast(Affinity::Numeric, &mut NumberText::new());
    }
}
