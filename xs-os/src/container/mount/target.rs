//! Places inside a root that others have made: nothing in it can lead outside, not even while it is being changed.
//!
//! Every place is opened from the root's descriptor with `RESOLVE_IN_ROOT`, under which the kernel takes the root for `/`: links
//! and `..` end there. What is then done is done to the open descriptor and not to a path, so that no link can come between.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, mkdirat, openat2, readlinkat, statat};
use rustix::io::Errno;

/// How many links to nothing are followed on the way to a place that is made.
const MOST_LINKS: usize = 40;

/// What a place is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::container) enum Place {
    /// A directory.
    Directory,
    /// A file, if only an empty one that something is mounted on.
    File,
}

/// A root whose contents are not trusted.
#[derive(Debug)]
pub(in crate::container) struct Root(OwnedFd);

impl Root {
    /// Takes an open directory for a root.
    pub(in crate::container) fn new(directory: OwnedFd) -> Root {
        Root(directory)
    }

    /// Opens a directory for a root.
    pub(in crate::container) fn open(path: &Path) -> io::Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Root(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// The root itself.
    pub(in crate::container) fn fd(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd as _;
        self.0.as_fd()
    }

    /// Opens what is at a path, with these flags.
    pub(in crate::container) fn get(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.get_with(path, flags, ResolveFlags::empty())
    }

    /// Opens what is at a path if no link is on the way.
    pub(in crate::container) fn get_plain(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.get_with(path, flags, ResolveFlags::NO_SYMLINKS)
    }

    fn get_with(&self, path: &Path, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
        let path = path.strip_prefix("/").unwrap_or(path);
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let resolve = resolve | ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            match openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                // The kernel couldn't tell whether a `..` stayed inside, since something was being renamed: it is asked again.
                Err(Errno::AGAIN | Errno::INTR) => {}
                opened => return opened,
            }
        }
    }

    /// Opens a place, and makes it where it isn't. A link to nothing is followed, as a write through it would.
    pub(in crate::container) fn make(&self, path: &Path, place: Place) -> Result<OwnedFd, Errno> {
        self.make_within(path, place, MOST_LINKS)
    }

    fn make_within(&self, path: &Path, place: Place, links: usize) -> Result<OwnedFd, Errno> {
        match self.get(path, OFlags::PATH) {
            Err(Errno::NOENT) => {}
            opened => return opened,
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::INVAL) };
        let above = self.make_within(parent, Place::Directory, links)?;
        let made = match place {
            Place::Directory => mkdirat(&above, name, Mode::from_raw_mode(0o755)),
            Place::File => {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::WRONLY;
                rustix::fs::openat(&above, name, flags, Mode::from_raw_mode(0o644)).map(drop)
            }
        };
        match made {
            Ok(()) => self.get(path, OFlags::PATH),
            Err(Errno::EXIST) => {
                let found = statat(&above, name, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(found.st_mode) != FileType::Symlink {
                    return self.get(path, OFlags::PATH);
                }
                let links = links.checked_sub(1).ok_or(Errno::LOOP)?;
                let link = readlinkat(&above, name, Vec::new())?;
                let link = Path::new(std::ffi::OsStr::from_bytes(link.as_bytes()));
                let target = if link.is_absolute() { link.to_owned() } else { parent.join(link) };
                self.make_within(&crate::container::plan::inside(&target), place, links)
            }
            Err(error) => Err(error),
        }
    }

    /// The directory that a file is to be made in, and the file's name there.
    pub(in crate::container) fn make_parent<'a>(
        &self,
        path: &'a Path,
    ) -> Result<(OwnedFd, &'a std::ffi::OsStr), Errno> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::INVAL) };
        Ok((self.make(parent, Place::Directory)?, name))
    }
}

/// The path by which calls that take no descriptor reach what is open.
pub(in crate::container) fn through(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn world() -> (tempfile::TempDir, Root, PathBuf) {
        let world = tempfile::tempdir().unwrap();
        let root = world.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::create_dir(world.path().join("outside")).unwrap();
        let opened = Root::open(&root).unwrap();
        (world, opened, root)
    }

    #[test]
    fn links_stay_inside() {
        let (world, root, path) = world();
        let outside = world.path().join("outside");
        symlink(&outside, path.join("absolute")).unwrap();
        symlink("../outside", path.join("relative")).unwrap();
        symlink("../../../../../../../../..", path.join("up")).unwrap();
        for at in ["/absolute/a", "/relative/b", "/up/c", "/up/../../d"] {
            root.make(Path::new(at), Place::Directory).unwrap();
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        let place = path.join(outside.strip_prefix("/").unwrap());
        assert!(place.join("a").is_dir(), "the link counts from the root");
        assert!(path.join("outside/b").is_dir() && path.join("c").is_dir() && path.join("d").is_dir());
    }

    #[test]
    fn a_link_to_itself_is_an_error() {
        let (_world, root, path) = world();
        symlink("loop", path.join("loop")).unwrap();
        assert_eq!(root.make(Path::new("/loop/a"), Place::File).unwrap_err(), Errno::LOOP);
        symlink("b", path.join("a")).unwrap();
        symlink("c", path.join("b")).unwrap();
        root.make(Path::new("/a"), Place::File).unwrap();
        assert!(path.join("c").is_file());
    }

    #[test]
    fn a_file_is_not_walked_through() {
        let (_world, root, path) = world();
        fs::write(path.join("f"), "").unwrap();
        assert_eq!(root.make(Path::new("/f/a"), Place::File).unwrap_err(), Errno::NOTDIR);
        assert_eq!(root.get_plain(Path::new("/f"), OFlags::PATH).map(drop), Ok(()));
        symlink("f", path.join("g")).unwrap();
        assert_eq!(root.get_plain(Path::new("/g"), OFlags::PATH).map(drop), Err(Errno::LOOP));
    }
}
