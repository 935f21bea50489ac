//! What the simulations of Raft, of whole replicas and of Paxos share: the replicated map, the bytes of records on a disk,
//! clients that record what they see, an operator, and what a run is judged by.
#![allow(dead_code, reason = "each test takes what it needs")]

pub(crate) mod bytes;
pub(crate) mod client;
pub(crate) mod machine;
pub(crate) mod node;
pub(crate) mod operator;
