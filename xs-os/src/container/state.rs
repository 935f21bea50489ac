//! What is known of a container between calls: a directory of its own, with what was decided when it was made.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use super::error::{Doing, Error, Result};

/// The version of the specification that is carried out.
pub const OCI_VERSION: &str = "1.0.2";

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is being made.
    Creating,
    /// It is there, and its program hasn't begun.
    Created,
    /// Its program runs.
    Running,
    /// Its program is held.
    Paused,
    /// Its program has ended.
    Stopped,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        })
    }
}

/// What is kept of a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// How it is called.
    pub id: String,
    /// Its first process, as the host numbers it.
    pub pid: i32,
    /// When that began, in the kernel's ticks: a number that comes round again is another process.
    pub started: u64,
    /// Where its configuration was.
    pub bundle: PathBuf,
    /// Its root.
    pub rootfs: PathBuf,
    /// When it was made.
    pub created: String,
    /// Whose it is.
    pub owner: u32,
    /// Its control groups' directories, by controller; the unified hierarchy has the empty name.
    pub cgroups: BTreeMap<String, PathBuf>,
    /// Its namespaces, by the kernel's numbers for `clone(2)`.
    pub namespaces: u64,
    /// What it was made from.
    pub config: Spec,
}

/// What a hook is told, and `state` answers.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The version of the specification.
    pub oci_version: String,
    /// How the container is called.
    pub id: String,
    /// Its first process; 0 when there is none.
    pub pid: i32,
    /// What it is doing.
    pub status: Status,
    /// Where its configuration was.
    pub bundle: PathBuf,
    /// Its root.
    pub rootfs: PathBuf,
    /// When it was made.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created: String,
    /// What its configuration says of it to others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Whose it is.
    pub owner: String,
}

impl Record {
    /// What the outside is told.
    pub fn state(&self, status: Status) -> State {
        State {
            oci_version: self.config.version().clone(),
            id: self.id.clone(),
            pid: if status == Status::Stopped { 0 } else { self.pid },
            status,
            bundle: self.bundle.clone(),
            rootfs: self.rootfs.clone(),
            created: self.created.clone(),
            annotations: self.config.annotations().clone().unwrap_or_default().into_iter().collect(),
            owner: String::new(),
        }
    }
}

/// Refuses a name that is none for a directory.
pub(super) fn check_id(id: &str) -> Result<()> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    if id.is_empty() || id.len() > 1024 || id == "." || id == ".." || !id.bytes().all(letter) {
        return Err(Error::config("id", format!("invalid container ID: {id:?}")));
    }
    Ok(())
}

/// One container's directory.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    // Held as long as this lives: whoever else opens the directory waits.
    lock: OwnedFd,
}

impl Directory {
    /// Makes a container's directory; refuses if there is one.
    pub(super) fn create(root: &Path, id: &str) -> Result<Directory> {
        check_id(id)?;
        make_root(root)?;
        let path = root.join(id);
        use std::os::unix::fs::DirBuilderExt as _;
        match fs::DirBuilder::new().mode(0o711).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(Error::Exists),
            made => made.doing(|| format!("mkdir {}", path.display()))?,
        }
        Directory::lock(path)
    }

    /// Opens a container's directory, and waits until nobody else has it.
    pub(super) fn open(root: &Path, id: &str) -> Result<Directory> {
        check_id(id)?;
        let path = root.join(id);
        let directory = Directory::lock(path)?;
        // Whoever had it may have taken it away meanwhile.
        if !directory.path.is_dir() {
            return Err(Error::NotFound);
        }
        Ok(directory)
    }

    fn lock(path: PathBuf) -> Result<Directory> {
        use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
        let opened = open(&path, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY, Mode::empty());
        let lock = match opened {
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Err(Error::NotFound),
            opened => opened.doing(|| format!("open {}", path.display()))?,
        };
        flock(&lock, FlockOperation::LockExclusive).doing(|| format!("lock {}", path.display()))?;
        Ok(Directory { path, lock })
    }

    /// The lock: whoever has a copy of it open has the directory.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }

    /// A file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Keeps what is known: whoever reads it finds the old or the new, never half.
    pub(super) fn save(&self, record: &Record) -> Result<()> {
        let bytes = serde_json::to_vec(record).map_err(io::Error::from).doing(|| "write the state")?;
        write_whole(&self.file("state.json"), &bytes)
    }

    /// What is known. A directory without it belongs to a creation that was killed.
    pub(super) fn load(&self) -> Result<Record> {
        read_record(&self.path)
    }

    /// Takes it away.
    pub(super) fn remove(self) -> Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.doing(|| format!("remove {}", self.path.display())),
        }
    }
}

/// What is known of a container, without waiting for whoever works on it.
pub(super) fn read(root: &Path, id: &str) -> Result<Record> {
    check_id(id)?;
    read_record(&root.join(id))
}

fn read_record(directory: &Path) -> Result<Record> {
    let file = directory.join("state.json");
    match fs::read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NotFound),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(Error::NotFound),
        bytes => super::spec::json(&bytes.doing(|| format!("read {}", file.display()))?),
    }
}

/// The names of all containers, in order.
pub(super) fn ids(root: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.doing(|| format!("read {}", root.display()))?,
    };
    let mut ids: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("state.json").exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    ids.sort();
    Ok(ids)
}

fn make_root(root: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(root).doing(|| format!("mkdir {}", root.display()))
}

/// Writes a file under another name, and gives it its own when it is whole.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let doing = || format!("write {}", path.display());
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    let draft = path.with_file_name(name);
    let written =
        File::create(&draft).and_then(|mut file| file.write_all(bytes)).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written.doing(doing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        for id in ["", ".", "..", "a/b", "../a", "a\0b", "ä", &"x".repeat(2000)] {
            assert!(check_id(id).is_err(), "{id:?}");
        }
        assert!(check_id("libpod-1_2.a+b").is_ok());
    }

    #[test]
    fn who_is_second_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let first = Directory::create(root.path(), "a").unwrap();
        assert!(matches!(Directory::create(root.path(), "a"), Err(Error::Exists)));
        assert!(matches!(Directory::open(root.path(), "b"), Err(Error::NotFound)));
        assert!(matches!(first.load(), Err(Error::NotFound)));
        assert!(ids(root.path()).unwrap().is_empty());
        first.remove().unwrap();
        assert!(matches!(Directory::open(root.path(), "a"), Err(Error::NotFound)));
    }
}
