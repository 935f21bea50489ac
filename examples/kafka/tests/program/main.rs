//! The program itself, as users start it: real clients, system calls, and sudden deaths.

mod clients;
mod process;
