//! The log, in redis-server's form: harnesses wait for its lines and people grep for them.
//!
//! ```text
//!   4711:M 21 Nov 2026 00:10:59.080 * Ready to accept connections
//!   pid  role  date (UTC)           level: . debug, - verbose, * notice, # warning
//! ```

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use xs_os::Clock;
use xs_os::clock::Utc;

/// How a process that logs changes its level later. A server inside somebody else's process has no log of its own.
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

/// Sends the log of this process to `path`, or to standard output.
pub(crate) fn install(level: Level, path: Option<&Path>, clock: Arc<dyn Clock>) -> io::Result<()> {
    let (filter, handle) = reload::Layer::new(LevelFilter::from_level(level));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().event_format(Lines { clock });
    let installed = match path {
        None => registry.with(lines.with_writer(io::stdout)).try_init(),
        Some(path) => {
            let file = File::options().append(true).create(true).open(path)?;
            registry.with(lines.with_ansi(false).with_writer(Mutex::new(file))).try_init()
        }
    };
    // Whoever installed a subscriber before keeps it.
    if installed.is_ok() {
        let _ = LEVEL.set(handle);
    }
    Ok(())
}

/// From now on, what is less important than `level` is left out.
pub(crate) fn set_level(level: Level) {
    if let Some(handle) = LEVEL.get() {
        let _ = handle.reload(LevelFilter::from_level(level));
    }
}

/// One line an event.
struct Lines {
    clock: Arc<dyn Clock>,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mark = match *event.metadata().level() {
            Level::TRACE => '.',
            Level::DEBUG => '-',
            Level::INFO => '*',
            Level::WARN | Level::ERROR => '#',
        };
        let mut text = Text::default();
        event.record(&mut text);
        let Text { message, fields } = text;
        writeln!(line, "{}:M {} {mark} {message}{fields}", std::process::id(), date(self.clock.wall()))
    }
}

/// The message of an event, and its fields behind it.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

/// `21 Nov 2026 00:10:59.080`, in UTC.
fn date(time: SystemTime) -> String {
    let utc = Utc::from(time);
    let Utc { year, day, hour, minute, second, nanos, .. } = utc;
    format!("{day:02} {} {year} {hour:02}:{minute:02}:{second:02}.{:03}", utc.month_name(), nanos / 1_000_000)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_right_across_leap_years() {
        for (seconds, text) in [
            (0, "01 Jan 1970 00:00:00.000"),
            (951_782_400, "29 Feb 2000 00:00:00.000"),
            (1_709_251_199, "29 Feb 2024 23:59:59.000"),
            (1_795_219_859, "21 Nov 2026 00:10:59.000"),
            (4_107_542_400, "01 Mar 2100 00:00:00.000"),
        ] {
            assert_eq!(date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
