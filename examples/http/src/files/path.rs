//! From a URL's path to a path below the root: pure, and strict.

use std::path::PathBuf;

use crate::router::tree::decode_bytes;

/// A path that leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is no path: a `%` without digits, or a NUL.
    Malformed,
    /// It is one that is never served; whether there is something is nobody's business.
    Hidden,
}

/// Where a request leads to, below the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Without a leading slash; `.` for the root itself.
    pub(super) path: PathBuf,
    /// It ends with a slash, and so means a directory.
    pub(super) is_dir: bool,
}

/// Cuts the path at its slashes, and then decodes each name, once. A name that could mean anything but itself is refused:
/// `.`, `..`, an empty one, one with a separator in it, and where `hidden` is not set, one that begins with a dot (but for
/// `.well-known`, RFC 8615).
pub(super) fn place(path: &str, hidden: bool) -> Result<Place, Refused> {
    let mut names = path.strip_prefix('/').ok_or(Refused::Malformed)?;
    let is_dir = names.is_empty() || names.ends_with('/');
    names = names.strip_suffix('/').unwrap_or(names);
    let mut place = PathBuf::new();
    for name in names.split('/').filter(|_| path != "/") {
        let name = decode_bytes(name).map_err(|_| Refused::Malformed)?;
        if name.contains(&0) {
            return Err(Refused::Malformed);
        }
        let may_be_hidden = hidden || *name == *b".well-known";
        let is_special = name.is_empty() || *name == *b"." || *name == *b"..";
        let separates = |byte: &u8| *byte == b'/' || (cfg!(windows) && matches!(byte, b'\\' | b':'));
        if is_special || name.iter().any(separates) || (name[0] == b'.' && !may_be_hidden) {
            return Err(Refused::Hidden);
        }
        place.push(os_name(&name).ok_or(Refused::Hidden)?);
    }
    if place.as_os_str().is_empty() {
        place.push(".");
    }
    Ok(Place { path: place, is_dir })
}

#[cfg(unix)]
fn os_name(name: &[u8]) -> Option<&std::ffi::OsStr> {
    Some(std::os::unix::ffi::OsStrExt::from_bytes(name))
}

#[cfg(not(unix))]
fn os_name(name: &[u8]) -> Option<&std::ffi::OsStr> {
    std::str::from_utf8(name).ok().map(std::ffi::OsStr::new)
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_decoded_once() {
        let served = |path: &str| place(path, false).map(|place| (place.path, place.is_dir));
        for (path, file, is_dir) in [
            ("/", ".", true),
            ("/a", "a", false),
            ("/a/", "a", true),
            ("/a%20b/c%2e%2E.txt", "a b/c...txt", false),
            ("/%2541", "%41", false),
            ("/.well-known/acme", ".well-known/acme", false),
            ("/a..b/c", "a..b/c", false),
        ] {
            assert_eq!(served(path), Ok((file.into(), is_dir)), "{path}");
        }
        for path in [
            "/..",
            "/../a",
            "/a/../b",
            "/%2e%2e/a",
            "/.%2E",
            "/a%2fb",
            "/.git",
            "/a/.env",
            "//",
            "//a",
            "/a//b",
            "/.",
            "/./",
        ] {
            assert_eq!(served(path), Err(Refused::Hidden), "{path}");
        }
        for path in ["", "a", "*", "/%", "/%0", "/%0g", "/a%00", "/a/%"] {
            assert_eq!(served(path), Err(Refused::Malformed), "{path}");
        }
        assert!(place("/.git/config", true).is_ok());
        assert!(place("/.git/../a", true).is_err());
    }

    proptest! {
        #[test]
        fn nothing_leads_up_or_elsewhere(path in "/([./a]|%2e|%2f|%5c|%00|\\\\|:|%25|%){0,12}", hidden: bool) {
            if let Ok(place) = place(&path, hidden) {
                let mut components = place.path.components();
                let fine = place.path.as_os_str() == "." || components.all(|part| matches!(part, Component::Normal(_)));
                prop_assert!(fine && place.path.is_relative(), "{path}: {place:?}");
            }
        }
    }
}
