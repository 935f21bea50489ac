//! What an image has at a place, copied into the file system that is mounted over it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, chmodat, chownat, fchmod, fchown, mkdirat,
    mknodat, openat, readlinkat, statat, symlinkat, utimensat,
};

/// How deep directories may be nested.
const MOST_DEPTH: usize = 256;

/// Copies what is in one directory into another, owners, permissions and times with it; the directory's own as well.
pub(super) fn directory(from: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
    let stat = rustix::fs::fstat(from)?;
    inner(from.as_fd(), to.as_fd(), 0)?;
    fchown(to, Some(owner(&stat)), Some(group(&stat)))?;
    fchmod(to, mode(&stat))?;
    Ok(())
}

fn owner(stat: &Stat) -> rustix::fs::Uid {
    rustix::fs::Uid::from_raw(stat.st_uid)
}

fn group(stat: &Stat) -> rustix::fs::Gid {
    rustix::fs::Gid::from_raw(stat.st_gid)
}

fn mode(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode & 0o7777)
}

fn inner(from: std::os::fd::BorrowedFd<'_>, to: std::os::fd::BorrowedFd<'_>, depth: usize) -> io::Result<()> {
    if depth > MOST_DEPTH {
        return Err(io::Error::other("directories are nested too deep"));
    }
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let typ = FileType::from_raw_mode(stat.st_mode);
        match typ {
            FileType::Directory => {
                mkdirat(to, name, Mode::from_raw_mode(0o700))?;
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let (inside, copy) =
                    (openat(from, name, flags, Mode::empty())?, openat(to, name, flags, Mode::empty())?);
                inner(inside.as_fd(), copy.as_fd(), depth + 1)?;
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut read = File::from(openat(from, name, flags, Mode::empty())?);
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let mut written = File::from(openat(to, name, flags, Mode::from_raw_mode(0o600))?);
                io::copy(&mut read, &mut written)?;
            }
            FileType::Symlink => {
                symlinkat(readlinkat(from, name, Vec::new())?, to, name)?;
            }
            typ => mknodat(to, name, typ, Mode::from_raw_mode(0o600), stat.st_rdev)?,
        }
        chownat(to, name, Some(owner(&stat)), Some(group(&stat)), AtFlags::SYMLINK_NOFOLLOW)?;
        if typ != FileType::Symlink {
            chmodat(to, name, mode(&stat), AtFlags::empty())?;
        }
        let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)] // the widths differ between platforms
        let times = Timestamps {
            last_access: time(stat.st_atime as i64, stat.st_atime_nsec as i64),
            last_modification: time(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        };
        utimensat(to, name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}
