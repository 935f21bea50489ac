//! Domain names.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::Error;

/// The longest name, with its labels' lengths and the root.
const LONGEST: usize = 255;
const LONGEST_LABEL: usize = 63;
/// Where a pointer can point to.
const FARTHEST: usize = 0x3fff;

/// An absolute domain name. Equal names may differ in the case of ASCII letters.
#[derive(Clone, Default)]
pub struct Name {
    /// As on the wire, without the root's zero.
    labels: Vec<u8>,
}

impl Name {
    /// The root.
    pub fn root() -> Self {
        Self::default()
    }

    /// The labels, from the left.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        Labels(&self.labels)
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.labels.is_empty()
    }

    /// The name without its first label; the root has none.
    pub fn parent(&self) -> Option<Name> {
        let (len, rest) = self.labels.split_first()?;
        Some(Name { labels: rest.get(usize::from(*len)..)?.to_vec() })
    }

    /// Whether it is `zone` or stands below it.
    pub fn is_within(&self, zone: &Name) -> bool {
        let mut rest = Labels(&self.labels);
        loop {
            if rest.0.eq_ignore_ascii_case(&zone.labels) {
                return true;
            }
            if rest.next().is_none() {
                return false;
            }
        }
    }

    /// Appends a label on the right.
    ///
    /// # Errors
    ///
    /// If the label is empty or longer than 63 bytes, or the name would be longer than 255.
    pub fn push(&mut self, label: &[u8]) -> Result<(), Error> {
        if label.is_empty() || label.len() > LONGEST_LABEL {
            return Err(Error::Name("a label has 1 to 63 bytes"));
        }
        if self.labels.len() + 1 + label.len() + 1 > LONGEST {
            return Err(Error::Name("a name has at most 255 bytes"));
        }
        self.labels.push(label.len() as u8);
        self.labels.extend_from_slice(label);
        Ok(())
    }

    /// Reads a name at an offset of a message; gives the offset behind it.
    pub(super) fn read(message: &[u8], start: usize) -> Result<(Name, usize), Error> {
        let mut name = Name::default();
        let (mut at, mut behind, mut limit) = (start, None, start);
        loop {
            let len = usize::from(*message.get(at).ok_or(Error::Truncated { at: message.len() })?);
            match len >> 6 {
                0 if len == 0 => return Ok((name, behind.unwrap_or(at + 1))),
                0 => {
                    let label = message.get(at + 1..at + 1 + len).ok_or(Error::Truncated { at: message.len() })?;
                    name.push(label)
                        .map_err(|_| Error::Malformed { at: start, what: "the name is longer than 255 bytes" })?;
                    at += 1 + len;
                }
                3 => {
                    let low = *message.get(at + 1).ok_or(Error::Truncated { at: message.len() })?;
                    let target = (len & 0x3f) << 8 | usize::from(low);
                    // Each points in front of everything that was read before: that ends.
                    if target >= limit {
                        return Err(Error::Malformed { at, what: "a pointer does not point backwards" });
                    }
                    behind.get_or_insert(at + 2);
                    (at, limit) = (target, target);
                }
                _ => return Err(Error::Malformed { at, what: "a label of an unknown kind" }),
            }
        }
    }
}

/// What of names stands where in a message that is being written.
#[derive(Default)]
pub(super) struct Written(HashMap<Vec<u8>, u16>);

impl Written {
    /// Appends a name, with a pointer to as much of it as stands there already.
    pub(super) fn write(&mut self, name: &Name, out: &mut Vec<u8>) {
        let mut rest = Labels(&name.labels);
        loop {
            if rest.0.is_empty() {
                out.push(0);
                return;
            }
            let suffix = rest.0.to_ascii_lowercase();
            if let Some(at) = self.0.get(&suffix) {
                out.extend_from_slice(&(0xc000 | at).to_be_bytes());
                return;
            }
            if out.len() <= FARTHEST {
                self.0.insert(suffix, out.len() as u16);
            }
            if let Some(label) = rest.next() {
                out.push(label.len() as u8);
                out.extend_from_slice(label);
            }
        }
    }
}

/// Appends a name without a pointer.
pub(super) fn write_whole(name: &Name, out: &mut Vec<u8>) {
    out.extend_from_slice(&name.labels);
    out.push(0);
}

struct Labels<'a>(&'a [u8]);

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first()?;
        let (label, rest) = rest.split_at_checked(usize::from(*len))?;
        self.0 = rest;
        Some(label)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        // A label's length is no letter.
        self.labels.eq_ignore_ascii_case(&other.labels)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.labels.to_ascii_lowercase().hash(state);
    }
}

impl FromStr for Name {
    type Err = Error;

    /// A name as master files have it, with or without the dot at its end: `\.` and `\\` for the characters, `\007` for
    /// a byte by its decimal number.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut name = Name::default();
        if text == "." {
            return Ok(name);
        }
        let (mut label, mut bytes) = (Vec::new(), text.bytes());
        while let Some(byte) = bytes.next() {
            match byte {
                b'.' => name.push(&std::mem::take(&mut label))?,
                b'\\' => label.push(escaped(&mut bytes)?),
                byte => label.push(byte),
            }
        }
        if !label.is_empty() || text.is_empty() {
            name.push(&label)?;
        }
        Ok(name)
    }
}

fn escaped(bytes: &mut std::str::Bytes<'_>) -> Result<u8, Error> {
    const WRONG: Error = Error::Name("a backslash stands in front of a character or of three digits");
    let first = bytes.next().ok_or(WRONG)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut number = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes.next().filter(u8::is_ascii_digit).ok_or(WRONG)?;
        number = number * 10 + u16::from(digit - b'0');
    }
    u8::try_from(number).map_err(|_| WRONG)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for label in self.labels() {
            for byte in label {
                match byte {
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => write!(f, "\\{}", char::from(*byte))?,
                    0x21..=0x7e => write!(f, "{}", char::from(*byte))?,
                    byte => write!(f, "\\{byte:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
