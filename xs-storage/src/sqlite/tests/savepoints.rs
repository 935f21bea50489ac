//! Savepoints against a stack of copies, in memory that is too small for them and in memory that is not.

use std::sync::Arc;

use xs_os::vfs::MemoryVfs;
use xs_os::vfs::faulty::{Fault, FaultyVfs, Operation};

use super::writing::{Model, Trees, change, create, order_of, read};
use super::*;

/// Transactions of changes and savepoints, which are opened, released and gone back to, in any order.
fn run(vfs: Arc<dyn Vfs>, options: &Options, seed: u64) {
    let mut rng = Rng::from_seed(seed);
    let mut db = open(vfs, "db", options.clone()).unwrap();
    db.begin().unwrap();
    let trees: Trees = create(&mut db).unwrap();
    db.commit().unwrap();
    let mut held = Model::default();
    for transaction in 0..6 {
        db.begin().unwrap();
        let mut model = held.clone();
        let mut stack: Vec<Model> = Vec::new();
        for step in 0..120 {
            let nth = rng.index(stack.len().max(1)) + 1;
            match rng.below(12) {
                0 | 1 if stack.len() < 6 => {
                    stack.push(model.clone());
                    assert_eq!(db.savepoint().unwrap(), stack.len());
                }
                2 if nth <= stack.len() => {
                    db.release(nth).unwrap();
                    stack.truncate(nth - 1);
                }
                3 if nth <= stack.len() => {
                    db.roll_back_to(nth).unwrap();
                    stack.truncate(nth);
                    model.clone_from(&stack[nth - 1]);
                    assert!(read(&mut db).unwrap() == model, "seed {seed}, transaction {transaction}, step {step}");
                    db.check(&mut order_of).unwrap();
                }
                4 if rng.chance(0.1) => {
                    for root in [trees.t, trees.i, trees.w] {
                        db.clear_tree(root).unwrap();
                    }
                    model = Model::default();
                }
                _ => (0..rng.below(20)).for_each(|_| change(&mut db, &trees, &mut model, &mut rng, 300).unwrap()),
            }
        }
        assert!(matches!(db.release(stack.len() + 1), Err(crate::Error::Invalid(_))));
        assert!(matches!(db.roll_back_to(0), Err(crate::Error::Invalid(_))));
        match rng.chance(0.3) {
            true => db.roll_back().unwrap(),
            false => {
                db.commit().unwrap();
                held = model;
            }
        }
        db.check(&mut order_of).unwrap();
        assert!(read(&mut db).unwrap() == held, "seed {seed}, transaction {transaction}");
    }
}

#[test]
fn a_transaction_goes_back_to_where_it_was() {
    for (seed, memory) in [(1, 0), (2, 1 << 20), (3, 0), (4, 40 << 10)] {
        let disk = MemoryVfs::new();
        run(Arc::new(disk.clone()), &Options { page_size: 512, memory, ..Options::default() }, seed);
        let names: Vec<_> = disk.files().into_iter().map(|(path, _)| path).collect();
        assert_eq!(names, [Path::new("db")], "nothing else is left");
        let bytes = disk.files()[0].1.len();
        let db = open(Arc::new(disk), "db", Options::default()).unwrap();
        assert_eq!(bytes, db.pages() as usize * 512, "and no page behind the last");
    }
}

#[test]
fn a_cursor_stands_where_its_entry_is_again() {
    let mut db = open(Arc::new(MemoryVfs::new()), "db", Options::default()).unwrap();
    db.begin().unwrap();
    let t = db.create_tree(TreeKind::Table).unwrap();
    fill(&mut db, t, 0..500, |n| encode(&[ValueRef::Integer(n)]));
    let mut cursor = Cursor::table(t);
    cursor.seek(&mut db, 250).unwrap();
    let savepoint = db.savepoint().unwrap();
    db.clear_tree(t).unwrap();
    assert_eq!(cursor.payload(&mut db).unwrap(), None);
    db.roll_back_to(savepoint).unwrap();
    assert_eq!(cursor.payload(&mut db).unwrap(), Some(&encode(&[ValueRef::Integer(250)])[..]));
    assert!(cursor.next(&mut db).unwrap());
    assert_eq!(cursor.rowid(&db), Some(251));
    db.roll_back().unwrap();
    assert!(matches!(db.savepoint(), Err(crate::Error::Invalid(_))), "outside of a transaction");
}

/// What failed for the disk stops the transaction; a rolled back one leaves what was there.
#[test]
fn a_failure_of_the_disk_is_not_undone_to_a_savepoint() {
    for nth in (0..60).step_by(2) {
        let disk = FaultyVfs::new(nth);
        let options = Options { page_size: 512, memory: 0, ..Options::default() };
        let mut db = open(Arc::new(disk.clone()), "db", options).unwrap();
        db.begin().unwrap();
        let trees = create(&mut db).unwrap();
        let (mut rng, mut held) = (Rng::from_seed(nth), Model::default());
        (0..60).for_each(|_| change(&mut db, &trees, &mut held, &mut rng, 300).unwrap());
        db.commit().unwrap();
        db.begin().unwrap();
        disk.fail(Fault::of(Operation::Write).after(nth));
        let done = (0..3).try_for_each(|_| {
            let (savepoint, mut undone) = (db.savepoint()?, held.clone());
            (0..60).try_for_each(|_| change(&mut db, &trees, &mut undone, &mut rng, 300))?;
            db.roll_back_to(savepoint)
        });
        if done.is_err() && disk.armed() == 0 {
            assert!(db.roll_back_to(1).is_err() && db.commit().is_err());
        }
        disk.heal();
        db.roll_back().unwrap();
        assert!(read(&mut db).unwrap() == held, "{nth}");
        db.check(&mut order_of).unwrap();
    }
}

/// A change that meets a corrupt page leaves nothing behind.
#[test]
fn a_change_that_met_something_corrupt_is_undone() {
    let disk = MemoryVfs::new();
    let mut db = open(Arc::new(disk.clone()), "db", Options { page_size: 512, ..Options::default() }).unwrap();
    db.begin().unwrap();
    let t = db.create_tree(TreeKind::Table).unwrap();
    fill(&mut db, t, 0..200, |_| encode(&[ValueRef::Blob(&[1; 40])]));
    db.commit().unwrap();
    drop(db);
    let mut bytes = disk.files()[0].1.to_vec();
    let last = bytes.len() - 512;
    bytes[last] = 99;
    disk.put(Path::new("db"), Arc::new(bytes)).unwrap();
    let mut db = open(Arc::new(disk.clone()), "db", Options::default()).unwrap();
    db.begin().unwrap();
    let savepoint = db.savepoint().unwrap();
    db.insert(t, -1, &encode(&[ValueRef::Integer(5)])).unwrap();
    assert!(db.clear_tree(t).is_err_and(|error| error.is_corrupt()));
    assert!(db.insert(t, 5, &encode(&[])).is_err(), "nothing else may be changed");
    db.roll_back_to(savepoint).unwrap();
    db.insert(t, -2, &encode(&[ValueRef::Integer(6)])).unwrap();
    db.commit().unwrap();
    let mut cursor = Cursor::table(t);
    assert!(cursor.first(&mut db).unwrap() && cursor.rowid(&db) == Some(-2));
    assert!(cursor.next(&mut db).unwrap() && cursor.rowid(&db) == Some(0));
}
