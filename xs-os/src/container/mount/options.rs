//! The options of a mount: words that are flags of the mount, words that are for the file system, and the runtime's own.

/// Flags of a mount, by the kernel's numbers for `mount(2)`.
pub(in crate::container) mod flag {
    #![allow(unreachable_pub)]
    pub const RDONLY: u64 = 1;
    pub const NOSUID: u64 = 1 << 1;
    pub const NODEV: u64 = 1 << 2;
    pub const NOEXEC: u64 = 1 << 3;
    pub const SYNCHRONOUS: u64 = 1 << 4;
    pub const REMOUNT: u64 = 1 << 5;
    pub const MANDLOCK: u64 = 1 << 6;
    pub const DIRSYNC: u64 = 1 << 7;
    pub const NOSYMFOLLOW: u64 = 1 << 8;
    pub const NOATIME: u64 = 1 << 10;
    pub const NODIRATIME: u64 = 1 << 11;
    pub const BIND: u64 = 1 << 12;
    pub const REC: u64 = 1 << 14;
    pub const SILENT: u64 = 1 << 15;
    pub const UNBINDABLE: u64 = 1 << 17;
    pub const PRIVATE: u64 = 1 << 18;
    pub const SLAVE: u64 = 1 << 19;
    pub const SHARED: u64 = 1 << 20;
    pub const RELATIME: u64 = 1 << 21;
    pub const I_VERSION: u64 = 1 << 23;
    pub const STRICTATIME: u64 = 1 << 24;
    pub const LAZYTIME: u64 = 1 << 25;
}

use flag::*;

/// What the options of one mount say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountOptions {
    /// Flags of the mount.
    pub flags: u64,
    /// Flags that were named to be off: what is bound keeps the others that it has.
    pub off: u64,
    /// Flags that hold for what is mounted under it too, on and off.
    pub whole: (u64, u64),
    /// How mounts under it are shared with others, step by step.
    pub propagation: Vec<u64>,
    /// What the file system itself is told, separated by commas.
    pub data: String,
    /// What the image has at this place is copied into the new file system.
    pub copy_up: bool,
}

/// What a word does.
enum Word {
    Set(u64),
    Clear(u64),
    Whole(u64),
    WholeClear(u64),
    Propagation(u64),
    CopyUp,
}

/// Every option that is not the file system's own, and what it does.
const WORDS: &[(&str, Word)] = &[
    ("acl", Word::Set(0)),
    ("async", Word::Clear(SYNCHRONOUS)),
    ("atime", Word::Clear(NOATIME)),
    ("bind", Word::Set(BIND)),
    ("defaults", Word::Set(0)),
    ("dev", Word::Clear(NODEV)),
    ("diratime", Word::Clear(NODIRATIME)),
    ("dirsync", Word::Set(DIRSYNC)),
    ("exec", Word::Clear(NOEXEC)),
    ("iversion", Word::Set(I_VERSION)),
    ("lazytime", Word::Set(LAZYTIME)),
    ("loud", Word::Clear(SILENT)),
    ("mand", Word::Set(MANDLOCK)),
    ("noatime", Word::Set(NOATIME)),
    ("nodev", Word::Set(NODEV)),
    ("nodiratime", Word::Set(NODIRATIME)),
    ("noexec", Word::Set(NOEXEC)),
    ("noiversion", Word::Clear(I_VERSION)),
    ("nolazytime", Word::Clear(LAZYTIME)),
    ("nomand", Word::Clear(MANDLOCK)),
    ("norelatime", Word::Clear(RELATIME)),
    ("nostrictatime", Word::Clear(STRICTATIME)),
    ("nosuid", Word::Set(NOSUID)),
    ("nosymfollow", Word::Set(NOSYMFOLLOW)),
    ("private", Word::Propagation(PRIVATE)),
    ("ratime", Word::WholeClear(NOATIME)),
    ("rbind", Word::Set(BIND | REC)),
    ("rdev", Word::WholeClear(NODEV)),
    ("rdiratime", Word::WholeClear(NODIRATIME)),
    ("relatime", Word::Set(RELATIME)),
    ("remount", Word::Set(REMOUNT)),
    ("rexec", Word::WholeClear(NOEXEC)),
    ("rnoatime", Word::Whole(NOATIME)),
    ("rnodev", Word::Whole(NODEV)),
    ("rnodiratime", Word::Whole(NODIRATIME)),
    ("rnoexec", Word::Whole(NOEXEC)),
    ("rnorelatime", Word::WholeClear(RELATIME)),
    ("rnostrictatime", Word::WholeClear(STRICTATIME)),
    ("rnosuid", Word::Whole(NOSUID)),
    ("rnosymfollow", Word::Whole(NOSYMFOLLOW)),
    ("ro", Word::Set(RDONLY)),
    ("rprivate", Word::Propagation(PRIVATE | REC)),
    ("rrelatime", Word::Whole(RELATIME)),
    ("rro", Word::Whole(RDONLY)),
    ("rrw", Word::WholeClear(RDONLY)),
    ("rshared", Word::Propagation(SHARED | REC)),
    ("rslave", Word::Propagation(SLAVE | REC)),
    ("rstrictatime", Word::Whole(STRICTATIME)),
    ("rsuid", Word::WholeClear(NOSUID)),
    ("rsymfollow", Word::WholeClear(NOSYMFOLLOW)),
    ("runbindable", Word::Propagation(UNBINDABLE | REC)),
    ("rw", Word::Clear(RDONLY)),
    ("shared", Word::Propagation(SHARED)),
    ("silent", Word::Set(SILENT)),
    ("slave", Word::Propagation(SLAVE)),
    ("strictatime", Word::Set(STRICTATIME)),
    ("suid", Word::Clear(NOSUID)),
    ("symfollow", Word::Clear(NOSYMFOLLOW)),
    ("sync", Word::Set(SYNCHRONOUS)),
    ("tmpcopyup", Word::CopyUp),
    ("unbindable", Word::Propagation(UNBINDABLE)),
];

/// Options that other runtimes know, and that this one has no way to carry out.
const REFUSED: &[&str] = &["idmap", "ridmap"];

/// The options that [`parse_mount_options`] knows, for what tells them to others.
pub fn mount_options() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(name, _)| *name)
}

/// Reads the options of one mount. Answers the word that can't be carried out, if there is one.
pub fn parse_mount_options<'a>(options: impl IntoIterator<Item = &'a str>) -> Result<MountOptions, String> {
    let mut parsed = MountOptions::default();
    for option in options {
        if REFUSED.contains(&option) {
            return Err(option.to_owned());
        }
        match WORDS.iter().find(|(name, _)| *name == option).map(|(_, word)| word) {
            Some(Word::Set(bits)) => set(&mut parsed.flags, &mut parsed.off, *bits),
            Some(Word::Clear(bits)) => set(&mut parsed.off, &mut parsed.flags, *bits),
            Some(Word::Whole(bits)) => set(&mut parsed.whole.0, &mut parsed.whole.1, *bits),
            Some(Word::WholeClear(bits)) => set(&mut parsed.whole.1, &mut parsed.whole.0, *bits),
            Some(Word::Propagation(bits)) => parsed.propagation.push(*bits),
            Some(Word::CopyUp) => parsed.copy_up = true,
            None if option.is_empty() => {}
            None => {
                if !parsed.data.is_empty() {
                    parsed.data.push(',');
                }
                parsed.data.push_str(option);
            }
        }
    }
    Ok(parsed)
}

/// The later word holds.
fn set(on: &mut u64, off: &mut u64, bits: u64) {
    *on |= bits;
    *off &= !bits;
}

/// Flags as `mount_setattr(2)` numbers them: what is set, and what is cleared before.
pub fn attributes(on: u64, off: u64) -> (u64, u64) {
    let one = |bits: u64| {
        [(RDONLY, 1), (NOSUID, 2), (NODEV, 4), (NOEXEC, 8), (NODIRATIME, 0x80), (NOSYMFOLLOW, 0x20_0000)]
            .iter()
            .filter(|(flag, _)| bits & flag != 0)
            .fold(0, |all, (_, attribute)| all | attribute)
    };
    let (mut set, mut clear) = (one(on), one(off));
    // When files were last read is one of three ways, and the place of all three is cleared together.
    const WAYS: u64 = 0x70;
    let way = [(NOATIME, 0x10), (STRICTATIME, 0x20), (RELATIME, 0)].iter().find(|(flag, _)| on & flag != 0);
    if let Some((_, attribute)) = way {
        set |= attribute;
        clear |= WAYS;
    } else if off & (NOATIME | STRICTATIME) != 0 {
        clear |= WAYS;
    }
    (set, clear)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_data_are_told_apart() {
        let parsed = parse_mount_options(["nosuid", "strictatime", "mode=755", "size=65536k"]).unwrap();
        assert_eq!(parsed.flags, NOSUID | STRICTATIME);
        assert_eq!(parsed.data, "mode=755,size=65536k");
    }

    #[test]
    fn the_last_word_holds() {
        assert_eq!(parse_mount_options(["ro", "rw"]).unwrap().flags, 0);
        assert_eq!(parse_mount_options(["suid", "nosuid"]).unwrap().flags, NOSUID);
        assert_eq!(parse_mount_options(["ro", "rw"]).unwrap().off, RDONLY);
        assert_eq!(parse_mount_options(["rro", "rrw", "rnodev"]).unwrap().whole, (NODEV, RDONLY));
    }

    #[test]
    fn a_time_of_reading_replaces_the_others() {
        assert_eq!(attributes(RDONLY | NOATIME, NOSUID), (0x11, 0x72));
        assert_eq!(attributes(RELATIME, 0), (0, 0x70));
        assert_eq!(attributes(0, 0), (0, 0));
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        assert_eq!(parse_mount_options(["ro", "idmap"]).unwrap_err(), "idmap");
    }

    #[test]
    fn every_word_stands_once_and_in_order() {
        assert!(WORDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
