//! The assembly: a listener × the RESP codec × the service × the keyspace, started and stopped as one value.
//!
//! # The problem
//! placeholder
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;
use xs_os::{Clock, Rng, SystemClock};
use xs_storage::keyspace::Keyspace;

use crate::acl::Acl;
use crate::client::Client;
use crate::config::Config;
use crate::service::{Connection, unix_ms};
use crate::state::{Clients, Server as ServerState, Shared, State, Stats, Watchers};
use crate::table::Table;

/// A running server.
#[derive(Debug)]
pub struct Server;
/// A server to be.
#[derive(Debug)]
pub struct Builder;
/// Why it did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
}
