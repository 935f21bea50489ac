//! **A replicated key-value store, assembled**.

mod answer;
mod command;
mod store;
mod wire;
