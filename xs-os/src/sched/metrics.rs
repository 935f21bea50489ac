//! A run in numbers.

use super::Time;
use super::trace::{Counts, Run};

/// What a run was like for one task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskMetrics {
    /// Its name.
    pub name: String,
    /// From its coming to when it first ran.
    pub response: Option<Time>,
    /// From its coming to its end.
    pub turnaround: Option<Time>,
    /// How long it could have run, and did not.
    pub waiting: Time,
    /// How long it computed.
    pub run: Time,
    /// Its longest wake-up.
    pub slowest_wakeup: Option<Time>,
}

/// What a run was like.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    /// Each task that came.
    pub tasks: Vec<TaskMetrics>,
    /// How many ended.
    pub finished: usize,
    /// The means over those for whom there is one.
    pub response: Option<Time>,
    /// The mean, over those that ended.
    pub turnaround: Option<Time>,
    /// The mean.
    pub waiting: Time,
    /// The wake-up that half of all are no slower than: from being able to run again to running.
    pub wakeup_p50: Option<Time>,
    /// The one that 99 of 100 are no slower than.
    pub wakeup_p99: Option<Time>,
    /// Jain's index over what each task had of what it wanted, by weight: 1 if all were slowed down in inverse proportion to their
    /// weights, 1/n if one had everything. `None` if nobody wanted anything.
    pub fairness: Option<f64>,
    /// What part of all CPUs' time was computed in.
    pub utilisation: f64,
    /// How often what happened.
    pub counts: Counts,
}

impl Run {
    /// The run in numbers. O(n log n) in wake-ups and tasks.
    pub fn metrics(&self) -> Metrics {
        let mut slowest = vec![None; self.tasks.len()];
        for &(task, took) in &self.wakeups {
            if let Some(slowest) = slowest.get_mut(task.index()) {
                *slowest = (*slowest).max(Some(took));
            }
        }
        let mut tasks = Vec::new();
        let (mut asked, mut shares) = (Sums::default(), Vec::new());
        for (task, slowest_wakeup) in self.tasks.iter().zip(slowest) {
            let Some(arrival) = task.arrival else { continue };
            let since = |moment: Time| moment.saturating_sub(arrival);
            let wanted = task.run + task.waiting;
            if wanted > 0 {
                shares.push(task.run as f64 / wanted as f64 / f64::from(task.weight));
            }
            let (response, turnaround) = (task.first_run.map(since), task.finish.map(since));
            asked.response.extend(response);
            asked.turnaround.extend(turnaround);
            asked.waiting.push(task.waiting);
            tasks.push(TaskMetrics {
                name: task.name.clone(),
                response,
                turnaround,
                waiting: task.waiting,
                run: task.run,
                slowest_wakeup,
            });
        }
        let mut wakeups: Vec<Time> = self.wakeups.iter().map(|(_, took)| *took).collect();
        wakeups.sort_unstable();
        let capacity = self.end as f64 * f64::from(self.cpus);
        let computed: Time = self.tasks.iter().map(|task| task.run).sum();
        Metrics {
            finished: asked.turnaround.len(),
            response: mean(&asked.response),
            turnaround: mean(&asked.turnaround),
            waiting: mean(&asked.waiting).unwrap_or(0),
            wakeup_p50: percentile(&wakeups, 50),
            wakeup_p99: percentile(&wakeups, 99),
            fairness: jain(&shares),
            utilisation: if capacity > 0.0 { computed as f64 / capacity } else { 0.0 },
            counts: self.counts,
            tasks,
        }
    }
}

#[derive(Default)]
struct Sums {
    response: Vec<Time>,
    turnaround: Vec<Time>,
    waiting: Vec<Time>,
}

fn mean(times: &[Time]) -> Option<Time> {
    let sum: u128 = times.iter().map(|&time| u128::from(time)).sum();
    sum.checked_div(times.len() as u128).map(|mean| mean as Time)
}

/// The nearest rank of a sorted list.
fn percentile(sorted: &[Time], percent: usize) -> Option<Time> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

fn jain(shares: &[f64]) -> Option<f64> {
    let (sum, squares) = shares.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
    (squares > 0.0).then(|| sum * sum / (shares.len() as f64 * squares))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fairness_is_one_for_equals_and_little_for_one_who_has_everything() {
        assert_eq!(jain(&[2.0, 2.0, 2.0]), Some(1.0));
        assert_eq!(jain(&[1.0, 0.0, 0.0, 0.0]), Some(0.25));
        assert_eq!(jain(&[]), None);
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let hundred: Vec<Time> = (1..=100).collect();
        assert_eq!(percentile(&hundred, 50), Some(50));
        assert_eq!(percentile(&hundred, 99), Some(99));
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }
}
