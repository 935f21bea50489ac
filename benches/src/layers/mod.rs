//! Nanoseconds a call: the layers of xs-net and what they are made of, beside tower's and libraries for one purpose.
//!
//! What is compared does not always do the same, and the numbers are to be read with that:
//!
//! - *Clocks.* governor counts the processor's ticks unless told otherwise; ours asks the clock that it was given, and
//!   `Timer::default` is ticks, too, as this is built. Each stands here with both kinds: `by ticks` belongs beside `by ticks`, and
//!   the others ask the system.
//! - *A Limiter* can be of any policy and be changed while it is in use, for which it has a lock: two exchanges where governor
//!   has one.
//! - *tower's rate limit* belongs to one clone, so it is a plain number; ours is one limit for all clones, which is an atomic
//!   exchange more. tower's also counts in windows, and says nothing of when to come again. It asks the system's clock, and no
//!   other. `AtomicWindow` counts in windows as well, and asks for the time when a window is used up.
//! - *tower's concurrency limit* waits for a place in `poll_ready` and so takes it before there is a call; `ConcurrencyLayer`
//!   refuses, `BulkheadLayer` waits as tower's does and bounds how many and how long.
//! - *An adaptive limit* times each call and learns from it, as tower-resilience's do; tower's is fixed, and stands beside them to
//!   show what learning costs.
//! - *TraceLayer* makes spans and events and keeps no numbers. `ObserveLayer` makes a span, keeps a histogram for each outcome
//!   and counts who is under way. `heard` is with a subscriber that takes everything and writes nothing. *A place in a
//!   trace* is a reading of headers, an identifier and a header written, none of which TraceLayer does: it stands in a row of its
//!   own, beside nobody.
//! - *failsafe* calls a closure: there is no future around a call.

mod limit;
mod observe;
#[cfg(feature = "peers-layers")]
mod peers;
mod recovery;

use std::convert::Infallible;
use std::error::Error;
use std::ffi::OsString;
use std::hint::black_box;
use std::io::Write;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tower::Service;
use xs_net::Timer;

use crate::arguments::{self, Arguments};
use crate::median;

/// What `--help` prints.
const HELP: &str = "\
layers: nanoseconds a call of xs-net's layers, beside tower's, tower-resilience, failsafe, governor, tower-http and
axum-prometheus

  --quick       a tenth of the calls, and three rounds
  --only TEXT   those that have this in what stands before them in the table, as `| ROW | SUBJECT |`
  --calls N     so many calls a round, and one round: for a profiler
  --json FILE   one object a line: bench, row, subject, peer, ratio, unit, ours, theirs, rounds

Build with `--features peers-layers` to measure those that aren't tower's.
";

/// One way to do what a row is about.
struct Case {
    row: &'static str,
    subject: &'static str,
    ours: bool,
    /// Makes so many calls.
    run: Box<dyn FnMut(u32)>,
}

impl Case {
    fn new<T>(row: &'static str, subject: &'static str, ours: bool, mut call: impl FnMut() -> T + 'static) -> Case {
        // The loop is inside, so that only it pays for the indirection.
        let run = Box::new(move |calls| (0..calls).for_each(|_| drop(black_box(call()))));
        Case { row, subject, ours, run }
    }

    /// A service that is called and answers at once.
    fn service<S: Service<u64> + 'static>(
        row: &'static str,
        subject: &'static str,
        ours: bool,
        mut service: S,
    ) -> Case {
        Case::new(row, subject, ours, move || {
            let mut cx = Context::from_waker(Waker::noop());
            if service.poll_ready(&mut cx).is_ready() {
                let answer = pin!(service.call(black_box(7))).poll(&mut cx);
                assert!(matches!(black_box(answer), Poll::Ready(Ok(_))), "{row}, {subject}: not answered");
            }
        })
    }
}

/// Answers at once what it was asked.
async fn echo(number: u64) -> Result<u64, Infallible> {
    Ok(number)
}

/// By the system's clock, and by the processor's ticks.
fn timers() -> [(Timer, usize); 2] {
    [(Timer::system(), 0), (Timer::ticks(), 1)]
}

fn cases() -> Vec<Case> {
    let mut cases = vec![Case::service("a service without a layer", "tower", false, tower::service_fn(echo))];
    cases.extend(limit::cases());
    cases.extend(recovery::cases());
    cases.extend(observe::cases());
    // A layer asks for the facade's counters in its first call, and there is no recorder yet.
    cases.iter_mut().for_each(|case| (case.run)(1));
    #[cfg(feature = "peers-layers")]
    cases.extend(peers::cases());
    // Stable: of each row those that came first stay first.
    let rows: Vec<_> = cases.iter().map(|case| case.row).collect();
    cases.sort_by_key(|case| rows.iter().position(|row| *row == case.row));
    cases
}

/// Runs the benchmark with the arguments that follow its name.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    use lexopt::ValueExt;
    let (mut only, mut profiled) = (String::new(), None);
    let own = |name: &str, parser: &mut lexopt::Parser| {
        match name {
            "only" => only = parser.value()?.string()?,
            "calls" => profiled = Some(parser.value()?.parse()?),
            _ => return Ok(false),
        }
        Ok(true)
    };
    let Some(Arguments { quick, json }) = arguments::parse(args, HELP, own)? else { return Ok(()) };
    let (calls, rounds) = match (profiled, quick) {
        (Some(calls), _) => (calls, 1),
        (None, true) => (100_000, 3),
        (None, false) => (1_000_000, 15),
    };
    // tower's timers want a runtime around them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let _inside = runtime.enter();
    let mut cases = cases();
    cases.retain(|case| format!("| {} | {} |", case.row, case.subject).contains(&only));
    let mut times = vec![Vec::new(); cases.len()];
    // All in each round, so that a busy moment of the machine hits none of them alone.
    for _ in 0..rounds {
        for (case, times) in cases.iter_mut().zip(&mut times) {
            let start = Instant::now();
            (case.run)(calls);
            times.push(start.elapsed().as_nanos() as f64 / f64::from(calls));
        }
    }
    let nanos: Vec<f64> = times.into_iter().map(median).collect();

    println!("# layers\n\nNanoseconds a call, one thread, medians of {rounds} rounds of {calls} calls.\n");
    if cfg!(not(feature = "peers-layers")) {
        println!("Those that aren't tower's aren't built in (`--features peers-layers`): not measured.\n");
    }
    println!("| what | who | ns/call | beside each peer, above 1 is better for us |\n|---|---|---:|---|");
    for (case, ours) in cases.iter().zip(&nanos) {
        let beside = peers_of(&cases, &nanos, case).map(|(peer, theirs)| format!("{:.2}× {peer}", theirs / ours));
        println!("| {} | {} | {ours:.1} | {} |", case.row, case.subject, beside.collect::<Vec<_>>().join(", "));
    }
    println!();
    if let Some(mut file) = json {
        for (case, ours) in cases.iter().zip(&nanos) {
            for (peer, theirs) in peers_of(&cases, &nanos, case) {
                let line = serde_json::json!({
                    "bench": "layers", "row": case.row, "subject": case.subject, "peer": peer, "ratio": theirs / ours,
                    "unit": "ns/call", "ours": ours, "theirs": theirs, "rounds": rounds,
                });
                writeln!(file, "{line}")?;
            }
        }
    }
    Ok(())
}

/// What one of ours is compared with: whatever is not ours in its row.
fn peers_of<'a>(cases: &'a [Case], nanos: &'a [f64], of: &'a Case) -> impl Iterator<Item = (&'static str, f64)> {
    let others = cases.iter().zip(nanos).filter(|(case, _)| of.ours && !case.ours && case.row == of.row);
    others.map(|(case, nanos)| (case.subject, *nanos))
}
