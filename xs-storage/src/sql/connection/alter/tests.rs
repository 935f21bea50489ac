//! Texts that only SQLite can run as yet, edited: what it made of them itself.

use crate::row::{ValueRef, encode};
use crate::sql::Connection;
use crate::sql::ast::Statement;
use crate::sql::store::{Memory, SCHEMA, Store, TreeKind};

/// Objects, statements, what each fails with, and the texts at the end.
type Case = (&'static [&'static str], &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const CASES: &[Case] = &[
    (
        &[
            r#"CREATE TABLE t (a, b)"#,
            r#"CREATE TABLE l (x)"#,
            r#"CREATE TRIGGER tr AFTER UPDATE OF a, b ON t WHEN new.a > old.b BEGIN INSERT INTO l SELECT a FROM t WHERE a = new.a; UPDATE t SET a = b WHERE a = old.a; INSERT INTO t (a, b) VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET b = b + 1 WHERE a > 1; DELETE FROM t WHERE a = 1; SELECT "a", "zz"; END"#,
        ],
        &[r#"ALTER TABLE t RENAME a TO z"#, r#"ALTER TABLE t RENAME TO "u u""#],
        &[r#""#, r#""#],
        &[
            r#"CREATE TABLE l (x)"#,
            r#"CREATE TRIGGER tr AFTER UPDATE OF z, b ON "u u" WHEN new.z > old.b BEGIN INSERT INTO l SELECT z FROM "u u" WHERE z = new.z; UPDATE "u u" SET z = b WHERE z = old.z; INSERT INTO "u u" (z, b) VALUES (1, 2) ON CONFLICT (z) DO UPDATE SET b = b + 1 WHERE z > 1; DELETE FROM "u u" WHERE z = 1; SELECT 'a', 'zz'; END"#,
            r#"CREATE TABLE "u u" (z, b)"#,
        ],
    ),
    (
        &[
            r#"CREATE TABLE t (a, b)"#,
            r#"CREATE TABLE l (x)"#,
            r#"CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT new.b; END"#,
        ],
        &[
            r#"ALTER TABLE t DROP b"#,
            r#"ALTER TABLE t RENAME b TO "b b""#,
            r#"ALTER TABLE l RENAME x TO y"#,
            r#"ALTER TABLE l RENAME TO m"#,
        ],
        &[r#"error in trigger tr after drop column: no such column: new.b"#, r#""#, r#""#, r#""#],
        &[
            r#"CREATE TABLE "m" (y)"#,
            r#"CREATE TABLE t (a, "b b")"#,
            r#"CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT new."b b"; END"#,
        ],
    ),
    (
        &[
            r#"CREATE TABLE t (a, b)"#,
            r#"CREATE TABLE l (x)"#,
            r#"CREATE TRIGGER tr AFTER UPDATE OF b ON t BEGIN INSERT INTO t (a, b) VALUES (1, 2); UPDATE t SET b = 1; END"#,
        ],
        &[r#"ALTER TABLE t DROP b"#],
        &[r#""#],
        &[
            r#"CREATE TABLE l (x)"#,
            r#"CREATE TABLE t (a)"#,
            r#"CREATE TRIGGER tr AFTER UPDATE OF b ON t BEGIN INSERT INTO t (a, b) VALUES (1, 2); UPDATE t SET b = 1; END"#,
        ],
    ),
    (
        &[
            r#"CREATE TABLE t (a, b)"#,
            r#"CREATE TABLE l (x)"#,
            r#"CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT l.x FROM t; END"#,
        ],
        &[r#"ALTER TABLE t RENAME a TO z"#, r#"ALTER TABLE l RENAME TO m"#],
        &[r#"error in trigger tr: no such column: l.x"#, r#"error in trigger tr: no such column: l.x"#],
        &[
            r#"CREATE TABLE l (x)"#,
            r#"CREATE TABLE t (a, b)"#,
            r#"CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT l.x FROM t; END"#,
        ],
    ),
    (
        &[
            r#"CREATE TABLE t (a, b)"#,
            r#"CREATE TABLE l (x)"#,
            r#"CREATE TRIGGER tr AFTER INSERT ON t BEGIN UPDATE l SET x = t.a FROM t WHERE t.b = l.x; DELETE FROM l WHERE x IN (SELECT b FROM t); END"#,
        ],
        &[
            r#"ALTER TABLE t RENAME a TO z"#,
            r#"ALTER TABLE t RENAME TO u"#,
            r#"ALTER TABLE l RENAME x TO xx"#,
            r#"ALTER TABLE l RENAME TO m"#,
        ],
        &[r#""#, r#""#, r#""#, r#""#],
        &[
            r#"CREATE TABLE "m" (xx)"#,
            r#"CREATE TRIGGER tr AFTER INSERT ON "u" BEGIN UPDATE "m" SET xx = "u".z FROM "u" WHERE "u".b = "m".xx; DELETE FROM "m" WHERE xx IN (SELECT b FROM "u"); END"#,
            r#"CREATE TABLE "u" (z, b)"#,
        ],
    ),
    (
        &[
            r#"CREATE TABLE t (a, b)"#,
            r#"CREATE TABLE l (x)"#,
            r#"CREATE VIEW v AS SELECT a, b AS q FROM t"#,
            r#"CREATE TRIGGER tv INSTEAD OF UPDATE ON v WHEN new.a = old.q BEGIN UPDATE t SET a = new.q WHERE b = old.q; END"#,
        ],
        &[r#"ALTER TABLE t RENAME b TO z"#, r#"ALTER TABLE t RENAME TO u"#],
        &[r#""#, r#""#],
        &[
            r#"CREATE TABLE l (x)"#,
            r#"CREATE TRIGGER tv INSTEAD OF UPDATE ON v WHEN new.a = old.q BEGIN UPDATE "u" SET a = new.q WHERE z = old.q; END"#,
            r#"CREATE TABLE "u" (a, z)"#,
            r#"CREATE VIEW v AS SELECT a, z AS q FROM "u""#,
        ],
    ),
    (
        &[
            r#"CREATE TABLE t (a, b)"#,
            r#"CREATE TABLE l (x)"#,
            r#"CREATE VIEW v AS SELECT a FROM t"#,
            r#"CREATE TRIGGER tv INSTEAD OF INSERT ON v BEGIN SELECT new.a; END"#,
        ],
        &[r#"ALTER TABLE t RENAME a TO z"#],
        &[r#"error in trigger tv after rename: no such column: new.a"#],
        &[
            r#"CREATE TABLE l (x)"#,
            r#"CREATE TABLE t (a, b)"#,
            r#"CREATE TRIGGER tv INSTEAD OF INSERT ON v BEGIN SELECT new.a; END"#,
            r#"CREATE VIEW v AS SELECT a FROM t"#,
        ],
    ),
    (
        &[
            r#"CREATE TABLE t (a, b)"#,
            r#"CREATE INDEX i ON t (a, b DESC, a + 1) WHERE a > 1 AND "x" = 1"#,
            r#"CREATE INDEX j ON t (b) WHERE t.a IS NOT NULL"#,
        ],
        &[r#"ALTER TABLE t RENAME a TO z"#, r#"ALTER TABLE t RENAME TO "u""#, r#"ALTER TABLE "u" DROP z"#],
        &[r#""#, r#""#, r#"error in index i after drop column: no such column: z"#],
        &[
            r#"CREATE INDEX i ON "u" (z, b DESC, z + 1) WHERE z > 1 AND 'x' = 1"#,
            r#"CREATE INDEX j ON "u" (b) WHERE "u".z IS NOT NULL"#,
            r#"CREATE TABLE "u" (z, b)"#,
        ],
    ),
    (
        &[
            r#"CREATE TABLE t (a, b)"#,
            r#"CREATE TABLE l (x)"#,
            r#"CREATE TRIGGER tr AFTER DELETE ON t BEGIN INSERT INTO gone VALUES (old.a); END"#,
        ],
        &[
            r#"ALTER TABLE t RENAME a TO z"#,
            r#"ALTER TABLE t RENAME TO u"#,
            r#"ALTER TABLE t DROP b"#,
            r#"ALTER TABLE t ADD c"#,
        ],
        &[
            r#"error in trigger tr: no such table: main.gone"#,
            r#"error in trigger tr: no such table: main.gone"#,
            r#"error in trigger tr: no such table: main.gone"#,
            r#""#,
        ],
        &[
            r#"CREATE TABLE l (x)"#,
            r#"CREATE TABLE t (a, b, c)"#,
            r#"CREATE TRIGGER tr AFTER DELETE ON t BEGIN INSERT INTO gone VALUES (old.a); END"#,
        ],
    ),
    (
        &[r#"CREATE TABLE t (a, b, c GENERATED ALWAYS AS (a + b), d AS (a) STORED CHECK (d > c))"#],
        &[r#"ALTER TABLE t RENAME a TO z"#, r#"ALTER TABLE t RENAME c TO cc"#, r#"ALTER TABLE t DROP b"#],
        &[r#""#, r#""#, r#"error in table t after drop column: no such column: b"#],
        &[r#"CREATE TABLE t (z, b, cc GENERATED ALWAYS AS (z + b), d AS (z) STORED CHECK (d > cc))"#],
    ),
    (
        &[
            r#"CREATE TABLE t (a, b)"#,
            r#"CREATE VIEW v AS SELECT a, sum(b) OVER w, row_number() OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t WINDOW w AS (ORDER BY a)"#,
            r#"CREATE VIEW r AS WITH RECURSIVE n (i) AS (SELECT a FROM t UNION ALL SELECT i + b FROM n, t WHERE i < a) SELECT i FROM n"#,
        ],
        &[r#"ALTER TABLE t RENAME a TO z"#, r#"ALTER TABLE t RENAME TO u"#],
        &[r#""#, r#""#],
        &[
            r#"CREATE VIEW r AS WITH RECURSIVE n (i) AS (SELECT z FROM "u" UNION ALL SELECT i + b FROM n, "u" WHERE i < z) SELECT i FROM n"#,
            r#"CREATE TABLE "u" (z, b)"#,
            r#"CREATE VIEW v AS SELECT z, sum(b) OVER w, row_number() OVER (PARTITION BY z ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM "u" WINDOW w AS (ORDER BY z)"#,
        ],
    ),
];

/// A database with these objects, whether or not they could be made here.
fn with(objects: &[&str]) -> Connection {
    let mut store: Memory = Connection::open_in_memory().unwrap().into_store().unwrap();
    store.begin().unwrap();
    for (at, sql) in objects.iter().enumerate() {
        let tree = crate::sql::Parser::new(sql).next_statement().unwrap().unwrap();
        let (kind, name, table, tree) = match &tree {
            Statement::CreateTable(create) => ("table", &create.name.name, &create.name.name, Some(TreeKind::Table)),
            Statement::CreateIndex(create) => ("index", &create.name.name, &create.table, Some(TreeKind::Index)),
            Statement::CreateView(create) => ("view", &create.name.name, &create.name.name, None),
            Statement::CreateTrigger(create) => ("trigger", &create.name.name, &create.table.name, None),
            _ => unreachable!("no object"),
        };
        let root = tree.map_or(0, |kind| store.create_tree(kind).unwrap());
        let record = encode(&[
            ValueRef::Text(kind.as_bytes()),
            ValueRef::Text(name.text.as_bytes()),
            ValueRef::Text(table.text.as_bytes()),
            ValueRef::Integer(root as i64),
            ValueRef::Text(sql.as_bytes()),
        ]);
        store.insert(SCHEMA, 1 + at as i64, &record).unwrap();
    }
    store.change_schema().unwrap();
    store.commit().unwrap();
    Connection::new(store).unwrap()
}

#[test]
fn texts_become_what_sqlite_makes_of_them() {
    for (objects, statements, errors, texts) in CASES {
        let db = with(objects);
        for (sql, error) in statements.iter().zip(*errors) {
            let found = db.execute(sql, ()).err().map_or(String::new(), |why| why.message().to_owned());
            assert_eq!(found, *error, "{sql} with {objects:?}");
        }
        let mut statement = db.prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").unwrap();
        let mut rows = statement.query(()).unwrap();
        let mut found = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            found.push(row.get::<String>(0).unwrap());
        }
        assert_eq!(found, *texts, "{statements:?} with {objects:?}");
    }
}
