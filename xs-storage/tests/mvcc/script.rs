//! Transcripts of transactions that run side by side: one line a call, with what it answers.
//!
//! ```text
//!   T1 begin
//!   T1 get x      -> 50                          the same at every level
//!   T1 commit     -> ok | conflict: read y       at Snapshot | at Serializable
//!   T2 get x      -> 50 !! 49                    with the anomaly it would be 49
//! ```

use std::collections::BTreeMap;

use xs_storage::engine::{Durability, KeyRange, ReadView};
use xs_storage::mvcc::{ConflictKind, Isolation, Mvcc, Snapshot, Transaction, TransactionError};

/// What ran, and whether every line that tells the anomaly answered as it would with it.
pub(crate) struct Outcome {
    pub(crate) transcript: String,
    pub(crate) expected: String,
    pub(crate) happened: bool,
}

enum Party {
    Writer(Transaction),
    Reader(Snapshot),
}

impl Party {
    fn view(&self) -> &dyn ReadView {
        match self {
            Party::Writer(transaction) => transaction,
            Party::Reader(snapshot) => snapshot,
        }
    }

    fn writer(&mut self) -> &mut Transaction {
        match self {
            Party::Writer(transaction) => transaction,
            Party::Reader(_) => panic!("a reader writes"),
        }
    }
}

/// Runs a script at one level. `initial` is `key=value` words.
pub(crate) fn run(store: &Mvcc, isolation: Isolation, initial: &str, script: &str) -> Outcome {
    let mut setup = store.begin(Isolation::Snapshot);
    for pair in initial.split_whitespace() {
        let (key, value) = pair.split_once('=').expect("key=value");
        setup.put(key.as_bytes(), value.as_bytes()).unwrap();
    }
    setup.commit(Durability::Buffered).unwrap().wait().unwrap();

    let mut parties = BTreeMap::new();
    let mut outcome = Outcome { transcript: String::new(), expected: String::new(), happened: true };
    let mut marks = 0;
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (call, answer) = line.split_once("->").unwrap_or((line, ""));
        let (answer, mark) =
            answer.split_once("!!").map_or((answer, None), |(answer, mark)| (answer, Some(mark.trim())));
        let mut answers = answer.split('|').map(str::trim);
        let first = answers.next().unwrap_or_default();
        let expected = if isolation == Isolation::Serializable { answers.next().unwrap_or(first) } else { first };
        let words: Vec<&str> = call.split_whitespace().collect();
        let given = call_one(store, isolation, &mut parties, &words);
        if let Some(mark) = mark {
            outcome.happened &= given == mark;
            marks += 1;
        }
        outcome.transcript += &format!("{} -> {given}\n", words.join(" "));
        outcome.expected += &format!("{} -> {expected}\n", words.join(" "));
    }
    assert!(marks > 0, "no line says what the anomaly is");
    outcome
}

fn call_one(store: &Mvcc, isolation: Isolation, parties: &mut BTreeMap<String, Party>, words: &[&str]) -> String {
    let (&name, call) = words.split_first().expect("a name");
    if let ["begin"] = call {
        parties.insert(name.into(), Party::Writer(store.begin(isolation)));
        return String::new();
    }
    if let ["begin", "read-only"] = call {
        parties.insert(name.into(), Party::Reader(store.begin_read_only()));
        return String::new();
    }
    if let ["commit" | "rollback"] = call {
        let Some(Party::Writer(transaction)) = parties.remove(name) else { return "ok".into() };
        if call == ["rollback"] {
            transaction.rollback();
            return "ok".into();
        }
        return match transaction.commit(Durability::Buffered) {
            Ok(_) => "ok".into(),
            Err(TransactionError::Conflict(conflict)) => {
                let did = if conflict.kind == ConflictKind::WriteWrite { "wrote" } else { "read" };
                format!("conflict: {did} {}", conflict.key.escape_ascii())
            }
            Err(error) => error.to_string(),
        };
    }
    let party = parties.get_mut(name).unwrap_or_else(|| panic!("{name} has not begun"));
    match call {
        ["get", key] => text(party.view().get(key.as_bytes()).unwrap()),
        ["get-for-update", key] => text(party.writer().get_for_update(key.as_bytes()).unwrap()),
        ["scan", from, to] => {
            let mut cursor = party.view().cursor(KeyRange::between(from.as_bytes(), to.as_bytes())).unwrap();
            let mut found = Vec::new();
            while cursor.next().unwrap() {
                found.push(format!("{}={}", cursor.key().escape_ascii(), cursor.value().unwrap().escape_ascii()));
            }
            if found.is_empty() { "nothing".into() } else { found.join(" ") }
        }
        ["put", key, value] => {
            party.writer().put(key.as_bytes(), value.as_bytes()).unwrap();
            String::new()
        }
        ["delete", key] => {
            party.writer().delete(key.as_bytes()).unwrap();
            String::new()
        }
        _ => panic!("no such call: {call:?}"),
    }
}

fn text(value: Option<impl AsRef<[u8]>>) -> String {
    value.map_or("none".into(), |value| value.as_ref().escape_ascii().to_string())
}
