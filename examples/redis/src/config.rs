//! The directives of redis.conf.

use crate::notify::Class;

/// The directives that this server obeys.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) databases: usize,
    pub(crate) notify: Class,
    pub(crate) maxmemory: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config { databases: 16, notify: Class::NONE, maxmemory: 0 }
    }
}
