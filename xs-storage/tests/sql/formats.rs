//! What `format()`, mathematics and `soundex()` answer, beside SQLite.

use xs_storage::sql::function::{Context, Registry};
use xs_storage::sql::{Value, ValueRef};

use super::functions::{report, same};
use super::made::Maker;
use super::sqlite::Sqlite;

/// A conversion of any kind, often one that makes sense.
fn conversion(maker: &mut Maker) -> String {
    let mut text = String::from("%");
    for _ in 0..maker.of(3) {
        text.push_str(maker.one(&["-", "+", " ", "#", "!", "0", ","]));
    }
    text.push_str(maker.one(&["", "", "", "1", "5", "12", "30", "*"]));
    text.push_str(maker.one(&["", "", "", ".", ".0", ".1", ".2", ".3", ".10", ".17", ".25", ".40", ".*"]));
    text.push_str(maker.one(&["", "", "", "", "", "l", "ll"]));
    let letters = ["d", "i", "u", "x", "X", "o", "r", "p", "c", "s", "z", "q", "Q", "w", "n", "%", "T", "é", ""];
    text.push_str(if maker.coin() { maker.one(&["f", "e", "E", "g", "G"]) } else { maker.one(&letters) });
    text
}

fn real(maker: &mut Maker) -> f64 {
    let hundredths = maker.of(2_000_000) as f64 / 100.0 - 1e4;
    match maker.of(5) {
        0 => hundredths,
        1 => hundredths / 10.0_f64.powi(maker.of(20) as i32),
        2 => maker.one(&[0.0, -0.0, 0.5, 1.5, 2.5, 0.05, 9.995, 99999.5, 1e15, 1e100, f64::MAX, 5e-324, f64::INFINITY]),
        3 => Some(f64::from_bits(maker.of(u64::MAX))).filter(|real| !real.is_nan()).unwrap_or(-f64::INFINITY),
        _ => maker.of(1 << 53) as f64 / 1e6,
    }
}

#[test]
#[ignore = "needs python3 with sqlite3"]
fn formats_are_those_of_sqlite() {
    let registry = Registry::builtin();
    let mut chance = || 0;
    let mut context = Context::new(&mut chance);
    let mut sqlite = Sqlite::start();
    let (mut all, mut wrong) = (0, Vec::new());
    for seed in 0..20_000 {
        let mut maker = Maker::new(seed);
        let mut format = String::new();
        for _ in 0..1 + maker.of(3) {
            format.push_str(maker.one(&["", "", "a", "é|"]));
            format.push_str(&conversion(&mut maker));
        }
        let mut args = vec![Value::from(format.as_str())];
        for _ in 0..maker.of(6) {
            args.push(match maker.of(6) {
                0 => Value::Integer(maker.of(61) as i64 - 30),
                1 => maker.one(&["", "it's", "\"é\"", "a€b", "12.5", "7x"]).into(),
                2 => Value::Integer(maker.of(u64::MAX) as i64 >> maker.of(60)),
                3 => Value::Null,
                _ => real(&mut maker).into(),
            });
        }
        // A number for a width may ask for gigabytes.
        let wide = |arg: &Value| !(-1000..=1000).contains(&(arg.as_ref().to_integer() as i32));
        if format.contains('*') && args.iter().any(wide) {
            continue;
        }
        let args: Vec<_> = args.iter().map(Value::as_ref).collect();
        let places = (1..=args.len()).map(|at| format!("?{at}")).collect::<Vec<_>>().join(", ");
        let theirs = sqlite.run(&format!("SELECT format({places})"), &args).map_err(|refusal| refusal.message);
        let ours = registry.find("format", args.len()).unwrap().call(&mut context, &args);
        all += 1;
        if ours.as_ref().ok() != theirs.as_ref().ok().map(|row| &row[0]) {
            let text =
                |value: &Value| String::from_utf8_lossy(&value.as_ref().to_text().unwrap_or_default()).into_owned();
            let (ours, theirs) = (ours.as_ref().map(text), theirs.map(|row| text(&row[0])));
            wrong.push(format!("{format:?} of {:?}: ours {ours:?}, SQLite's {theirs:?}", &args[1..]));
        }
    }
    report(all, &wrong);
}

const FUNCTIONS: [(&str, usize); 33] = [
    ("soundex", 1),
    ("round", 2),
    ("ceil", 1),
    ("ceiling", 1),
    ("floor", 1),
    ("trunc", 1),
    ("ln", 1),
    ("log", 1),
    ("log", 2),
    ("log10", 1),
    ("log2", 1),
    ("exp", 1),
    ("pow", 2),
    ("power", 2),
    ("mod", 2),
    ("acos", 1),
    ("asin", 1),
    ("atan", 1),
    ("atan2", 2),
    ("cos", 1),
    ("sin", 1),
    ("tan", 1),
    ("cosh", 1),
    ("sinh", 1),
    ("tanh", 1),
    ("acosh", 1),
    ("asinh", 1),
    ("atanh", 1),
    ("sqrt", 1),
    ("radians", 1),
    ("degrees", 1),
    ("pi", 0),
    ("sqlite_version", 0),
];

#[test]
#[ignore = "needs python3 with sqlite3"]
fn mathematics_answers_as_in_sqlite() {
    let registry = Registry::builtin();
    let mut chance = || 0;
    let mut context = Context::new(&mut chance);
    let mut sqlite = Sqlite::start();
    let (mut all, mut wrong) = (0, Vec::new());
    for seed in 0..20_000 {
        let mut maker = Maker::new(seed);
        let (name, many) = maker.one(&FUNCTIONS);
        let args: Vec<Value> = (0..many)
            .map(|_| match maker.of(8) {
                0 => maker.one(&["", "Robert", "Ashcraft", "Tymczak", " 12 ", "1.5", "1.5x", "é-Pfister", "-3"]).into(),
                1 => Value::Integer(maker.of(41) as i64 - 20),
                2 => Value::Integer(maker.of(u64::MAX) as i64 >> maker.of(60)),
                3 => maker.one(&[Value::Null, Value::from(&b"12"[..]), 1.into(), 0.into()]),
                4 => Value::Real(maker.of(4_000) as f64 / 1000.0 - 2.0),
                _ => real(&mut maker).into(),
            })
            .collect();
        let args: Vec<_> = args.iter().map(Value::as_ref).collect();
        if name == "round" && i32::try_from(args[1].to_integer()).is_err() {
            continue;
        }
        let places = (1..=many).map(|at| format!("?{at}")).collect::<Vec<_>>().join(", ");
        let theirs = sqlite.run(&format!("SELECT {name}({places})"), &args).map_err(|refusal| refusal.message);
        let ours = registry.find(name, many).unwrap().call(&mut context, &args).map_err(|error| error.to_string());
        all += 1;
        let agree = match (&ours, &theirs) {
            // Written without loss: rounding is exact, the last digits of curves are not.
            (Ok(ours), Ok(theirs)) if matches!(name, "round" | "ceil" | "floor" | "trunc" | "mod") => {
                *ours == theirs[0]
            }
            (Ok(ours), Ok(theirs)) => same(ours, &theirs[0]),
            _ => false,
        };
        if !agree {
            wrong.push(format!("{name} of {args:?}: ours {ours:?}, SQLite's {theirs:?}"));
        }
    }
    report(all, &wrong);
}

#[test]
fn a_format_that_asks_for_gigabytes_is_refused() {
    let registry = Registry::builtin();
    let mut chance = || 0;
    let mut context = Context::new(&mut chance);
    context.longest = 1_000_000;
    for format in ["%2147483647d", "%02147483647d", "%.2147483647d", "%2147483647f", "%.2147483647c", "%2147483647s"] {
        let args = [ValueRef::Text(format.as_bytes()), ValueRef::Integer(1)];
        let answer = registry.find("format", 2).unwrap().call(&mut context, &args);
        assert_eq!(answer.unwrap_err().to_string(), "string or blob too big", "{format}");
    }
}
