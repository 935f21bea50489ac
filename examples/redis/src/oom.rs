//! How soon the kernel's out-of-memory killer takes this process (`oom-score-adj`).
//!
//! The kernel has a number for every process, from -1000 (never) to 1000 (first). `absolute` replaces it, `relative` adds to
//! the number that the process began with, and `no` gives that one back. Of the three `oom-score-adj-values` the first is
//! a master's; the others are for replicas and for processes that save, which there are none of.

use std::fs;
use std::io;

use crate::config::Config;

/// Where Linux keeps the number.
const PATH: &str = "/proc/self/oom_score_adj";

/// What has been done to the number.
#[derive(Debug, Default)]
pub(crate) struct OomScore {
    /// The number that the process began with, once it has been changed.
    before: Option<i32>,
}

impl OomScore {
    /// Makes the number what `config` wants.
    pub(crate) fn adjust(&mut self, config: &Config) -> io::Result<()> {
        let score = match (config.oom_score, self.before) {
            (Adjust::No, None) => return Ok(()),
            (Adjust::No, Some(before)) => before,
            (Adjust::Relative, before) => before.map_or_else(read, Ok)? + config.oom_score_of_master,
            (Adjust::Absolute, _) => config.oom_score_of_master,
        };
        let before = self.before.map_or_else(read, Ok)?;
        fs::write(PATH, score.clamp(-1000, 1000).to_string())?;
        self.before = (config.oom_score != Adjust::No).then_some(before);
        Ok(())
    }
}

fn read() -> io::Result<i32> {
    fs::read_to_string(PATH)?.trim().parse().map_err(io::Error::other)
}

/// What to do to the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Adjust {
    #[default]
    No,
    Relative,
    Absolute,
}

impl Adjust {
    pub(crate) fn read(text: &[u8]) -> Adjust {
        match text {
            b"yes" => Adjust::Relative,
            b"absolute" => Adjust::Absolute,
            _ => Adjust::No,
        }
    }
}
