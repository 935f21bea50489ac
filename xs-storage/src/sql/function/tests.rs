//! Answers that SQLite gave, and what must hold whatever it says.

use proptest::prelude::*;

use super::*;

fn call(name: &str, args: &[Value]) -> Result<Value, Error> {
    let mut chance = || 0x0102_0304_0506_0708;
    let mut context = Context { longest: 1_000, changes: 3, ..Context::new(&mut chance) };
    let args: Vec<_> = args.iter().map(Value::as_ref).collect();
    Registry::builtin().find(name, args.len())?.call(&mut context, &args)
}

/// Calls with arguments of any kinds.
macro_rules! call {
    ($name:literal $(, $arg:expr)*) => { call($name, &[$(Value::from($arg)),*]) };
}

fn blob(bytes: &[u8]) -> Value {
    bytes.into()
}

const NULL: Option<i64> = None;

#[test]
fn functions_of_numbers() {
    assert_eq!(call!("abs", -5), Ok(5.into()));
    assert_eq!(call!("abs", "-1.5x"), Ok(1.5.into()));
    assert_eq!(call!("abs", i64::MIN).unwrap_err().to_string(), "integer overflow");
    assert_eq!(call!("sign", "-2"), Ok((-1).into()));
    assert_eq!(call!("sign", "x"), Ok(Value::Null));
    for (number, digits, rounded) in [
        (2.5, 0, 3.0),
        (-2.5, 0, -3.0),
        (0.125, 2, 0.13),
        (9.96, 1, 10.0),
        (99.999, 2, 100.0),
        // As it was written, though it is a little less.
        (1.005, 2, 1.01),
        (1e300, 2, 1e300),
        (123.456, -3, 123.0),
        (0.1, 99, 0.1),
    ] {
        assert_eq!(call!("round", number, digits), Ok(rounded.into()), "{number}, {digits}");
    }
    assert_eq!(call!("round", "1.6"), Ok(2.0.into()));
    assert_eq!(call!("round", 1.5, NULL), Ok(Value::Null));
}

#[test]
fn functions_of_any_value() {
    assert_eq!(call!("coalesce", NULL, 2, 3), Ok(2.into()));
    assert_eq!(call!("ifnull", NULL, NULL), Ok(Value::Null));
    assert_eq!(call!("nullif", 1, 1.0), Ok(Value::Null));
    assert_eq!(call!("nullif", "1", 1), Ok("1".into()));
    assert_eq!(call!("iif", 0, "a", 1, "b", "c"), Ok("b".into()));
    assert_eq!(call!("iif", 0, "a"), Ok(Value::Null));
    assert_eq!(call!("max", 1, 1.0, "a", blob(b"")), Ok(blob(b"")));
    assert_eq!(call!("max", 1, NULL), Ok(Value::Null));
    assert_eq!(call!("min", 1, 1.0), Ok(1.0.into()));
    assert_eq!(call!("typeof", blob(b"")), Ok("blob".into()));
    assert_eq!(call!("like", "a%", "ABC"), Ok(1.into()));
    assert_eq!(call!("like", "a", "a", "").unwrap_err().to_string(), "ESCAPE expression must be a single character");
    assert_eq!(call!("changes"), Ok(3.into()));
    assert_eq!(call!("randomblob", -1), Ok(blob(&[8])));
}

#[test]
fn functions_of_text() {
    assert_eq!(call!("length", "aé€"), Ok(3.into()));
    assert_eq!(call!("length", "a\0b"), Ok(1.into()));
    assert_eq!(call!("length", 12.5), Ok(4.into()));
    assert_eq!(call!("octet_length", "aé€"), Ok(6.into()));
    assert_eq!(call!("upper", "aé"), Ok("Aé".into()));
    assert_eq!(call!("trim", "  a "), Ok("a".into()));
    assert_eq!(call!("ltrim", "éaéb", "éa"), Ok("b".into()));
    assert_eq!(call!("rtrim", "abc", "cb"), Ok("a".into()));
    for (from, count, part) in [
        (1, 2, "aé"),
        (0, 2, "a"),
        (-2, 1, "c"),
        (-9, 7, "aé"),
        (3, -2, "aé"),
        (5, 1, ""),
        (i64::from(i32::MIN), i64::from(i32::MAX), "aéc"),
        ((1 << 32) + 2, 1 << 40 | 1, "é"),
        (2, i64::from(i32::MIN), "a"),
    ] {
        assert_eq!(call!("substr", "aécd", from, count), Ok(part.into()), "{from}, {count}");
    }
    assert_eq!(call!("substring", blob(b"abc"), -2), Ok(blob(b"bc")));
    assert_eq!(call!("substr", blob(b""), 1), Ok(Value::Null));
    assert_eq!(call!("instr", "aébé", "bé"), Ok(3.into()));
    assert_eq!(call!("instr", blob("aéb".as_bytes()), blob(b"b")), Ok(4.into()));
    assert_eq!(call!("instr", "a", ""), Ok(1.into()));
    assert_eq!(call!("replace", "aXbX", "X", "yy"), Ok("ayybyy".into()));
    assert_eq!(call!("replace", 12, "", "x"), Ok(12.into()));
    assert_eq!(call!("replace", blob(b"a"), "", "x"), Ok("a".into()));
    assert_eq!(call!("char", 97, 233, -1, 0xd800), Ok(Value::Text(b"a\xc3\xa9\xef\xbf\xbd\xed\xa0\x80"[..].into())));
    assert_eq!(call!("unicode", "é"), Ok(233.into()));
    assert_eq!(call!("unicode", ""), Ok(Value::Null));
    assert_eq!(call!("concat", "a", NULL, 1.0), Ok("a1.0".into()));
    assert_eq!(call!("concat_ws", "-", "", NULL, "b"), Ok("-b".into()));
}

#[test]
fn bytes_and_sql() {
    assert_eq!(call!("hex", "aé"), Ok("61C3A9".into()));
    assert_eq!(call!("hex", NULL), Ok("".into()));
    assert_eq!(call!("unhex", "0aFf"), Ok(blob(&[10, 255])));
    assert_eq!(call!("unhex", "0a-Ff", "-"), Ok(blob(&[10, 255])));
    assert_eq!(call!("unhex", "0-aFf", "-"), Ok(Value::Null));
    assert_eq!(call!("unhex", "abc"), Ok(Value::Null));
    assert_eq!(call!("quote", "it's"), Ok("'it''s'".into()));
    assert_eq!(call!("quote", 0.1 + 0.2), Ok("3.00000000000000044408e-01".into()));
    assert_eq!(call!("quote", f64::NEG_INFINITY), Ok("-Inf".into()));
    assert_eq!(call!("quote", blob(b"\x0a")), Ok("X'0A'".into()));
    assert_eq!(call!("zeroblob", 3), Ok(blob(&[0; 3])));
}

#[test]
fn formats_write_numbers_and_text() {
    for (format, argument, text) in [
        ("%,d|%d", Value::from(1_234_567), "1,234,567|0"),
        ("%010.3d|", 5.into(), "0000000005|"),
        ("%-5d|%+d", 5.into(), "5    |+0"),
        ("%r", 12.into(), "12th"),
        ("%#X", 255.into(), "0XFF"),
        ("%p", 255.into(), "FF"),
        ("%u", (-1).into(), "18446744073709551615"),
        ("%.2f", 1.005.into(), "1.01"),
        ("%!.20f", 0.1.into(), "0.10000000000000000556"),
        ("%08.2f", (-1.5).into(), "-0001.50"),
        ("%e", 12_345.678.into(), "1.234568e+04"),
        ("%g", 1e10.into(), "1e+10"),
        ("%5f|", f64::NEG_INFINITY.into(), " -Inf|"),
        ("%q", "it's".into(), "it''s"),
        ("%Q", "it's".into(), "'it''s'"),
        ("%Q", Value::Null, "NULL"),
        ("%w", "a\"b".into(), "a\"\"b"),
        ("%!4.2s|", "é€a".into(), "  é€|"),
        ("%5c|", "é".into(), "    é|"),
        ("%.3c", "ab".into(), "aaa"),
        ("%%|%", 1.into(), "%|%"),
        ("a%y%d", 1.into(), "a"),
    ] {
        assert_eq!(call("format", &[format.into(), argument]), Ok(text.into()), "{format}");
    }
    assert_eq!(call!("printf", "%*.*f|", -8, 1, 2.25), Ok("2.3     |".into()));
    assert_eq!(call!("printf"), Ok(Value::Null));
    assert_eq!(call!("printf", "%1001d", 1), Err(Error::TooBig));
}

#[test]
fn mathematics_has_no_answer_where_there_is_none() {
    assert_eq!(call!("ceil", "1.5"), Ok(2.0.into()));
    assert_eq!(call!("floor", i64::MAX), Ok(i64::MAX.into()));
    assert_eq!(call!("trunc", -1.5), Ok((-1.0).into()));
    assert_eq!(call!("ceil", blob(b"1")), Ok(Value::Null));
    assert_eq!(call!("log", 1000), Ok(3.0.into()));
    assert_eq!(call!("log", 2, 8), Ok(3.0.into()));
    assert_eq!(call!("log", 1, 8), Ok(Value::Null));
    assert_eq!(call!("ln", 0), Ok(Value::Null));
    assert_eq!(call!("sqrt", -1), Ok(Value::Null));
    assert_eq!(call!("pow", "x", 2), Ok(Value::Null));
    assert_eq!(call!("mod", 7, 0), Ok(Value::Null));
    assert_eq!(call!("pi"), Ok(std::f64::consts::PI.into()));
    assert_eq!(call!("soundex", "Tymczak"), Ok("T522".into()));
    assert_eq!(call!("soundex", NULL), Ok("?000".into()));
    assert_eq!(call!("sqlite_version"), Ok("3.40.1".into()));
    assert_eq!(call!("sqlite_compileoption_used", "sqlite_SOUNDEX"), Ok(1.into()));
}

#[test]
fn dates_are_computed_by_modifiers() {
    for (args, text) in [
        (&["2023-02-31"][..], Some("2023-02-31 00:00:00")),
        (&["2023-02-31", "+0 days"], Some("2023-03-03 00:00:00")),
        (&["2024-01-31 12:30", "+1 month", "start of month", "-1 day"], Some("2024-02-29 00:00:00")),
        (&["2024-02-29T23:59:59.5+01:30", "weekday 0"], Some("2024-03-03 22:29:59")),
        (&["2000-01-01", "-00:00:01"], Some("1999-12-31 23:59:59")),
        (&["12:00", "-1 year"], Some("1999-01-01 12:00:00")),
        (&["2451545.25"], Some("2000-01-01 18:00:00")),
        (&["1e10", "unixepoch"], Some("2286-11-20 17:46:40")),
        (&["2000-01-01", "unixepoch"], None),
        (&["2000-13-01"], None),
        (&["9999-12-31", "+1 day"], None),
        (&["2000-01-01", "+1 week"], None),
    ] {
        let args: Vec<_> = args.iter().map(|arg| Value::from(*arg)).collect();
        assert_eq!(call("datetime", &args), Ok(text.map_or(Value::Null, Value::from)), "{args:?}");
    }
    let form = "%J %j %W %w %f %s";
    assert_eq!(
        call!("strftime", form, "2000-01-01 12:00:00.123"),
        Ok("2451545.000001424 001 00 6 00.123 946728000".into())
    );
    assert_eq!(call!("strftime", "%", "2000-01-01"), Ok(Value::Null));
    assert_eq!(call!("datetime", "now").unwrap_err().to_string(), "the current time is unknown here");
    assert_eq!(call!("date", "2000-01-01", "utc").unwrap_err().to_string(), "local time unavailable");
}

#[test]
fn now_and_here_are_those_of_the_context() {
    let registry = Registry::builtin();
    let mut chance = || 0;
    // An hour ahead, and two from the first second of July 2024.
    let zone = |second: i64| if second >= 1_719_792_000 { 7200 } else { 3600 };
    let now = Some(1_719_792_000_000);
    let mut context = Context { now, zone: Some(&zone), ..Context::new(&mut chance) };
    let mut ask = |name: &str, args: &[&str]| {
        let args: Vec<_> = args.iter().map(|arg| ValueRef::Text(arg.as_bytes())).collect();
        registry.find(name, args.len()).unwrap().call(&mut context, &args).unwrap()
    };
    assert_eq!(ask("current_timestamp", &[]), "2024-07-01 00:00:00".into());
    assert_eq!(ask("unixepoch", &["NOW"]), 1_719_792_000.into());
    assert_eq!(ask("time", &["now", "localtime"]), "02:00:00".into());
    assert_eq!(ask("datetime", &["2024-07-01 02:30", "utc"]), "2024-07-01 00:30:00".into());
    assert_eq!(ask("datetime", &["2024-07-01 02:30Z", "utc"]), "2024-07-01 02:30:00".into());
    assert_eq!(ask("datetime", &["2024-01-01", "utc", "utc"]), "2023-12-31 23:00:00".into());
    assert_eq!(ask("date", &["4000-01-01 12:00", "localtime"]), "4000-01-01".into());
}

#[test]
fn results_have_a_limit() {
    assert_eq!(call!("zeroblob", i64::MAX), Err(Error::TooBig));
    assert_eq!(call!("randomblob", i64::MAX), Err(Error::TooBig));
    assert_eq!(call!("replace", "a".repeat(500), "a", "abc"), Err(Error::TooBig));
    assert_eq!(call!("hex", "a".repeat(501)), Err(Error::TooBig));
    assert_eq!(call!("quote", "'".repeat(500)), Err(Error::TooBig));
    assert_eq!(call!("concat", "a".repeat(600), "a".repeat(401)), Err(Error::TooBig));
}

#[test]
fn names_and_numbers_of_arguments_are_checked() {
    assert_eq!(call!("nope").unwrap_err().to_string(), "no such function: nope");
    assert_eq!(call!("ABS").unwrap_err().to_string(), "wrong number of arguments to function ABS()");
    assert_eq!(call!("Abs", -1), Ok(1.into()));
    let mut registry = Registry::builtin();
    let any = |_: &mut Context<'_>, _: &[ValueRef<'_>]| Ok(Value::from("any"));
    registry.add_scalar("abs", Arity::AtLeast(0), true, any);
    let mut chance = || 0;
    let mut context = Context::new(&mut chance);
    let one = registry.find("abs", 1).unwrap().call(&mut context, &[ValueRef::Integer(-1)]);
    assert_eq!(one, Ok(1.into()));
    let none = registry.find("abs", 0).unwrap().call(&mut context, &[]);
    assert_eq!(none, Ok("any".into()));
}

/// The answer of an aggregate for rows of one argument or two, after the first of them have left again.
fn aggregated(name: &str, rows: &[Vec<Value>], leaving: usize) -> Result<Value, Error> {
    let registry = Registry::builtin();
    let function = registry.find(name, rows.first().map_or(1, Vec::len))?;
    let Callable::Aggregate(begin) = &function.callable else { panic!("{name} is an aggregate") };
    let mut chance = || 0;
    let mut context = Context::new(&mut chance);
    let mut state = begin();
    for row in rows {
        state.step(&mut context, &row.iter().map(Value::as_ref).collect::<Vec<_>>())?;
    }
    for row in &rows[..leaving] {
        state.inverse(&mut context, &row.iter().map(Value::as_ref).collect::<Vec<_>>())?;
    }
    state.value(&mut context)
}

fn column<const N: usize>(values: [Value; N]) -> Vec<Vec<Value>> {
    values.into_iter().map(|value| vec![value]).collect()
}

#[test]
fn aggregates_answer_for_all_rows() {
    let rows = column([1.into(), Value::Null, "2".into(), 4.into()]);
    for (name, answer) in [
        ("count", Value::Integer(3)),
        ("sum", 7.into()),
        ("total", 7.0.into()),
        ("avg", (7.0 / 3.0).into()),
        ("min", 1.into()),
        ("max", "2".into()),
        ("group_concat", "1,2,4".into()),
    ] {
        assert_eq!(aggregated(name, &rows, 0), Ok(answer), "{name}");
    }
    for (name, answer) in
        [("count", Value::Integer(0)), ("sum", Value::Null), ("total", 0.0.into()), ("max", Value::Null)]
    {
        assert_eq!(aggregated(name, &column([Value::Null]), 0), Ok(answer), "{name}");
    }
}

#[test]
fn sums_are_exact_where_they_can_be() {
    let overflowing = column([i64::MAX.into(), 1.into()]);
    assert_eq!(aggregated("sum", &overflowing, 0).unwrap_err().to_string(), "integer overflow");
    assert_eq!(aggregated("total", &overflowing, 0), Ok(9_223_372_036_854_775_808.0.into()));
    assert_eq!(aggregated("sum", &column([1e100.into(), 1.0.into(), (-1e100).into()]), 0), Ok(1.0.into()));
    assert_eq!(aggregated("sum", &column([0.1; 10].map(Value::from)), 0), Ok(1.0.into()));
    let infinite = column([f64::INFINITY.into(), 1.into()]);
    assert_eq!(aggregated("sum", &infinite, 0), Ok(f64::INFINITY.into()));
    assert_eq!(aggregated("sum", &column([f64::INFINITY.into(), f64::NEG_INFINITY.into()]), 0), Ok(Value::Null));
}

#[test]
fn each_row_brings_its_separator() {
    let rows = [["a", "-"], ["b", "+"], ["c", "<>"]].map(|row| row.map(Value::from).to_vec());
    assert_eq!(aggregated("string_agg", &rows, 0), Ok("a+b<>c".into()));
    assert_eq!(aggregated("string_agg", &rows, 1), Ok("b<>c".into()));
    assert_eq!(aggregated("string_agg", &rows, 3), Ok(Value::Null));
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (-9_i64..9).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c %é0-9.\\-]{0,6}".prop_map(Value::from),
        any::<Vec<u8>>().prop_map(|text| Value::Text(text.into())),
        any::<Vec<u8>>().prop_map(Value::from),
    ]
}

proptest! {
    /// An answer or an error, and neither longer than it may be.
    #[test]
    fn every_function_takes_anything(args in proptest::collection::vec(any_value(), 0..4)) {
        for name in Registry::builtin().names() {
            if let Ok(Value::Text(bytes) | Value::Blob(bytes)) = call(name, &args) {
                prop_assert!(bytes.len() <= 1_000, "{}", name);
            }
        }
    }

    #[test]
    fn rows_that_left_were_never_there(
        rows in proptest::collection::vec(prop_oneof![Just(Value::Null), (-99_i64..99).prop_map(Value::from)], 1..20),
        leaving in 0_usize..20,
    ) {
        let leaving = leaving.min(rows.len() - 1);
        let rows: Vec<_> = rows.into_iter().map(|value| vec![value]).collect();
        for name in ["count", "sum", "total", "avg", "group_concat"] {
            prop_assert_eq!(aggregated(name, &rows, leaving), aggregated(name, &rows[leaving..], 0), "{}", name);
        }
    }
}
