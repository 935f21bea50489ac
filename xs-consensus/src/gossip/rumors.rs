//! Rumour mongering: who knows something new tells it, until so many didn't want to hear it that it loses interest.

use std::collections::{BTreeMap, BTreeSet};

use xs_os::Rng;

/// How news pass between the two who meet in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Whoever calls tells what is hot. Good while few know it.
    Push,
    /// Whoever calls asks what is hot. Good while few don't know it, and it costs a call when there is nothing to tell.
    Pull,
    /// Both.
    PushPull,
}

/// When somebody who knows a rumour stops telling it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// With a chance of one in k each time.
    Coin(u32),
    /// The k-th time.
    Counter(u32),
}

/// How rumours are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Who tells whom. Push by default.
    pub direction: Direction,
    /// When to stop. After the fourth time by default.
    pub interest: Interest,
    /// Only those times count when the other one knew it already; without, each time counts. On by default.
    pub feedback: bool,
    /// How many rumours are told at a time; above, the one that has interested the fewest is dropped. 1024 by default.
    pub max_hot: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { direction: Direction::Push, interest: Interest::Counter(4), feedback: true, max_hot: 1024 }
    }
}

/// What one node has heard and still tells. What a rumour says is the caller's; here it is its name.
///
/// In each round a node calls one other at random; what is new is sent along, or fetched:
///
/// ```text
///    caller                                        called
///      │ ── call(): what is hot, "and you?" ────────▶ │  answer(): what it knew, what is hot here
///      │ ◀───────────────────── known, hot ────────── │
///      │ answered(): counts, takes what is new        │
///      │ ── which of that was new, and which not ───▶ │  feedback()
///      │                                              │
///      │ end_round()                                  │ end_round()
/// ```
#[derive(Clone, Debug)]
pub struct Rumors<K> {
    options: Options,
    /// Names that are told, with how often that was in vain.
    hot: BTreeMap<K, u32>,
    known: BTreeSet<K>,
    /// What was told to callers in this round, and whether one of them needed it.
    served: BTreeMap<K, bool>,
}

/// The first message of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<K> {
    /// What the caller tells.
    pub hot: Vec<K>,
    /// Whether it wants to be told.
    pub asks: bool,
}

/// What became of rumours that were told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<K> {
    /// They were news.
    pub new: Vec<K>,
    /// They were not.
    pub known: Vec<K>,
}

impl<K: Ord + Clone> Rumors<K> {
    /// A node that has heard nothing.
    pub fn new(options: Options) -> Self {
        Rumors { options, hot: BTreeMap::new(), known: BTreeSet::new(), served: BTreeMap::new() }
    }

    /// Something new, from outside or from another node; false if it was known.
    pub fn learn(&mut self, name: K) -> bool {
        if !self.known.insert(name.clone()) {
            return false;
        }
        self.hot.insert(name, 0);
        if self.hot.len() > self.options.max_hot
            && let Some(stalest) = self.hot.iter().max_by_key(|(_, vain)| **vain).map(|(name, _)| name.clone())
        {
            self.hot.remove(&stalest);
        }
        true
    }

    /// Whether it has heard this.
    pub fn knows(&self, name: &K) -> bool {
        self.known.contains(name)
    }

    /// Doesn't remember something any more, so that it would be new again: for when everybody has lost interest. What is
    /// remembered is bounded by this alone.
    pub fn forget(&mut self, name: &K) {
        self.known.remove(name);
        self.hot.remove(name);
    }

    /// How many rumours it tells.
    pub fn hot(&self) -> usize {
        self.hot.len()
    }

    /// What to say to another node in this round; none if there is nothing to say.
    pub fn call(&self) -> Option<Call<K>> {
        let tells = self.options.direction != Direction::Pull;
        let asks = self.options.direction != Direction::Push;
        let hot: Vec<K> = if tells { self.hot.keys().cloned().collect() } else { Vec::new() };
        (asks || !hot.is_empty()).then_some(Call { hot, asks })
    }

    /// What to say to a caller: what became of its rumours, and what is hot here and was not among them.
    pub fn answer(&mut self, call: Call<K>) -> (Told<K>, Vec<K>) {
        let mut hot = Vec::new();
        if call.asks {
            hot.extend(self.hot.keys().filter(|name| !call.hot.contains(name)).cloned());
            if !self.options.feedback {
                self.served.extend(hot.iter().map(|name| (name.clone(), false)));
            }
        }
        (self.hear(call.hot), hot)
    }

    /// The answer to a call has come. Gives the feedback for who answered.
    pub fn answered(&mut self, told: &Told<K>, hot: Vec<K>, rng: &mut Rng) -> Told<K> {
        if !self.options.feedback {
            told.new.iter().for_each(|name| self.in_vain(name, rng));
        }
        told.known.iter().for_each(|name| self.in_vain(name, rng));
        self.hear(hot)
    }

    /// What became of the rumours of an answer.
    pub fn feedback(&mut self, told: &Told<K>) {
        for (names, needed) in [(&told.known, false), (&told.new, true)] {
            names
                .iter()
                .for_each(|name| *self.served.entry(name.clone()).or_default() |= needed && self.options.feedback);
        }
    }

    /// A round is over: what callers were told counts once, and not at all if one of them needed it; then counting begins
    /// again (Demers, 1.4, the note on pull).
    pub fn end_round(&mut self, rng: &mut Rng) {
        for (name, needed) in std::mem::take(&mut self.served) {
            if !needed {
                self.in_vain(&name, rng);
            } else if let Some(vain) = self.hot.get_mut(&name) {
                *vain = 0;
            }
        }
    }

    fn hear(&mut self, names: Vec<K>) -> Told<K> {
        let (new, known) = names.into_iter().partition(|name| self.learn(name.clone()));
        Told { new, known }
    }

    fn in_vain(&mut self, name: &K, rng: &mut Rng) {
        let Some(vain) = self.hot.get_mut(name) else { return };
        *vain += 1;
        let bored = match self.options.interest {
            Interest::Counter(most) => *vain >= most.max(1),
            Interest::Coin(k) => rng.below(u64::from(k.max(1))) == 0,
        };
        if bored {
            self.hot.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: usize = 1000;

    /// What became of one rumour among a thousand, in the mean of some runs.
    struct Outcome {
        /// The part that never heard it.
        residue: f64,
        /// How often it was sent, for each node.
        traffic: f64,
        /// Rounds until it was heard, in the mean of those who did, and by the last of them.
        mean: f64,
        last: f64,
    }

    fn spread(direction: Direction, interest: Interest, feedback: bool, cycles: bool, runs: u64) -> Outcome {
        let mut sum = Outcome { residue: 0.0, traffic: 0.0, mean: 0.0, last: 0.0 };
        for seed in 0..runs {
            let mut rng = Rng::from_seed(seed);
            let options = Options { direction, interest, feedback, ..Options::default() };
            let mut nodes = vec![Rumors::new(options); NODES];
            let mut heard = vec![None; NODES];
            nodes[0].learn(());
            heard[0] = Some(0);
            let (mut round, mut sent) = (0, 0);
            while nodes.iter().any(|node| node.hot() > 0) {
                round += 1;
                // All call at the same time: what is learnt in a round is told in the next.
                let calls: Vec<_> = nodes.iter().map(Rumors::call).collect();
                let before: Vec<bool> = nodes.iter().map(|node| node.hot() > 0).collect();
                for (from, call) in calls.into_iter().enumerate() {
                    let Some(call) = call else { continue };
                    let to = (from + 1 + rng.index(NODES - 1)) % NODES;
                    sent += call.hot.len();
                    let (mut told, mut hot) = nodes[to].answer(call);
                    // In the paper's cycles two who tell it to the same node at once have both brought news.
                    if cycles && !told.known.is_empty() && heard[to].is_none() {
                        std::mem::swap(&mut told.known, &mut told.new);
                    }
                    if !before[to] {
                        hot.clear();
                    }
                    sent += hot.len();
                    let fed = nodes[from].answered(&told, hot, &mut rng);
                    nodes[to].feedback(&fed);
                }
                nodes.iter_mut().for_each(|node| node.end_round(&mut rng));
                for (at, node) in nodes.iter().enumerate() {
                    if node.knows(&()) && heard[at].is_none() {
                        heard[at] = Some(round);
                    }
                }
            }
            let times: Vec<i32> = heard.into_iter().flatten().collect();
            sum.residue += (NODES - times.len()) as f64 / NODES as f64;
            sum.traffic += sent as f64 / NODES as f64;
            sum.mean += f64::from(times.iter().sum::<i32>()) / times.len() as f64;
            sum.last += f64::from(times.iter().copied().max().unwrap_or_default());
        }
        let runs = runs as f64;
        Outcome {
            residue: sum.residue / runs,
            traffic: sum.traffic / runs,
            mean: sum.mean / runs,
            last: sum.last / runs,
        }
    }

    /// The root of s = e^-(k+1)(1-s) below 1.
    fn predicted(k: u32) -> f64 {
        (0..200).fold(0.1_f64, |s, _| (-f64::from(k + 1) * (1.0 - s)).exp())
    }

    /// Demers, table 1: push, feedback, counter.
    #[test]
    fn push_with_counters_leaves_the_residue_of_table_1() {
        println!("| k | residue | paper | e^-m | traffic m | paper | rounds | last |");
        for (k, residue, traffic) in
            [(1, 0.18, 1.7), (2, 0.037, 3.3), (3, 0.011, 4.5), (4, 0.0036, 5.6), (5, 0.0012, 6.7)]
        {
            let seen = spread(Direction::Push, Interest::Counter(k), true, true, 40);
            let e_m = (-seen.traffic).exp();
            println!(
                "| {k} | {:.4} | {residue} | {e_m:.4} | {:.2} | {traffic} | {:.1} | {:.1} |",
                seen.residue, seen.traffic, seen.mean, seen.last
            );
            assert!((seen.residue / residue).ln().abs() < 0.4, "k = {k}: {} for {residue}", seen.residue);
            assert!((seen.traffic / traffic - 1.0).abs() < 0.1, "k = {k}: {} for {traffic}", seen.traffic);
            // Whoever was never called: residue is e^-m, however it is decided when to stop.
            assert!((seen.residue / e_m).ln().abs() < 0.4, "k = {k}: {} for e^-m {e_m}", seen.residue);
        }
    }

    /// Demers, table 2: push, blind, coin.
    #[test]
    fn push_with_a_blind_coin_leaves_the_residue_of_table_2() {
        println!("| k | residue | paper | traffic | paper |");
        for (k, residue, traffic) in [(2, 0.20, 1.6), (3, 0.060, 2.8), (4, 0.021, 3.9), (5, 0.008, 4.9)] {
            let seen = spread(Direction::Push, Interest::Coin(k), false, false, 60);
            println!("| {k} | {:.4} | {residue} | {:.2} | {traffic} |", seen.residue, seen.traffic);
            // A coin may stop the first teller at once: those runs leave everybody out, and the paper's means hardly have any.
            assert!(
                seen.residue > residue * 0.6 && seen.residue < residue + 1.3 / f64::from(k),
                "k = {k}: {}",
                seen.residue
            );
        }
    }

    /// Demers, 1.4: with feedback and a coin of one in k, s = e^-(k+1)(1-s).
    #[test]
    fn feedback_and_a_coin_leave_what_the_equation_says() {
        println!("| k | residue | s = e^-(k+1)(1-s) | traffic |");
        for k in 1..=4 {
            let (seen, s) = (spread(Direction::Push, Interest::Coin(k), true, false, 40), predicted(k));
            println!("| {k} | {:.4} | {s:.4} | {:.2} |", seen.residue, seen.traffic);
            assert!((seen.residue / s).ln().abs() < 0.5, "k = {k}: {} for {s}", seen.residue);
        }
        assert!((predicted(1) - 0.203).abs() < 0.001 && (predicted(2) - 0.0595).abs() < 0.001);
    }

    /// Demers, table 3: pull, feedback, counter. Whoever doesn't know asks until it does, so far fewer are left.
    #[test]
    fn pull_leaves_hardly_anybody() {
        println!("| k | residue | paper | traffic | paper | rounds | last |");
        for (k, residue, traffic) in [(1, 3.1e-2, 2.7), (2, 5.8e-4, 4.5), (3, 4.0e-6, 6.1)] {
            let seen = spread(Direction::Pull, Interest::Counter(k), true, true, 40);
            println!(
                "| {k} | {:.6} | {residue} | {:.2} | {traffic} | {:.1} | {:.1} |",
                seen.residue, seen.traffic, seen.mean, seen.last
            );
            assert!(seen.residue < residue * 2.0 && seen.traffic < traffic * 1.25, "k = {k}");
        }
        let both = spread(Direction::PushPull, Interest::Counter(2), true, true, 40);
        println!(
            "both ways, k = 2: {:.4}, {:.2} sent, {:.1} and {:.1} rounds",
            both.residue, both.traffic, both.mean, both.last
        );
        assert!(both.residue < 0.02 && both.last < 12.0, "both ways are faster than either: {}", both.last);
    }

    #[test]
    fn what_is_told_is_bounded_and_the_stalest_goes_first() {
        let mut node = Rumors::new(Options { max_hot: 2, ..Options::default() });
        let mut rng = Rng::from_seed(1);
        node.learn("old");
        node.answered(&Told { new: vec![], known: vec!["old"] }, vec![], &mut rng);
        node.learn("new");
        node.learn("newer");
        assert_eq!(node.call().unwrap().hot, ["new", "newer"]);
        assert!(node.knows(&"old") && !node.learn("old"));
        node.forget(&"old");
        assert!(node.learn("old"));
    }
}
