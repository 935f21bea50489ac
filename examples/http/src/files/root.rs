//! The directory that is served, and the one way to what is in it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

/// The root. What is looked up in it is relative, and has no `..`.
#[derive(Debug)]
pub(super) enum Root {
    /// No link leads out of it: every step of a path is resolved below this directory, by the system where it can
    /// (`openat2`), and by hand where it can't.
    Beneath(Dir),
    /// Links are followed wherever they lead.
    Anywhere(PathBuf),
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found {
    File(OpenFile),
    Dir,
}

/// A regular file.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) len: u64,
    pub(super) modified: Option<SystemTime>,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Directories come first.
    pub(super) is_file: bool,
    pub(super) name: std::ffi::OsString,
    pub(super) len: u64,
    pub(super) modified: Option<SystemTime>,
}

impl Root {
    pub(super) fn open(dir: &Path, follow_links_out: bool) -> io::Result<Root> {
        let beneath = Dir::open_ambient_dir(dir, ambient_authority())?;
        Ok(if follow_links_out { Root::Anywhere(dir.to_owned()) } else { Root::Beneath(beneath) })
    }

    /// Opens what is there. Anything but a file and a directory counts as not there.
    pub(super) fn look_up(&self, path: &Path) -> io::Result<Found> {
        let file = match self {
            Root::Beneath(dir) => dir.open_with(path, &read_only())?.into_std(),
            Root::Anywhere(root) => open_anywhere(&root.join(path))?,
        };
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Ok(Found::Dir);
        }
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Found::File(OpenFile { file, len: metadata.len(), modified: metadata.modified().ok() }))
    }

    /// What is in a directory, sorted, up to `most` entries. What cannot be looked at is left out: a link that leads out
    /// of the root, for one.
    pub(super) fn list(&self, path: &Path, most: usize) -> io::Result<Vec<Entry>> {
        let names: Vec<std::ffi::OsString> = match self {
            Root::Beneath(dir) => {
                dir.read_dir(path)?.take(most).map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?
            }
            Root::Anywhere(root) => std::fs::read_dir(root.join(path))?
                .take(most)
                .map(|entry| Ok(entry?.file_name()))
                .collect::<io::Result<_>>()?,
        };
        let mut entries: Vec<Entry> = names.into_iter().filter_map(|name| self.entry(path, name)).collect();
        entries.sort();
        Ok(entries)
    }

    fn entry(&self, dir: &Path, name: std::ffi::OsString) -> Option<Entry> {
        let path = dir.join(&name);
        let (is_file, is_dir, len, modified) = match self {
            Root::Beneath(root) => {
                let metadata = root.metadata(&path).ok()?;
                let modified = metadata.modified().ok().map(cap_std::time::SystemTime::into_std);
                (metadata.is_file(), metadata.is_dir(), metadata.len(), modified)
            }
            Root::Anywhere(root) => {
                let metadata = std::fs::metadata(root.join(&path)).ok()?;
                (metadata.is_file(), metadata.is_dir(), metadata.len(), metadata.modified().ok())
            }
        };
        (is_file || is_dir).then_some(Entry { is_file, name, len, modified })
    }
}

/// A pipe or a device would block whoever opens it.
fn read_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    }
    options
}

fn open_anywhere(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    }
    options.open(path)
}

/// Reads at an offset; fewer bytes than asked for only at the end.
pub(super) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(file, &mut buf[done..], offset + done as u64);
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(file, &mut buf[done..], offset + done as u64);
        match read {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
