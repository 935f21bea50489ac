//! Logs: one file a unit, with times, that becomes an old one when it is long.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::clock::Utc;

/// A line of a service is no longer than this; what is longer becomes several.
const LONGEST_LINE: usize = 48 << 10;

/// A unit's log.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: Option<File>,
    size: u64,
    max: u64,
    keep: u32,
    /// What a service has written without ending the line.
    partial: Vec<u8>,
}

/// A moment as lines begin: `2026-11-23T08:15:30.123Z`.
pub(super) fn stamp(time: SystemTime) -> String {
    let Utc { year, month, day, hour, minute, second, nanos } = Utc::from(time);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", nanos / 1_000_000)
}

/// Where the log of a unit is.
pub(super) fn path_of(dir: &Path, unit: &str) -> PathBuf {
    dir.join(format!("{unit}.log"))
}

impl Log {
    pub(super) fn new(path: PathBuf, max: u64, keep: u32) -> Log {
        Log { path, file: None, size: 0, max, keep, partial: Vec::new() }
    }

    pub(super) fn set_limits(&mut self, max: u64, keep: u32) {
        (self.max, self.keep) = (max, keep);
    }

    /// Writes a line.
    pub(super) fn line(&mut self, now: SystemTime, from: &str, text: &str) -> io::Result<()> {
        let line = format!("{} {from}: {text}\n", stamp(now));
        let len = line.len() as u64;
        if self.file.is_none() {
            let file = OpenOptions::new().append(true).create(true).open(&self.path)?;
            self.size = file.metadata()?.len();
            self.file = Some(file);
        }
        if self.size > 0 && self.size.saturating_add(len) > self.max {
            self.rotate()?;
        }
        if let Some(file) = &mut self.file {
            file.write_all(line.as_bytes())?;
            self.size = self.size.saturating_add(len);
        }
        Ok(())
    }

    /// Takes what a service has written, and writes the lines that are whole.
    pub(super) fn take(&mut self, now: SystemTime, from: &str, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, more) = rest.split_at(end);
            rest = more.get(1..).unwrap_or_default();
            self.push(now, from, line)?;
            self.flush(now, from, true)?;
        }
        self.push(now, from, rest)
    }

    fn push(&mut self, now: SystemTime, from: &str, mut bytes: &[u8]) -> io::Result<()> {
        while self.partial.len() + bytes.len() > LONGEST_LINE {
            let (now_part, later) = bytes.split_at((LONGEST_LINE - self.partial.len()).min(bytes.len()));
            self.partial.extend_from_slice(now_part);
            self.flush(now, from, true)?;
            bytes = later;
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what is there of a line, if anything or if an empty line counts.
    pub(super) fn flush(&mut self, now: SystemTime, from: &str, even_empty: bool) -> io::Result<()> {
        if self.partial.is_empty() && !even_empty {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.partial);
        let text = String::from_utf8_lossy(&bytes);
        self.line(now, from, text.trim_end_matches('\r'))
    }

    /// The file becomes `.1`, what was that `.2`; the oldest goes.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        let old = |n: u32| old(&self.path, n);
        if self.keep == 0 {
            fs::remove_file(&self.path)?;
        } else {
            for n in (1..self.keep).rev() {
                match fs::rename(old(n), old(n + 1)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            fs::rename(&self.path, old(1))?;
        }
        self.file = Some(OpenOptions::new().append(true).create(true).open(&self.path)?);
        self.size = 0;
        Ok(())
    }
}

/// The log that became an old one so many times ago; the present one by 0.
fn old(path: &Path, n: u32) -> PathBuf {
    if n == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

/// The last lines of a log, those of old ones before them where it is short.
///
/// # Errors
///
/// Of reading it; that there is none is no lines.
pub fn tail(path: &Path, lines: usize) -> io::Result<Vec<String>> {
    let mut all: Vec<String> = Vec::new();
    for n in 0..MOST_OLD {
        let missing = lines.saturating_sub(all.len());
        if missing == 0 {
            break;
        }
        let file = match File::open(old(path, n)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            other => other?,
        };
        let mut before = tail_of(file, missing)?;
        before.append(&mut all);
        all = before;
    }
    Ok(all)
}

/// More old logs than this are kept by nobody.
const MOST_OLD: u32 = 1001;

fn tail_of(mut file: File, lines: usize) -> io::Result<Vec<String>> {
    // Far enough back for that many lines of a usual length, and at most so far.
    let room = (lines as u64).saturating_mul(512).clamp(64 << 10, 64 << 20);
    let from = file.metadata()?.len().saturating_sub(room);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(room).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // What the first line began with may lie before.
    let all: Vec<&str> = text.lines().skip(usize::from(from > 0)).collect();
    Ok(all.iter().skip(all.len().saturating_sub(lines)).map(|line| (*line).to_owned()).collect())
}

/// Reads a log as it grows, over its rotations; of those that come faster than it is asked, as far as the old logs are kept.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    file: Option<File>,
}

impl Follow {
    /// From the present end on.
    pub fn new(path: &Path) -> Follow {
        let mut file = File::open(path).ok();
        if let Some(open) = &mut file {
            let _ = open.seek(SeekFrom::End(0));
        }
        Follow { path: path.to_owned(), file }
    }

    /// What has come since.
    ///
    /// # Errors
    ///
    /// Of reading it.
    pub fn more(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if let Some(file) = &mut self.file {
            file.take(1 << 20).read_to_end(&mut bytes)?;
        }
        if bytes.is_empty()
            && let Some(mut next) = self.next()?
        {
            // The old file was read to its end, and nobody writes there any more: the one after it begins.
            (&mut next).take(1 << 20).read_to_end(&mut bytes)?;
            self.file = Some(next);
        }
        Ok(bytes)
    }

    /// The file that came after the one that is being read, if that is an old one by now.
    fn next(&self) -> io::Result<Option<File>> {
        let Some(file) = &self.file else { return Ok(File::open(&self.path).ok()) };
        let own = file.metadata()?.ino();
        let is_own = |n: u32| fs::metadata(old(&self.path, n)).map(|meta| meta.ino() == own);
        let mut n = 0;
        loop {
            match is_own(n) {
                Ok(true) => break,
                Ok(false) if n < MOST_OLD => n += 1,
                // It is not kept any more: what there is of the others, from the oldest on.
                _ => break,
            }
        }
        Ok(n.checked_sub(1).and_then(|after| File::open(old(&self.path, after)).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_long_log_becomes_an_old_one() {
        let home = tempfile::tempdir().unwrap();
        let path = path_of(home.path(), "a.service");
        let mut log = Log::new(path.clone(), 200, 2);
        let now = UNIX_EPOCH + Duration::from_millis(1_500);
        let mut follow = Follow::new(&path);
        let mut followed = Vec::new();
        for n in 0..20 {
            log.line(now, "a", &format!("line {n}")).unwrap();
            // Every now and then: more than one file may have passed.
            if n % 7 == 0 {
                followed.extend(follow.more().unwrap());
            }
        }
        for _ in 0..3 {
            followed.extend(follow.more().unwrap());
        }
        let names: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        for name in names {
            assert!(fs::metadata(home.path().join(name)).unwrap().len() <= 200);
        }
        assert_eq!(tail(&path, 9).unwrap().len(), 9, "old logs have more");
        assert_eq!(tail(&path, 1).unwrap(), ["1970-01-01T00:00:01.500Z a: line 19"]);
        assert_eq!(String::from_utf8(followed).unwrap().lines().count(), 20, "nothing is lost over rotations");
        assert_eq!(tail(&home.path().join("none"), 9).unwrap(), Vec::<String>::new());
        // Another life goes on with the same file.
        let size = fs::metadata(&path).unwrap().len();
        Log::new(path.clone(), 1000, 2).line(now, "a", "again").unwrap();
        assert!(fs::metadata(&path).unwrap().len() > size);
    }

    #[test]
    fn lines_are_put_together_and_cut() {
        let home = tempfile::tempdir().unwrap();
        let path = path_of(home.path(), "a.service");
        let mut log = Log::new(path.clone(), u64::MAX, 2);
        log.take(UNIX_EPOCH, "a", b"one\ntw").unwrap();
        log.take(UNIX_EPOCH, "a", b"o\r\n\n\xffthree").unwrap();
        log.flush(UNIX_EPOCH, "a", false).unwrap();
        log.flush(UNIX_EPOCH, "a", false).unwrap();
        let lines = tail(&path, 9).unwrap();
        let lines: Vec<&str> = lines.iter().map(|line| line.split_once(" a: ").unwrap().1).collect();
        assert_eq!(lines, ["one", "two", "", "\u{fffd}three"]);
        log.take(UNIX_EPOCH, "a", &[b'x'; 3 * LONGEST_LINE]).unwrap();
        assert!(log.partial.len() <= LONGEST_LINE);
    }
}
