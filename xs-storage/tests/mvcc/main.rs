//! Transactions over every engine: each test takes a function that makes an empty one.

mod anomalies;
mod collecting;
mod crashes;
mod cursors;
mod dependencies;
mod formats;
mod graph;
mod history;
mod interleaved;
mod recovery;
mod script;
mod threads;
mod transactions;

use std::path::Path;
use std::sync::Arc;

use xs_os::vfs::MemoryVfs;
use xs_storage::btree::{self, BTree};
use xs_storage::engine::{Engine, MemoryEngine};
use xs_storage::lsm::{self, Lsm};
use xs_storage::mvcc::{Mvcc, Options};

/// Makes an empty engine.
type Fresh = fn() -> Arc<dyn Engine>;

/// A store whose garbage is collected by hand alone.
fn by_hand(fresh: Fresh) -> Mvcc {
    open(fresh(), Options::default())
}

fn open(engine: Arc<dyn Engine>, options: Options) -> Mvcc {
    Mvcc::open(engine, Options { jobs: None, ..options }).expect("an engine of its own")
}

/// Every test of the suite, for one engine.
macro_rules! stamp {
    ($engine:ident, $fresh:expr, [$($module:ident: $($test:ident),+;)+]) => {
        mod $engine {
            $($(
                #[test]
                fn $test() {
                    crate::$module::$test($fresh);
                }
            )+)+
        }
    };
    ($engine:ident, $fresh:expr) => {
        stamp!($engine, $fresh, [
            anomalies: every_anomaly_happens_where_the_page_says_so, for_update_closes_write_skew_at_snapshot;
            collecting: garbage_goes_and_what_is_read_stays, a_long_reader_holds_garbage_back_and_shows,
                history_is_kept_as_far_as_asked, a_sweep_finds_what_the_trail_lost, the_background_collects;
            cursors: a_cursor_is_a_walk_over_a_map;
            dependencies: no_history_has_a_cycle_that_its_level_rules_out, nor_has_one_of_many_threads;
            interleaved: snapshot_transactions_read_snapshots_and_the_first_committer_wins,
                serializable_transactions_have_a_serial_order, small_limits_cost_aborts_and_never_an_answer,
                the_checker_finds_what_snapshots_let_pass;
            recovery: a_crash_between_any_two_batches_leaves_whole_commits, a_removal_never_goes_before_what_it_hides,
                an_engine_of_somebody_else_is_refused;
            threads: money_is_neither_made_nor_lost, what_threads_did_holds_in_the_order_of_commits,
                somebody_stays_on_call;
            transactions: savepoints_go_back_and_end, limits_refuse_and_change_nothing,
                a_range_is_removed_for_good, retry_runs_again_until_it_fits, moments_out_of_history_are_named,
                a_blind_write_is_no_conflict_when_serializable, a_leaked_cursor_counts_as_having_read_everything,
                conflicts_name_the_key, a_long_transaction_is_checked_to_the_end;
        ]);
    };
}

stamp!(over_memory, || std::sync::Arc::new(super::MemoryEngine::new()));
stamp!(over_btree, super::btree);
stamp!(over_lsm, super::lsm);

/// On a disk in memory, so small that it checkpoints often.
fn btree() -> Arc<dyn Engine> {
    let vfs = Arc::new(MemoryVfs::new());
    let options = btree::Options { vfs, page_size: 512, log_bytes: 64 << 10, ..btree::Options::default() };
    Arc::new(BTree::open(Path::new("tree"), options).expect("an empty disk takes a tree"))
}

/// On a disk in memory, so small that it flushes and compacts often.
fn lsm() -> Arc<dyn Engine> {
    let options = lsm::Options { vfs: Arc::new(MemoryVfs::new()), ..lsm::Options::tiny() };
    Arc::new(Lsm::open(Path::new("tree"), options).expect("an empty disk takes a tree"))
}
