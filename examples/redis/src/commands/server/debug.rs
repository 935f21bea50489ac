//! `DEBUG`: the part of it that test suites use, where `enable-debug-command` allows it.

use std::time::Duration;

use xs_storage::keyspace::Value;
use xs_storage::keyspace::string::Str;

use super::digest::{self, Fingerprint};
use crate::blocked::Waits;
use crate::command::Outcome;
use crate::commands::help as usage;
use crate::config;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::parse;

const FORBIDDEN: Fault = Fault::new(
    "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local \
     connection, otherwise you need to set this option in the configuration file, and then restart the server.",
);

pub(super) fn debug(ctx: &mut Ctx<'_>) -> Outcome {
    if !ctx.server.config.enable_debug_command.allows(super::is_local(ctx.client)) {
        return Err(FORBIDDEN);
    }
    let count = ctx.args.len();
    match (ctx.arg(1).to_ascii_lowercase().as_slice(), count) {
        (b"sleep", 3) => sleep(ctx),
        (b"set-active-expire", 3) => {
            ctx.server.active_expire = lenient(ctx.arg(2)) != 0;
            done(ctx)
        }
        (b"object", 3) => object(ctx),
        (b"sdslen", 3) => sds_len(ctx),
        (b"listpack", 3) => listpack(ctx),
        (b"digest", 2) => {
            let all = digest::of_all(ctx.db.keyspace);
            ctx.reply.simple(all.hex());
            Ok(())
        }
        (b"digest-value", _) => digest_value(ctx),
        (b"populate", 3..=5) => populate(ctx),
        (b"protocol", 3) => protocol(ctx),
        (b"error", 3) => Err(Fault::quoting(&[&ctx.arg(2)])),
        (b"log", 3) => {
            tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(ctx.arg(2)));
            done(ctx)
        }
        (b"quicklist-packed-threshold", 3) => {
            // Every element of a list here is packed, whatever its size, so there is nothing to switch.
            match config::memory(ctx.arg(2)) {
                Some(size) if size <= 1 << 32 => done(ctx),
                _ => Err(Fault::new("ERR argument must be a memory value bigger than 1 and smaller than 4gb")),
            }
        }
        (b"change-repl-id", 2) => {
            ctx.server.new_replication_id();
            done(ctx)
        }
        (b"stringmatch-test", 2) => stringmatch(ctx),
        (b"config-rewrite-force-all", 2) => super::config::rewrite(ctx),
        (b"set-disable-deny-scripts" | b"set-skip-checksum-validation" | b"aof-flush-sleep" | b"pause-cron", 3) => {
            done(ctx)
        }
        (b"replybuffer", 4) => done(ctx),
        (b"htstats", 3) => table_stats(ctx),
        (b"htstats-key", 3) => table_stats_of_key(ctx),
        (b"reload" | b"loadaof" | b"restart" | b"crash-and-recover", _) => {
            let what = String::from_utf8_lossy(ctx.arg(1)).to_uppercase();
            Err(Fault::because(format!("ERR DEBUG {what} needs persistence, which this server doesn't have")))
        }
        (b"panic", 2) => panic!("DEBUG PANIC was asked for"),
        (b"panic", 4) if ctx.arg(2).eq_ignore_ascii_case(b"on") => panic_on(ctx),
        (b"jmap", _) => Err(Fault::new("ERR DEBUG JMAP is not supported")),
        (b"help", 2) => help(ctx),
        _ => Err(usage::unknown(ctx)),
    }
}

fn done(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.reply.ok();
    Ok(())
}

/// `DEBUG PANIC ON key`: waits for the key, and panics when it changes, in the turn of whoever changes it.
fn panic_on(ctx: &mut Ctx<'_>) -> Outcome {
    let request = ["DEBUG", "PANIC"].into_iter().collect();
    ctx.block_as(request, vec![ctx.arg(3).to_vec()], None, Waits::Array)
}

/// A number as C's `atoi` reads it: as far as it goes.
fn lenient(text: &[u8]) -> i64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    parse::int(&text[..digits]).unwrap_or(0)
}

/// The whole server stops: that is what is asked for, and what no other command may do.
fn sleep(ctx: &mut Ctx<'_>) -> Outcome {
    const LONGEST: f64 = 3600.0;
    let seconds = parse::float(ctx.arg(2)).unwrap_or(0.0);
    if seconds > 0.0 {
        std::thread::sleep(Duration::from_secs_f64(seconds.min(LONGEST)));
    }
    done(ctx)
}

fn object(ctx: &mut Ctx<'_>) -> Outcome {
    let (db, key, now) = (ctx.db.index, ctx.arg(2), ctx.now);
    let keyspace = &*ctx.db.keyspace;
    let value = keyspace.peek(db, key, now).ok_or(Fault::NO_SUCH_KEY)?;
    let idle = keyspace.idle_ms(db, key, now).unwrap_or(0) / 1000;
    let clock = (now / 1000).wrapping_sub(idle) & 0xff_ffff;
    let mut text = format!(
        "Value at:{:p} refcount:1 encoding:{} serializedlength:{} lru:{clock} lru_seconds_idle:{idle}",
        std::ptr::from_ref(value),
        value.encoding(),
        serialized(value),
    );
    if let Value::List(list) = value {
        let nodes = list.nodes().max(1);
        text.push_str(&format!(
            " ql_nodes:{nodes} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:0 ql_uncompressed_size:{}",
            list.len() as f64 / nodes as f64,
            ctx.db.limits.list_max_listpack_size,
            list.allocated_bytes(),
        ));
    }
    ctx.reply.simple(&text);
    Ok(())
}

/// The size in a dump: exact for strings that aren't compressed, the size in memory for the rest.
fn serialized(value: &Value) -> usize {
    let Value::Str(text) = value else { return value.allocated_bytes() };
    match text.as_i64() {
        Some(-128..=127) => 2,
        Some(-32_768..=32_767) => 3,
        Some(-2_147_483_648..=2_147_483_647) => 5,
        _ => {
            let len = text.len();
            len + match len {
                0..64 => 1,
                64..16_384 => 2,
                _ => 5,
            }
        }
    }
}

fn sds_len(ctx: &mut Ctx<'_>) -> Outcome {
    let key = ctx.arg(2);
    let value = ctx.db.keyspace.peek(ctx.db.index, key, ctx.now).ok_or(Fault::NO_SUCH_KEY)?;
    let Value::Str(text) = value else { return Err(Fault::new("ERR Not an sds encoded string.")) };
    if text.as_i64().is_some() {
        return Err(Fault::new("ERR Not an sds encoded string."));
    }
    let (key, len, heap) = (key.len(), text.len(), text.allocated_bytes());
    let spare = heap.saturating_sub(len + size_of::<Str>());
    ctx.reply.simple(format!(
        "key_sds_len:{key}, key_sds_avail:0, key_zmalloc: {key}, val_sds_len:{len}, val_sds_avail:{spare}, val_zmalloc: {heap}"
    ));
    Ok(())
}

fn listpack(ctx: &mut Ctx<'_>) -> Outcome {
    let value = ctx.db.inspect(ctx.arg(2)).ok_or(Fault::NO_SUCH_KEY)?;
    if value.encoding() != "listpack" {
        return Err(Fault::new("ERR Not a listpack encoded object."));
    }
    ctx.reply.simple("Listpack structure printed on stdout");
    Ok(())
}

fn digest_value(ctx: &mut Ctx<'_>) -> Outcome {
    ctx.reply.array(ctx.args.len() - 2);
    for key in ctx.args.iter().skip(2) {
        let mut found = Fingerprint::default();
        if let Some(value) = ctx.db.keyspace.peek(ctx.db.index, key, ctx.now) {
            let deadline = ctx.db.keyspace.deadline(ctx.db.index, key, ctx.now).flatten();
            found.take_in(value, deadline.is_some());
        }
        ctx.reply.simple(found.hex());
    }
    Ok(())
}

fn populate(ctx: &mut Ctx<'_>) -> Outcome {
    let positive = |number: i64| match number {
        0.. => Ok(number as usize),
        _ => Err(Fault::NOT_POSITIVE),
    };
    let count = positive(ctx.int(2)?)?;
    let prefix = if ctx.args.len() > 3 { ctx.arg(3) } else { b"key" };
    let size = if ctx.args.len() > 4 { positive(ctx.int(4)?)? } else { 0 };
    if size as u64 > ctx.server.config.proto_max_bulk_len {
        return Err(Fault::STRING_TOO_LONG);
    }
    for number in 0..count {
        let key = [prefix, format!(":{number}").as_bytes()].concat();
        if ctx.db.exists(&key) {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if size > 0 {
            value.resize(size, 0);
        }
        ctx.db.put(&key, Str::from_slice(&value));
    }
    done(ctx)
}

/// One reply of each kind, for the tests of clients.
fn protocol(ctx: &mut Ctx<'_>) -> Outcome {
    let reply = &mut ctx.reply;
    match ctx.args.get(2).unwrap_or_default().to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.int(12345),
        b"double" => reply.double_text(b"3.141"),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.int(number);
                reply.boolean(number == 1);
            }
        }
        b"attrib" => {
            if reply.attribute(1) {
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.int(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" => {
            if reply.version() == xs_proto::resp::Version::Resp2 {
                return Err(Fault::new("ERR RESP2 is not supported by this command"));
            }
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.int(42);
            // A push is no answer.
            reply.bulk(b"Some real reply following the push reply");
        }
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        b"verbatim" => reply.verbatim(b"txt", b"This is a verbatim\nstring"),
        _ => {
            return Err(Fault::new(
                "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

fn stringmatch(ctx: &mut Ctx<'_>) -> Outcome {
    // The answer only says that none of it made the server fall over.
    let word = |ctx: &mut Ctx<'_>| {
        let len = ctx.server.rng.below(32);
        (0..len).map(|_| b"*?[]^-\\\0ab\xff"[ctx.server.rng.below(11) as usize]).collect::<Vec<u8>>()
    };
    for _ in 0..10_000 {
        let (pattern, text) = (word(ctx), word(ctx));
        xs_storage::glob::matches(&pattern, &text);
    }
    ctx.reply.simple("Apparently Redis did not crash: test passed");
    Ok(())
}

fn table_stats_of_key(ctx: &mut Ctx<'_>) -> Outcome {
    let value = ctx.db.inspect(ctx.arg(2)).ok_or(Fault::NO_SUCH_KEY)?;
    let len = match value {
        Value::Hash(hash) if hash.encoding() == "hashtable" => hash.len(),
        Value::Set(set) if set.encoding() == "hashtable" => set.len(),
        Value::Zset(zset) if zset.encoding() == "skiplist" => zset.len(),
        _ => {
            return Err(Fault::new("ERR The value stored at the specified key is not represented using an hash table"));
        }
    };
    ctx.reply
        .verbatim(b"txt", format!("Hash table 0 stats (main hash table):\n number of elements: {len}\n").as_bytes());
    Ok(())
}

fn table_stats(ctx: &mut Ctx<'_>) -> Outcome {
    let db = usize::try_from(ctx.int(2)?).unwrap_or(usize::MAX);
    if db >= ctx.db.keyspace.databases() {
        return Err(Fault::new("ERR Out of range database"));
    }
    let (keys, expires) = (ctx.db.keyspace.len(db), ctx.db.keyspace.volatile_len(db));
    let text = format!("[Dictionary HT]\n number of elements: {keys}\n[Expires HT]\n number of elements: {expires}\n");
    ctx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn help(ctx: &mut Ctx<'_>) -> Outcome {
    usage::write(
        ctx,
        &[
            ("CHANGE-REPL-ID", "Take another replication id."),
            ("CONFIG-REWRITE-FORCE-ALL", "Rewrite the configuration file."),
            ("DIGEST", "Answer a fingerprint of all data."),
            ("DIGEST-VALUE <key> [<key> ...]", "Answer a fingerprint of each value."),
            ("ERROR <text>", "Answer this error."),
            ("HTSTATS <db>", "Count the keys of a database."),
            ("HTSTATS-KEY <key>", "Count what the hash table of a value holds."),
            ("LISTPACK <key>", "Succeed when the value is a listpack."),
            ("LOG <text>", "Write this into the log."),
            ("OBJECT <key>", "Answer how a value is kept."),
            ("PANIC", "Fail inside a command: only its connection ends."),
            ("PAUSE-CRON <0|1>", "Accepted; nothing is paused."),
            ("POPULATE <count> [<prefix>] [<size>]", "Make keys with strings."),
            ("PROTOCOL <type>", "Answer something of this type."),
            ("QUICKLIST-PACKED-THRESHOLD <size>", "Accepted; every element of a list is packed."),
            ("REPLYBUFFER <option> <value>", "Accepted; replies have no buffer that shrinks."),
            ("SDSLEN <key>", "Answer the sizes of a key and its string."),
            ("SET-ACTIVE-EXPIRE <0|1>", "Remove keys when their time is up (1), or only when they are asked for (0)."),
            ("SLEEP <seconds>", "Stop the whole server for so long."),
            ("STRINGMATCH-TEST", "Match random texts with random patterns."),
        ],
    );
    Ok(())
}
