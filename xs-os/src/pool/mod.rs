//! A work-stealing thread pool: fork and join, jobs from outside with priorities and bounds, and an end that is clean.
//!
//! # The problem
//!
//! A machine has a few cores, a program thousands of small pieces of work. A thread each costs more than the work. One queue for
//! all threads is a lock that all wait for, and gives a piece of work to a core whose caches have never seen its data. And a
//! queue without bound turns a burst of requests into memory until there is none.
//!
//! # How it works
//!
//! ```text
//!  outside ──▶ high │ normal │ low        worker 0        worker 1        worker 2
//!              ─────┴───┬────┴─────       ┌───────┐       ┌───────┐       ┌───────┐
//!                       └────────────────▶│ top   │◀─steal│       │       │       │
//!                                         │  ...  │       │       │       │ asleep│
//!                                  push ─▶│bottom │─▶ run │       │       │       │
//!                                         └───────┘       └───────┘       └───────┘
//! ```
//!
//! Each worker has a deque of its own (Chase and Lev). It pushes and takes at one end, so that it works on what is still in
//! its cache; a worker that has nothing steals at the other end, where the oldest and therefore largest pieces lie. [`Pool::join`]
//! forks by pushing one half and running the other; mostly nobody steals, and the fork has cost a push and a pop. A worker
//! whose half was stolen does not wait: it steals, too.
//!
//! What comes from outside goes through one of three queues by [`Priority`], which together hold as many jobs as they may. What
//! happens when they are full is [`Overflow`]: the caller waits, is refused, or does the work itself. Of sixteen jobs one
//! is taken from the least urgent first and one from the middle, so that nothing starves among them; every sixty-first job of a worker
//! is one from outside, unless it waits for a job of its own.
//!
//! A worker that finds nothing for a moment sleeps. Work that comes wakes one; one that was woken wakes another, if there is
//! more than it can take.
//!
//! # Invariants
//!
//! - A job is run once, or, after [`Pool::shutdown_now`], never: then its [`Task`] says so. Of a fork whose first half panics, the second
//!   is run only if somebody has begun it.
//! - [`Pool::join`] and [`Pool::scope`] return, or unwind, when nothing that they began runs any more. So their jobs may borrow.
//! - A panic ends its job. It reaches whoever waits for the job, or the pool's handler; the worker goes on.
//! - A worker never waits for room in its own pool's queues: what doesn't fit goes to its deque.
//!
//! # Cost
//!
//! A fork and join that nobody steals allocates nothing: two fences, which are half of its time, and some stores. It is compiled into its
//! caller, so that the half that is pushed is written where thieves look for it: to copy it there took 5 of 26 ns, as the processor
//! had to wait for what was just written. Now it takes 19 ns of a core, and rayon's 18; rayon does with one fence, as whoever pushes may
//! then overlook one who is about to sleep. A job from outside is a box and a lock; the result of one another allocation. Who waits for
//! room is woken for a thousandth of the queue at once: woken for each place, jobs of a microsecond took a sixth more of the
//! processors' time. A deque keeps the memory of its longest moment. (`xs-benches -- pool` with rayon, two cores.)
//!
//! # Example
//!
//! ```
//! use xs_os::pool::Pool;
//!
//! let pool = Pool::builder().threads(2).build()?;
//! fn sum(pool: &Pool, numbers: &[u64]) -> u64 {
//!     if numbers.len() < 1_000 {
//!         return numbers.iter().sum();
//!     }
//!     let (left, right) = numbers.split_at(numbers.len() / 2);
//!     let (left, right) = pool.join(|| sum(pool, left), || sum(pool, right));
//!     left + right
//! }
//! let numbers: Vec<u64> = (0..10_000).collect();
//! assert_eq!(sum(&pool, &numbers), 49_995_000);
//!
//! let task = pool.submit(|| 6 * 7)?;
//! assert_eq!(task.join()?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How others do it
//!
//! Cilk invented the scheme. Rayon is the pool that Rust programs use, with parallel iterators on top; it has one queue from outside,
//! without bound or priority, and one pool for the whole program unless asked. Tokio's pool for blocking calls grows to hundreds of
//! threads, because its jobs wait. Java's `ForkJoinPool` and `ThreadPoolExecutor` are two classes for what is here one, and the latter's
//! policies when full are ours. Go's scheduler steals half a queue at once: see `sched`.
//!
//! `crossbeam-deque` is the deque most pools in Rust share. Ours holds pointers only, which makes each slot one atomic: no memory that is read
//! while it is written, no reclamation in epochs, no `unsafe`, and a model that loom checks whole. Jobs here are pointers anyway. The two were measured as parts of
//! whole pools, rayon's and this one, not alone.
//!
//! # What this leaves out
//!
//! Parallel iterators. A pool that grows while its jobs wait for disks. Pinning to cores. Fairness between those who share a pool.
//!
//! # Try next
//!
//! Let thieves take half a deque, and see in the benchmark (`xs-benches -- pool`) which loads it helps.
//!
//! # Sources
//!
//! - R. D. Blumofe, C. E. Leiserson, "Scheduling Multithreaded Computations by Work Stealing" (JACM 1999)
//! - D. Chase, Y. Lev, "Dynamic Circular Work-Stealing Deque" (SPAA 2005)
//! - N. M. Lê, A. Pop, A. Cohen, F. Zappa Nardelli, "Correct and Efficient Work-Stealing for Weak Memory Models" (PPoPP 2013)

mod deque;
mod idle;
#[cfg(not(xs_loom))]
mod inject;
#[cfg(not(xs_loom))]
mod job;
#[cfg(not(xs_loom))]
mod latch;
#[cfg(not(xs_loom))]
mod scope;
#[cfg(not(xs_loom))]
mod shared;
#[cfg(not(xs_loom))]
mod task;
#[cfg(all(test, not(xs_loom)))]
mod tests;
#[cfg(not(xs_loom))]
mod whole;

#[cfg(not(xs_loom))]
pub use {
    scope::Scope,
    task::{Failed, Task},
    whole::{Builder, Metrics, Overflow, Pool, Priority, Reason, Rejected},
};
