//! What a run was like: for people, and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};
use xs_os::sched::{Metrics, Run, Time};

/// Tasks that get a line of their own.
const MOST_LINES: usize = 30;

/// A time in three or four digits: `12.3ms`; `-` for none.
fn time(time: impl Into<Option<Time>>) -> String {
    let Some(time) = time.into() else { return "-".into() };
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];
    match units.into_iter().find(|(unit, _)| time >= *unit) {
        Some((unit, name)) => {
            let value = time as f64 / unit as f64;
            let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
            format!("{value:.digits$}{name}")
        }
        None => format!("{time}ns"),
    }
}

/// Columns as wide as what is in them; the first to the left, the others to the right.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(line, "{cell:<width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// A run: a line a task, and what was counted.
pub fn report(run: &Run) -> String {
    let metrics = run.metrics();
    let mut out = format!("{} on {} CPUs: after {}, {}\n\n", run.policy, run.cpus, time(run.end), run.outcome);
    let mut rows = vec![words(["task", "response", "turnaround", "waiting", "run", "slowest wake-up"])];
    for task in metrics.tasks.iter().take(MOST_LINES) {
        let times = [task.response, task.turnaround, Some(task.waiting), Some(task.run), task.slowest_wakeup];
        rows.push([task.name.clone()].into_iter().chain(times.map(time)).collect());
    }
    out.push_str(&table(&rows));
    if metrics.tasks.len() > MOST_LINES {
        let _ = writeln!(out, "… and {} more", metrics.tasks.len() - MOST_LINES);
    }
    let counts = metrics.counts;
    let _ = writeln!(
        out,
        "\nmeans: response {}, turnaround {} ({} of {} ended), waiting {}; wake-ups: p50 {}, p99 {}\n\
         fairness {}, utilisation {:.1}%, {} switches, {} preemptions, {} migrations, {} steals, {} events",
        time(metrics.response),
        time(metrics.turnaround),
        metrics.finished,
        metrics.tasks.len(),
        time(metrics.waiting),
        time(metrics.wakeup_p50),
        time(metrics.wakeup_p99),
        fairness(&metrics),
        100.0 * metrics.utilisation,
        counts.switches,
        counts.preemptions,
        counts.migrations,
        counts.steals,
        counts.events,
    );
    if counts.threads > 0 {
        let _ = writeln!(out, "{} threads, {} processors retaken from system calls", counts.threads, counts.retakes);
    }
    out
}

fn fairness(metrics: &Metrics) -> String {
    metrics.fairness.map_or("-".into(), |fairness| format!("{fairness:.3}"))
}

/// Runs beside one another, a line each.
pub fn compare(runs: &[Run]) -> String {
    let head = [
        "policy",
        "ended",
        "response",
        "turnaround",
        "wake p50",
        "wake p99",
        "fairness",
        "busy",
        "switches",
        "preempted",
        "migrated",
    ];
    let mut rows = vec![words(head)];
    for run in runs {
        let metrics = run.metrics();
        rows.push(vec![
            run.policy.clone(),
            format!("{}/{}", metrics.finished, metrics.tasks.len()),
            time(metrics.response),
            time(metrics.turnaround),
            time(metrics.wakeup_p50),
            time(metrics.wakeup_p99),
            fairness(&metrics),
            format!("{:.1}%", 100.0 * metrics.utilisation),
            metrics.counts.switches.to_string(),
            metrics.counts.preemptions.to_string(),
            metrics.counts.migrations.to_string(),
        ]);
    }
    let mut out = table(&rows);
    for run in runs.iter().filter(|run| run.outcome.is_failure()) {
        let _ = writeln!(out, "{}: {}", run.policy, run.outcome);
    }
    out
}

/// A run for programs; all times are nanoseconds.
pub fn json(run: &Run) -> Value {
    let metrics = run.metrics();
    let counts = metrics.counts;
    let task = |task: &xs_os::sched::TaskMetrics| {
        json!({
            "name": task.name, "response": task.response, "turnaround": task.turnaround, "waiting": task.waiting,
            "run": task.run, "slowest_wakeup": task.slowest_wakeup,
        })
    };
    json!({
        "policy": run.policy, "cpus": run.cpus, "end": run.end, "outcome": run.outcome.to_string(),
        "failed": run.outcome.is_failure(), "finished": metrics.finished, "response": metrics.response,
        "turnaround": metrics.turnaround, "waiting": metrics.waiting, "wakeup_p50": metrics.wakeup_p50,
        "wakeup_p99": metrics.wakeup_p99, "fairness": metrics.fairness, "utilisation": metrics.utilisation,
        "events": counts.events, "switches": counts.switches, "preemptions": counts.preemptions,
        "migrations": counts.migrations, "steals": counts.steals, "retakes": counts.retakes, "threads": counts.threads,
        "digest": format!("{:016x}", run.digest()),
        "tasks": metrics.tasks.iter().map(task).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_few_digits() {
        let said = [0, 999, 1_500, 12_345_678, 123_456_789, 3_000_000_000].map(time);
        assert_eq!(said, ["0ns", "999ns", "1.50us", "12.3ms", "123ms", "3.00s"]);
        assert_eq!(time(None), "-");
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [words(["a", "long"]), words(["longer", "b"])];
        assert_eq!(table(&rows), "a       long\nlonger     b\n");
    }
}
