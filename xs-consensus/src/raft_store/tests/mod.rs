//! The store against a model, and against what disks do.

mod crashes;
mod damage;
mod life;
mod model;
