//! Bytes per item: how much the server grows for a million of each kind, by the kernel's account and by its own.
//!
//! The first twentieth of the items comes before the measurement begins. A process that serves its first large batch
//! brings its code into memory and grows its buffers, up to a megabyte that no further item costs again, and servers
//! differ in how much of that they do at start.

use std::io;
use std::ops::Range;

use super::server::Server;
use super::wire::Wire;

/// One kind of item.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Items for one of `--quick`'s; ten times as many otherwise.
    quick: usize,
    fill: fn(&mut Wire, Range<usize>) -> io::Result<()>,
}

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "16 B key with 16 B string", quick: 100_000, fill: strings },
    Kind { name: "hash of 10 fields", quick: 20_000, fill: hashes },
    Kind { name: "sorted set member, 20 B", quick: 100_000, fill: zset },
    Kind { name: "set member, 20 B", quick: 100_000, fill: set },
    Kind { name: "list element, 16 B", quick: 100_000, fill: list },
];

/// Bytes an item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes {
    pub(super) resident: f64,
    pub(super) used: f64,
}

impl Kind {
    pub(super) fn items(&self, quick: bool) -> usize {
        if quick { self.quick } else { self.quick * 10 }
    }

    /// Fills a server that has just been started.
    pub(super) fn measure(&self, server: &Server, items: usize) -> io::Result<Bytes> {
        let first = items / 20;
        let mut wire = server.wire()?;
        (self.fill)(&mut wire, 0..first)?;
        wire.flush()?;
        let (resident, used) = (server.resident()?, server.used()?);
        (self.fill)(&mut wire, first..items)?;
        wire.flush()?;
        drop(wire);
        let per = |after: u64, before: u64| (after as f64 - before as f64) / (items - first) as f64;
        Ok(Bytes { resident: per(server.resident()?, resident), used: per(server.used()?, used) })
    }
}

fn strings(wire: &mut Wire, items: Range<usize>) -> io::Result<()> {
    for index in items {
        wire.push(&[b"SET", format!("key:{index:012}").as_bytes(), format!("val:{index:012}").as_bytes()])?;
    }
    Ok(())
}

fn hashes(wire: &mut Wire, items: Range<usize>) -> io::Result<()> {
    for index in items {
        let fields: Vec<String> = (0..10).flat_map(|n| [format!("field{n}"), format!("value:{n}{index:06}")]).collect();
        let key = format!("hash:{index:011}");
        let mut args: Vec<&[u8]> = vec![b"HSET", key.as_bytes()];
        args.extend(fields.iter().map(|field| field.as_bytes()));
        wire.push(&args)?;
    }
    Ok(())
}

fn zset(wire: &mut Wire, items: Range<usize>) -> io::Result<()> {
    for index in items {
        wire.push(&[b"ZADD", b"z", format!("{index}").as_bytes(), format!("member:{index:013}").as_bytes()])?;
    }
    Ok(())
}

fn set(wire: &mut Wire, items: Range<usize>) -> io::Result<()> {
    for index in items {
        wire.push(&[b"SADD", b"s", format!("member:{index:013}").as_bytes()])?;
    }
    Ok(())
}

fn list(wire: &mut Wire, items: Range<usize>) -> io::Result<()> {
    for index in items {
        wire.push(&[b"RPUSH", b"l", format!("item:{index:011}").as_bytes()])?;
    }
    Ok(())
}
