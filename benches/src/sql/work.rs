//! The rows of the table: what is done, and on what.

use std::error::Error;

use super::subject::{Bind, Db};

/// Where a row is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// In the file that all such rows share, in their order.
    Shared,
    /// In a file of its own.
    Own {
        /// With a write-ahead log.
        wal: bool,
    },
}

/// One line of the table.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) stage: Stage,
    /// That later rows need what it leaves.
    pub(super) fills: bool,
    /// What is not measured.
    pub(super) before: fn(&mut dyn Db, u64) -> Result<(), Box<dyn Error>>,
    pub(super) run: fn(&mut dyn Db, u64) -> Result<f64, Box<dyn Error>>,
}

const fn shared(name: &'static str, run: fn(&mut dyn Db, u64) -> Result<f64, Box<dyn Error>>) -> Row {
    Row { name, stage: Stage::Shared, fills: false, before: |_, _| Ok(()), run }
}

const fn commits(name: &'static str, wal: bool) -> Row {
    Row {
        name,
        stage: Stage::Own { wal },
        fills: false,
        before: |db, _| db.batch("CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT)"),
        run: |db, rows| {
            let mut left = rows / 100;
            db.repeat("INSERT INTO log (what) VALUES (?)", &mut |values| {
                values.push(Bind::Text("a line of some forty bytes, as logs have".into()));
                next(&mut left)
            })
        },
    }
}

/// Counts down; false at the end.
fn next(left: &mut u64) -> bool {
    let more = *left > 0;
    *left = left.saturating_sub(1);
    more
}

/// The same numbers each time, spread over 64 bits (splitmix64).
struct Spread(u64);

impl Spread {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> i64 {
        (self.next() % end.max(1)) as i64
    }
}

const WORDS: [&str; 8] = ["amber", "basalt", "cobalt", "dolomite", "emerald", "feldspar", "garnet", "hematite"];

fn insert(db: &mut dyn Db, rows: u64) -> Result<f64, Box<dyn Error>> {
    db.batch("BEGIN")?;
    let (mut left, mut spread) = (rows, Spread(1));
    let sum = db.repeat("INSERT INTO t (k, name, v) VALUES (?, ?, ?)", &mut |values| {
        values.push(Bind::Integer(spread.below(rows)));
        let word = WORDS[spread.below(8) as usize];
        values.push(Bind::Text(format!("{word} {}", spread.below(100_000))));
        values.push(Bind::Real(spread.below(1_000_000) as f64 / 100.0));
        next(&mut left)
    })?;
    db.batch("COMMIT")?;
    Ok(sum)
}

/// As many questions as a tenth of the rows, each with a number below their count.
fn look_up(db: &mut dyn Db, rows: u64, sql: &str) -> Result<f64, Box<dyn Error>> {
    let (mut left, mut spread) = (rows / 10, Spread(2));
    db.repeat(sql, &mut |values| {
        values.push(Bind::Integer(spread.below(rows)));
        next(&mut left)
    })
}

fn ranges(db: &mut dyn Db, rows: u64) -> Result<f64, Box<dyn Error>> {
    let (mut left, mut spread) = (rows / 100, Spread(3));
    db.repeat("SELECT count(*), sum(v) FROM t WHERE id BETWEEN ? AND ?", &mut |values| {
        let first = spread.below(rows);
        values.extend([Bind::Integer(first), Bind::Integer(first + 99)]);
        next(&mut left)
    })
}

fn update(db: &mut dyn Db, rows: u64) -> Result<f64, Box<dyn Error>> {
    db.batch("BEGIN")?;
    let (mut left, mut spread) = (rows / 10, Spread(4));
    let sum = db.repeat("UPDATE t SET v = v + ? WHERE id = ?", &mut |values| {
        values.extend([Bind::Real(0.5), Bind::Integer(spread.below(rows))]);
        next(&mut left)
    })?;
    db.batch("COMMIT")?;
    Ok(sum)
}

/// Customers, orders and their items, in TPC-H's proportions, with the columns that its questions 1, 3 and 6 ask for.
fn items(db: &mut dyn Db, rows: u64) -> Result<f64, Box<dyn Error>> {
    let (items, mut spread) = (rows * 6 / 10, Spread(5));
    let (orders, customers) = (items / 4, items / 40);
    db.batch("BEGIN")?;
    let mut at = 0;
    db.repeat("INSERT INTO customer VALUES (?, ?)", &mut |values| {
        at += 1;
        let segment = ["BUILDING", "MACHINERY", "HOUSEHOLD", "FURNITURE", "AUTOMOBILE"][spread.below(5) as usize];
        values.extend([Bind::Integer(at), Bind::Text(segment.into())]);
        at as u64 <= customers
    })?;
    at = 0;
    db.repeat("INSERT INTO orders VALUES (?, ?, ?, ?)", &mut |values| {
        at += 1;
        let customer = spread.below(customers) + 1;
        values.extend([Bind::Integer(at), Bind::Integer(customer), day(&mut spread), Bind::Integer(spread.below(2))]);
        at as u64 <= orders
    })?;
    let mut left = items;
    let sum = db.repeat("INSERT INTO lineitem VALUES (?, ?, ?, ?, ?, ?, ?, ?)", &mut |values| {
        values.extend([
            Bind::Integer(spread.below(orders) + 1),
            Bind::Integer(spread.below(50) + 1),
            Bind::Real(spread.below(100_000) as f64 / 10.0),
            Bind::Real(spread.below(11) as f64 / 100.0),
            Bind::Real(spread.below(9) as f64 / 100.0),
            Bind::Text(["A", "N", "R"][spread.below(3) as usize].into()),
            Bind::Text(["O", "F"][spread.below(2) as usize].into()),
            day(&mut spread),
        ]);
        next(&mut left)
    })?;
    db.batch("COMMIT")?;
    Ok(sum)
}

/// Some day of the seven years that TPC-H is about.
fn day(spread: &mut Spread) -> Bind {
    let (year, month, day) = (1992 + spread.below(7), 1 + spread.below(12), 1 + spread.below(28));
    Bind::Text(format!("{year}-{month:02}-{day:02}"))
}

const TABLES: &str = "\
    CREATE TABLE customer (c_custkey INTEGER PRIMARY KEY, c_mktsegment TEXT);
    CREATE TABLE orders (o_orderkey INTEGER PRIMARY KEY, o_custkey INTEGER, o_orderdate TEXT, o_shippriority INTEGER);
    CREATE TABLE lineitem (l_orderkey INTEGER, l_quantity INTEGER, l_extendedprice REAL, l_discount REAL, l_tax REAL,
        l_returnflag TEXT, l_linestatus TEXT, l_shipdate TEXT);";

const Q1: &str = "\
    SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), sum(l_extendedprice * (1 - l_discount)),
        sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)), avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*)
    FROM lineitem WHERE l_shipdate <= '1998-09-02'
    GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus";

const Q3: &str = "\
    SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, o_shippriority
    FROM customer, orders, lineitem
    WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
        AND o_orderdate < '1995-03-15' AND l_shipdate > '1995-03-15'
    GROUP BY l_orderkey, o_orderdate, o_shippriority ORDER BY revenue DESC, o_orderdate, l_orderkey LIMIT 10";

const Q6: &str = "\
    SELECT sum(l_extendedprice * l_discount) FROM lineitem
    WHERE l_shipdate >= '1994-01-01' AND l_shipdate < '1995-01-01' AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24";

/// In the order in which they are run.
pub(super) const ROWS: &[Row] = &[
    Row {
        fills: true,
        before: |db, _| db.batch("CREATE TABLE t (id INTEGER PRIMARY KEY, k INTEGER, name TEXT, v REAL)"),
        ..shared("insert", insert)
    },
    Row {
        fills: true,
        ..shared("create index", |db, _| {
            db.batch("CREATE INDEX t_k ON t (k)")?;
            Ok(0.0)
        })
    },
    shared("point by rowid", |db, rows| look_up(db, rows, "SELECT name, v FROM t WHERE id = ?")),
    shared("point by index", |db, rows| look_up(db, rows, "SELECT name, v FROM t WHERE k = ?")),
    shared("ranges of 100", ranges),
    shared("scan", |db, _| db.ask("SELECT sum(v), max(k), count(*) FROM t WHERE k % 2 = 0")),
    shared("join", |db, _| db.ask("SELECT count(*), sum(b.v) FROM t a JOIN t b ON b.id = a.k WHERE a.v < 5000")),
    shared("order by a number", |db, _| db.ask("SELECT id, k FROM t ORDER BY v, id")),
    shared("order by a text", |db, _| db.ask("SELECT id FROM t ORDER BY name, id")),
    shared("group by", |db, _| db.ask("SELECT k % 1000, count(*), sum(v) FROM t GROUP BY 1")),
    shared("like", |db, _| db.ask("SELECT count(*) FROM t WHERE name LIKE '%net 12%'")),
    shared("update", update),
    Row { fills: true, before: |db, _| db.batch(TABLES), ..shared("fill the items", items) },
    shared("Q1", |db, _| db.ask(Q1)),
    shared("Q3", |db, _| db.ask(Q3)),
    shared("Q6", |db, _| db.ask(Q6)),
    commits("commits, rollback journal", false),
    commits("commits, write-ahead log", true),
];
