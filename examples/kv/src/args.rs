//! The command line: what can be said, and the help that teaches it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use xs_kv::{EngineKind, Opening};
use xs_storage::engine::Durability;

use crate::failure::Failure;
use crate::text::Format;

/// A key-value store in a directory: ordered keys, atomic batches, one file to back it up
///
/// Keys and values are bytes. What cannot be typed or printed is written with a backslash, both ways: \n \t \r \0 \\ and
/// \xNN for any byte. With --format hex they are hexadecimal digits, and with --format raw they are what they are.
#[derive(Debug, Parser)]
#[command(name = "xs-kv", version, after_help = AFTER, max_term_width = 100)]
pub(crate) struct Args {
    /// What keeps the entries
    #[arg(long, short, value_enum, default_value = "btree", global = true)]
    engine: EngineName,

    /// The directory of the store; it is made by the first command that writes
    #[arg(long, short, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,

    /// How keys and values are written, in arguments and in output
    #[arg(long, short, value_enum, default_value = "escaped", global = true)]
    pub(crate) format: Format,

    /// Don't wait for the disk after each write: faster, and a crash may lose the last ones
    #[arg(long, global = true)]
    buffered: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER: &str = "\
Exit codes:
  0  done
  1  the answer is no: no such key, or the check found something wrong
  2  the command line or the input makes no sense
  3  the store, a file or the disk refuses

Examples:
  xs-kv -d shop put apple red
  xs-kv -d shop get apple
  xs-kv -d shop scan --prefix a --limit 10
  printf 'put pear green\\ndelete apple\\n' | xs-kv -d shop batch
  xs-kv -d shop backup - | zstd > shop.dump.zst";

const BATCH_AFTER: &str = "\
Example, since scan prints what put takes:
  xs-kv -d from scan | sed 's/^/put /' | xs-kv -d to batch";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EngineName {
    /// A B+tree: reads fast
    Btree,
    /// A log-structured merge tree: writes fast
    Lsm,
    /// In memory, loaded from and saved to one file in the directory; without one, gone when the program ends
    Memory,
}

impl Args {
    pub(crate) fn place(&self) -> Result<(EngineKind, Option<&Path>), Failure> {
        let dir = self.data_dir.as_deref();
        match self.engine {
            EngineName::Btree => Ok((EngineKind::BTree, dir)),
            EngineName::Lsm => Ok((EngineKind::Lsm, dir)),
            EngineName::Memory => Ok((EngineKind::Memory, dir)),
        }
    }

    pub(crate) fn durability(&self) -> Durability {
        if self.buffered { Durability::Buffered } else { Durability::Synced }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the value under a key
    ///
    /// A line ends it, but with --format raw it is the value's bytes and nothing else. Exits with 1 if there is no such
    /// key.
    Get {
        /// The key
        key: OsString,
    },
    /// Set the value under a key
    Put {
        /// The key
        key: OsString,
        /// The value; if it is missing, all of standard input, as it is
        value: Option<OsString>,
    },
    /// Remove keys; those that are not there are no error
    #[command(arg_required_else_help = true)]
    Delete {
        /// The keys
        keys: Vec<OsString>,
        /// Remove every key that begins with this
        #[arg(long, conflicts_with = "keys")]
        prefix: Option<OsString>,
    },
    /// Print entries in the order of their keys: key, tab, value
    Scan {
        #[command(flatten)]
        range: Range,
        /// From the last to the first
        #[arg(long, short)]
        reverse: bool,
        /// No more than so many
        #[arg(long, short, value_name = "N")]
        limit: Option<u64>,
        /// Print no values
        #[arg(long, short)]
        keys_only: bool,
        /// Print how many there are, and nothing else
        #[arg(long, short, conflicts_with = "keys_only")]
        count: bool,
    },
    /// Apply writes, one a line, all of them or none
    ///
    /// A line is `put KEY VALUE`, `delete KEY` or `delete-range FROM TO` (TO not included), in the format that --format
    /// says, with one blank or tab between two words. VALUE is the rest of the line, blanks and all; a blank in a key is
    /// written \x20. Empty lines and those that begin with # are passed over.
    #[command(after_help = BATCH_AFTER)]
    Batch {
        /// The lines; - for standard input
        #[arg(default_value = "-")]
        file: PathBuf,
        /// Apply every so many lines, for input that is larger than memory: no longer all or none
        #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u64).range(1..))]
        every: Option<u64>,
    },
    /// Write all entries to one file, as they are at this moment
    ///
    /// The file can be restored into a store of any engine. Every byte of it is covered by a checksum.
    Backup {
        /// The file, which must not exist; - for standard output
        file: PathBuf,
    },
    /// Put all entries of a backup into the store
    ///
    /// A file is checked as a whole before anything is written; what comes through a pipe is checked as it comes.
    Restore {
        /// The file; - for standard input
        file: PathBuf,
        /// Into a store that has entries, over those with the same keys
        #[arg(long)]
        merge: bool,
    },
    /// Look at every byte of a backup, without a store
    Verify {
        /// The file; - for standard input
        file: PathBuf,
    },
    /// Look at everything in the store; exits with 1 if something is wrong
    Check,
    /// Give back the space of what was removed
    Compact,
    /// Print what the engine knows about itself
    Stats,
    /// Measure the engine, in a store without entries, which it leaves so
    Bench {
        /// Entries
        #[arg(long, short = 'n', default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
        entries: u64,
        /// Bytes of each value
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=1 << 20))]
        value_bytes: u32,
        /// Threads that write durably at once
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
        threads: u32,
        /// The number that all random keys follow from
        #[arg(long, default_value_t = 42)]
        seed: u64,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Range {
    /// From this key on
    #[arg(long, value_name = "KEY")]
    pub(crate) from: Option<OsString>,
    /// Up to this key, which is not included
    #[arg(long, value_name = "KEY")]
    pub(crate) to: Option<OsString>,
    /// Keys that begin with this
    #[arg(long, value_name = "KEY", conflicts_with_all = ["from", "to"])]
    pub(crate) prefix: Option<OsString>,
}

impl Command {
    /// Whether it changes what is kept.
    pub(crate) fn writes(&self) -> bool {
        matches!(
            self,
            Command::Put { .. }
                | Command::Delete { .. }
                | Command::Batch { .. }
                | Command::Restore { .. }
                | Command::Compact
                | Command::Bench { .. }
        )
    }

    /// Whether there must be a store already: a mistyped directory should not become one by being read.
    pub(crate) fn opening(&self) -> Opening {
        match self {
            Command::Put { .. } | Command::Batch { .. } | Command::Restore { .. } | Command::Bench { .. } => {
                Opening::OrMake
            }
            _ => Opening::Existing,
        }
    }
}
