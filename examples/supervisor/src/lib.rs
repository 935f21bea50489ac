//! A supervisor of services, in systemd's words: what `systemctl` prints, over what [`xs_os::supervisor`] does.
//!
//! ```text
//!   units/  ──▶ xs-supervisor run ──▶ services, sockets, logs
//!                     ▲ JSON lines over a Unix socket
//!   xs-supervisor start | stop | status | logs …
//! ```
//!
//! The machine, its files and its driver are the crate's; here are the command line, the client of the control socket
//! and the text.

#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod text;

#[cfg(target_os = "linux")]
pub use client::{ClientError, ask, default_control};
#[cfg(target_os = "linux")]
pub use text::{Style, jobs, list, status, unit_name};
