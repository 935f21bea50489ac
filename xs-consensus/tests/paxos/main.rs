//! Paxos: every state of a small synod, stories, what strangers say, and a replicated map in the simulated world.

mod model;
