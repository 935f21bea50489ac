//! Real processes under the built program.
#![cfg(target_os = "linux")]

mod commands;
mod home;
mod processes;
mod sockets;
