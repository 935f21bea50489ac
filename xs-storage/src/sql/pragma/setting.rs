//! Numbers and words that are asked for, and set.

use std::time::Duration;

use super::{Kind, Pragma, Rows, log};
use crate::row::Encoding;
use crate::sql::connection::Db;
use crate::sql::failure::{Failure, Result};
use crate::sql::store::{About, Databases, Journal, MAIN, Pages, Setting, Store, TEMP};
use crate::sql::value::Value;

/// The integer that a text begins with, as SQLite reads it here: none is 0, and so is one that does not fit.
fn integer(text: &str) -> i32 {
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    if let [b'0', b'x' | b'X', hex @ ..] = digits
        && !negative
        && hex.first().is_some_and(u8::is_ascii_hexdigit)
    {
        let end = hex.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(hex.len());
        let number = str::from_utf8(&hex[..end]).ok().and_then(|hex| u32::from_str_radix(hex, 16).ok());
        return number.and_then(|number| i32::try_from(number).ok()).unwrap_or(0);
    }
    let mut number = 0_i64;
    for byte in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        number = number.saturating_mul(10).saturating_add(i64::from(byte - b'0'));
    }
    i32::try_from(if negative { -number } else { number }).unwrap_or(0)
}

/// Words for levels; `full` and more are known where levels are asked for.
fn level(text: &str, default: i64) -> i64 {
    if text.starts_with(|char: char| char.is_ascii_digit()) {
        return i64::from(integer(text));
    }
    match text.to_ascii_lowercase().as_str() {
        "on" | "yes" | "true" => 1,
        "off" | "no" | "false" => 0,
        "full" => 2,
        "extra" => 3,
        _ => default,
    }
}

pub(super) fn truth(text: &str) -> bool {
    !matches!(text.to_ascii_lowercase().as_str(), "full" | "extra") && level(text, 0) != 0
}

fn one(value: impl Into<Value>) -> Result<Rows> {
    Ok(vec![vec![value.into()]])
}

impl Pragma {
    pub(super) fn setting<S: Store>(&self, session: &Db<S>) -> Result<Rows> {
        let mut all = session.store.borrow_mut();
        let schema = self.database();
        if self.kind == Kind::DatabaseList {
            return databases(&mut all);
        }
        if self.kind == Kind::TempStore {
            let Some(value) = &self.value else { return one(i64::from(all.temp_store())) };
            let wanted = temp_store(value);
            let is_new = all.temp_store() != wanted && all.is_open(TEMP);
            if is_new && (session.in_transaction.get() || all.is_used(TEMP)) {
                return Err(Failure::error("temporary storage cannot be changed from within a transaction"));
            }
            all.set_temp_store(wanted);
            drop(all);
            if is_new {
                session.read_again()?;
            }
            return Ok(Rows::new());
        }
        if self.schema.is_none() && self.is_about_all() {
            for other in (MAIN + 1..all.len()).filter(|other| *other != TEMP) {
                self.tell(all.one(other)?)?;
            }
        }
        let store = all.one(schema)?;
        let about = store.about()?;
        let pages = || about.pages.ok_or_else(|| self.without_pages());
        if self.kind == Kind::IncrementalVacuum && about.auto_vacuum > 0 {
            return Err(self.refused());
        }
        let Some(value) = self.value.as_deref() else {
            return match self.kind {
                Kind::UserVersion => one(i64::from(about.user_version)),
                Kind::ApplicationId => one(i64::from(about.application_id)),
                Kind::SchemaVersion => one(i64::from(store.schema_cookie()? as i32)),
                Kind::PageSize => one(i64::from(pages()?.size)),
                Kind::PageCount => one(i64::from(pages()?.count)),
                Kind::FreelistCount => one(i64::from(pages()?.free)),
                Kind::Encoding => one(match about.encoding {
                    Encoding::Utf8 => "UTF-8",
                    Encoding::Utf16Le => "UTF-16le",
                    Encoding::Utf16Be => "UTF-16be",
                }),
                Kind::JournalMode => one(about.journal.name()),
                Kind::Synchronous => one(i64::from(about.synchronous)),
                Kind::CacheSize => one(i64::from(about.cache_size)),
                Kind::AutoVacuum => one(i64::from(about.auto_vacuum)),
                Kind::BusyTimeout => timeout(&about),
                Kind::Fixed(value) => one(value),
                Kind::WalCheckpoint => log::checkpoint(store, None),
                // Memory is nobody else's.
                Kind::LockingMode if self.schema.is_some() && about.file.is_none() => one("exclusive"),
                Kind::LockingMode => log::locking(store, None),
                Kind::JournalSizeLimit => one(about.journal_limit),
                Kind::WalAutocheckpoint => one(i64::from(about.autocheckpoint)),
                _ => Ok(Vec::new()),
            };
        };
        match self.kind {
            Kind::UserVersion => store.set(Setting::UserVersion(integer(value)))?,
            Kind::ApplicationId => store.set(Setting::ApplicationId(integer(value)))?,
            Kind::SchemaVersion => {
                store.set(Setting::SchemaCookie(integer(value) as u32))?;
                drop(all);
                session.read_again()?;
            }
            Kind::PageSize => {
                // A size that pages can't have is passed over, as in SQLite.
                let size = u32::try_from(integer(value)).unwrap_or(0);
                if size.is_power_of_two() && (512..=65536).contains(&size) {
                    store.set(Setting::PageSize(size))?;
                }
            }
            Kind::Encoding => self.encoding(&about, value)?,
            Kind::JournalMode => {
                log::check_journal(session, &about, value)?;
                self.tell(store)?;
                // What it is now, which may not be what was asked for: that is how SQLite refuses here.
                return one(store.about()?.journal.name());
            }
            Kind::Synchronous => store.set(Setting::Synchronous(log::synchronous(level(value, 1))))?,
            Kind::LockingMode => return log::locking(store, Some(value)),
            Kind::JournalSizeLimit => {
                store.set(Setting::JournalLimit(log::limit(value)))?;
                return one(store.about()?.journal_limit);
            }
            Kind::WalAutocheckpoint => {
                store.set(Setting::Autocheckpoint(u32::try_from(integer(value)).unwrap_or(0)))?;
                return one(i64::from(store.about()?.autocheckpoint));
            }
            Kind::CacheSize => store.set(Setting::CacheSize(integer(value)))?,
            Kind::AutoVacuum => {
                let wanted = match value.to_ascii_lowercase().as_str() {
                    "none" => 0,
                    "full" => 1,
                    "incremental" => 2,
                    _ => Some(integer(value)).filter(|number| (0..=2).contains(number)).unwrap_or(0),
                };
                if wanted != 0 && wanted != i32::from(about.auto_vacuum) {
                    return Err(self.refused());
                }
                store.set(Setting::DropAutoVacuum(wanted == 0))?;
            }
            Kind::BusyTimeout => {
                self.tell(store)?;
                return timeout(&store.about()?);
            }
            Kind::CaseSensitiveLike if truth(value) => return Err(self.refused()),
            Kind::Fixed(fixed) if truth(value) != (fixed != 0) => return Err(self.refused()),
            Kind::WalCheckpoint => return log::checkpoint(store, Some(value)),
            _ => {}
        }
        Ok(Vec::new())
    }

    /// Whether it is about all databases where it says none.
    fn is_about_all(&self) -> bool {
        match self.kind {
            Kind::JournalMode | Kind::BusyTimeout | Kind::LockingMode => self.value.is_some(),
            Kind::WalCheckpoint => true,
            _ => false,
        }
    }

    /// Tells one of all.
    fn tell<S: Store>(&self, store: &mut S) -> Result<()> {
        let value = self.value.as_deref().unwrap_or("");
        match self.kind {
            Kind::JournalMode => match Journal::ALL.iter().find(|journal| value.eq_ignore_ascii_case(journal.name())) {
                Some(journal) => store.set(Setting::Journal(*journal)),
                None => Ok(()),
            },
            Kind::BusyTimeout => {
                let limit = u64::try_from(integer(value)).unwrap_or(0);
                store.set(Setting::BusyTimeout(Duration::from_millis(limit)))
            }
            Kind::LockingMode => log::locking(store, Some(value)).map(drop),
            Kind::WalCheckpoint => log::checkpoint(store, self.value.as_deref()).map(drop),
            _ => Ok(()),
        }
    }

    fn without_pages(&self) -> Failure {
        Failure::unsupported(&format!("PRAGMA {} of a store without pages", self.name))
    }

    /// A database that has pages keeps its encoding.
    fn encoding(&self, about: &About, value: &str) -> Result<()> {
        if matches!(about.pages, Some(Pages { count: 1.., .. })) {
            return Ok(());
        }
        match value.to_ascii_lowercase().as_str() {
            "utf8" | "utf-8" => Ok(()),
            "utf16" | "utf-16" | "utf16le" | "utf-16le" | "utf16be" | "utf-16be" => Err(self.refused()),
            _ => Err(Failure::error(format!("unsupported encoding: {value}"))),
        }
    }
}

/// Where temporary tables are to be.
fn temp_store(value: &str) -> u8 {
    match value.as_bytes() {
        [digit @ b'0'..=b'2', ..] => digit - b'0',
        _ if value.eq_ignore_ascii_case("file") => 1,
        _ if value.eq_ignore_ascii_case("memory") => 2,
        _ => 0,
    }
}

/// The databases that are there: their places, names and files.
fn databases<S: Store>(all: &mut Databases<S>) -> Result<Rows> {
    let mut list = Vec::new();
    for schema in 0..all.len() {
        if !all.is_open(schema) {
            continue;
        }
        let file = all.one(schema)?.about()?.file.filter(|_| schema != TEMP).unwrap_or_default();
        // What has gone is not counted.
        let gone = (TEMP + 1..schema).filter(|before| !all.is_open(*before)).count();
        list.push(vec![((schema - gone) as i64).into(), all.name(schema).into(), file.into()]);
    }
    Ok(list)
}

fn timeout(about: &About) -> Result<Rows> {
    one(i64::try_from(about.busy_timeout.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_those_of_sqlite() {
        for (text, expected) in [
            ("7", 7),
            ("-7", -7),
            ("12x", 12),
            ("abc", 0),
            ("", 0),
            ("0x10", 16),
            ("0xffffffff", 0),
            ("2147483647", i32::MAX),
            ("2147483648", 0),
            ("99999999999999999999", 0),
        ] {
            assert_eq!(integer(text), expected, "{text}");
        }
        assert!(truth("on") && truth("2") && !truth("full") && !truth("nonsense") && !truth("0"));
    }
}
