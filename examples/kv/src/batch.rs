//! Lines to a batch of writes.

use std::io::BufRead;

use xs_storage::Error;
use xs_storage::engine::WriteBatch;

use crate::failure::Failure;
use crate::text::Format;

/// Words from this length on are noted with their line: those of which an engine may say that they are too long.
const LONG: usize = 1 << 10;

struct Long {
    line: u64,
    /// As the engine calls it: `key` or `value`.
    what: &'static str,
    len: usize,
}

/// Reads writes, and hands them on `every` so many lines, or all at once. How many there were.
pub(crate) fn read(
    from: &mut dyn BufRead,
    format: Format,
    every: Option<u64>,
    apply: &mut dyn FnMut(WriteBatch) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let (mut batch, mut line, mut number, mut writes) = (WriteBatch::new(), Vec::new(), 0_u64, 0);
    // Of the batch at hand.
    let mut long: Vec<Long> = Vec::new();
    let mut apply = |batch, long: &mut Vec<Long>| {
        apply(batch).map_err(|failure| at_its_line(failure, long))?;
        long.clear();
        Ok::<(), Failure>(())
    };
    loop {
        line.clear();
        number += 1;
        let read = from.read_until(b'\n', &mut line).map_err(Failure::io("cannot read the batch"))?;
        if read == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if text.iter().all(u8::is_ascii_whitespace) || text.starts_with(b"#") {
            continue;
        }
        let mut note = |what, len| {
            if len >= LONG {
                long.push(Long { line: number, what, len });
            }
        };
        add(&mut batch, format, text, &mut note)
            .map_err(|why| Failure::Usage(format!("line {number} of the batch: {why}")))?;
        writes += 1;
        if every.is_some_and(|every| batch.len() as u64 >= every) {
            apply(std::mem::take(&mut batch), &mut long)?;
        }
    }
    if !batch.is_empty() {
        apply(batch, &mut long)?;
    }
    Ok(writes)
}

/// A refusal of a key or a value, with the first line that has one as long as that.
fn at_its_line(failure: Failure, long: &[Long]) -> Failure {
    if let Failure::Store(Error::TooLarge { what, len, .. }) = &failure
        && let Some(Long { line, .. }) = long.iter().find(|word| word.what == *what && word.len as u64 == *len)
    {
        return Failure::Usage(format!("line {line} of the batch: {failure}"));
    }
    failure
}

fn add(
    batch: &mut WriteBatch,
    format: Format,
    line: &[u8],
    note: &mut dyn FnMut(&'static str, usize),
) -> Result<(), String> {
    let mut words = line.splitn(3, |byte| matches!(byte, b' ' | b'\t'));
    let call = words.next().unwrap_or_default();
    let mut word = |what: &str| match words.next() {
        Some(word) => {
            let kind = if what == "a value" { "value" } else { "key" };
            format.parse(word).inspect(|word| note(kind, word.len()))
        }
        None => Err(format!("{} without {what}", call.escape_ascii())),
    };
    match call {
        b"put" => {
            let (key, value) = (word("a key")?, word("a value")?);
            batch.put(&key, &value);
        }
        b"delete" => {
            let key = word("a key")?;
            if words.next().is_some() {
                return Err("something follows the key: a blank in a key is written \\x20".into());
            }
            batch.delete(&key);
        }
        b"delete-range" => {
            let (from, to) = (word("a first key")?, word("an end")?);
            batch.delete_range(&from, &to);
        }
        other => return Err(format!("{} is none of put, delete, delete-range", other.escape_ascii())),
    }
    Ok(())
}
