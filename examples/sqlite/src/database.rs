//! The database that the shell has open.

use std::path::{self, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use xs_os::vfs::{MemoryVfs, SystemVfs, Vfs};
use xs_os::{Clock, Rng, SystemClock};
use xs_storage::sql::{Connection, Failure};
use xs_storage::sqlite::{BusyTimeout, Database as File, Options};

/// A file in SQLite's format, or the like in memory.
pub type Database = Connection<File>;

/// Opens a file; one in memory, if there is no name.
pub(crate) fn open(file: Option<&str>, read_only: bool) -> Result<Database, Failure> {
    let (vfs, path): (Arc<dyn Vfs>, _) = match file {
        // The whole path is what `.databases` shows.
        Some(file) => (Arc::new(SystemVfs), path::absolute(file).unwrap_or_else(|_| file.into())),
        None => (Arc::new(MemoryVfs::new()), PathBuf::from(":memory:")),
    };
    let options = Options {
        read_only,
        create: !read_only,
        // Nothing, until `.timeout` says how long.
        busy_timeout: Some(BusyTimeout { clock: Arc::new(SystemClock), limit: Duration::ZERO }),
        copies: Some(Arc::new(SystemVfs)),
        directory: std::env::current_dir().ok(),
        temporary: Some(std::env::temp_dir()),
        ..Options::default()
    };
    let mut rng = Rng::from_entropy();
    let database = Connection::new(File::open(vfs, &path, options, rng.fork("file"))?)?;
    database.set_random(move || rng.next_u64());
    database.set_clock(|| match SystemClock.wall().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => since.as_millis() as i64,
        Err(before) => -(before.duration().as_millis() as i64),
    });
    let zone = crate::zone::local();
    database.set_zone(move |second| zone.offset_at(second));
    database.add_table_function("generate_series", crate::series::Series);
    Ok(database)
}
