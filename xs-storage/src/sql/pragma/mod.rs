//! `PRAGMA`: what a database says of itself, and what it is told beside SQL.
//!
//! One that SQLite does not know does nothing, as there. One that it knows and this does not is refused, and so is a value that
//! would have to change what is done: `query_only` answers 0, and can be set to nothing else as long as nobody looks at it.

mod check;
mod default;
mod describe;
mod flag;
mod function;
mod log;
mod object;
mod setting;
mod table;

pub(in crate::sql) use table::PragmaTable;

pub(in crate::sql) use self::check::quick_check;
use self::describe::Place;
use self::flag::Flag;
use super::ast::{Ident, PragmaValue, QualifiedName};
use super::catalog::Catalog;
use super::connection::Db;
use super::failure::{Failure, Result};
use super::store::{MAIN, Store};
use super::value::Value;

/// Rows of values.
pub(in crate::sql) type Rows = Vec<Vec<Value>>;

/// Which pragma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    TableInfo {
        hidden: bool,
    },
    TableList,
    IndexList,
    IndexInfo {
        more: bool,
    },
    ForeignKeyList,
    ForeignKeyCheck,
    /// Something of the connection that is on or off.
    Flag(Flag),
    DatabaseList,
    CollationList,
    CompileOptions,
    FunctionList,
    ModuleList,
    PragmaList,
    UserVersion,
    ApplicationId,
    SchemaVersion,
    PageSize,
    PageCount,
    FreelistCount,
    Encoding,
    JournalMode,
    LockingMode,
    JournalSizeLimit,
    IncrementalVacuum,
    Synchronous,
    CacheSize,
    AutoVacuum,
    BusyTimeout,
    TempStore,
    WalCheckpoint,
    WalAutocheckpoint,
    Check {
        quick: bool,
    },
    CaseSensitiveLike,
    /// Something that can't be another way here.
    Fixed(i64),
    /// A hint that has nothing to do here.
    Hint,
    /// SQLite's, and not here.
    Refused,
}

const KNOWN: &[(&str, Kind)] = &[
    ("analysis_limit", Kind::Refused),
    ("application_id", Kind::ApplicationId),
    ("auto_vacuum", Kind::AutoVacuum),
    ("automatic_index", Kind::Refused),
    ("busy_timeout", Kind::BusyTimeout),
    ("cache_size", Kind::CacheSize),
    ("cache_spill", Kind::Refused),
    ("case_sensitive_like", Kind::CaseSensitiveLike),
    ("cell_size_check", Kind::Refused),
    ("checkpoint_fullfsync", Kind::Fixed(0)),
    ("collation_list", Kind::CollationList),
    ("compile_options", Kind::CompileOptions),
    ("count_changes", Kind::Fixed(0)),
    ("data_version", Kind::Refused),
    ("database_list", Kind::DatabaseList),
    ("default_cache_size", Kind::Refused),
    ("defer_foreign_keys", Kind::Flag(Flag::DeferForeignKeys)),
    ("empty_result_callbacks", Kind::Fixed(0)),
    ("encoding", Kind::Encoding),
    ("foreign_key_check", Kind::ForeignKeyCheck),
    ("foreign_key_list", Kind::ForeignKeyList),
    ("foreign_keys", Kind::Flag(Flag::ForeignKeys)),
    ("freelist_count", Kind::FreelistCount),
    ("full_column_names", Kind::Fixed(0)),
    ("fullfsync", Kind::Fixed(0)),
    ("function_list", Kind::FunctionList),
    ("hard_heap_limit", Kind::Refused),
    ("ignore_check_constraints", Kind::Fixed(0)),
    ("incremental_vacuum", Kind::IncrementalVacuum),
    ("index_info", Kind::IndexInfo { more: false }),
    ("index_list", Kind::IndexList),
    ("index_xinfo", Kind::IndexInfo { more: true }),
    ("integrity_check", Kind::Check { quick: false }),
    ("journal_mode", Kind::JournalMode),
    ("journal_size_limit", Kind::JournalSizeLimit),
    ("legacy_alter_table", Kind::Flag(Flag::LegacyAlterTable)),
    ("locking_mode", Kind::LockingMode),
    ("max_page_count", Kind::Refused),
    ("mmap_size", Kind::Refused),
    ("module_list", Kind::ModuleList),
    ("optimize", Kind::Hint),
    ("page_count", Kind::PageCount),
    ("page_size", Kind::PageSize),
    ("pragma_list", Kind::PragmaList),
    ("query_only", Kind::Fixed(0)),
    ("quick_check", Kind::Check { quick: true }),
    ("read_uncommitted", Kind::Fixed(0)),
    ("recursive_triggers", Kind::Flag(Flag::RecursiveTriggers)),
    ("reverse_unordered_selects", Kind::Fixed(0)),
    ("schema_version", Kind::SchemaVersion),
    ("secure_delete", Kind::Fixed(0)),
    ("short_column_names", Kind::Fixed(1)),
    ("shrink_memory", Kind::Hint),
    ("soft_heap_limit", Kind::Refused),
    ("synchronous", Kind::Synchronous),
    ("table_info", Kind::TableInfo { hidden: false }),
    ("table_list", Kind::TableList),
    ("table_xinfo", Kind::TableInfo { hidden: true }),
    ("temp_store", Kind::TempStore),
    ("temp_store_directory", Kind::Refused),
    ("threads", Kind::Fixed(0)),
    ("trusted_schema", Kind::Fixed(1)),
    ("user_version", Kind::UserVersion),
    ("wal_autocheckpoint", Kind::WalAutocheckpoint),
    ("wal_checkpoint", Kind::WalCheckpoint),
    ("writable_schema", Kind::Fixed(0)),
];

/// A pragma that is known, and what it is told or asked about.
#[derive(Debug)]
pub(in crate::sql) struct Pragma {
    /// The database that it says it is about.
    schema: Option<usize>,
    name: &'static str,
    kind: Kind,
    value: Option<String>,
}

impl Pragma {
    /// None for one that nobody knows.
    pub(in crate::sql) fn new(
        name: &QualifiedName,
        value: Option<&PragmaValue>,
        catalog: &Catalog,
    ) -> Result<Option<Pragma>> {
        let unknown =
            |schema: &Ident| Failure::error(format!("unknown database {}", schema.text)).at(schema.span.start);
        let number = |schema| catalog.number(schema).ok_or_else(|| unknown(schema));
        let schema = name.schema.as_ref().map(number).transpose()?;
        let Some((known, kind)) = KNOWN.iter().find(|(known, _)| name.name.is(known)) else { return Ok(None) };
        let value = value.map(|value| match value {
            PragmaValue::Number(text) => text.to_string(),
            PragmaValue::Word(word) => word.text.to_string(),
        });
        let pragma = Pragma { schema, name: known, kind: *kind, value };
        if *kind == Kind::Refused { Err(pragma.refused()) } else { Ok(Some(pragma)) }
    }

    /// What it asks for is not done here.
    fn refused(&self) -> Failure {
        let value = self.value.as_ref().map_or_else(String::new, |value| format!(" = {value}"));
        Failure::unsupported(&format!("PRAGMA {}{value}", self.name))
    }

    /// The databases that it reads from its beginning on, a bit for each.
    pub(in crate::sql) fn databases(&self) -> u16 {
        match (self.kind, self.schema) {
            (Kind::Check { .. }, None) => u16::MAX,
            _ => 1 << self.database(),
        }
    }

    /// The database that it is about: `main`, where it says none.
    pub(in crate::sql) fn database(&self) -> usize {
        self.schema.unwrap_or(MAIN)
    }

    /// What is refused before it runs.
    pub(in crate::sql) fn check(&self, in_transaction: bool) -> Result<()> {
        match self.kind {
            Kind::Synchronous if in_transaction && self.value.is_some() => {
                Err(Failure::error("Safety level may not be changed inside a transaction"))
            }
            _ => Ok(()),
        }
    }

    /// Whether it has nothing to do with what is in the database, and so needs nobody's lock.
    pub(in crate::sql) fn is_about_the_connection(&self) -> bool {
        match self.kind {
            // To go from one to the other, everything that was begun must have ended.
            Kind::JournalMode => self.value.is_some(),
            Kind::WalCheckpoint
            | Kind::WalAutocheckpoint
            | Kind::LockingMode
            | Kind::JournalSizeLimit
            | Kind::Synchronous => true,
            kind => matches!(
                kind,
                Kind::BusyTimeout | Kind::TempStore | Kind::CacheSize | Kind::Fixed(_) | Kind::Flag(_) | Kind::Hint
            ),
        }
    }

    /// Whether it changes the database.
    pub(in crate::sql) fn writes(&self) -> bool {
        matches!(self.kind, Kind::UserVersion | Kind::ApplicationId | Kind::SchemaVersion) && self.value.is_some()
    }

    /// What its columns are called; nothing, if it gives no rows.
    pub(in crate::sql) fn columns(&self) -> &[&'static str] {
        match self.kind {
            Kind::TableInfo { hidden: false } => &["cid", "name", "type", "notnull", "dflt_value", "pk"],
            Kind::TableInfo { hidden: true } => &["cid", "name", "type", "notnull", "dflt_value", "pk", "hidden"],
            Kind::TableList => &["schema", "name", "type", "ncol", "wr", "strict"],
            Kind::IndexList => &["seq", "name", "unique", "origin", "partial"],
            Kind::IndexInfo { more: false } => &["seqno", "cid", "name"],
            Kind::IndexInfo { more: true } => &["seqno", "cid", "name", "desc", "coll", "key"],
            Kind::ForeignKeyList => &["id", "seq", "table", "from", "to", "on_update", "on_delete", "match"],
            Kind::ForeignKeyCheck => &["table", "rowid", "parent", "fkid"],
            Kind::DatabaseList => &["seq", "name", "file"],
            Kind::CollationList => &["seq", "name"],
            Kind::CompileOptions => &["compile_options"],
            Kind::FunctionList => &["name", "builtin", "type", "enc", "narg", "flags"],
            Kind::PragmaList | Kind::ModuleList => &["name"],
            Kind::WalCheckpoint => &["busy", "log", "checkpointed"],
            Kind::WalAutocheckpoint => &["wal_autocheckpoint"],
            Kind::JournalMode => &["journal_mode"],
            Kind::LockingMode => &["locking_mode"],
            Kind::JournalSizeLimit => &["journal_size_limit"],
            Kind::BusyTimeout => &["timeout"],
            Kind::Check { quick: false } => &["integrity_check"],
            Kind::Check { quick: true } => &["quick_check"],
            Kind::CaseSensitiveLike | Kind::IncrementalVacuum | Kind::Hint | Kind::Refused => &[],
            // What is set tells nothing.
            _ if self.value.is_some() => &[],
            Kind::UserVersion => &["user_version"],
            Kind::ApplicationId => &["application_id"],
            Kind::SchemaVersion => &["schema_version"],
            Kind::PageSize => &["page_size"],
            Kind::PageCount => &["page_count"],
            Kind::FreelistCount => &["freelist_count"],
            Kind::Encoding => &["encoding"],
            Kind::Synchronous => &["synchronous"],
            Kind::CacheSize => &["cache_size"],
            Kind::TempStore => &["temp_store"],
            Kind::AutoVacuum => &["auto_vacuum"],
            Kind::Fixed(_) | Kind::Flag(_) => std::slice::from_ref(&self.name),
        }
    }

    /// Does it. Whoever calls has begun to read, or to write if it writes.
    pub(in crate::sql) fn run<S: Store>(&self, session: &Db<S>, catalog: &Catalog) -> Result<Rows> {
        let of = self.value.as_deref();
        let place = Place { session, catalog, within: self.schema };
        match self.kind {
            Kind::TableInfo { hidden } => place.table_info(of, hidden),
            Kind::TableList => place.table_list(of),
            Kind::IndexList => place.index_list(of),
            Kind::IndexInfo { more } => place.index_info(of, more),
            Kind::ForeignKeyList => place.foreign_key_list(of),
            Kind::ForeignKeyCheck => place.foreign_key_check(of),
            Kind::Flag(flag) => Ok(flag.run(session, of)),
            Kind::CollationList => Ok(numbered(["RTRIM", "NOCASE", "BINARY"])),
            Kind::CompileOptions => Ok(COMPILE_OPTIONS.iter().map(|option| vec![(*option).into()]).collect()),
            Kind::FunctionList => Ok(function::function_list(session)),
            Kind::ModuleList => Ok(function::module_list(session)),
            Kind::PragmaList => {
                let there = KNOWN.iter().filter(|(_, kind)| *kind != Kind::Refused);
                Ok(there.map(|(name, _)| vec![(*name).into()]).collect())
            }
            Kind::Check { quick } => check::check(session, catalog, self.schema, of, quick),
            Kind::Hint => Ok(Vec::new()),
            _ => self.setting(session),
        }
    }
}

/// What stands for how this differs from other builds, under SQLite's names.
const COMPILE_OPTIONS: &[&str] = &[
    "DEFAULT_CACHE_SIZE=-2000",
    "DEFAULT_PAGE_SIZE=4096",
    "DEFAULT_SYNCHRONOUS=2",
    "MAX_PAGE_SIZE=65536",
    "OMIT_AUTOVACUUM",
    "OMIT_LOAD_EXTENSION",
    "OMIT_SHARED_CACHE",
];

fn numbered<const N: usize>(names: [&str; N]) -> Rows {
    (0_i64..).zip(names).map(|(at, name)| vec![at.into(), name.into()]).collect()
}

fn optional(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::from)
}
