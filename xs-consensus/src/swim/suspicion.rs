//! How long a suspicion lasts, and how far a member trusts its own judgement: Lifeguard's two dampers.

use std::time::{Duration, Instant};

use super::{NodeId, Options};

/// A suspicion that nobody has contradicted yet.
#[derive(Clone, Debug)]
pub(super) struct Suspicion {
    began: Instant,
    least: Duration,
    most: Duration,
    /// So many confirmations bring it down to the least.
    wanted: usize,
    /// Who else suspects, the first accuser in front.
    accusers: Vec<NodeId>,
}

impl Suspicion {
    pub(super) fn new(now: Instant, members: usize, by: NodeId, options: &Options) -> Self {
        let least = least(members, options);
        // Where nobody is left who could confirm, nothing is waited for.
        let wanted = (options.suspicion as usize).saturating_sub(2);
        let wanted = if members < wanted + 2 { 0 } else { wanted };
        let most = if wanted == 0 { least } else { least.saturating_mul(options.suspicion_most) };
        Suspicion { began: now, least, most, wanted, accusers: vec![by] }
    }

    /// Somebody suspects too. True if that is news that shortens the wait.
    pub(super) fn confirm(&mut self, by: NodeId) -> bool {
        let news = self.accusers.len() <= self.wanted && !self.accusers.contains(&by);
        if news {
            self.accusers.push(by);
        }
        news
    }

    /// When the suspect counts as dead: most - (most - least)·log(c+1)/log(k+1), with c confirmations of the k that are
    /// wanted (Lifeguard, IV-B).
    pub(super) fn deadline(&self) -> Instant {
        let confirmed = self.accusers.len() - 1;
        let part = match self.wanted {
            0 => 1.0,
            wanted => libm::log(confirmed as f64 + 1.0) / libm::log(wanted as f64 + 1.0),
        };
        self.began + self.most - (self.most - self.least).mul_f64(part.min(1.0))
    }

    /// The member itself stood still for so long: nobody could be heard meanwhile.
    pub(super) fn postpone(&mut self, by: Duration) {
        self.began += by;
    }
}

/// α·log₁₀(n) periods, one α at least.
fn least(members: usize, options: &Options) -> Duration {
    let digits = libm::log10(members.max(1) as f64).max(1.0);
    options.period.saturating_mul(options.suspicion).mul_f64(digits)
}

/// How much a member doubts itself: 0 is healthy, and each point makes its own period and timeouts longer by one (Lifeguard's
/// local health multiplier, IV-A).
#[derive(Clone, Debug)]
pub(super) struct Health {
    score: u32,
    most: u32,
}

impl Health {
    pub(super) fn new(options: &Options) -> Self {
        Health { score: 0, most: options.health_most - 1 }
    }

    pub(super) fn score(&self) -> u32 {
        self.score
    }

    pub(super) fn worse(&mut self, by: u32) {
        self.score = self.score.saturating_add(by).min(self.most);
    }

    pub(super) fn better(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    pub(super) fn stretch(&self, duration: Duration) -> Duration {
        duration.saturating_mul(self.score + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xs_os::{Clock, VirtualClock};

    #[test]
    fn confirmations_shorten_the_wait_and_the_same_accuser_counts_once() {
        let now = VirtualClock::new().now();
        let mut suspicion = Suspicion::new(now, 100, NodeId(1), &Options::default());
        let wait = |suspicion: &Suspicion| (suspicion.deadline() - now).as_secs_f64();
        // α = 4 and n = 100: 8 periods at least, 48 at most, two confirmations wanted.
        assert_eq!(wait(&suspicion), 48.0);
        assert!(!suspicion.confirm(NodeId(1)));
        assert!(suspicion.confirm(NodeId(2)));
        assert!((wait(&suspicion) - (48.0 - 40.0 * 2_f64.ln() / 3_f64.ln())).abs() < 1e-6);
        assert!(!suspicion.confirm(NodeId(2)) && suspicion.confirm(NodeId(3)));
        assert_eq!(wait(&suspicion), 8.0);
        assert!(!suspicion.confirm(NodeId(4)));
    }

    #[test]
    fn where_nobody_can_confirm_nothing_is_waited_for() {
        let now = VirtualClock::new().now();
        let suspicion = Suspicion::new(now, 2, NodeId(1), &Options::default());
        assert_eq!(suspicion.deadline() - now, Duration::from_secs(4));
        let options = Options { suspicion: 0, ..Options::default() };
        assert_eq!(Suspicion::new(now, 100, NodeId(1), &options).deadline(), now);
    }

    #[test]
    fn health_is_bounded_both_ways() {
        let mut health = Health::new(&Options::default());
        health.better();
        assert_eq!(health.stretch(Duration::from_secs(1)), Duration::from_secs(1));
        health.worse(100);
        assert_eq!(health.stretch(Duration::from_secs(1)), Duration::from_secs(8));
        health.better();
        assert_eq!(health.score(), 6);
    }
}
