//! How much a transaction waits for the disk.

/// What is made durable, and when. Whatever is chosen, a program that dies takes nothing that was committed with it; this is about
/// the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Synchronous {
    /// Nothing: a crash of the machine may leave a database that is corrupt.
    Off,
    /// What it takes that a crash leaves a whole database. It may lack the last commits if they went to a write-ahead log, or to
    /// a rollback journal whose end was on its way.
    Normal,
    /// Also each commit. Only where a rollback journal ends with its name, that may come back, and undo the last one.
    #[default]
    Full,
    /// Also that.
    Extra,
}
