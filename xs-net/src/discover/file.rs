//! Endpoints from a file that is read again and again.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use parking_lot::Mutex;
use xs_os::vfs::{Vfs, VfsExt};

use super::poll::{Round, poll};
use super::text::{InvalidList, parse};
use crate::endpoint::Change;
use crate::{Bridge, Timer};

/// How a file is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOptions {
    /// How often it is read. Default 1 s.
    pub every: Duration,
    /// A text that is new is read again after this time, and counts once it is twice the same: nobody is writing it. Default
    /// 100 ms.
    pub settle: Duration,
    /// A larger file is not read, in bytes. Default 1 MiB.
    pub most_bytes: usize,
    /// A list of more endpoints is wrong. Default 10,000.
    pub most_endpoints: usize,
    /// Whether a list without endpoints is believed. By default it is taken for a mistake.
    pub allow_empty: bool,
}

impl Default for FileOptions {
    fn default() -> Self {
        let (every, settle) = (Duration::from_secs(1), Duration::from_millis(100));
        FileOptions { every, settle, most_bytes: 1 << 20, most_endpoints: 10_000, allow_empty: false }
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("somebody is writing it")]
    Moving,
    #[error(transparent)]
    Invalid(#[from] InvalidList),
}

/// The endpoints that stand in a file, as [`parse`] reads it, and every change of it, for ever.
///
/// The file is read anew each time, whatever its time stamp: two writes in one tick of a clock share theirs. The reads go over
/// `bridge`.
///
/// Replace it by renaming another one over it ([`VfsExt::replace`]). Of a file that is written in place, half a list is often a
/// list as well; so a new text counts only when it is the same a little later ([`FileOptions::settle`]), and never if its last
/// line has no end. Who stops for longer exactly between two lines is believed.
pub fn watch_file(
    disk: Arc<dyn Vfs>,
    path: PathBuf,
    bridge: Bridge,
    timer: &Timer,
    options: FileOptions,
) -> impl Stream<Item = Change> + Send + use<> {
    let name = path.to_string_lossy().into();
    // What was read when it counted last. A failure is no text.
    let known = Arc::new(Mutex::new(None));
    let waits = timer.clone();
    let ask = move || {
        let (disk, path, bridge) = (disk.clone(), path.clone(), bridge.clone());
        let (known, timer) = (known.clone(), waits.clone());
        async move {
            let read = || {
                let (disk, path) = (disk.clone(), path.clone());
                bridge.run(move || disk.read(&path, options.most_bytes))
            };
            let bytes = read().await?;
            if known.lock().as_ref() != Some(&bytes) {
                timer.sleep(options.settle).await;
                if read().await? != bytes {
                    return Err(Error::Moving);
                }
            }
            let endpoints = parse(&bytes, options.most_endpoints)?;
            *known.lock() = Some(bytes);
            Ok(Round { endpoints, rest: options.every })
        }
    };
    poll(name, timer.clone(), options.every, options.allow_empty, ask)
}
