//! What functions answer, beside SQLite. Those that its version doesn't have are tested by recorded answers alone.

use xs_storage::sql::function::{Callable, Context, Error, Registry};
use xs_storage::sql::{Collation, Value, ValueRef};

use super::made::Maker;
use super::sqlite::Sqlite;

pub(crate) fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Real(a), Value::Real(b)) => a == b || (a - b).abs() <= a.abs() * 1e-14,
        _ => ours == theirs,
    }
}

pub(crate) fn report(all: u64, wrong: &[String]) {
    println!("{all} calls");
    let shown = wrong.iter().take(30).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {all} differ:\n{shown}", wrong.len());
}

const SCALARS: [(&str, usize); 36] = [
    ("abs", 1),
    ("sign", 1),
    ("round", 1),
    ("round", 2),
    ("typeof", 1),
    ("coalesce", 2),
    ("coalesce", 3),
    ("ifnull", 2),
    ("nullif", 2),
    ("iif", 3),
    ("min", 2),
    ("min", 3),
    ("max", 2),
    ("max", 3),
    ("likely", 1),
    ("length", 1),
    ("lower", 1),
    ("upper", 1),
    ("trim", 1),
    ("trim", 2),
    ("ltrim", 2),
    ("rtrim", 2),
    ("substr", 2),
    ("substr", 3),
    ("substr", 3),
    ("substring", 3),
    ("instr", 2),
    ("replace", 3),
    ("char", 1),
    ("char", 3),
    ("unicode", 1),
    ("hex", 1),
    ("quote", 1),
    ("zeroblob", 1),
    ("like", 2),
    ("glob", 2),
];

/// An argument: often small, for that is where functions differ.
fn argument(maker: &mut Maker) -> Value {
    match maker.of(6) {
        0 => Value::Integer(maker.of(13) as i64 - 6),
        1 | 2 => maker.letters().into(),
        3 => Value::Blob(maker.letters().as_bytes().into()),
        _ => maker.value(),
    }
}

#[test]
#[ignore = "needs python3 with sqlite3"]
fn scalar_functions_answer_as_in_sqlite() {
    let registry = Registry::builtin();
    let mut chance = || 0;
    let mut context = Context::new(&mut chance);
    context.longest = 1_000_000_000;
    let mut sqlite = Sqlite::start();
    let (mut all, mut wrong) = (0, Vec::new());
    for seed in 0..40_000 {
        let mut maker = Maker::new(seed);
        let (name, many) = maker.one(&SCALARS);
        let args: Vec<_> = (0..many).map(|_| argument(&mut maker)).collect();
        let args: Vec<_> = args.iter().map(Value::as_ref).collect();
        // Debian builds SQLite so that blobs match nothing; and how it wrote all digits of a number has changed since.
        match name {
            "like" | "glob" if args.iter().any(|arg| matches!(arg, ValueRef::Blob(_))) => continue,
            // What is not refused would be hundreds of megabytes.
            "zeroblob" if (100_000..=1_000_000_000).contains(&args[0].to_integer()) => continue,
            // Positions and digits had 32 bits.
            "substr" | "substring" | "round"
                if args[1..].iter().any(|arg| i32::try_from(arg.to_integer()).is_err()) =>
            {
                continue;
            }
            "quote" if matches!(args[0], ValueRef::Real(_)) => continue,
            _ => {}
        }
        let places = (1..=many).map(|at| format!("?{at}")).collect::<Vec<_>>().join(", ");
        let theirs = sqlite.run(&format!("SELECT {name}({places})"), &args).map_err(|refusal| refusal.message);
        let ours = registry.find(name, many).unwrap().call(&mut context, &args).map_err(|error| error.to_string());
        all += 1;
        let agree = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => same(ours, &theirs[0]),
            (Err(ours), Err(theirs)) => ours == theirs,
            _ => false,
        };
        if !agree {
            wrong.push(format!("{name} of {args:?}: ours {ours:?}, SQLite's {theirs:?}"));
        }
    }
    report(all, &wrong);
}

const AGGREGATES: [&str; 7] = ["count", "sum", "total", "avg", "min", "max", "group_concat"];

#[test]
#[ignore = "needs python3 with sqlite3"]
fn aggregates_answer_as_in_sqlite() {
    let registry = Registry::builtin();
    let mut chance = || 0;
    let mut context = Context::new(&mut chance);
    context.collation = Collation::Binary;
    let mut sqlite = Sqlite::start();
    let (mut all, mut wrong) = (0, Vec::new());
    for seed in 0..5_000 {
        let mut maker = Maker::new(seed);
        let small = maker.coin();
        let rows: Vec<Value> = (0..1 + maker.of(8))
            .map(|_| match small {
                true => argument(&mut maker),
                // Of one kind, and not too far apart: before 3.43, sums lost digits.
                false => Value::Real((maker.of(2_000_000) as f64 - 1e6) / 64.0),
            })
            .collect();
        // Huge numbers and small ones together are a sum that depends on how it is made.
        let huge = |value: &Value| !(-1e12..1e12).contains(&value.as_ref().to_real());
        let huge = rows.iter().any(huge);
        let rows: Vec<_> = rows.iter().map(Value::as_ref).collect();
        let values = (1..=rows.len()).map(|at| format!("(?{at})")).collect::<Vec<_>>().join(", ");
        for name in AGGREGATES {
            if huge && matches!(name, "sum" | "total" | "avg") {
                continue;
            }
            let sql = format!("SELECT {name}(column1) FROM (VALUES {values})");
            let theirs = sqlite.run(&sql, &rows).map_err(|refusal| refusal.message);
            let Callable::Aggregate(begin) = &registry.find(name, 1).unwrap().callable else { panic!("{name}") };
            let mut state = begin();
            let stepped: Result<(), Error> = rows.iter().try_for_each(|row| state.step(&mut context, &[*row]));
            let ours = stepped.and_then(|()| state.value(&mut context)).map_err(|error| error.to_string());
            all += 1;
            let agree = match (&ours, &theirs) {
                (Ok(ours), Ok(theirs)) => same(ours, &theirs[0]),
                (Err(ours), Err(theirs)) => ours == theirs,
                _ => false,
            };
            if !agree {
                wrong.push(format!("{name} of {rows:?}: ours {ours:?}, SQLite's {theirs:?}"));
            }
        }
    }
    report(all, &wrong);
}
