//! `INFO`: sections of lines. Fields of parts that this server doesn't have say that nothing happens there.

pub(super) mod machine;

use std::fmt::Write as _;
use std::time::SystemTime;

use crate::client::Client;
use crate::command::Outcome;
use crate::config::percentile;
use crate::ctx::Ctx;
use crate::mail::Kind;
use crate::state::CommandStat;

/// A section: its name in an argument, its title, whether `INFO` alone shows it, and what writes it.
struct Section {
    name: &'static str,
    title: &'static str,
    by_default: bool,
    write: fn(&Ctx<'_>, &mut String),
}

const SECTIONS: [Section; 14] = [
    Section { name: "server", title: "Server", by_default: true, write: server },
    Section { name: "clients", title: "Clients", by_default: true, write: clients },
    Section { name: "memory", title: "Memory", by_default: true, write: memory },
    Section { name: "persistence", title: "Persistence", by_default: true, write: persistence },
    Section { name: "stats", title: "Stats", by_default: true, write: stats },
    Section { name: "replication", title: "Replication", by_default: true, write: replication },
    Section { name: "cpu", title: "CPU", by_default: true, write: cpu },
    Section { name: "modules", title: "Modules", by_default: true, write: |_, _| {} },
    Section { name: "commandstats", title: "Commandstats", by_default: false, write: commandstats },
    Section { name: "errorstats", title: "Errorstats", by_default: true, write: errorstats },
    Section { name: "latencystats", title: "Latencystats", by_default: false, write: latencystats },
    Section { name: "cluster", title: "Cluster", by_default: true, write: |_, text| line(text, "cluster_enabled", 0) },
    Section { name: "keyspace", title: "Keyspace", by_default: true, write: keyspace },
    Section { name: "debug", title: "Debug", by_default: false, write: |_, _| {} },
];

pub(super) fn info(ctx: &mut Ctx<'_>) -> Outcome {
    let wanted: Vec<Vec<u8>> = ctx.args.iter().skip(1).map(<[u8]>::to_ascii_lowercase).collect();
    let names = |name: &str| wanted.iter().any(|wanted| wanted == name.as_bytes());
    let everything = names("all") || names("everything");
    let defaults = wanted.is_empty() || names("default");
    let mut text = String::new();
    for section in SECTIONS {
        let asked = names(section.name) || (section.name == "modules" && names("module_list"));
        let included = everything && section.name != "debug";
        if asked || included || (defaults && section.by_default) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            let _ = write!(text, "# {}\r\n", section.title);
            (section.write)(ctx, &mut text);
        }
    }
    ctx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = write!(text, "{name}:{value}\r\n");
}

/// Lines that say that nothing is there or happens.
fn nothing(text: &mut String, names: &[&str]) {
    names.iter().for_each(|name| line(text, name, 0));
}

/// A number of bytes for people: `1.75M`.
fn human(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.2}{name}", bytes as f64 / *unit as f64),
        None => format!("{bytes}B"),
    }
}

fn with_human(text: &mut String, name: &str, bytes: u64) {
    line(text, name, bytes);
    line(text, &format!("{name}_human"), human(bytes));
}

fn server(ctx: &Ctx<'_>, text: &mut String) {
    let server = &*ctx.server;
    let since = server.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let uptime = server.clock.now().saturating_duration_since(server.started).as_secs();
    let config = &server.config;
    line(text, "redis_version", crate::VERSION);
    line(text, "redis_git_sha1", "00000000");
    line(text, "redis_git_dirty", 0);
    line(text, "redis_build_id", concat!("xs-", env!("CARGO_PKG_VERSION")));
    line(text, "redis_mode", "standalone");
    line(text, "os", machine::system());
    line(text, "arch_bits", usize::BITS);
    line(text, "monotonic_clock", "POSIX clock_gettime");
    line(text, "multiplexing_api", if cfg!(target_os = "linux") { "epoll" } else { "kqueue" });
    line(text, "atomicvar_api", "rust");
    line(text, "gcc_version", "0.0.0");
    line(text, "process_id", std::process::id());
    line(text, "process_supervised", "no");
    line(text, "run_id", &server.run_id);
    line(text, "tcp_port", config.port);
    line(text, "server_time_usec", since.as_micros());
    line(text, "uptime_in_seconds", uptime);
    line(text, "uptime_in_days", uptime / 86_400);
    line(text, "hz", config.hz);
    line(text, "configured_hz", config.hz);
    line(text, "lru_clock", since.as_secs() & 0xff_ffff);
    let executable = std::env::current_exe().unwrap_or_default();
    line(text, "executable", executable.display());
    line(text, "config_file", config.file.as_deref().unwrap_or_default());
    line(text, "io_threads_active", u8::from(config.io_threads > 1));
}

fn clients(ctx: &Ctx<'_>, text: &mut String) {
    let server = &*ctx.server;
    line(text, "connected_clients", server.clients.len());
    line(text, "cluster_connections", 0);
    line(text, "maxclients", server.config.maxclients);
    line(text, "client_recent_max_input_buffer", 0);
    line(text, "client_recent_max_output_buffer", 0);
    line(text, "blocked_clients", server.blocked.len());
    line(text, "tracking_clients", server.tracking.counts()[0]);
    line(text, "clients_in_timeout_table", server.blocked.len());
}

fn memory(ctx: &Ctx<'_>, text: &mut String) {
    let account = ctx.server.account(ctx.db.keyspace);
    let used = account.used();
    let resident = machine::resident();
    let config = &ctx.server.config;
    with_human(text, "used_memory", used);
    with_human(text, "used_memory_rss", resident);
    with_human(text, "used_memory_peak", account.peak);
    line(text, "used_memory_peak_perc", format_args!("{:.2}%", account.peak_percent()));
    line(text, "used_memory_overhead", account.overhead);
    line(text, "used_memory_startup", account.startup);
    line(text, "used_memory_dataset", account.dataset);
    line(text, "used_memory_dataset_perc", format_args!("{:.2}%", account.dataset_percent()));
    line(text, "allocator_allocated", used);
    line(text, "allocator_active", resident);
    line(text, "allocator_resident", resident);
    with_human(text, "total_system_memory", machine::memory());
    with_human(text, "used_memory_lua", 0);
    line(text, "used_memory_vm_eval", 0);
    line(text, "used_memory_scripts_eval", 0);
    nothing(text, &["number_of_cached_scripts", "number_of_functions", "number_of_libraries"]);
    line(text, "used_memory_vm_functions", 0);
    with_human(text, "used_memory_vm_total", 0);
    line(text, "used_memory_functions", 0);
    with_human(text, "used_memory_scripts", 0);
    with_human(text, "maxmemory", config.maxmemory);
    line(text, "maxmemory_policy", config.maxmemory_policy.name());
    let ratio = resident as f64 / used.max(1) as f64;
    let excess = resident as i64 - used as i64;
    line(text, "allocator_frag_ratio", format_args!("{ratio:.2}"));
    line(text, "allocator_frag_bytes", excess);
    line(text, "allocator_rss_ratio", "1.00");
    line(text, "allocator_rss_bytes", 0);
    line(text, "rss_overhead_ratio", "1.00");
    line(text, "rss_overhead_bytes", 0);
    line(text, "mem_fragmentation_ratio", format_args!("{ratio:.2}"));
    line(text, "mem_fragmentation_bytes", excess);
    nothing(
        text,
        &[
            "mem_not_counted_for_evict",
            "mem_replication_backlog",
            "mem_total_replication_buffers",
            "mem_clients_slaves",
        ],
    );
    let clients = ctx.server.clients.iter().chain([&*ctx.client]);
    line(text, "mem_clients_normal", clients.map(Client::memory).sum::<usize>());
    nothing(text, &["mem_cluster_links", "mem_aof_buffer"]);
    line(text, "mem_allocator", "mimalloc");
    nothing(text, &["active_defrag_running"]);
    line(text, "lazyfree_pending_objects", ctx.server.lazyfree.pending());
    line(text, "lazyfreed_objects", ctx.server.lazyfree.freed());
}

fn persistence(ctx: &Ctx<'_>, text: &mut String) {
    nothing(text, &["loading", "async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age"]);
    line(text, "current_fork_perc", "0.00");
    nothing(text, &["current_save_keys_processed", "current_save_keys_total"]);
    line(text, "rdb_changes_since_last_save", ctx.server.stats.dirty);
    line(text, "rdb_bgsave_in_progress", 0);
    line(text, "rdb_last_save_time", 0);
    line(text, "rdb_last_bgsave_status", "ok");
    line(text, "rdb_last_bgsave_time_sec", -1);
    line(text, "rdb_current_bgsave_time_sec", -1);
    nothing(text, &["rdb_saves", "rdb_last_cow_size", "rdb_last_load_keys_expired", "rdb_last_load_keys_loaded"]);
    nothing(text, &["aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled"]);
    line(text, "aof_last_rewrite_time_sec", -1);
    line(text, "aof_current_rewrite_time_sec", -1);
    line(text, "aof_last_bgrewrite_status", "ok");
    nothing(text, &["aof_rewrites", "aof_rewrites_consecutive_failures"]);
    line(text, "aof_last_write_status", "ok");
    nothing(text, &["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"]);
}

fn stats(ctx: &Ctx<'_>, text: &mut String) {
    let stats = &ctx.server.stats;
    line(text, "total_connections_received", stats.connections);
    line(text, "total_commands_processed", stats.commands);
    line(text, "instantaneous_ops_per_sec", stats.commands_per_second());
    line(text, "total_net_input_bytes", stats.net_input);
    line(text, "total_net_output_bytes", stats.net_output);
    nothing(text, &["total_net_repl_input_bytes", "total_net_repl_output_bytes"]);
    for rate in ["input", "output", "input_repl", "output_repl"] {
        line(text, &format!("instantaneous_{rate}_kbps"), "0.00");
    }
    let refused = ctx.server.limit.refused() - stats.rejected_before;
    line(text, "rejected_connections", stats.rejected_connections + refused);
    nothing(text, &["sync_full", "sync_partial_ok", "sync_partial_err"]);
    line(text, "expired_keys", ctx.db.keyspace.expired() - stats.expired_before);
    line(text, "expired_stale_perc", "0.00");
    nothing(text, &["expired_time_cap_reached_count", "expire_cycle_cpu_milliseconds"]);
    line(text, "evicted_keys", ctx.db.keyspace.evicted() - stats.evicted_before);
    line(text, "evicted_clients", stats.evicted_clients);
    nothing(text, &["total_eviction_exceeded_time", "current_eviction_exceeded_time"]);
    line(text, "keyspace_hits", ctx.db.lookups.hits);
    line(text, "keyspace_misses", ctx.db.lookups.misses);
    subscriptions(ctx, text);
    nothing(text, &["latest_fork_usec", "total_forks", "migrate_cached_sockets", "slave_expires_tracked_keys"]);
    nothing(
        text,
        &["active_defrag_hits", "active_defrag_misses", "active_defrag_key_hits", "active_defrag_key_misses"],
    );
    nothing(text, &["total_active_defrag_time", "current_active_defrag_time"]);
    tracked(ctx, text);
    line(text, "unexpected_error_replies", 0);
    line(text, "total_error_replies", stats.error_replies);
    nothing(text, &["dump_payload_sanitizations", "total_reads_processed", "total_writes_processed"]);
    nothing(text, &["io_threaded_reads_processed", "io_threaded_writes_processed"]);
    nothing(text, &["reply_buffer_shrinks", "reply_buffer_expands"]);
}

fn subscriptions(ctx: &Ctx<'_>, text: &mut String) {
    let pubsub = &ctx.server.pubsub;
    line(text, "pubsub_channels", pubsub.len(Kind::Channel));
    line(text, "pubsub_patterns", pubsub.len(Kind::Pattern));
    line(text, "pubsubshard_channels", pubsub.len(Kind::Shard));
}

fn tracked(ctx: &Ctx<'_>, text: &mut String) {
    let [_, keys, readers, prefixes] = ctx.server.tracking.counts();
    line(text, "tracking_total_keys", keys);
    line(text, "tracking_total_items", readers);
    line(text, "tracking_total_prefixes", prefixes);
}

fn replication(ctx: &Ctx<'_>, text: &mut String) {
    line(text, "role", "master");
    line(text, "connected_slaves", 0);
    line(text, "master_failover_state", "no-failover");
    line(text, "master_replid", &ctx.server.replication_id);
    line(text, "master_replid2", "0".repeat(40));
    line(text, "master_repl_offset", 0);
    line(text, "second_repl_offset", -1);
    line(text, "repl_backlog_active", 0);
    let size = ctx.server.config.get("repl-backlog-size").unwrap_or_default();
    line(text, "repl_backlog_size", String::from_utf8_lossy(&size));
    nothing(text, &["repl_backlog_first_byte_offset", "repl_backlog_histlen"]);
}

fn cpu(_: &Ctx<'_>, text: &mut String) {
    let [process, thread] = machine::processor();
    line(text, "used_cpu_sys", format_args!("{:.6}", process[0]));
    line(text, "used_cpu_user", format_args!("{:.6}", process[1]));
    line(text, "used_cpu_sys_children", "0.000000");
    line(text, "used_cpu_user_children", "0.000000");
    line(text, "used_cpu_sys_main_thread", format_args!("{:.6}", thread[0]));
    line(text, "used_cpu_user_main_thread", format_args!("{:.6}", thread[1]));
}

/// Every command that was called, or refused, with its full name.
fn called<'c>(ctx: &'c Ctx<'_>) -> impl Iterator<Item = (&'c str, &'c CommandStat)> {
    let rows = ctx.server.table.rows().iter().zip(&ctx.server.stats.by_command);
    rows.map(|(row, stat)| (row.full_name.as_str(), stat))
        .filter(|(_, stat)| stat.calls + stat.rejected + stat.failed > 0)
}

fn commandstats(ctx: &Ctx<'_>, text: &mut String) {
    for (name, stat) in called(ctx) {
        let micros = stat.nanos / 1000;
        let each = micros as f64 / stat.calls.max(1) as f64;
        let value = format_args!(
            "calls={},usec={micros},usec_per_call={each:.2},rejected_calls={},failed_calls={}",
            stat.calls, stat.rejected, stat.failed
        );
        let _ = write!(text, "cmdstat_{name}:{value}\r\n");
    }
}

fn errorstats(ctx: &Ctx<'_>, text: &mut String) {
    for (code, count) in &ctx.server.stats.errors {
        let _ = write!(text, "errorstat_{code}:count={count}\r\n");
    }
}

fn latencystats(ctx: &Ctx<'_>, text: &mut String) {
    for (name, stat) in called(ctx) {
        let Some(latency) = &stat.latency else { continue };
        let shown: Vec<String> = ctx
            .server
            .config
            .latency_percentiles
            .iter()
            .map(|percent| format!("p{}={:.3}", percentile(*percent), latency.percentile(*percent) as f64 / 1000.0))
            .collect();
        let _ = write!(text, "latency_percentiles_usec_{name}:{}\r\n", shown.join(","));
    }
}

/// Of this many keys the mean time to live is taken.
const SAMPLED: usize = 100;

fn keyspace(ctx: &Ctx<'_>, text: &mut String) {
    let keyspace = &*ctx.db.keyspace;
    for db in (0..keyspace.databases()).filter(|db| !keyspace.is_empty(*db)) {
        let deadlines = keyspace.iter(db).take(SAMPLED).filter_map(|(_, _, deadline)| deadline);
        let left: Vec<u64> = deadlines.map(|deadline| deadline.saturating_sub(ctx.now)).collect();
        let mean = left.iter().sum::<u64>() / left.len().max(1) as u64;
        let (keys, expires) = (keyspace.len(db), keyspace.volatile_len(db));
        let _ = write!(text, "db{db}:keys={keys},expires={expires},avg_ttl={mean}\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn sizes_are_printed_with_two_digits_and_a_unit() {
        for (bytes, text) in
            [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (1_831_096, "1.75M"), (25_274_793_984, "23.54G")]
        {
            assert_eq!(human(bytes), text);
        }
    }
}
