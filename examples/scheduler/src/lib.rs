//! **Schedulers beside one another**: a workload in a file × a scheduler of [`xs_os::sched`]. The program `xs-scheduler` is
//! its command line.
//!
//! ```text
//! cargo run --release -p xs-scheduler -- examples
//! cargo run --release -p xs-scheduler -- compare convoy
//! cargo run --release -p xs-scheduler -- run convoy --policy fifo,rr,mlfq --timeline --svg convoy.svg
//! ```
//!
//! A workload is TOML ([`parse`] says how it is written), and runs under any of the schedulers:
//!
//! ```
//! use xs_os::sched::{Options, Scheduler};
//!
//! let workload = xs_scheduler::parse(r#"
//!     [[task]]
//!     name = "long"
//!     do = [{ compute = "1s" }]
//!     [[task]]
//!     name = "short"
//!     arrival = "1ms"
//!     do = [{ compute = "10ms" }]
//! "#)?;
//! let run = Scheduler::Fifo.run(&workload, &Options { cpus: 1, ..Options::default() })?;
//! println!("{}", xs_scheduler::report(&run));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builtin;
mod file;
mod report;
mod units;

pub use builtin::{Builtin, builtin, builtins};
pub use file::{FileError, parse};
pub use report::{compare, json, report};
pub use units::duration;
