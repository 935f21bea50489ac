//! News that reach everybody by chance, and how surely: broadcasts that ride on other messages, rumours that die out by
//! themselves, and replicas that compare what they have.
//!
//! # The problem
//!
//! Something is to be known on a thousand machines. A sender that tells them all must know them all, stay up until it is done,
//! and hear who did not get it; a tree of senders is cut by the first node that fails. Neither is needed if it may take some
//! seconds, and if "everybody" may mean "everybody but one in ten thousand, and that one a little later".
//!
//! # How it works
//!
//! Whoever knows it tells somebody at random, who tells somebody at random. It spreads like a disease, and nobody in particular
//! has to live for it. Three ways, each with another answer to the question when to *stop*:
//!
//! ```text
//!                    who stops, and when                 left out                  cost of an item
//!   Broadcasts   each node, after λ·⌈log₁₀(n+1)⌉      hardly ever anybody        known beforehand, rides for free
//!                times                                                           where messages pass anyway
//!   Rumors       each node, when enough of those      s = e^-(k+1)(1-s)          falls where it is known already
//!                it told knew it                      k = 2: 6 %, k = 5: 0.25 %
//!   Replica      nobody                               nobody, in the end         one number an owner, for ever
//!
//!   part that knows it
//!   1 ┤                       ╭───────────   the end: pull squares what is left (0.1, 0.01, 0.0001 …),
//!     │                    ╭──╯              push takes a part of 1/e (0.1, 0.037, 0.014 …)
//!     │                  ╭─╯
//!   0 ┤──────────────────╯                   the beginning: it doubles every round, log₂ n rounds long
//!     └────────────────────────────▶ rounds
//! ```
//!
//! [`Broadcasts`] is a queue of what to tell, which fills packets ([`swim`](crate::swim) spreads all its news so). [`Rumors`] is
//! rumour mongering as in Demers' paper, by push, pull or both, stopped by a counter or a coin, with or without feedback.
//! [`Replica`] is anti-entropy over a map in which each node writes its own entries. What rumours leave out, anti-entropy brings: the
//! two are made to be used together.
//!
//! # Invariants
//!
//! - A piece of news is told exactly so many times, unless newer news replace it; one that has no room holds up nobody
//!   (`Broadcasts::take`).
//! - What a replica has of an owner is what the owner wrote, and "up to version v" leaves nothing out below v that was not
//!   overwritten later (`Replica::apply` refuses gaps).
//! - Every node stops: rumours die out (`Rumors::in_vain`), and replicas that agree exchange digests alone.
//!
//! # Cost
//!
//! `Broadcasts`: O(log queue) for each piece that a packet takes. `Rumors`: a map of what is hot, and the names of all that is
//! remembered. `Replica`: each entry once, with its version twice; a digest of one number an owner.
//!
//! Measured, a thousand nodes in rounds, the mean of 40 runs (`cargo test -p xs-consensus --lib gossip -- --nocapture`), with
//! the paper's tables beside it; what is left of a push is e^-m of the messages m that each node sent, in every row:
//!
//! ```text
//!   push, counter, feedback (table 1)     push, coin, blind (table 2)        pull, counter, feedback (table 3)
//!   k  residue paper    sent  paper       k  residue paper   sent  paper     k  residue   paper     sent  paper
//!   1  0.174   0.18     1.75  1.7         2  0.205   0.20    1.59  1.6       1  0.030     0.031     2.71  2.7
//!   2  0.050   0.037    3.03  3.3         3  0.057   0.060   2.85  2.8       2  0.00045   0.00058   4.50  4.5
//!   3  0.016   0.011    4.16  4.5         4  0.019   0.021   3.95  3.9       3  0         0.000004  6.10  6.1
//!   5  0.0014  0.0012   6.23  6.7         5  0.0066  0.008   5.01  4.9
//!
//!   push, coin, feedback   k = 1: 0.207   k = 2: 0.0605   k = 3: 0.0214   k = 4: 0.0068
//!   s = e^-(k+1)(1-s)             0.203          0.0595          0.0198          0.0070
//! ```
//!
//! # Example
//!
//! ```
//! use xs_consensus::gossip::{Options, Rumors};
//! use xs_os::Rng;
//!
//! let mut rng = Rng::from_seed(1);
//! let mut nodes = vec![Rumors::new(Options::default()); 100];
//! nodes[0].learn("the king is dead");
//! while nodes.iter().any(|node| node.hot() > 0) {
//!     for from in 0..nodes.len() {
//!         let to = (from + 1 + rng.index(99)) % 100;
//!         let Some(call) = nodes[from].call() else { continue };
//!         let (told, hot) = nodes[to].answer(call);
//!         let feedback = nodes[from].answered(&told, hot, &mut rng);
//!         nodes[to].feedback(&feedback);
//!     }
//!     nodes.iter_mut().for_each(|node| node.end_round(&mut rng));
//! }
//! let know = nodes.iter().filter(|node| node.knows(&"the king is dead")).count();
//! assert!(know >= 97, "{know} of 100");
//! ```
//!
//! # How others do it
//!
//! Xerox's Clearinghouse, for which this was found, mailed updates, spread rumours and compared databases at night. Cassandra runs
//! Scuttlebutt with its three messages every second; Quickwit's chitchat is the same in Rust. memberlist's
//! `TransmitLimitedQueue` is what `Broadcasts` is. Plumtree (Riak, Partisan) begins with gossip and prunes it to a
//! tree whose other edges carry names only.
//!
//! # What this leaves out
//!
//! Strangers: whoever is listened to is believed, and what they say takes memory; the caller decides whom it hears, and how long a
//! message may be. Who to tell: the caller draws a peer, evenly here, and by distance in Demers' second half. Death certificates that go dormant:
//! a removed entry of a [`Replica`] stays for good, and [`Rumors`] remember until they are told to
//! [forget](Rumors::forget). Entries that several nodes write: then versions are vectors.
//!
//! # Try next
//!
//! Let a node that is called by several in one round answer the first only, and see what that does to pull. Then let it try
//! another one when it is sent away: hunting, 1.4 of the paper.
//!
//! # Sources
//!
//! A. Demers et al., "Epidemic Algorithms for Replicated Database Maintenance" (PODC 1987), whose tables 1 to 3 are tests here;
//! R. van Renesse, D. Dumitriu, V. Gough and C. Thomas, "Efficient Reconciliation and Flow Control for Anti-Entropy Protocols"
//! (LADIS 2008); A. Das, I. Gupta and A. Motivala, "SWIM" (DSN 2002), 4.1; J. Leitão, J. Pereira and L. Rodrigues, "Epidemic
//! Broadcast Trees" (SRDS 2007).

mod broadcasts;
mod replica;
mod rumors;

pub use broadcasts::{Broadcasts, retransmissions};
pub use replica::{Delta, Digest, Replica};
pub use rumors::{Call, Direction, Interest, Options, Rumors, Told};
