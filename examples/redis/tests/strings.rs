//! Strings: as text, as numbers, as rows of bits, as integers of any width, and as sketches.

mod raw;

use raw::{Client, Subject};

async fn talk(client: &mut Client, lines: &[(&str, &str)]) {
    for (words, reply) in lines {
        assert_eq!(client.ask(words).await, *reply, "{words}");
    }
}

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[tokio::test]
async fn setting_and_getting() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    talk(
        &mut client,
        &[
            ("SET a 1 NX", "+OK"),
            ("SET a 2 NX", "nil"),
            ("SET a 2 NX GET", "\"1\""),
            ("SET a 2 XX GET", "\"1\""),
            ("SET missing 2 XX GET", "nil"),
            ("EXISTS missing", ":0"),
            ("SET a 3 NX XX", "-ERR syntax error"),
            ("SET a 3 EX 10 PX 10", "-ERR syntax error"),
            ("SET a 3 EX 10 KEEPTTL", "-ERR syntax error"),
            ("SET a 3 EX", "-ERR syntax error"),
            ("SET a 3 EX x", "-ERR value is not an integer or out of range"),
            ("SET a 3 EX 0", "-ERR invalid expire time in 'set' command"),
            ("SETEX a 9223372036854775807 3", "-ERR invalid expire time in 'setex' command"),
            ("PSETEX a 0 3", "-ERR invalid expire time in 'psetex' command"),
            ("SET a 3 EXAT 33177117420", "+OK"),
            ("SET a 4 KEEPTTL", "+OK"),
            ("EXPIRETIME a", ":33177117420"),
            ("GETEX a", "\"4\""),
            ("EXPIRETIME a", ":33177117420"),
            ("GETEX a PERSIST", "\"4\""),
            ("TTL a", ":-1"),
            ("GETEX a PXAT 1", "\"4\""),
            ("EXISTS a", ":0"),
            ("SET a 5 PXAT 1", "+OK"),
            ("GET a", "nil"),
            ("GETDEL a", "nil"),
            ("SET a 6", "+OK"),
            ("GETSET a 7", "\"6\""),
            ("GETDEL a", "\"7\""),
            ("RPUSH l 1", ":1"),
            ("GET l", WRONG_TYPE),
            ("GETEX l", WRONG_TYPE),
            ("SET l x GET", WRONG_TYPE),
            ("SETNX l x", ":0"),
            ("MGET l missing", "[nil, nil]"),
            ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"),
            ("MSETNX n 1 l 2", ":0"),
            ("EXISTS n", ":0"),
            ("MSETNX n 1 n 2", ":1"),
            ("GET n", "\"2\""),
            ("SET l x", "+OK"),
            ("TYPE l", "+string"),
        ],
    )
    .await;
}

#[tokio::test]
async fn parts() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    talk(
        &mut client,
        &[
            ("APPEND a Hello", ":5"),
            ("OBJECT ENCODING a", "\"embstr\""),
            ("APPEND a !", ":6"),
            ("OBJECT ENCODING a", "\"raw\""),
            ("STRLEN a", ":6"),
            ("SETRANGE a 1 ipp", ":6"),
            ("GETRANGE a 0 -2", "\"Hippo\""),
            ("GETRANGE a -100 1", "\"Hi\""),
            // An end before the beginning still means the first byte, unless the ends are crossed.
            ("GETRANGE a -100 -99", "\"H\""),
            ("GETRANGE a -99 -100", "\"\""),
            ("GETRANGE a -9223372036854775808 9223372036854775807", "\"Hippo!\""),
            ("GETRANGE missing 0 -1", "\"\""),
            ("SETRANGE missing 5 ", ":0"),
            ("EXISTS missing", ":0"),
            ("SETRANGE b 2 x", ":3"),
            ("GET b", "\"\0\0x\""),
            ("SETRANGE b -1 x", "-ERR offset is out of range"),
            ("SETRANGE b 536870912 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
            ("SETRANGE b 9223372036854775807 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
            ("SET empty ", "+OK"),
            ("GETRANGE empty -9223372036854775808 0", "\"\""),
            ("GETRANGE empty 0 -1", "\"\""),
            // The same rule doesn't hold for lists.
            ("RPUSH l 1 2 3", ":3"),
            ("LRANGE l -100 -99", "[]"),
            ("LTRIM l -100 -99", "+OK"),
            ("EXISTS l", ":0"),
        ],
    )
    .await;
}

#[tokio::test]
async fn numbers() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    talk(
        &mut client,
        &[
            ("INCR n", ":1"),
            ("INCRBY n 41", ":42"),
            ("DECRBY n -9223372036854775808", "-ERR decrement would overflow"),
            ("INCRBY n 9223372036854775807", "-ERR increment or decrement would overflow"),
            ("INCRBY n +1", "-ERR value is not an integer or out of range"),
            ("SET t 007", "+OK"),
            ("INCR t", "-ERR value is not an integer or out of range"),
            ("INCRBYFLOAT n 0.5", "\"42.5\""),
            ("INCRBYFLOAT n -42.5", "\"0\""),
            ("OBJECT ENCODING n", "\"embstr\""),
            ("INCR n", ":1"),
            ("OBJECT ENCODING n", "\"int\""),
            ("INCRBYFLOAT n 3.0e3", "\"3001\""),
            ("INCRBYFLOAT n 0x10", "\"3017\""),
            ("SET n 0x1p3", "+OK"),
            ("INCRBYFLOAT n 1", "\"9\""),
            ("HINCRBYFLOAT hex field 0x1.8", "\"1.5\""),
            ("ZADD scores 0x.8p1 member", ":1"),
            ("ZSCORE scores member", "\"1\""),
            ("INCRBYFLOAT n inf", "-ERR increment would produce NaN or Infinity"),
            ("INCRBYFLOAT n x", "-ERR value is not a valid float"),
            ("RPUSH l 1", ":1"),
            ("INCR l", WRONG_TYPE),
            ("INCRBYFLOAT l 1", WRONG_TYPE),
            ("LCS l missing", "-ERR The specified keys must contain string values"),
            ("LCS l missing FOO", "-ERR The specified keys must contain string values"),
        ],
    )
    .await;
}

#[tokio::test]
async fn single_bits() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    talk(
        &mut client,
        &[
            ("SETBIT a 7 0", ":0"),
            ("STRLEN a", ":1"),
            ("SETBIT a 9 1", ":0"),
            ("SETBIT a 9 1", ":1"),
            ("GETBIT a 9", ":1"),
            ("GETBIT a 8", ":0"),
            ("GETBIT a 4294967295", ":0"),
            ("GETBIT a 4294967296", "-ERR bit offset is not an integer or out of range"),
            ("SETBIT a -1 1", "-ERR bit offset is not an integer or out of range"),
            ("SETBIT a 1 2", "-ERR bit is not an integer or out of range"),
            ("SET n 1", "+OK"),
            ("SETBIT n 6 1", ":0"),
            ("GET n", "\"3\""),
            ("OBJECT ENCODING n", "\"raw\""),
            ("RPUSH l 1", ":1"),
            ("SETBIT l 0 1", WRONG_TYPE),
            ("GETBIT l 0", WRONG_TYPE),
        ],
    )
    .await;
}

#[tokio::test]
async fn counting_and_finding_bits() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    talk(
        &mut client,
        &[
            ("SET a foobar", "+OK"),
            ("BITCOUNT a", ":26"),
            ("BITCOUNT a 1 1", ":6"),
            ("BITCOUNT a 5 30 BIT", ":17"),
            ("BITCOUNT a -2 -1 byte", ":7"),
            ("BITCOUNT a -1 -2", ":0"),
            ("BITCOUNT a 0", "-ERR syntax error"),
            ("BITCOUNT a 0 1 FOO", "-ERR syntax error"),
            ("BITCOUNT a 0 x", "-ERR value is not an integer or out of range"),
            // A missing key ends the matter before anything is read.
            ("BITCOUNT missing 0 x FOO BAR", ":0"),
            ("BITPOS missing 0 x", ":0"),
            ("BITPOS missing 1", ":-1"),
            ("BITPOS a 2", "-ERR The bit argument must be 1 or 0."),
            ("BITPOS a 1", ":1"),
            ("BITPOS a 0 1", ":8"),
            ("BITPOS a 1 8 20 BIT", ":9"),
            ("BITPOS a 1 8 8 BIT", ":-1"),
            ("SET full \u{7f}\u{7f}", "+OK"),
            ("BITFIELD full SET u1 0 1 SET u1 8 1", "[:0, :0]"),
            // Zeros go on behind the string, but not behind an end that was given.
            ("BITPOS full 0", ":16"),
            ("BITPOS full 0 1", ":16"),
            ("BITPOS full 0 0 -1", ":-1"),
            ("BITPOS full 0 2", ":-1"),
            ("BITPOS full 0 0 15 BIT", ":-1"),
            ("SET empty ", "+OK"),
            ("BITPOS empty 0", ":-1"),
            ("BITCOUNT empty 0 -1", ":0"),
        ],
    )
    .await;
}

#[tokio::test]
async fn combining_bits() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    talk(
        &mut client,
        &[
            ("MSET a aaaa b bb", "+OK"),
            ("BITOP AND to a b missing", ":4"),
            ("GET to", "\"\0\0\0\0\""),
            ("BITOP or to a b", ":4"),
            ("GET to", "\"ccaa\""),
            ("BITOP XOR a a a", ":4"),
            ("GET a", "\"\0\0\0\0\""),
            ("BITOP NOT a b b", "-ERR BITOP NOT must be called with a single source key."),
            ("BITOP FOO a b", "-ERR syntax error"),
            ("SET digits 123", "+OK"),
            ("BITOP AND to digits digits", ":3"),
            ("OBJECT ENCODING to", "\"raw\""),
            ("BITOP AND to missing", ":0"),
            ("EXISTS to", ":0"),
            ("RPUSH l 1", ":1"),
            ("BITOP AND to digits l", WRONG_TYPE),
        ],
    )
    .await;
}

#[tokio::test]
async fn fields() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    talk(
        &mut client,
        &[
            ("BITFIELD f", "[]"),
            ("BITFIELD f GET u8 100", "[:0]"),
            ("EXISTS f", ":0"),
            ("BITFIELD f SET u8 #1 255 GET u4 4 GET i8 8", "[:0, :0, :-1]"),
            ("STRLEN f", ":2"),
            ("BITFIELD f INCRBY u8 #1 2 OVERFLOW SAT INCRBY u8 #1 -9 OVERFLOW FAIL INCRBY u8 #1 -1", "[:1, :0, nil]"),
            ("BITFIELD f OVERFLOW SAT SET u8 0 -1 SET i8 0 200 GET i8 0", "[:0, :-1, :127]"),
            (
                "BITFIELD f SET i64 1 -9223372036854775808 INCRBY i64 1 -1",
                "[:-144115188075855872, :9223372036854775807]",
            ),
            (
                "BITFIELD f GET u64 0",
                "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
            ),
            ("BITFIELD f GET u8 -1", "-ERR bit offset is not an integer or out of range"),
            ("BITFIELD f GET i64 #9223372036854775807", "-ERR bit offset is not an integer or out of range"),
            ("BITFIELD f OVERFLOW FOO", "-ERR Invalid OVERFLOW type specified"),
            ("BITFIELD f GET u8", "-ERR syntax error"),
            ("BITFIELD_RO f GET u1 1", "[:0]"),
            ("BITFIELD_RO f SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand"),
            ("RPUSH l 1", ":1"),
            ("BITFIELD l GET u8 0", WRONG_TYPE),
            ("BITFIELD l SET u8 0 1", WRONG_TYPE),
        ],
    )
    .await;
}

#[tokio::test]
async fn sketches() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    talk(
        &mut client,
        &[
            ("PFCOUNT a b", ":0"),
            ("PFADD a", ":1"),
            ("PFADD a", ":0"),
            ("PFADD a x y z", ":1"),
            ("PFADD a x y z", ":0"),
            ("PFADD b z z w", ":1"),
            ("PFCOUNT a", ":3"),
            ("PFCOUNT a b missing", ":4"),
            ("PFMERGE c a b", "+OK"),
            ("PFCOUNT c", ":4"),
            ("PFDEBUG ENCODING c", "+sparse"),
            ("PFDEBUG TODENSE c", ":1"),
            ("PFDEBUG TODENSE c", ":0"),
            ("PFDEBUG DECODE c", "-ERR HLL encoding is not sparse"),
            ("PFCOUNT c", ":4"),
            ("STRLEN c", ":12304"),
            ("PFMERGE d c", "+OK"),
            ("PFDEBUG ENCODING d", "+dense"),
            ("PFADD e", ":1"),
            ("PFDEBUG DECODE e", "\"Z:16384\""),
            ("PFDEBUG FOO e", "-ERR Unknown PFDEBUG subcommand 'FOO'"),
            ("PFDEBUG ENCODING missing", "-ERR The specified key does not exist"),
            ("EXPIRE e 100", ":1"),
            ("PFADD e x", ":1"),
            ("TTL e", ":100"),
            ("SET s text", "+OK"),
            ("PFADD s x", "-WRONGTYPE Key is not a valid HyperLogLog string value."),
            ("PFCOUNT a s", "-WRONGTYPE Key is not a valid HyperLogLog string value."),
            ("RPUSH l 1", ":1"),
            ("PFADD l x", WRONG_TYPE),
            ("PFMERGE to l", WRONG_TYPE),
            ("EXISTS to", ":0"),
            ("APPEND e x", ":21"),
            ("PFCOUNT e", "-INVALIDOBJ Corrupted HLL object detected"),
        ],
    )
    .await;
    if server.is_ours() {
        // Redis counts ten million elements for this.
        assert_eq!(client.ask("PFSELFTEST").await, "+OK");
    }
}
