//! Raft, whole: against the paper, against the bugs of others, told as transcripts, and in a random network.

mod checks;
mod cluster;
mod features;
mod late;
#[cfg(feature = "mutations")]
mod mutations;
mod paper;
mod peers;
mod random;
mod rare;
mod strangers;
mod transcripts;
