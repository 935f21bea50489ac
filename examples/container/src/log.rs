//! Errors as tools read them: a line on standard error, and one in the log, in runc's forms.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use crate::args::{Args, LogFormat};

/// Where errors go.
#[derive(Debug)]
pub(crate) struct Log {
    file: Option<PathBuf>,
    format: LogFormat,
    debug: bool,
}

impl Log {
    /// As the command line says.
    pub(crate) fn new(args: &Args) -> Log {
        Log { file: args.log.clone(), format: args.log_format, debug: args.debug }
    }

    /// Tells what went wrong.
    pub(crate) fn error(&self, error: &dyn std::error::Error) {
        let message = error.to_string();
        self.write("error", &message);
        if self.file.is_some() {
            eprintln!("{message}");
        }
    }

    /// Tells what is going on, if somebody wants to know.
    pub(crate) fn debug(&self, message: impl FnOnce() -> String) {
        if self.debug {
            self.write("debug", &message());
        }
    }

    fn write(&self, level: &str, message: &str) {
        let time = xs_os::container::now();
        let line = match self.format {
            LogFormat::Json => serde_json::json!({"level": level, "msg": message, "time": time}).to_string(),
            LogFormat::Text => format!("time=\"{time}\" level={level} msg={}", serde_json::Value::from(message)),
        };
        match &self.file {
            None => eprintln!("{line}"),
            Some(path) => {
                let written = OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(path)
                    .and_then(|mut file| writeln!(file, "{line}"));
                if let Err(error) = written {
                    eprintln!("{}: {error}", path.display());
                }
            }
        }
    }
}
