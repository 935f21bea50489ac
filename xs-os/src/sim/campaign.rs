//! Many seeds, one verdict.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use parking_lot::Mutex;

use super::{Episode, Keep, Kind, Nemesis, shrink};
use crate::{Clock, Rng};

/// One run, as a campaign asks for it: the same run always, whenever it is asked for.
#[derive(Clone, Debug)]
pub struct Run {
    /// What everything follows from.
    pub seed: u64,
    /// Which of [`Campaign::nemeses`] drew the plan: 0 without any.
    pub weather: usize,
    /// What goes wrong.
    pub plan: Vec<Episode>,
    /// How much of the trace is wanted.
    pub keep: Keep,
}

/// What became of a run: [`World::report`](super::World::report).
#[derive(Clone, Debug)]
pub struct Report {
    /// A number over everything that happened: the same for the same run.
    pub digest: u64,
    /// How much happened.
    pub events: u64,
    /// Virtual time.
    pub simulated: Duration,
    /// What went wrong, counted.
    pub tally: Tally,
    /// Whether the checks were content.
    pub result: Result<(), String>,
    /// The timeline as text, as far as the trace was kept.
    pub text: String,
    /// The same as a drawing.
    pub html: String,
}

/// What went wrong, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Faults that began, by kind.
    pub faults: BTreeMap<Kind, u64>,
    /// Messages that were sent.
    pub sent: u64,
    /// Messages that did not arrive.
    pub lost: u64,
    /// Messages that arrived twice.
    pub doubled: u64,
    /// Messages that were damaged on the way.
    pub garbled: u64,
    /// Processes that began.
    pub starts: u64,
    /// Processes that ended by themselves or were killed.
    pub exits: u64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        for (kind, count) in &other.faults {
            *self.faults.entry(*kind).or_default() += count;
        }
        self.sent += other.sent;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.garbled += other.garbled;
        self.starts += other.starts;
        self.exits += other.exits;
    }
}

/// What a campaign runs.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// On how many threads; each world has one to itself.
    pub threads: usize,
    /// They draw what goes wrong, one seed each in turn; none for fair weather.
    pub nemeses: Vec<Nemesis>,
    /// Whether each seed is run twice and must do the same.
    pub twice: bool,
    /// How many runs may be spent on making a failing plan smaller.
    pub shrink: usize,
    /// The command that runs one seed again; `{seed}` stands for it.
    pub command: String,
}

impl Campaign {
    /// So many seeds from 1, on two threads.
    pub fn new(seeds: u64, nemeses: impl IntoIterator<Item = Nemesis>, command: &str) -> Self {
        let (nemeses, command) = (nemeses.into_iter().collect(), command.to_owned());
        Campaign { first: 1, seeds, threads: 2, nemeses, twice: false, shrink: 300, command }
    }

    /// The same, with `XS_SEEDS` in the environment as the number of seeds, or `XS_SEED` as the only one.
    pub fn from_env(seeds: u64, nemeses: impl IntoIterator<Item = Nemesis>, command: &str) -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.trim().parse().ok());
        let mut campaign = Self::new(number("XS_SEEDS").unwrap_or(seeds), nemeses, command);
        if let Some(seed) = number("XS_SEED") {
            (campaign.first, campaign.seeds) = (seed, 1);
        }
        campaign
    }

    /// A seed's run.
    pub fn one(&self, seed: u64) -> Run {
        let mut rng = Rng::from_seed(seed).fork("nemesis");
        let weather = (seed % self.nemeses.len().max(1) as u64) as usize;
        let plan = self.nemeses.get(weather).map_or_else(Vec::new, |nemesis| nemesis.draw(&mut rng));
        Run { seed, weather, plan, keep: Keep::Hash }
    }

    /// Runs all seeds, or until one fails; makes that one's plan small and tells its story.
    ///
    /// A panic of the run is a failure like others.
    // Worlds are independent and each has one thread: nothing in a run depends on how many there are.
    #[allow(clippy::disallowed_methods)]
    pub fn run(&self, clock: &dyn Clock, run: impl Fn(&Run) -> Report + Sync) -> Verdict {
        let began = clock.now();
        let progress = Mutex::new(Progress { next: self.first, ..Progress::default() });
        std::thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                scope.spawn(|| self.work(&progress, &run));
            }
        });
        let progress = progress.into_inner();
        let found = progress.failed.map(|(seed, why)| self.tell(seed, why, &run));
        let Progress { runs, events, simulated, tally, .. } = progress;
        Verdict { runs, events, simulated, tally, elapsed: clock.now() - began, found }
    }

    fn work(&self, progress: &Mutex<Progress>, run: &(impl Fn(&Run) -> Report + Sync)) {
        loop {
            let seed = {
                let mut progress = progress.lock();
                let seed = progress.next;
                if progress.failed.is_some() || seed >= self.first.saturating_add(self.seeds) {
                    return;
                }
                progress.next += 1;
                seed
            };
            let one = self.one(seed);
            let report = guarded(run, &one);
            let again = self.twice.then(|| guarded(run, &one));
            let mut progress = progress.lock();
            let mut failed = report.as_ref().err().cloned();
            if let Ok(report) = &report {
                progress.runs += 1;
                progress.events += report.events;
                progress.simulated += report.simulated;
                progress.tally.add(&report.tally);
                failed = report.result.as_ref().err().cloned();
                if let Some(again) = again
                    && again.as_ref().is_ok_and(|again| again.digest != report.digest)
                {
                    failed = Some("the same seed did not do the same twice".to_owned());
                }
            }
            // Of two that fail at once the lower seed is told.
            if let Some(why) = failed
                && progress.failed.as_ref().is_none_or(|(other, _)| seed < *other)
            {
                progress.failed = Some((seed, why));
            }
        }
    }

    fn tell(&self, seed: u64, why: String, run: &impl Fn(&Run) -> Report) -> Found {
        let whole = self.one(seed);
        let with = |plan: &[Episode], keep| guarded(run, &Run { plan: plan.to_vec(), keep, ..whole.clone() });
        let small = shrink(&whole.plan, self.shrink, |plan| {
            with(plan, Keep::Hash).map_or(true, |report| report.result.is_err())
        });
        let story = with(&small, Keep::Last(400));
        let (small_why, text, html) = match story {
            Ok(report) => (report.result.err().unwrap_or_else(|| why.clone()), report.text, report.html),
            Err(panic) => (panic, String::new(), String::new()),
        };
        let command = self.command.replace("{seed}", &seed.to_string());
        Found { seed, why, drawn: whole.plan.len(), plan: small, small_why, text, html, command }
    }
}

#[derive(Default)]
struct Progress {
    next: u64,
    runs: u64,
    events: u64,
    simulated: Duration,
    tally: Tally,
    failed: Option<(u64, String)>,
}

/// A panic as an error.
fn guarded(run: &impl Fn(&Run) -> Report, one: &Run) -> Result<Report, String> {
    catch_unwind(AssertUnwindSafe(|| run(one))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("panic: {}", text.unwrap_or_else(|| "not with a text".to_owned()))
    })
}

/// What a campaign found.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Runs that came to an end.
    pub runs: u64,
    /// What happened in them, counted.
    pub events: u64,
    /// Virtual time.
    pub simulated: Duration,
    /// What went wrong in them.
    pub tally: Tally,
    /// Time by the clock of the campaign.
    pub elapsed: Duration,
    /// The run that failed.
    pub found: Option<Found>,
}

/// A run that failed.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its seed.
    pub seed: u64,
    /// Why it failed.
    pub why: String,
    /// How many faults were drawn for it.
    pub drawn: usize,
    /// The faults that are enough.
    pub plan: Vec<Episode>,
    /// Why it fails with those.
    pub small_why: String,
    /// The end of that run's timeline.
    pub text: String,
    /// The same as a drawing.
    pub html: String,
    /// The command that runs the seed again.
    pub command: String,
}

impl Verdict {
    /// Panics with the story if a run failed.
    #[track_caller]
    pub fn expect_clean(&self) {
        if self.found.is_some() {
            panic!("{self}");
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.runs as f64 / self.elapsed.as_secs_f64().max(1e-9);
        write!(
            f,
            "{} runs, {rate:.0} a second; {} events in {:.0} s of virtual time; {} messages, {} lost, {} doubled, \
             {} garbled; \
             {} processes started, {} ended; faults:",
            self.runs,
            self.events,
            self.simulated.as_secs_f64(),
            self.tally.sent,
            self.tally.lost,
            self.tally.doubled,
            self.tally.garbled,
            self.tally.starts,
            self.tally.exits,
        )?;
        for (kind, count) in &self.tally.faults {
            write!(f, " {count} {kind:?}")?;
        }
        match &self.found {
            None => Ok(()),
            Some(found) => write!(f, "\n{found}"),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} fails: {}", self.seed, self.why)?;
        writeln!(f, "run it again: {}", self.command)?;
        writeln!(f, "of {} faults these are enough:", self.drawn)?;
        self.plan.iter().try_for_each(|episode| writeln!(f, "  {episode}"))?;
        writeln!(f, "and with these: {}", self.small_why)?;
        write!(f, "{}", self.text)
    }
}
