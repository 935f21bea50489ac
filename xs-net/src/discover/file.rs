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
use crate::endpoint::{Change, Endpoint};
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
    /// A file that has changed is read once more after so long, and believed if it is still the same. Zero: it is believed
    /// at once. Default 100 ms.
    pub settle: Duration,
}

impl Default for FileOptions {
    fn default() -> Self {
        FileOptions {
            every: Duration::from_secs(1),
            most_bytes: 1 << 20,
            most_endpoints: 10_000,
            allow_empty: false,
            settle: Duration::from_millis(100),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Invalid(#[from] InvalidList),
    #[error("it is being written: rename a whole file over it instead")]
    Moving,
    #[error("its last line has no end, so it may be half written: rename a whole file over it")]
    Unfinished,
}

/// What is read, and what of it is believed.
struct Reader {
    disk: Arc<dyn Vfs>,
    path: PathBuf,
    bridge: Bridge,
    timer: Timer,
    options: FileOptions,
    looked: Mutex<Looked>,
}

#[derive(Default)]
struct Looked {
    /// The last good text.
    good: Option<Vec<u8>>,
    /// One whose last line has no end, at the last look.
    unfinished: Option<Vec<u8>>,
}

impl Reader {
    async fn read(&self) -> io::Result<Vec<u8>> {
        let (disk, path, most) = (self.disk.clone(), self.path.clone(), self.options.most_bytes);
        self.bridge.run(move || disk.read(&path, most)).await
    }

    async fn endpoints(&self) -> Result<Vec<Endpoint>, Error> {
        let text = self.read().await?;
        self.is_whole(&text).await?;
        let endpoints = parse(&text, self.options.most_endpoints)?;
        *self.looked.lock() = Looked { good: Some(text), unfinished: None };
        Ok(endpoints)
    }

    /// Whether a text looks as if its writer had finished.
    async fn is_whole(&self, text: &[u8]) -> Result<(), Error> {
        {
            let mut looked = self.looked.lock();
            match &looked.good {
                // Half of the endpoints are better than none.
                None => return Ok(()),
                Some(good) if good == text => return Ok(()),
                Some(_) => {}
            }
            if !text.is_empty() && !text.ends_with(b"\n") && looked.unfinished.as_deref() != Some(text) {
                looked.unfinished = Some(text.to_vec());
                return Err(Error::Unfinished);
            }
        }
        if !self.options.settle.is_zero() {
            self.timer.sleep(self.options.settle).await;
            if self.read().await? != text {
                return Err(Error::Moving);
            }
        }
        Ok(())
    }
}

/// The endpoints that stand in a file, as [`parse`] reads it, and every change of it, for ever.
///
/// The file is read anew each time, whatever its time stamp: two writes in one tick of a clock share theirs. The reads go
/// over `bridge`.
///
/// Replace it by renaming another one over it ([`VfsExt::replace`]), for half a list is often a list as well. What can be
/// seen of a file that is written in place is held against it: that it is another one a moment later
/// ([`FileOptions::settle`]), and that its last line has no end, which must have stayed so until the next look. Until then
/// the last good endpoints stay. A writer that stops between two lines for longer than that is believed; and so is the very
/// first text, for some endpoints are better than none.
pub fn watch_file(
    disk: Arc<dyn Vfs>,
    path: PathBuf,
    bridge: Bridge,
    timer: &Timer,
    options: FileOptions,
) -> impl Stream<Item = Change> + Send + use<> {
    let name = path.to_string_lossy().into();
    let reader = Reader { disk, path, bridge, timer: timer.clone(), options, looked: Mutex::default() };
    let reader = Arc::new(reader);
    let ask = move || {
        let reader = reader.clone();
        async move {
            let endpoints = reader.endpoints().await?;
            Ok::<_, Error>(Round { endpoints, rest: options.every })
        }
    };
    poll(name, timer.clone(), options.every, options.allow_empty, ask)
}
