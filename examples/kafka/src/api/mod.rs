//! The requests, one family in each file.

pub(crate) mod acls;
pub(crate) mod committed;
pub(crate) mod configs;
pub(crate) mod fetch;
pub(crate) mod groups;
pub(crate) mod metadata;
pub(crate) mod offsets;
pub(crate) mod produce;
pub(crate) mod producers;
pub(crate) mod sasl;
mod subscription;
pub(crate) mod topics;
pub(crate) mod transactions;
pub(crate) mod versions;
