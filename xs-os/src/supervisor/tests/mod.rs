//! Tests over more than one part.

mod files;
mod life;
mod order;
mod simulation;
mod world;
