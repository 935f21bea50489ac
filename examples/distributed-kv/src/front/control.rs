//! Commands that don't concern the state: what clients say when they connect, and what tools ask.

use xs_proto::Out;
use xs_proto::resp::{Reply, Request, Version, parse_i64};
use xs_storage::glob;

use super::connection::Connection;
use super::{Front, info};
use crate::command::{arity, wrong_number};

/// The configuration that clients of Redis look for.
const CONFIG: [(&str, &str); 6] = [
    ("appendfsync", "always"),
    ("appendonly", "yes"),
    ("databases", "1"),
    ("maxmemory", "0"),
    ("save", ""),
    ("timeout", "0"),
];

/// Every command, for `COMMAND`: those of the state, and the rest with their numbers of words.
const OF_STATE: [&str; 27] = [
    "append",
    "cas",
    "dbsize",
    "decr",
    "decrby",
    "del",
    "exists",
    "expire",
    "expireat",
    "flushall",
    "flushdb",
    "get",
    "getdel",
    "getset",
    "incr",
    "incrby",
    "mget",
    "mset",
    "persist",
    "pexpire",
    "pexpireat",
    "psetex",
    "pttl",
    "set",
    "setex",
    "setnx",
    "strlen",
];
const OTHERS: [(&str, i64); 24] = [
    ("auth", -2),
    ("client", -2),
    ("cluster", -2),
    ("command", -1),
    ("config", -2),
    ("discard", 1),
    ("echo", 2),
    ("exec", 1),
    ("hello", -1),
    ("info", -1),
    ("multi", 1),
    ("ping", -1),
    ("quit", -1),
    ("raft", -2),
    ("readonly", 1),
    ("readwrite", 1),
    ("reset", 1),
    ("scan", -2),
    ("select", 2),
    ("time", 1),
    ("ttl", 2),
    ("type", 2),
    ("unlink", -2),
    ("wait", 3),
];

/// Answers a command that is none of the state's.
pub(super) fn answer(front: &Front, connection: &mut Connection, name: &[u8], request: &Request, out: &mut Out) {
    let version = connection.version;
    let mut reply = Reply::new(out, version);
    let word = |i: usize| request.get(i).map(<[u8]>::to_ascii_uppercase);
    let wrong = |reply: &mut Reply<'_>| reply.error(wrong_number(name));
    match (name, request.len()) {
        (b"PING", 1) => reply.simple("PONG"),
        (b"PING" | b"ECHO", 2) => reply.bulk(request.get(1).unwrap_or_default()),
        (b"READONLY", 1) => {
            connection.reads_here = true;
            reply.ok();
        }
        (b"READWRITE", 1) => {
            connection.reads_here = false;
            reply.ok();
        }
        (b"SELECT", 2) => match request.get(1).and_then(parse_i64) {
            Some(0) => reply.ok(),
            _ => reply.error("ERR DB index is out of range: there is one database, 0"),
        },
        (b"HELLO", _) => hello(front, connection, request, out),
        (b"AUTH", 2 | 3) => reply.error("ERR Client sent AUTH, but there are no passwords here"),
        (b"TIME", 1) => {
            let millis = front.wall();
            reply.array(2);
            reply.bulk((millis / 1000).to_string().as_bytes());
            reply.bulk((millis % 1000 * 1000).to_string().as_bytes());
        }
        // What is answered is on a majority's disks already.
        (b"WAIT", 3) => {
            let status = front.node.status();
            reply.int(status.voters.len().saturating_sub(1) as i64 / 2);
        }
        (b"INFO", _) => reply.verbatim(b"txt", info::info(front).as_bytes()),
        (b"CLUSTER", 2..) => info::cluster(front, &word(1).unwrap_or_default(), &mut reply),
        (b"CONFIG", 3..) if word(1).as_deref() == Some(b"GET") => {
            let asked = |name: &str| {
                (2..request.len())
                    .any(|i| glob::matches(&request.get(i).unwrap_or_default().to_ascii_lowercase(), name.as_bytes()))
            };
            let found: Vec<_> = CONFIG.iter().filter(|(name, _)| asked(name)).collect();
            reply.map(found.len());
            for (name, value) in found {
                reply.bulk(name.as_bytes());
                reply.bulk(value.as_bytes());
            }
        }
        (b"CONFIG", 2..) => reply.error("ERR there is CONFIG GET, and options of the command line for the rest"),
        (b"COMMAND", _) => command(word(1).as_deref(), &mut reply),
        (b"CLIENT", 2..) => client(connection, request, &mut reply),
        (
            b"PING" | b"ECHO" | b"READONLY" | b"READWRITE" | b"SELECT" | b"AUTH" | b"TIME" | b"WAIT" | b"CLUSTER"
            | b"CONFIG" | b"CLIENT",
            _,
        ) => wrong(&mut reply),
        _ => {
            let args = (1..request.len().min(8)).map(|i| {
                format!(
                    "'{}' ",
                    String::from_utf8_lossy(
                        &request.get(i).unwrap_or_default()[..request.get(i).unwrap_or_default().len().min(64)]
                    )
                )
            });
            let name = String::from_utf8_lossy(&name[..name.len().min(64)]).to_ascii_lowercase();
            reply
                .error(format!("ERR unknown command '{name}', with args beginning with: {}", args.collect::<String>()));
        }
    }
}

fn hello(front: &Front, connection: &mut Connection, request: &Request, out: &mut Out) {
    let mut version = connection.version;
    let mut name = None;
    let mut i = 2;
    let wrong = match request.get(1).map(parse_i64) {
        None => None,
        Some(Some(2)) => {
            version = Version::Resp2;
            None
        }
        Some(Some(3)) => {
            version = Version::Resp3;
            None
        }
        Some(_) => Some("NOPROTO unsupported protocol version"),
    };
    let wrong = wrong.or_else(|| {
        while i < request.len() {
            match &request.get(i).unwrap_or_default().to_ascii_uppercase()[..] {
                b"SETNAME" if i + 1 < request.len() => name = request.get(i + 1).map(<[u8]>::to_vec),
                b"AUTH" => return Some("ERR HELLO with AUTH, but there are no passwords here"),
                _ => return Some("ERR Syntax error in HELLO"),
            }
            i += 2;
        }
        None
    });
    if let Some(wrong) = wrong {
        return Reply::new(out, connection.version).error(wrong);
    }
    connection.version = version;
    connection.name = name.unwrap_or(std::mem::take(&mut connection.name));
    let status = front.node.status();
    let role = if status.leader == Some(status.id) { "master" } else { "replica" };
    let mut reply = Reply::new(out, version);
    reply.map(7);
    let texts = [("server", "redis"), ("version", "7.0.15"), ("mode", "standalone"), ("role", role)];
    for (name, value) in texts {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"proto");
    reply.int(if version == Version::Resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.int(connection.id as i64);
    reply.bulk(b"modules");
    reply.array(0);
}

fn client(connection: &mut Connection, request: &Request, reply: &mut Reply<'_>) {
    match (&request.get(1).unwrap_or_default().to_ascii_uppercase()[..], request.len()) {
        (b"ID", 2) => reply.int(connection.id as i64),
        (b"GETNAME", 2) if connection.name.is_empty() => reply.null(),
        (b"GETNAME", 2) => reply.bulk(&connection.name),
        (b"SETNAME", 3) => {
            connection.name = request.get(2).unwrap_or_default().to_vec();
            reply.ok();
        }
        (b"SETINFO", 4) | (b"NO-EVICT" | b"NO-TOUCH", 3) => reply.ok(),
        _ => reply.error("ERR there are CLIENT ID, GETNAME, SETNAME and SETINFO"),
    }
}

fn command(what: Option<&[u8]>, reply: &mut Reply<'_>) {
    let of_state = OF_STATE.iter().map(|name| {
        let (least, most) = arity(name.to_ascii_uppercase().as_bytes()).unwrap_or((1, usize::MAX));
        (*name, if least == most { least as i64 } else { -(least as i64) })
    });
    let all: Vec<(&str, i64)> = of_state.chain(OTHERS).collect();
    match what {
        Some(b"COUNT") => reply.int(all.len() as i64),
        // What redis-cli asks for to give hints; without them it gives none.
        Some(b"DOCS") => reply.map(0),
        Some(b"LIST") => {
            reply.array(all.len());
            all.iter().for_each(|(name, _)| reply.bulk(name.as_bytes()));
        }
        Some(_) => reply.error("ERR there are COMMAND, COMMAND COUNT, DOCS and LIST"),
        None => {
            reply.array(all.len());
            for (name, words) in all {
                reply.array(6);
                reply.bulk(name.as_bytes());
                reply.int(words);
                reply.array(0);
                [0; 3].into_iter().for_each(|n| reply.int(n));
            }
        }
    }
}
