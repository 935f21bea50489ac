//! Every benchmark of the project, side by side with the real systems.

mod redis;

use std::process::ExitCode;

/// The benchmarks by name, each with the line that `list` prints.
const BENCHES: &[(&str, &str)] = &[("redis", "the Redis example beside redis-server and valkey-server")];

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let name = args.next().unwrap_or_default();
    let outcome = match name.to_str() {
        Some("redis") => redis::run(args),
        Some("list") => {
            for (name, what) in BENCHES {
                println!("{name:<10} {what}");
            }
            Ok(())
        }
        _ => Err("usage: xs-benches NAME [--quick] [--json FILE] [--help]; `list` names the benchmarks".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
