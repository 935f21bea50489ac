//! Random schemas and statements on ours and on SQLite: the same rows, the same errors, and in the end the same file.
//!
//! `XS_SEEDS` says how many seeds, `XS_SEED` which one alone. What fails is printed as the fewest statements that still do.

mod change;
mod expr;
mod known;
mod run;
mod schema;
mod select;
#[expect(dead_code, reason = "shared with the parser's tests, which ask for other things")]
#[path = "../../sql/sqlite.rs"]
mod sqlite;

use std::collections::BTreeMap;

use xs_os::Rng;

use run::{Bench, Difference};

/// A statement, and what of its answer is not said by SQL.
#[derive(Clone, Debug, Default)]
struct Step {
    sql: String,
    /// The rows come in an order.
    ordered: bool,
    /// Which of several equal values stands for them is free: `1` or `1.0`, `a` or `A`.
    loose: bool,
}

impl From<String> for Step {
    fn from(sql: String) -> Step {
        // A column's value is still as it was computed in RETURNING, an integer where a REAL is stored.
        Step { loose: sql.contains(" RETURNING "), sql, ordered: false }
    }
}

/// What a seed's statements are made with.
struct Generator {
    rng: Rng,
    tables: Vec<schema::Table>,
    indexes: usize,
    triggers: usize,
    savepoints: usize,
}

impl Generator {
    fn of(&mut self, bound: usize) -> usize {
        self.rng.index(bound)
    }

    /// True once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.of(times) == 0
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        let at = self.of(of.len());
        of[at].clone()
    }

    fn several<T>(&mut self, least: usize, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = least + self.of(most - least + 1);
        (0..count).map(|_| make(self)).collect()
    }

    fn steps(seed: u64) -> Vec<Step> {
        let rng = Rng::from_seed(seed);
        let mut made = Generator { rng, tables: Vec::new(), indexes: 0, triggers: 0, savepoints: 0 };
        let mut steps = made.settings();
        steps.extend(made.schema());
        for _ in 0..45 {
            let step = match made.of(100) {
                0..30 => made.insert().into(),
                30..42 => made.update().into(),
                42..48 => made.delete().into(),
                48..55 => made.transaction().into(),
                55..58 => made.schema_change(),
                _ => made.select(),
            };
            steps.push(step);
        }
        steps
    }
}

/// Drops statements for as long as something still differs.
fn shrink(bench: &mut Bench, mut steps: Vec<Step>, mut difference: Difference) -> (Vec<Step>, Difference) {
    steps.truncate(difference.at + 1);
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            match bench.run(&fewer).difference {
                Some(found) if found.class == difference.class => (steps, difference) = (fewer, found),
                _ => at += size,
            }
        }
        size /= 2;
    }
    (steps, difference)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
#[ignore = "needs python3 with sqlite3, and the program sqlite3"]
fn random_statements_do_what_sqlite_does() {
    let seeds = match number("XS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("XS_SEEDS").unwrap_or(150),
    };
    let mut bench = Bench::start();
    let (mut all, mut refused, mut skipped) = (0, 0, BTreeMap::<String, usize>::new());
    let mut wrong = Vec::new();
    for seed in seeds {
        let steps = Generator::steps(seed);
        let outcome = bench.run(&steps);
        (all, refused) = (all + outcome.ran, refused + outcome.refused);
        for why in outcome.skipped {
            *skipped.entry(why).or_default() += 1;
        }
        if let Some(difference) = outcome.difference {
            let (steps, difference) = shrink(&mut bench, steps, difference);
            let script: String = steps.iter().map(|step| format!("  {};\n", step.sql)).collect();
            println!("seed {seed}: {}\n{script}", difference.what);
            wrong.push(seed);
        }
    }
    println!("{all} statements, {refused} refused by both, skipped: {skipped:?}");
    assert!(wrong.is_empty(), "seeds {wrong:?} differ");
    assert!(refused < all / 3, "{refused} of {all} statements are refused: they prove little");
}
