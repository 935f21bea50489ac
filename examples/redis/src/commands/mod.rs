//! The commands, a family a module: its table in `table.rs`, its handlers beside it.

use crate::command::Spec;

pub(crate) mod bitmaps;
pub(crate) mod chance;
pub(crate) mod connection;
pub(crate) mod geo;
pub(crate) mod hashes;
pub(crate) mod help;
pub(crate) mod hyperloglog;
pub(crate) mod keys;
pub(crate) mod later;
pub(crate) mod lists;
pub(crate) mod pubsub;
pub(crate) mod server;
pub(crate) mod sets;
pub(crate) mod streams;
pub(crate) mod strings;
pub(crate) mod transactions;
pub(crate) mod zsets;

/// The table of every family.
pub(crate) static ALL: &[&[Spec]] = &[
    strings::TABLE,
    bitmaps::TABLE,
    hyperloglog::TABLE,
    keys::TABLE,
    lists::TABLE,
    hashes::TABLE,
    sets::TABLE,
    zsets::TABLE,
    geo::TABLE,
    streams::TABLE,
    pubsub::TABLE,
    transactions::TABLE,
    connection::TABLE,
    server::TABLE,
    later::TABLE,
];
