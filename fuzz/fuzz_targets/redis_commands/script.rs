//! Bytes as a script: which client asks for which command with which arguments, and how much time passes between.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::BytesMut;
use xs_proto::Decode;
use xs_proto::resp::{Frame, FrameCodec, Version};
use xs_redis::fuzzing::Machine;

/// Commands that are likely to do something. `k` is a key, `v` a value or member, `n` an integer, `f` a float, `i` a
/// stream's identifier; everything else stands for itself.
const SHAPES: &[&str] = &[
    "SET k v",
    "SET k v EX n",
    "SET k v PX n NX GET",
    "SET k v KEEPTTL",
    "SET k n",
    "GET k",
    "GETEX k PX n",
    "GETDEL k",
    "APPEND k v",
    "INCRBY k n",
    "INCRBYFLOAT k f",
    "SETRANGE k n v",
    "GETRANGE k n n",
    "MSET k v k v",
    "MSETNX k v k v",
    "LCS k k IDX MINMATCHLEN n WITHMATCHLEN",
    "SETBIT k n 1",
    "GETBIT k n",
    "BITCOUNT k n n BIT",
    "BITPOS k 1 n n BIT",
    "BITOP XOR k k k",
    "BITFIELD k SET u8 n n INCRBY i5 #1 n OVERFLOW SAT GET i64 n",
    "PFADD k v v",
    "PFCOUNT k k",
    "PFMERGE k k k",
    "LPUSH k v v v",
    "RPUSH k v v",
    "RPUSHX k v",
    "LPOP k n",
    "RPOP k",
    "LRANGE k n n",
    "LTRIM k n n",
    "LINDEX k n",
    "LSET k n v",
    "LINSERT k BEFORE v v",
    "LREM k n v",
    "LPOS k v RANK n COUNT n MAXLEN n",
    "LMOVE k k LEFT RIGHT",
    "LMPOP 2 k k LEFT COUNT n",
    "BLPOP k k 1",
    "BLMOVE k k RIGHT LEFT 0",
    "BLMPOP 1 1 k RIGHT",
    "SADD k v v v",
    "SADD k n n",
    "SREM k v",
    "SPOP k n",
    "SRANDMEMBER k n",
    "SMOVE k k v",
    "SINTERSTORE k k k",
    "SUNION k k",
    "SDIFFSTORE k k k",
    "SINTERCARD 2 k k LIMIT n",
    "SMISMEMBER k v v",
    "SSCAN k n COUNT n",
    "HSET k v v v v",
    "HINCRBY k v n",
    "HINCRBYFLOAT k v f",
    "HDEL k v v",
    "HRANDFIELD k n WITHVALUES",
    "HSCAN k 0 MATCH v COUNT n",
    "HGETALL k",
    "HSETNX k v v",
    "ZADD k f v f v",
    "ZADD k GT CH f v",
    "ZADD k INCR f v",
    "ZINCRBY k f v",
    "ZREM k v",
    "ZRANGE k n n REV WITHSCORES",
    "ZRANGE k (f f BYSCORE LIMIT n n",
    "ZRANGE k - + BYLEX",
    "ZRANGESTORE k k n n",
    "ZPOPMIN k n",
    "BZPOPMAX k k 1",
    "BZMPOP 1 2 k k MIN COUNT n",
    "ZRANDMEMBER k n WITHSCORES",
    "ZRANK k v",
    "ZUNIONSTORE k 2 k k WEIGHTS f f AGGREGATE MAX",
    "ZINTER 2 k k WITHSCORES",
    "ZDIFFSTORE k 2 k k",
    "ZCOUNT k f f",
    "ZREMRANGEBYRANK k n n",
    "ZREMRANGEBYSCORE k f f",
    "ZLEXCOUNT k [v (v",
    "ZSCAN k n",
    "GEOADD k f f v",
    "GEOSEARCH k FROMLONLAT f f BYRADIUS f km ASC COUNT n ANY WITHDIST WITHHASH WITHCOORD",
    "GEODIST k v v ft",
    "GEOSEARCHSTORE k k FROMMEMBER v BYBOX f f m STOREDIST",
    "XADD k * v v",
    "XADD k MAXLEN ~ n i v v",
    "XADD k i v v",
    "XDEL k i i",
    "XTRIM k MINID = i",
    "XRANGE k i i COUNT n",
    "XREVRANGE k + -",
    "XREAD COUNT n BLOCK 5 STREAMS k k i $",
    "XGROUP CREATE k v i MKSTREAM ENTRIESREAD n",
    "XGROUP CREATE k v $",
    "XGROUP SETID k v i",
    "XGROUP DESTROY k v",
    "XGROUP DELCONSUMER k v v",
    "XREADGROUP GROUP v v COUNT n BLOCK 5 STREAMS k >",
    "XREADGROUP GROUP v v STREAMS k k > i",
    "XACK k v i i",
    "XPENDING k v IDLE n - + n v",
    "XCLAIM k v v 0 i i FORCE RETRYCOUNT n",
    "XAUTOCLAIM k v v 0 i COUNT n",
    "XINFO STREAM k FULL COUNT n",
    "XSETID k i ENTRIESADDED n MAXDELETEDID i",
    "DEL k k",
    "UNLINK k",
    "EXISTS k k",
    "EXPIRE k n NX",
    "PEXPIRE k n GT",
    "PEXPIREAT k n",
    "PERSIST k",
    "PTTL k",
    "RENAME k k",
    "RENAMENX k k",
    "COPY k k REPLACE",
    "COPY k k DB 1",
    "MOVE k 1",
    "TYPE k",
    "OBJECT ENCODING k",
    "OBJECT IDLETIME k",
    "TOUCH k k",
    "RANDOMKEY",
    "DBSIZE",
    "KEYS *",
    "SCAN n MATCH * COUNT n TYPE zset",
    "SORT k BY v LIMIT n n GET # DESC ALPHA STORE k",
    "SORT_RO k",
    "SWAPDB 0 1",
    "SELECT 1",
    "SELECT 0",
    "FLUSHDB",
    "MULTI",
    "EXEC",
    "DISCARD",
    "WATCH k k",
    "UNWATCH",
    "MEMORY USAGE k",
    "HELLO 3",
    "HELLO 2",
    "RESET",
    "SUBSCRIBE v v",
    "PSUBSCRIBE *",
    "UNSUBSCRIBE",
    "PUBLISH v v",
    "CLIENT TRACKING ON BCAST PREFIX k",
    "CLIENT TRACKING ON",
    "CLIENT CACHING YES",
    "CLIENT PAUSE n WRITE",
    "CLIENT UNPAUSE",
    "CLIENT REPLY SKIP",
    "CLIENT LIST",
    "CLIENT UNBLOCK n ERROR",
    "CLIENT KILL ID n",
    "MONITOR",
    "CONFIG SET maxmemory n",
    "CONFIG SET maxmemory 300000",
    "CONFIG SET maxmemory-policy allkeys-lru",
    "CONFIG SET maxmemory-policy volatile-ttl",
    "INFO everything",
    "DEBUG OBJECT k",
    "CONFIG SET hash-max-listpack-entries 3 zset-max-listpack-entries 3 set-max-intset-entries 3 list-max-listpack-size 3",
    "CONFIG SET notify-keyspace-events KEA",
    "ACL SETUSER v on nopass ~* +@all -get",
    "AUTH v v",
    "DEBUG DIGEST",
    "SLOWLOG GET n",
];
const KEYS: &[&[u8]] = &[b"a", b"b", b"c", b"d", b""];
const VALUES: &[&[u8]] = &[
    b"x",
    b"y",
    b"z",
    b"",
    b"10",
    b"-7",
    b"3.5",
    b"a longer value that is not kept in place",
    b"\0\xff\r\n",
    b"a",
    b"x*",
    b"~*",
    b"on",
    b"9223372036854775807",
    b"q",
    b"r",
    b"s",
];
const INTEGERS: &[&[u8]] = &[
    b"0",
    b"1",
    b"2",
    b"3",
    b"-1",
    b"-2",
    b"5",
    b"10",
    b"100",
    b"1000",
    b"-100",
    b"65536",
    b"1048575",
    b"2147483647",
    b"-2147483648",
    b"4294967296",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"1e3",
    b"007",
    b"4611686018427387904",
    b"1577836800100",
    b"",
    b"x",
];
const FLOATS: &[&[u8]] = &[
    b"0", b"1", b"-1.5", b"2.25", b"1e308", b"-1e308", b"5e-324", b"inf", b"-inf", b"nan", b"0x10", b"180", b"-85.05",
    b"(1", b"3", b"1e999", b"x",
];
const IDS: &[&[u8]] = &[
    b"0",
    b"-",
    b"+",
    b"$",
    b">",
    b"1-1",
    b"1-*",
    b"2-2",
    b"3",
    b"(1-1",
    b"18446744073709551615-18446744073709551615",
    b"18446744073709551615",
    b"5-5",
    b"9",
    b"*",
    b"0-0",
];

/// Reads numbers off the data; zeros when it is used up.
struct Dice<'a>(&'a [u8]);

impl<'a> Dice<'a> {
    fn roll(&mut self) -> usize {
        match self.0.split_first() {
            Some((&byte, rest)) => {
                self.0 = rest;
                usize::from(byte)
            }
            None => 0,
        }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let number = if from.len() > 256 { self.roll() << 8 | self.roll() } else { self.roll() };
        from[number % from.len()]
    }

    /// A few bytes as they come.
    fn raw(&mut self) -> Vec<u8> {
        let len = (self.roll() % 24).min(self.0.len());
        let (raw, rest) = self.0.split_at(len);
        self.0 = rest;
        raw.to_vec()
    }

    /// What a word of a shape stands for.
    fn word(&mut self, word: &str) -> Vec<u8> {
        let (sign, word) = match word.split_at_checked(1) {
            Some((sign @ ("(" | "["), rest)) if !rest.is_empty() => (sign, rest),
            _ => ("", word),
        };
        let meant = match word {
            "k" => self.pick(KEYS),
            "v" => self.pick(VALUES),
            "n" => self.pick(INTEGERS),
            "f" => self.pick(FLOATS),
            "i" => self.pick(IDS),
            _ => word.as_bytes(),
        };
        [sign.as_bytes(), meant].concat()
    }

    /// Any word at all.
    fn any(&mut self) -> Vec<u8> {
        match self.roll() % 8 {
            0 => self.pick(KEYS).to_vec(),
            1 => self.pick(VALUES).to_vec(),
            2 => self.pick(INTEGERS).to_vec(),
            3 => self.pick(FLOATS).to_vec(),
            4 => self.pick(IDS).to_vec(),
            5 => self.raw(),
            6 => vec![b'x'; self.roll() * 20],
            _ => self.pick(options()).as_bytes().to_vec(),
        }
    }

    fn request(&mut self) -> Vec<Vec<u8>> {
        let kind = self.roll();
        if kind < 200 {
            let mut words: Vec<Vec<u8>> = self.pick(SHAPES).split(' ').map(|word| self.word(word)).collect();
            // Now and then a word is another one, or missing, or one too many.
            if kind < 40 {
                let at = self.roll() % words.len();
                match kind % 3 {
                    0 => words[at] = self.any(),
                    1 => drop(words.remove(at)),
                    _ => words.insert(at, self.any()),
                }
            }
            return words;
        }
        let (name, sub) = self.pick(names());
        let mut words: Vec<Vec<u8>> = std::iter::once(name).chain(sub).map(|word| word.as_bytes().to_vec()).collect();
        for _ in 0..self.roll() % 7 {
            words.push(self.any());
        }
        words
    }
}

fn names() -> &'static [(&'static str, Option<&'static str>)] {
    static NAMES: OnceLock<Vec<(&str, Option<&str>)>> = OnceLock::new();
    NAMES.get_or_init(Machine::commands)
}

/// The words of all shapes that stand for themselves.
fn options() -> &'static [&'static str] {
    static OPTIONS: OnceLock<Vec<&str>> = OnceLock::new();
    OPTIONS.get_or_init(|| {
        SHAPES.iter().flat_map(|shape| shape.split(' ').skip(1)).filter(|word| word.len() > 1).collect()
    })
}

/// Whether the number of answers is the client's choice, or the command takes time or memory because it was asked to.
fn is_special(words: &[Vec<u8>]) -> bool {
    let Some(name) = words.first().map(|name| name.to_ascii_lowercase()) else { return true };
    let is = |at: usize, word: &str| words.get(at).is_some_and(|given| given.eq_ignore_ascii_case(word.as_bytes()));
    // Thousands of millions of random members are made, up to a limit that is high.
    let repeats = |number: &Vec<u8>| number.len() > 6 && number.starts_with(b"-");
    match name.as_slice() {
        b"srandmember" | b"hrandfield" | b"zrandmember" => words.iter().any(repeats),
        b"debug" => is(1, "sleep") || is(1, "jmap"),
        b"config" => is(1, "rewrite"),
        _ => false,
    }
}

/// Runs the script.
pub(crate) fn run(data: &[u8]) {
    let mut dice = Dice(data);
    let settings = [("proto-max-bulk-len", "1mb"), ("enable-debug-command", "yes"), ("databases", "2")];
    let mut machine = Machine::new(dice.roll() as u64, 3, &settings);
    while !dice.0.is_empty() {
        let who = dice.roll();
        if who >= 250 {
            machine.pass(Duration::from_millis([1, 50, 1000, 100_000][who % 4]));
        }
        let who = who % 3;
        let request = dice.request();
        if request.is_empty() || is_special(&request) {
            continue;
        }
        let words: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
        if !machine.waits(who) {
            frames(&machine.hear(who));
        }
        let (was_plain, id) = (machine.is_plain(who) && !machine.waits(who), machine.id(who));
        let told = frames(&machine.ask(who, &words));
        let is_told_more = String::from_utf8_lossy(words[0]).to_ascii_lowercase().ends_with("subscribe");
        if was_plain && machine.is_plain(who) && machine.id(who) == id && !is_told_more {
            let wanted = usize::from(!machine.waits(who));
            assert_eq!(
                told,
                wanted,
                "answers to {:?}",
                request.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>()
            );
        }
    }
    (0..3).for_each(|seat| drop(machine.hear(seat)));
    machine.audit();
}

/// How many frames there are; each must be whole and well-formed.
fn frames(bytes: &[u8]) -> usize {
    let (mut codec, mut src) = (FrameCodec::new(Version::Resp3), BytesMut::from(bytes));
    let mut count = 0;
    while let Some(frame) = codec.decode(&mut src).unwrap_or_else(|error| panic!("{error}: {}", bytes.escape_ascii())) {
        count += usize::from(!matches!(frame, Frame::Push(_)));
    }
    assert!(src.is_empty(), "a part of an answer: {}", bytes.escape_ascii());
    count
}
