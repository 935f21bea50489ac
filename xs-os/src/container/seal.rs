//! This program, run from a copy that nobody can change.
//!
//! What a container runs can reach the program that has entered it, by `/proc/self/exe`: an image whose program is that very link
//! would run the runtime inside, and could open it for writing afterwards, from inside, with the host's file at the other
//! end (CVE-2019-5736). So whoever enters a container runs from a sealed file in memory, which has no other end.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

use super::error::{Doing, Error, Result};

const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// Makes sure that this process runs from a sealed copy: begins again from one if it doesn't. To be called first, when nothing has
/// been done yet.
pub fn seal() -> Result<()> {
    let doing = || "run from a sealed copy";
    let mut own = File::open("/proc/self/exe").doing(doing)?;
    if fcntl_get_seals(&own).is_ok_and(|seals| seals.contains(SEALS)) {
        return Ok(());
    }
    let len = needed(&mut own).doing(doing)?;
    let copy = memfd_create("xs-container", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).doing(doing)?;
    let mut at = 0;
    while at < len {
        let chunk = usize::try_from(len - at).unwrap_or(usize::MAX);
        if rustix::fs::sendfile(&copy, &own, Some(&mut at), chunk).doing(doing)? == 0 {
            return Err(Error::Inside("the program is shorter than it says".into()));
        }
    }
    fcntl_add_seals(&copy, SEALS).doing(doing)?;
    let text = |text: &std::ffi::OsStr| CString::new(text.as_bytes()).map_err(io::Error::from).doing(doing);
    let args = std::env::args_os().map(|arg| text(&arg)).collect::<Result<Vec<_>>>()?;
    let env = std::env::vars_os().map(|(name, value)| {
        let mut entry = name;
        entry.push("=");
        entry.push(value);
        text(&entry)
    });
    let env = env.collect::<Result<Vec<_>>>()?;
    let Err(error) = nix::unistd::fexecve(copy, &args, &env);
    Err::<(), _>(error).doing(doing)
}

/// How much of the program's file is ever looked at: up to the end of its last segment. What follows is for debuggers.
fn needed(file: &mut File) -> io::Result<u64> {
    let whole = file.metadata()?.len();
    let mut head = vec![0; 4096];
    let len = file.read(&mut head)?;
    head.truncate(len);
    Ok(segments_end(&head).filter(|end| *end <= whole).unwrap_or(whole))
}

/// The end of the last segment by the head of an ELF file of 64 bits; none if it can't be told from that.
fn segments_end(head: &[u8]) -> Option<u64> {
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let short = |at: usize| head.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes);
    let long = |at: usize| head.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes);
    let (table, size, count) =
        (usize::try_from(long(0x20)?).ok()?, usize::from(short(0x36)?), usize::from(short(0x38)?));
    let mut end = table.checked_add(size.checked_mul(count)?)? as u64;
    for at in 0..count {
        let entry = table.checked_add(at.checked_mul(size)?)?;
        end = end.max(long(entry.checked_add(8)?)?.checked_add(long(entry.checked_add(32)?)?)?);
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_run_is_copied() {
        let mut own = File::open("/proc/self/exe").unwrap();
        let whole = own.metadata().unwrap().len();
        let needed = needed(&mut own).unwrap();
        assert!(needed > 4096 && needed < whole, "{needed} of {whole}");
        assert_eq!(segments_end(b"#!/bin/sh"), None);
        assert_eq!(segments_end(b"\x7fELF\x02\x01\x01"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_head_is_read(mut head: Vec<u8>) {
            head.splice(..0, *b"\x7fELF\x02\x01");
            segments_end(&head);
        }
    }
}
