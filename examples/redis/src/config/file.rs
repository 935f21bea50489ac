//! Reading redis.conf: lines of words, quoted where they need to be.

use std::fmt;
use std::path::Path;

use super::{Config, UserLine, reason, table};
use crate::acl::Acl;

/// Why a configuration is refused. Its text is what redis-server prints before it gives up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LoadError {
    /// A file that cannot be read.
    Unreadable { path: String, why: String },
    /// A line that means nothing.
    Line { number: usize, text: String, why: String },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Unreadable { path, why } => write!(f, "Fatal error, can't open config file '{path}': {why}"),
            LoadError::Line { number, text, why } => write!(
                f,
                "\n*** FATAL CONFIG FILE ERROR (Redis {}) ***\nReading the configuration file, at line {number}\n>>> '{text}'\n{why}",
                crate::VERSION
            ),
        }
    }
}

impl std::error::Error for LoadError {}

/// Files that include each other for ever are stopped here.
const DEEPEST_INCLUDE: usize = 16;

impl Config {
    /// Reads the text of a configuration file, what was written before it still standing.
    pub(crate) fn load(&mut self, text: &str) -> Result<(), LoadError> {
        self.load_nested(text, &mut Reading::default())
    }

    fn load_nested(&mut self, text: &str, reading: &mut Reading) -> Result<(), LoadError> {
        for (at, line) in text.split('\n').enumerate() {
            let line = line.trim_matches([' ', '\t', '\r', '\n']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |why: String| LoadError::Line { number: at + 1, text: line.to_owned(), why };
            let words =
                split(line.as_bytes()).ok_or_else(|| wrong("Unbalanced quotes in configuration line".to_owned()))?;
            let Some((name, args)) = words.split_first() else { continue };
            match self.line(name, args, reading) {
                Ok(Line::Done) => {}
                Ok(Line::Include(pattern)) => self.include(&pattern, reading)?,
                Ok(Line::User) => {
                    check_user(args).map_err(wrong)?;
                    self.users.push(UserLine { words: args.to_vec() });
                }
                Err(why) => return Err(wrong(why)),
            }
        }
        Ok(())
    }

    fn line(&mut self, name: &[u8], args: &[Vec<u8>], reading: &mut Reading) -> Result<Line, String> {
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let Some((index, directive)) = table::find(name) else { return self.special(name, &args) };
        if !directive.takes_words() {
            if args.len() != 1 {
                return Err("wrong number of arguments".to_owned());
            }
            self.put(index, directive, &args)?;
            return Ok(Line::Done);
        }
        // One argument may hold all the words: `--save "900 1"`.
        let apart = match args.as_slice() {
            [one] if !one.is_empty() => split(one).unwrap_or_default(),
            _ => Vec::new(),
        };
        let mut words: Vec<&[u8]> = match apart.is_empty() {
            true => args,
            false => apart.iter().map(Vec::as_slice).collect(),
        };
        if directive.name == "save" {
            // Save points add up within one reading; an empty one forgets those before it.
            if matches!(words.as_slice(), [b""]) {
                reading.save_points.clear();
            } else {
                reading.save_points.extend(words.iter().map(|word| word.to_vec()));
                words = reading.save_points.iter().map(Vec::as_slice).collect();
            }
        }
        self.put(index, directive, &words)?;
        Ok(Line::Done)
    }

    pub(super) fn special(&mut self, name: &[u8], args: &[&[u8]]) -> Result<Line, String> {
        match (name.to_ascii_lowercase().as_slice(), args) {
            // They meant something once.
            (b"list-max-ziplist-entries" | b"list-max-ziplist-value" | b"lua-replicate-commands", [_]) => {}
            (b"include", [pattern]) => return Ok(Line::Include(String::from_utf8_lossy(pattern).into_owned())),
            (b"user", [_, ..]) => return Ok(Line::User),
            (b"rename-command", [command, new]) => {
                self.names.rename(crate::table::Table::get(), command, new)?;
            }
            (b"loadmodule", [_, ..]) => self.unsupported.push("loadmodule"),
            (b"sentinel", _) => return Err("sentinel directive while not in sentinel mode".to_owned()),
            (name, []) if name.contains(&b'.') => return Err("Module config specified without value".to_owned()),
            (name, _) if name.contains(&b'.') => self.unsupported.push("module configurations"),
            _ => return Err("Bad directive or wrong number of arguments".to_owned()),
        }
        Ok(Line::Done)
    }

    fn include(&mut self, pattern: &str, reading: &mut Reading) -> Result<(), LoadError> {
        let unreadable = |why: &str| LoadError::Unreadable { path: pattern.to_owned(), why: why.to_owned() };
        if reading.depth == DEEPEST_INCLUDE {
            return Err(unreadable("files include each other too deeply"));
        }
        reading.depth += 1;
        for path in expand(pattern) {
            let text = read(&path)?;
            self.load_nested(&text, reading)?;
        }
        reading.depth -= 1;
        Ok(())
    }
}

/// Whether a `user` line makes sense.
fn check_user(words: &[Vec<u8>]) -> Result<(), String> {
    super::apply::define(&mut Acl::new(), words, false).map_err(|fault| {
        let why = fault
            .shown()
            .trim_start_matches("ERR Error in ACL SETUSER modifier ")
            .trim_start_matches("ERR ")
            .to_owned();
        match why.strip_prefix('\'') {
            Some(_) => format!("Error in user declaration {why}"),
            None => format!("Error in user declaration '{}': {why}", String::from_utf8_lossy(&words[0])),
        }
    })
}

/// What has to be remembered from line to line.
#[derive(Debug, Default)]
struct Reading {
    save_points: Vec<Vec<u8>>,
    depth: usize,
}

pub(super) enum Line {
    Done,
    Include(String),
    User,
}

/// The text of a file.
pub(super) fn read(path: &str) -> Result<String, LoadError> {
    let bytes =
        std::fs::read(path).map_err(|error| LoadError::Unreadable { path: path.to_owned(), why: reason(&error) })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The files that a pattern names, in order; wildcards are looked for in the last part of the path. A pattern without
/// wildcards names itself, and one that nothing matches names nothing.
fn expand(pattern: &str) -> Vec<String> {
    if !pattern.contains(['*', '?', '[']) {
        return vec![pattern.to_owned()];
    }
    let path = Path::new(pattern);
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return Vec::new() };
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let name = name.to_string_lossy();
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<String> = entries
        .filter(|entry| {
            let file = entry.file_name();
            let file = file.to_string_lossy();
            !file.starts_with('.') && xs_storage::glob::matches(name.as_bytes(), file.as_bytes())
        })
        .map(|entry| entry.path().to_string_lossy().into_owned())
        .collect();
    found.sort();
    found
}

/// Splits a line into words. In double quotes `\n`, `\r`, `\t`, `\b`, `\a` and `\xff` are escapes; in single quotes only
/// `\'` is. `None` when a quote isn't closed or something follows a closing quote.
pub(crate) fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = &rest[rest.iter().take_while(|byte| is_space(byte)).count()..];
        if rest.is_empty() {
            return Some(words);
        }
        let mut word = Vec::new();
        let mut quote = None;
        loop {
            match (quote, rest) {
                (None, [] | [b' ' | b'\n' | b'\r' | b'\t' | 0, ..]) => break,
                (Some(_), []) => return None,
                (None, [open @ (b'"' | b'\''), tail @ ..]) => {
                    quote = Some(*open);
                    rest = tail;
                }
                (Some(b'"'), [b'\\', b'x', high, low, tail @ ..])
                    if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
                {
                    let digit = |byte: &u8| (*byte as char).to_digit(16).unwrap_or_default() as u8;
                    word.push(digit(high) << 4 | digit(low));
                    rest = tail;
                }
                (Some(b'"'), [b'\\', escaped, tail @ ..]) => {
                    word.push(match escaped {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'b' => 8,
                        b'a' => 7,
                        other => *other,
                    });
                    rest = tail;
                }
                (Some(b'\''), [b'\\', b'\'', tail @ ..]) => {
                    word.push(b'\'');
                    rest = tail;
                }
                (Some(open), [close, tail @ ..]) if *close == open => {
                    if tail.first().is_some_and(|next| !is_space(next)) {
                        return None;
                    }
                    rest = tail;
                    break;
                }
                (_, [byte, tail @ ..]) => {
                    word.push(*byte);
                    rest = tail;
                }
            }
        }
        words.push(word);
    }
}

/// A word in double quotes, such that [`split`] reads it back.
pub(crate) fn quote(word: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in word {
        match byte {
            b'\\' | b'"' => text.extend(['\\', *byte as char]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            7 => text.push_str("\\a"),
            8 => text.push_str("\\b"),
            b' '..=b'~' => text.push(*byte as char),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('"');
    text
}
