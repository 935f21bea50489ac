//! Replicas in one thread: what comes in, what comes out, and what the disk has to do with it.
