//! Connections: where they come from, how many, and how much they may hold.

use super::{I32, LONG};
use crate::config::ClientShare;
use crate::config::directive::{Directive, Kind, bytes, int, other, own, text, unsigned, yes_no};
use crate::config::words;

pub(crate) static NETWORK: &[Directive] = &[
    own("bind", "* -::*", words::bind)
        .at_start(|c, v| c.bind = v.words().map(|word| String::from_utf8_lossy(word).into_owned()).collect()),
    int("port", "6379", 0, 65535).at_start(|c, v| c.port = v.number() as u16),
    text("unixsocket", "").fixed().sets(|c, v| c.unixsocket = v.some().map(Into::into)),
    other("unixsocketperm", "0", Kind::Octal { max: 0o777 })
        .fixed()
        .sets(|c, v| c.unixsocketperm = u32::from_str_radix(&v.text(), 8).ok().filter(|mode| *mode != 0)),
    int("tcp-backlog", "511", 0, I32).fixed().sets(|c, v| c.tcp_backlog = v.number() as u32),
    int("tcp-keepalive", "300", 0, I32).sets(|c, v| c.tcp_keepalive = v.number()),
    int("timeout", "0", 0, I32).sets(|c, v| c.timeout = v.number()),
    yes_no("protected-mode", "yes").sets(|c, v| c.protected_mode = v.yes()),
    unsigned("maxclients", "10000", 1, u32::MAX as u64).sets(|c, v| c.maxclients = v.size()),
    int("io-threads", "1", 1, 128).fixed().sets(|c, v| c.io_threads = v.size()),
    yes_no("io-threads-do-reads", "no").fixed(),
    text("bind-source-addr", ""),
    unsigned("socket-mark-id", "0", 0, u32::MAX as u64).fixed().lacks("socket marks", &["0"]),
    own(
        "client-output-buffer-limit",
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        words::output_limits,
    )
    .sets(|c, v| c.output_limits = words::parse_output_limits(v.bytes())),
    bytes("client-query-buffer-limit", "1073741824", 1048576, LONG)
        .sets(|c, v| c.client_query_buffer_limit = v.number()),
    bytes("proto-max-bulk-len", "536870912", 1048576, LONG).sets(|c, v| c.proto_max_bulk_len = v.number()),
    other("maxmemory-clients", "0", Kind::MemoryOrPercent).sets(|c, v| c.maxmemory_clients = ClientShare::read(v)),
    unsigned("tracking-table-max-keys", "1000000", 0, LONG).sets(|c, v| c.tracking_table_max_keys = v.size()),
];
