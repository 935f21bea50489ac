//! Savepoints, limits, and what is refused.

use xs_storage::Error;
use xs_storage::engine::{Durability, KeyRange, ReadView};
use xs_storage::mvcc::{ConflictKind, Isolation, Mvcc, Options, Timestamp, Transaction, TransactionError};

use super::{Fresh, by_hand, open};

fn put(store: &Mvcc, key: &[u8], value: &[u8]) -> Timestamp {
    let mut transaction = store.begin(Isolation::Snapshot);
    transaction.put(key, value).unwrap();
    transaction.commit(Durability::Buffered).unwrap().at
}

fn refused(transaction: Transaction) -> xs_storage::mvcc::Conflict {
    match transaction.commit(Durability::Buffered) {
        Err(TransactionError::Conflict(conflict)) => conflict,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn savepoints_go_back_and_end(fresh: Fresh) {
    let store = by_hand(fresh);
    put(&store, b"a", b"0");
    let mut transaction = store.begin(Isolation::Serializable);
    transaction.put(b"a", b"1").unwrap();
    let first = transaction.savepoint();
    transaction.put(b"a", b"2").unwrap();
    transaction.put(b"b", b"2").unwrap();
    let second = transaction.savepoint();
    transaction.delete(b"a").unwrap();
    transaction.delete(b"a").unwrap();
    assert_eq!(transaction.get(b"a").unwrap(), None);

    transaction.rollback_to(second).unwrap();
    assert_eq!(transaction.get(b"a").unwrap().unwrap(), "2");
    transaction.put(b"c", b"3").unwrap();
    transaction.rollback_to(second).unwrap();
    assert_eq!(transaction.get(b"c").unwrap(), None, "a savepoint can be gone back to twice");

    transaction.rollback_to(first).unwrap();
    assert_eq!((transaction.get(b"a").unwrap().unwrap(), transaction.get(b"b").unwrap()), ("1".into(), None));
    transaction.put(b"d", b"4").unwrap();
    assert!(
        matches!(transaction.rollback_to(second), Err(Error::Invalid(_))),
        "it ended when the first was gone back to"
    );
    let mut other = store.begin(Isolation::Serializable);
    assert!(matches!(other.rollback_to(first), Err(Error::Invalid(_))), "of another transaction");
    let _ = other.savepoint();
    assert!(matches!(other.rollback_to(first), Err(Error::Invalid(_))), "of another transaction");

    let _ = transaction.commit(Durability::Buffered).unwrap();
    let view = store.begin_read_only();
    let found: Vec<_> = [b"a", b"b", b"c", b"d"].map(|key| view.get(key).unwrap().map(|value| value[0])).into();
    assert_eq!(found, [Some(b'1'), None, None, Some(b'4')]);
}

pub(crate) fn limits_refuse_and_change_nothing(fresh: Fresh) {
    let store = open(fresh(), Options { transaction_limit: 1000, max_key: 10, ..Options::default() });
    let mut transaction = store.begin(Isolation::Snapshot);
    let long = transaction.put(&[0; 11], b"").unwrap_err();
    assert!(matches!(long, Error::TooLarge { what: "key", len: 11, limit: 10 }), "{long}");
    transaction.put(b"a", &[1; 500]).unwrap();
    let large = transaction.put(b"b", &[2; 500]).unwrap_err();
    assert!(matches!(large, Error::TooLarge { what: "transaction", limit: 1000, .. }), "{large}");
    assert_eq!(transaction.get(b"b").unwrap(), None);
    for n in 0..100 {
        transaction.put(b"a", &[n; 600]).unwrap();
    }
    // What a savepoint keeps counts, and is given back with it.
    let savepoint = transaction.savepoint();
    assert!(transaction.put(b"a", &[7; 600]).is_err());
    transaction.put(b"c", b"").unwrap();
    assert!(transaction.delete(b"c").is_err() || transaction.delete(b"c").is_err());
    transaction.rollback_to(savepoint).unwrap();
    transaction.put(b"c", b"").unwrap();
    let _ = transaction.commit(Durability::Buffered).unwrap();
    assert_eq!(store.begin_read_only().get(b"a").unwrap().unwrap(), vec![99; 600]);

    // The longest key by default fits however it is escaped.
    let store = by_hand(fresh);
    put(&store, &[0; 32_000], b"long");
    assert_eq!(store.begin_read_only().get(&[0; 32_000]).unwrap().unwrap(), "long");
}

pub(crate) fn a_range_is_removed_for_good(fresh: Fresh) {
    let store = by_hand(fresh);
    let mut transaction = store.begin(Isolation::Serializable);
    for n in 0..1000_u32 {
        transaction.put(&n.to_be_bytes(), b"x").unwrap();
    }
    let _ = transaction.commit(Durability::Buffered).unwrap();
    let mut transaction = store.begin(Isolation::Serializable);
    transaction.put(&500_u32.to_be_bytes(), b"own").unwrap();
    transaction.put(b"\0\0\x01\0extra", b"own").unwrap();
    let (from, to) = (100_u32.to_be_bytes(), 900_u32.to_be_bytes());
    assert_eq!(transaction.delete_range(KeyRange::between(&from, &to)).unwrap(), 801);
    let other = put(&store, &200_u32.to_be_bytes(), b"again");
    let conflict = refused(transaction);
    assert_eq!((conflict.with, conflict.coarse), (other, false));

    let mut transaction = store.begin(Isolation::Snapshot);
    assert_eq!(transaction.delete_range(KeyRange::between(&from, &to)).unwrap(), 800);
    put(&store, b"\0\0\x02phantom", b"stays");
    let _ = transaction.commit(Durability::Buffered).unwrap();
    let view = store.begin_read_only();
    let mut cursor = view.cursor(KeyRange::between(&from, &to)).unwrap();
    assert!(cursor.next().unwrap() && cursor.key() == b"\0\0\x02phantom" && !cursor.next().unwrap());
}

pub(crate) fn retry_runs_again_until_it_fits(fresh: Fresh) {
    let store = by_hand(fresh);
    put(&store, b"a", b"0");
    let mut runs = 0;
    let mut run = |transaction: &mut Transaction, spoil: u32| {
        runs += 1;
        let value = transaction.get(b"a")?.map_or(0, |value| value[0]);
        if runs <= spoil {
            put(&store, b"a", &[value + 1]);
        }
        transaction.put(b"a", &[value + 100])?;
        Ok::<_, TransactionError>(runs)
    };
    let (ran, committed) =
        store.retry(5, Isolation::Snapshot, Durability::Synced, |transaction| run(transaction, 3)).unwrap();
    assert_eq!((ran, committed.wait().unwrap()), (4, store.last()));
    let error =
        store.retry(2, Isolation::Serializable, Durability::Synced, |transaction| run(transaction, 99)).unwrap_err();
    assert!(error.can_retry() && runs == 6);
    let given_up: TransactionError = Error::Invalid("no more".into()).into();
    let error =
        store.retry(2, Isolation::Snapshot, Durability::Synced, |_| Err::<(), _>(given_up.clone())).unwrap_err();
    assert!(!error.can_retry());
    assert_eq!(store.stats().readers, 0);
}

pub(crate) fn moments_out_of_history_are_named(fresh: Fresh) {
    let store = by_hand(fresh);
    let first = put(&store, b"a", b"1");
    let second = put(&store, b"a", b"2");
    assert_eq!(store.at(Timestamp(9)).unwrap_err().newest, second);
    let out = store.at(first).unwrap_err();
    assert_eq!((out.asked, out.oldest), (first, second));
    assert_eq!(out.to_string(), "cannot read as of 1: history goes from 2 to 2");
    let held = store.begin_read_only();
    let third = put(&store, b"a", b"3");
    // As long as somebody reads there, others can.
    assert_eq!(store.at(second).unwrap().get(b"a").unwrap().unwrap(), "2");
    drop(held);
    assert_eq!(store.at(second).unwrap_err().oldest, third);
}

pub(crate) fn a_blind_write_is_no_conflict_when_serializable(fresh: Fresh) {
    let store = by_hand(fresh);
    let mut transaction = store.begin(Isolation::Serializable);
    put(&store, b"a", b"first");
    transaction.put(b"a", b"second").unwrap();
    assert_eq!(transaction.get(b"a").unwrap().unwrap(), "second", "one's own write is nobody else's business");
    let _ = transaction.commit(Durability::Buffered).unwrap();
    assert_eq!(store.begin_read_only().get(b"a").unwrap().unwrap(), "second");
}

pub(crate) fn a_leaked_cursor_counts_as_having_read_everything(fresh: Fresh) {
    let store = by_hand(fresh);
    put(&store, b"a", b"1");
    let mut transaction = store.begin(Isolation::Serializable);
    transaction.put(b"x", b"").unwrap();
    let mut cursor = transaction.cursor(KeyRange::prefix(b"a")).unwrap();
    assert!(cursor.next().unwrap());
    std::mem::forget(cursor);
    put(&store, b"a", b"2");
    assert_eq!(refused(transaction).kind, ConflictKind::ReadWrite);
}

pub(crate) fn conflicts_name_the_key(fresh: Fresh) {
    for (isolation, kind) in
        [(Isolation::Snapshot, ConflictKind::WriteWrite), (Isolation::Serializable, ConflictKind::ReadWrite)]
    {
        let store = by_hand(fresh);
        let started = put(&store, b"k\0ey", b"");
        let mut transaction = store.begin(isolation);
        transaction.get(b"k\0ey").unwrap();
        transaction.put(b"k\0ey", b"").unwrap();
        let with = put(&store, b"k\0ey", b"");
        let conflict = refused(transaction);
        assert_eq!((conflict.kind, &conflict.key[..], conflict.with), (kind, &b"k\0ey"[..], with));
        assert_eq!((conflict.started, conflict.coarse), (started, false));
        let did = if isolation == Isolation::Snapshot { "wrote" } else { "read" };
        let text = format!("{did} k\\x00ey, which commit 2 changed after this transaction began at 1: run it again");
        assert_eq!(conflict.to_string(), text);
        let stats = store.stats();
        assert_eq!(stats.write_conflicts + stats.read_conflicts, 1);
    }
    // A stretch that was passed, but nothing beyond where the cursor stopped.
    let store = by_hand(fresh);
    for key in b'a'..b'h' {
        put(&store, &[key], b"");
    }
    for (spoil, fits) in [(b"dd", true), (b"a_", true), (b"bb", false)] {
        let mut transaction = store.begin(Isolation::Serializable);
        let mut cursor = transaction.cursor(KeyRange::all()).unwrap();
        assert!(cursor.seek(b"b").unwrap() && cursor.next().unwrap() && cursor.next().unwrap());
        assert_eq!(cursor.key(), b"d");
        drop(cursor);
        transaction.put(b"z", b"").unwrap();
        put(&store, spoil, b"");
        assert_eq!(transaction.commit(Durability::Buffered).is_ok(), fits, "{}", spoil.escape_ascii());
    }
}

pub(crate) fn a_long_transaction_is_checked_to_the_end(fresh: Fresh) {
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        for spoiled in [None, Some(0), Some(255), Some(256), Some(700), Some(999)] {
            let store = by_hand(fresh);
            let mut transaction = store.begin(isolation);
            transaction.get(b"mine").unwrap();
            transaction.put(b"mine", b"").unwrap();
            let mut with = None;
            for n in 0..1000_u32 {
                if spoiled == Some(n) {
                    with = Some(put(&store, b"mine", b""));
                } else {
                    put(&store, &n.to_be_bytes(), b"");
                }
            }
            match with {
                Some(with) => assert_eq!(refused(transaction).with, with),
                None => assert_eq!(transaction.commit(Durability::Buffered).unwrap().at, Timestamp(1001)),
            }
        }
    }
}
