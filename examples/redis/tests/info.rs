//! What a server says of itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redis::cmd;
use xs_os::VirtualClock;
use xs_redis::Server;

type Connection = redis::aio::MultiplexedConnection;

async fn start(clock: &VirtualClock) -> (Server, Connection) {
    let server = Server::builder().clock(Arc::new(clock.clone())).ephemeral().await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    (server, connection)
}

async fn info(redis: &mut Connection, sections: &[&str]) -> BTreeMap<String, String> {
    let text: String = cmd("INFO").arg(sections).query_async(redis).await.unwrap();
    text.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name.into(), value.into())).collect()
}

#[tokio::test]
async fn sections_are_chosen_by_name() {
    let (server, mut redis) = start(&VirtualClock::new()).await;
    let all = info(&mut redis, &[]).await;
    assert_eq!(all["redis_version"], "7.0.15");
    assert_eq!(all["tcp_port"], server.port().to_string());
    assert_eq!(all["role"], "master");
    assert!(!all.contains_key("cmdstat_info"));
    assert!(info(&mut redis, &["everything"]).await.contains_key("cmdstat_info"));
    let two = info(&mut redis, &["CPU", "cluster", "nosuch"]).await;
    assert_eq!(two.len(), 7);
    assert!(info(&mut redis, &["nosuch"]).await.is_empty());
}

#[tokio::test]
async fn the_figures_are_those_of_what_happened() {
    let clock = VirtualClock::new();
    let (_server, mut redis) = start(&clock).await;
    let () = cmd("SET").arg("a").arg("1").query_async(&mut redis).await.unwrap();
    let () = cmd("SET").arg("b").arg("1").arg("EX").arg(100).query_async(&mut redis).await.unwrap();
    let _: Option<String> = cmd("GET").arg("a").query_async(&mut redis).await.unwrap();
    let _: Option<String> = cmd("GET").arg("missing").query_async(&mut redis).await.unwrap();
    let failed: Result<(), _> = cmd("LPUSH").arg("a").arg("b").query_async(&mut redis).await;
    failed.unwrap_err();
    clock.advance(Duration::from_secs(60));
    let shown = info(&mut redis, &["all"]).await;
    assert_eq!(shown["db0"], "keys=2,expires=1,avg_ttl=40000");
    assert_eq!((shown["keyspace_hits"].as_str(), shown["keyspace_misses"].as_str()), ("1", "1"));
    assert_eq!(shown["uptime_in_seconds"], "60");
    assert_eq!(shown["errorstat_WRONGTYPE"], "count=1");
    assert!(shown["cmdstat_set"].starts_with("calls=2,usec="), "{}", shown["cmdstat_set"]);
    assert!(shown["latency_percentiles_usec_get"].starts_with("p50="));
    assert_eq!(shown["rdb_changes_since_last_save"], "2");
    assert!(shown["used_memory"].parse::<u64>().unwrap() > 0);

    let () = cmd("CONFIG").arg("RESETSTAT").query_async(&mut redis).await.unwrap();
    let shown = info(&mut redis, &["all"]).await;
    assert_eq!(shown["keyspace_hits"], "0");
    assert!(!shown.contains_key("cmdstat_set") && !shown.contains_key("errorstat_WRONGTYPE"));
    assert_eq!(shown["rdb_changes_since_last_save"], "2");
}
