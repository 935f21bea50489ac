//! A command as calls of the store.

use std::ffi::OsStr;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use xs_kv::{FileReader, FileWriter, Machine, Store};
use xs_os::vfs::{Open, parent};
use xs_storage::Error;
use xs_storage::dump;
use xs_storage::engine::{Engine, KeyRange, WriteBatch};

use crate::args::{Args, Command, Range};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::text::Format;
use crate::{batch, bench};

const BUFFER: usize = 1 << 16;

pub(crate) fn run(store: &Store, args: &Args, machine: &Machine) -> Result<(), Failure> {
    let (engine, format) = (&*store.engine, args.format);
    let word = |word: &OsStr| format.argument(word).map_err(|why| Failure::Usage(format!("{}: {why}", word.display())));
    let submit = |batch| Ok::<(), Failure>(engine.submit(batch, args.durability())?.wait()?);
    match &args.command {
        Command::Get { key } => get(engine, &word(key)?, format),
        Command::Put { key, value } => {
            let key = word(key)?;
            let value = match value {
                Some(value) => word(value)?,
                None => {
                    let mut value = Vec::new();
                    io::stdin().read_to_end(&mut value).map_err(Failure::io("cannot read the value"))?;
                    value
                }
            };
            let mut batch = WriteBatch::new();
            batch.put(&key, &value);
            submit(batch)
        }
        Command::Delete { keys, prefix } => {
            let mut batch = WriteBatch::new();
            for key in keys {
                batch.delete(&word(key)?);
            }
            if let Some(prefix) = prefix {
                remove_prefix(engine, &word(prefix)?, &mut batch)?;
            }
            submit(batch)
        }
        Command::Scan { range, reverse, limit, keys_only, count } => {
            let bounds = bounds(range, &word)?;
            let shown =
                Shown { reverse: *reverse, limit: limit.unwrap_or(u64::MAX), keys_only: *keys_only, count: *count };
            scan(engine, &bounds, &shown, format)
        }
        Command::Batch { file, every } => {
            let mut input = input(file, machine)?;
            let writes =
                batch::read(&mut BufReader::with_capacity(BUFFER, &mut *input.from), format, *every, &mut |b| {
                    submit(b)
                })?;
            say(&format!("{writes} writes\n"))
        }
        Command::Backup { file } => backup(engine, file, machine),
        Command::Restore { file, merge } => restore(engine, file, *merge, machine),
        Command::Verify { file } => verify(file, machine),
        Command::Check => {
            let progress = Progress::share("checking");
            let entries = store.admin.check(&mut |done| progress.part(&done)).map_err(Failure::Wrong)?;
            drop(progress);
            say(&format!("{entries} entries, nothing wrong\n"))
        }
        Command::Compact => {
            let progress = Progress::share("compacting");
            Ok(store.admin.compact(&mut |done| progress.part(&done))?)
        }
        Command::Stats => stats(engine),
        Command::Bench { entries, value_bytes, threads, seed } => {
            let plan =
                bench::Plan { entries: *entries, value_bytes: *value_bytes as usize, threads: *threads, seed: *seed };
            bench::run(engine, &plan, &*machine.clock, &mut |line| say(line))
        }
    }
}

/// Writes to standard output.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::io("cannot write the output"))
}

fn get(engine: &dyn Engine, key: &[u8], format: Format) -> Result<(), Failure> {
    let mut text = Vec::new();
    if !engine.get_with(key, &mut |value| format.value(value, &mut text))? {
        return Err(Failure::NotFound);
    }
    if format != Format::Raw {
        text.push(b'\n');
    }
    let mut out = io::stdout().lock();
    out.write_all(&text).and_then(|()| out.flush()).map_err(Failure::io("cannot write the output"))
}

/// A range to its end is a range; one without an end has to be walked.
fn remove_prefix(engine: &dyn Engine, prefix: &[u8], batch: &mut WriteBatch) -> Result<(), Failure> {
    let range = KeyRange::prefix(prefix);
    if let std::ops::Bound::Excluded(end) = &range.end {
        batch.delete_range(prefix, end);
        return Ok(());
    }
    let mut cursor = engine.cursor(range)?;
    while cursor.next()? {
        batch.delete(cursor.key());
    }
    Ok(())
}

fn bounds(range: &Range, word: &dyn Fn(&OsStr) -> Result<Vec<u8>, Failure>) -> Result<KeyRange<'static>, Failure> {
    if let Some(prefix) = &range.prefix {
        return Ok(KeyRange::prefix(&word(prefix)?).into_owned());
    }
    let (mut keys, empty) = (KeyRange::all(), std::ops::Bound::Unbounded);
    keys.start =
        range.from.as_deref().map(word).transpose()?.map_or(empty.clone(), |key| std::ops::Bound::Included(key.into()));
    keys.end = range.to.as_deref().map(word).transpose()?.map_or(empty, |key| std::ops::Bound::Excluded(key.into()));
    Ok(keys)
}

/// What of a scan is printed.
struct Shown {
    reverse: bool,
    limit: u64,
    keys_only: bool,
    count: bool,
}

fn scan(engine: &dyn Engine, range: &KeyRange<'_>, shown: &Shown, format: Format) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    let (mut line, mut passed) = (Vec::new(), 0);
    let mut cursor = engine.cursor(range.clone())?;
    if shown.reverse {
        cursor.seek_end()?;
    }
    while passed < shown.limit && if shown.reverse { cursor.prev()? } else { cursor.next()? } {
        passed += 1;
        if shown.count {
            continue;
        }
        line.clear();
        format.key(cursor.key(), &mut line);
        if !shown.keys_only {
            line.push(b'\t');
            format.value(cursor.value()?, &mut line);
        }
        line.push(b'\n');
        out.write_all(&line).map_err(Failure::io("cannot write the output"))?;
    }
    if shown.count {
        writeln!(out, "{passed}").map_err(Failure::io("cannot write the output"))?;
    }
    out.flush().map_err(Failure::io("cannot write the output"))
}

fn backup(engine: &dyn Engine, file: &Path, machine: &Machine) -> Result<(), Failure> {
    let progress = Progress::entries("saving", engine.stats().entries);
    let view = engine.snapshot()?;
    if file == Path::new("-") {
        let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
        dump::save(&*view, &mut out, &mut |done| progress.at(done.entries))?;
        return Ok(());
    }
    let vfs = &machine.vfs;
    if vfs.exists(file).map_err(Error::io("open", file))? {
        return Err(Failure::Usage(format!(
            "{}: there is one already: give another name, or remove it",
            file.display()
        )));
    }
    // The name appears when all of it is durable: what is called a backup is one.
    let mut fresh = file.as_os_str().to_owned();
    fresh.push(".unfinished");
    let fresh = PathBuf::from(fresh);
    let to = vfs.open(&fresh, Open::Create).map_err(Error::io("open", &fresh))?;
    to.set_len(0).map_err(Error::io("write", &fresh))?;
    let mut out = BufWriter::with_capacity(BUFFER, FileWriter::new(to.clone()));
    let saved = dump::save(&*view, &mut out, &mut |done| progress.at(done.entries))?;
    to.sync().map_err(Error::io("sync", &fresh))?;
    vfs.rename(&fresh, file).map_err(Error::io("rename", file))?;
    vfs.sync_dir(parent(file)).map_err(Error::io("sync", parent(file)))?;
    drop(progress);
    say(&format!("{} entries, {} bytes\n", saved.entries, saved.bytes))
}

fn restore(engine: &dyn Engine, file: &Path, merge: bool, machine: &Machine) -> Result<(), Failure> {
    if !merge && engine.cursor(KeyRange::all())?.next()? {
        let why = "the store has entries: restore into another directory, or say --merge to write over them";
        return Err(Failure::Usage(why.into()));
    }
    if file != Path::new("-") {
        let mut input = input(file, machine)?;
        let progress = Progress::bytes("verifying", input.len);
        dump::verify(&mut *input.from, &mut |done| progress.at(done.bytes))?;
    }
    let mut input = input(file, machine)?;
    let progress = Progress::bytes("restoring", input.len);
    let done = dump::restore(engine, &mut *input.from, &mut |done| progress.at(done.bytes))?;
    drop(progress);
    say(&format!("{} entries\n", done.entries))
}

pub(crate) fn verify(file: &Path, machine: &Machine) -> Result<(), Failure> {
    let mut input = input(file, machine)?;
    let progress = Progress::bytes("verifying", input.len);
    let done = dump::verify(&mut *input.from, &mut |done| progress.at(done.bytes))?;
    drop(progress);
    say(&format!("{} entries, {} bytes, nothing wrong\n", done.entries, done.bytes))
}

/// A stream to read, and its length if it has one.
struct Input {
    from: Box<dyn Read>,
    len: Option<u64>,
}

fn input(file: &Path, machine: &Machine) -> Result<Input, Failure> {
    if file == Path::new("-") {
        return Ok(Input { from: Box::new(io::stdin().lock()), len: None });
    }
    let open = machine.vfs.open(file, Open::Read).map_err(Error::io("open", file))?;
    let len = open.len().map_err(Error::io("read", file))?;
    Ok(Input { from: Box::new(FileReader::new(open)), len: Some(len) })
}

fn stats(engine: &dyn Engine) -> Result<(), Failure> {
    let stats = engine.stats();
    let mut lines = Vec::new();
    let mut line = |name: &str, figure: u64, unit: &str| {
        lines.push(format!("{name:<24}{figure:>16} {unit}").trim_end().to_owned())
    };
    if let Some(entries) = stats.entries {
        line("entries", entries, "");
    }
    line("disk", stats.disk_bytes, "bytes");
    for (owner, bytes) in &stats.memory {
        line(&format!("memory, {owner}"), *bytes, "bytes");
    }
    line("written by callers", stats.user_bytes_written, "bytes");
    line("written to the disk", stats.disk_bytes_written, "bytes");
    line("syncs", stats.syncs, "");
    for (name, figure) in &stats.details {
        line(name, *figure, "");
    }
    say(&(lines.join("\n") + "\n"))
}
