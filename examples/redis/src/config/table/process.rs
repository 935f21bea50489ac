//! The process: its log, its rights, its own measurements.

use std::time::Duration;

use super::I32;
use crate::config::directive::{Directive, checked, int, one_of, own, some_of, text, yes_no};
use crate::config::words;

pub(crate) static PROCESS: &[Directive] = &[
    one_of("loglevel", "notice", &["debug", "verbose", "notice", "warning"])
        .sets(|c, v| c.loglevel = crate::config::level(v.bytes())),
    text("logfile", "").fixed().sets(|c, v| c.logfile = v.some()),
    text("pidfile", "").fixed().sets(|c, v| c.pidfile = v.some()),
    own("dir", "", words::directory).single().guarded().sets(|c, v| c.dir = v.text()),
    yes_no("always-show-logo", "no").fixed().sets(|c, v| c.always_show_logo = v.yes()),
    yes_no("daemonize", "no").fixed().sets(|c, v| c.daemonize = v.yes()),
    one_of("supervised", "no", &["upstart", "systemd", "auto", "no"])
        .fixed()
        .lacks("signalling to a supervisor", &["no"]),
    yes_no("syslog-enabled", "no").fixed().lacks("logging to syslog", &["no"]),
    text("syslog-ident", "redis").fixed().lacks("logging to syslog", &[]),
    one_of(
        "syslog-facility",
        "local0",
        &["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"],
    )
    .fixed()
    .lacks("logging to syslog", &[]),
    own("hz", "10", words::frequency).single().sets(|c, v| c.hz = v.number() as u32),
    yes_no("dynamic-hz", "yes"),
    text("requirepass", "").secret().sets(|c, v| c.requirepass = v.bytes().to_vec()),
    text("aclfile", "").fixed().sets(|c, v| c.acl_file = v.some()),
    int("acllog-max-len", "128", 0, i64::MAX).sets(|c, v| c.acllog_max_len = v.size()),
    one_of("acl-pubsub-default", "resetchannels", &["allchannels", "resetchannels"])
        .sets(|c, v| c.acl_all_channels = v.bytes() == b"allchannels"),
    one_of("enable-debug-command", "no", &["no", "yes", "local"])
        .fixed()
        .sets(|c, v| c.enable_debug_command = crate::config::Protected::read(v.bytes())),
    one_of("enable-protected-configs", "no", &["no", "yes", "local"])
        .fixed()
        .sets(|c, v| c.enable_protected_configs = crate::config::Protected::read(v.bytes())),
    // There are no modules, but who may ask for one decides between two errors.
    one_of("enable-module-command", "no", &["no", "yes", "local"])
        .fixed()
        .sets(|c, v| c.enable_module_command = crate::config::Protected::read(v.bytes())),
    int("slowlog-log-slower-than", "10000", -1, i64::MAX)
        .sets(|c, v| c.slow_after = u64::try_from(v.int()).ok().map(Duration::from_micros)),
    int("slowlog-max-len", "128", 0, i64::MAX).sets(|c, v| c.slowlog_max_len = v.size()),
    int("latency-monitor-threshold", "0", 0, i64::MAX)
        .sets(|c, v| c.latency_threshold = Duration::from_millis(v.number())),
    yes_no("latency-tracking", "yes").sets(|c, v| c.latency_tracking = v.yes()),
    own("latency-tracking-info-percentiles", "50 99 99.9", words::percentiles)
        .sets(|c, v| c.latency_percentiles = v.words().filter_map(crate::parse::float).collect()),
    int("shutdown-timeout", "10", 0, I32),
    some_of("shutdown-on-sigint", "default", &["default", "save", "nosave", "now", "force"]),
    some_of("shutdown-on-sigterm", "default", &["default", "save", "nosave", "now", "force"]),
    yes_no("crash-log-enabled", "yes"),
    yes_no("crash-memcheck-enabled", "yes"),
    yes_no("use-exit-on-panic", "no").hidden(),
    int("watchdog-period", "0", 0, I32).hidden().lacks("a watchdog", &["0"]),
    yes_no("disable-thp", "yes").fixed(),
    own("oom-score-adj", "no", words::oom_mode).single().sets(|c, v| c.oom_score = crate::oom::Adjust::read(v.bytes())),
    own("oom-score-adj-values", "0 200 800", words::oom_scores).sets(|c, v| {
        c.oom_score_of_master = v.words().next().and_then(crate::parse::int).unwrap_or_default() as i32;
    }),
    text("ignore-warnings", ""),
    yes_no("set-proc-title", "yes").fixed(),
    checked("proc-title-template", "{title} {listen-addr} {server-mode}", words::title),
    text("server_cpulist", "").fixed().lacks("pinning threads", &[""]),
    text("bio_cpulist", "").fixed().lacks("pinning threads", &[""]),
    text("aof_rewrite_cpulist", "").fixed().lacks("pinning threads", &[""]),
    text("bgsave_cpulist", "").fixed().lacks("pinning threads", &[""]),
];
