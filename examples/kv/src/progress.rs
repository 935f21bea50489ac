//! A bar on standard error for work that takes a while; nothing where nobody would see it move.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar, or a count where the end is not known.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Entries, of so many if that is known.
    pub(crate) fn entries(what: &'static str, total: Option<u64>) -> Self {
        Self::new(what, total, "{pos} entries", "{human_pos}/{human_len} entries, {eta} left")
    }

    /// Bytes, of so many if that is known.
    pub(crate) fn bytes(what: &'static str, total: Option<u64>) -> Self {
        Self::new(what, total, "{bytes}, {bytes_per_sec}", "{bytes}/{total_bytes}, {eta} left")
    }

    /// Work in parts, each of them from nothing to the end.
    pub(crate) fn share(what: &'static str) -> Self {
        Self::new(what, Some(0), "", "{percent}%, {eta} left")
    }

    /// What is done of a part.
    pub(crate) fn part(&self, progress: &xs_kv::Progress) {
        if self.bar.message() != progress.part {
            self.bar.reset();
            self.bar.set_message(progress.part);
        }
        self.bar.set_length(progress.of);
        self.bar.set_position(progress.done);
    }

    fn new(what: &'static str, total: Option<u64>, open: &str, closed: &str) -> Self {
        // Standard error that is no terminal shows nothing.
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = match total {
            Some(_) => format!("{{msg}} [{{bar:30}}] {closed}"),
            None => format!("{{spinner}} {{msg}} {open}"),
        };
        // A template that does not parse costs the look, not the work.
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress { bar }
    }

    pub(crate) fn at(&self, position: u64) {
        self.bar.set_position(position);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
