//! One environment for everything: several nodes, and several lives of one, that were all given the same chance.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use common::{Client, bind, config};
use xs_distributed_kv::{Bound, Environment, Server};
use xs_os::Rng;
use xs_os::vfs::MemoryVfs;

fn environment() -> Environment {
    Environment { vfs: Arc::new(MemoryVfs::new()), rng: Rng::from_seed(1), ..Environment::system() }
}

/// Starts these nodes, and writes to each: the first write of a new connection, which is the first of its name.
async fn live(environment: &Environment, nodes: Vec<(u64, Bound)>, life: u64) {
    let founders: BTreeMap<_, _> = nodes.iter().map(|(node, at)| (*node, at.peer_addr().to_string())).collect();
    let start = |(node, bound): (u64, Bound)| bound.start(config(Path::new("data"), node, &founders), environment);
    let servers: Vec<Server> = nodes.into_iter().map(|node| start(node).unwrap()).collect();
    for (nth, server) in servers.iter().enumerate() {
        let mut client = Client::to(server.client_addr()).await.unwrap();
        let value = format!("{nth}-of-life-{life}");
        assert_eq!(client.ask(&format!("SET key {value}")).await, "OK");
        assert_eq!(client.ask("GET key").await, value);
    }
    for server in servers {
        server.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_write_is_no_copy_of_one_that_an_earlier_life_has_done() {
    let environment = environment();
    for life in 1..=3 {
        live(&environment, vec![(1, bind())], life).await;
    }
}

#[tokio::test]
async fn a_write_is_no_copy_of_one_that_another_node_has_done() {
    live(&environment(), (1..=3).map(|node| (node, bind())).collect(), 1).await;
}
