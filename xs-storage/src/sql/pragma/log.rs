//! The write-ahead log, and how much is made durable.

use super::Rows;
use crate::sql::connection::Db;
use crate::sql::failure::{Failure, Result};
use crate::sql::store::{About, Checkpoint, Journal, Setting, Store};

/// Copies pages from the log: whether others were in the way, frames of the log, and how many of them are copied.
pub(super) fn checkpoint<S: Store>(store: &mut S, how: Option<&str>) -> Result<Rows> {
    let kind = match how.map(str::to_ascii_lowercase).as_deref() {
        Some("full") => Checkpoint::Full,
        Some("restart") => Checkpoint::Restart,
        Some("truncate") => Checkpoint::Truncate,
        _ => Checkpoint::Passive,
    };
    let done = store.checkpoint(kind)?;
    let count = |count: Option<u32>| count.map_or(-1, i64::from);
    Ok(vec![vec![i64::from(done.busy).into(), count(done.frames).into(), count(done.backfilled).into()]])
}

/// The integer that a text is, as far as it is one; below -1 is -1.
pub(super) fn limit(text: &str) -> i64 {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let mut number = 0_i64;
    for byte in digits.bytes().take_while(u8::is_ascii_digit) {
        number = number.saturating_mul(10).saturating_add(i64::from(byte - b'0'));
    }
    if negative { (-number).max(-1) } else { number }
}

/// `exclusive` keeps locks, `normal` does not, and all else asks: what holds now.
pub(super) fn locking<S: Store>(store: &mut S, value: Option<&str>) -> Result<Rows> {
    match value.map(str::to_ascii_lowercase).as_deref() {
        Some("exclusive") => store.set(Setting::KeepLocks(true))?,
        Some("normal") => store.set(Setting::KeepLocks(false))?,
        _ => {}
    }
    let about = store.about()?;
    // Memory is one connection's, and keeps its locks for good, as is said when it is told to do anything else.
    let keeps = about.keeps_locks || value.is_some() && about.file.is_none();
    Ok(vec![vec![if keeps { "exclusive" } else { "normal" }.into()]])
}

/// SQLite keeps three bits of the level, one higher, and takes none for the lowest.
pub(super) fn synchronous(level: i64) -> u8 {
    let bits = (level + 1) & 7;
    (bits.max(1) - 1).min(3) as u8
}

/// Into a log and out of it nobody goes within a transaction.
pub(super) fn check_journal<S: Store>(session: &Db<S>, about: &About, value: &str) -> Result<()> {
    let to_log = value.eq_ignore_ascii_case(Journal::Wal.name());
    let is_known = Journal::ALL.iter().any(|journal| value.eq_ignore_ascii_case(journal.name()));
    let is_change = is_known && to_log != (about.journal == Journal::Wal) && about.file.is_some();
    // What has been changed already ends as it began, and nothing is said of it.
    if is_change && session.in_transaction.get() && !about.is_changed {
        let way = if to_log { "into" } else { "out of" };
        return Err(Failure::error(format!("cannot change {way} wal mode from within a transaction")));
    }
    Ok(())
}
