//! Who can be called, and how that changes: what `discover` says and `balance` hears.

use std::fmt;
use std::sync::Arc;

/// One of several that can answer the same requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// What tells it from all others, and places it in consistent hashing: an address, or a name that outlives one.
    pub name: Arc<str>,
    /// Its part of the work beside the others' weights. Zero: it drains, and gets nothing new.
    pub weight: u32,
    /// Where it stands, if somebody cares: a rack, a data centre, an availability zone.
    pub zone: Option<Arc<str>>,
}

impl Endpoint {
    /// An endpoint of weight 1 that stands nowhere in particular.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Endpoint { name: name.into(), weight: 1, zone: None }
    }

    /// With another weight.
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// In a zone.
    pub fn zone(mut self, zone: impl Into<Arc<str>>) -> Self {
        self.zone = Some(zone.into());
        self
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What happened to a set of endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// There is this endpoint; one of the same name was it until now, with another weight or zone.
    Insert(Endpoint),
    /// There is no endpoint of this name any more.
    Remove(Arc<str>),
}
