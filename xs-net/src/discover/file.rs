//! Endpoints from a file that is read again and again.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use xs_os::vfs::{Vfs, VfsExt};

use super::poll::poll;
use super::text::{InvalidList, parse};
use crate::endpoint::Change;
use crate::{Bridge, Timer};

/// How a file is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOptions {
    /// How often it is read. Default 1 s.
    pub every: Duration,
    /// A larger file is not read, in bytes. Default 1 MiB.
    pub most_bytes: usize,
    /// A list of more endpoints is wrong. Default 10,000.
    pub most_endpoints: usize,
    /// Whether a list without endpoints is believed. By default it is taken for a mistake, such as a file that is being
    /// written.
    pub allow_empty: bool,
}

impl Default for FileOptions {
    fn default() -> Self {
        FileOptions { every: Duration::from_secs(1), most_bytes: 1 << 20, most_endpoints: 10_000, allow_empty: false }
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Invalid(#[from] InvalidList),
}

/// The endpoints that stand in a file, as [`parse`] reads it, and every change of it, for ever.
///
/// The file is read anew each time, whatever its time stamp: two writes in one tick of a clock share theirs. Replace it by
/// renaming another one over it ([`VfsExt::replace`]): half a list is often a list as well, and is believed. The reads go
/// over `bridge`.
pub fn watch_file(
    disk: Arc<dyn Vfs>,
    path: PathBuf,
    bridge: Bridge,
    timer: &Timer,
    options: FileOptions,
) -> impl Stream<Item = Change> + Send + use<> {
    let name = path.to_string_lossy().into();
    let ask = move || {
        let (disk, path, bridge) = (disk.clone(), path.clone(), bridge.clone());
        async move {
            let bytes = bridge.run(move || disk.read(&path, options.most_bytes)).await?;
            Ok::<_, Error>(parse(&bytes, options.most_endpoints)?)
        }
    };
    poll(name, timer.clone(), options.every, options.allow_empty, ask)
}
