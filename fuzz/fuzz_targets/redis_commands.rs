//! Commands: no sequence of them panics or upsets the books, each has one whole answer, and those of the plain types
//! answer as a simple model does.
#![no_main]

#[path = "redis_commands/model.rs"]
mod model;
#[path = "redis_commands/script.rs"]
mod script;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        Some((0..=63, rest)) => model::compare(rest),
        Some((_, rest)) => script::run(rest),
        None => {}
    }
});
