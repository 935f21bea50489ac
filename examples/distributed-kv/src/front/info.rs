//! `INFO` and `CLUSTER`: what monitoring and cluster-aware clients ask.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use xs_proto::resp::Reply;

use super::Front;
use crate::node::Status;

/// The text of `INFO`.
pub(super) fn info(front: &Front) -> String {
    let status = front.node.status();
    let leads = status.leader == Some(status.id);
    let mut text = String::new();
    let mut section = |name: &str, lines: &[(&str, String)]| {
        let _ = write!(text, "{}# {name}\r\n", if text.is_empty() { "" } else { "\r\n" });
        for (name, value) in lines {
            let _ = write!(text, "{name}:{value}\r\n");
        }
    };
    let number = |n: u64| n.to_string();
    section(
        "Server",
        &[
            ("redis_version", "7.0.15".into()),
            ("server_name", "xs-distributed-kv".into()),
            ("xs_version", env!("CARGO_PKG_VERSION").into()),
            ("redis_mode", "standalone".into()),
        ],
    );
    section("Clients", &[("connected_clients", front.registry.len().to_string())]);
    section(
        "Stats",
        &[
            ("total_connections_received", number(front.node.clients.connections.load(Ordering::Relaxed))),
            ("total_commands_processed", number(front.node.clients.commands.load(Ordering::Relaxed))),
        ],
    );
    section(
        "Replication",
        &[
            ("role", if leads { "master" } else { "slave" }.into()),
            ("connected_slaves", number(status.followers.len() as u64)),
            ("master_repl_offset", number(status.applied)),
        ],
    );
    section(
        "Raft",
        &[
            ("raft_id", number(status.id)),
            ("raft_role", status.role.into()),
            ("raft_term", number(status.term)),
            ("raft_leader", number(status.leader.unwrap_or(0))),
            ("raft_commit", number(status.commit)),
            ("raft_applied", number(status.applied)),
            ("raft_log_first", number(status.first)),
            ("raft_log_last", number(status.last)),
            ("raft_elections", number(status.elections)),
            ("raft_snapshots_installed", number(status.snapshots)),
            ("raft_entries_proposed", number(status.proposed)),
            ("raft_entries_forwarded", number(status.forwarded)),
            ("raft_frames_dropped", number(status.dropped)),
        ],
    );
    section("Keyspace", &[]);
    text
}

/// `CLUSTER …`.
pub(super) fn cluster(front: &Front, what: &[u8], reply: &mut Reply<'_>) {
    let status = front.node.status();
    match what {
        b"MYID" => reply.bulk(name(status.id).as_bytes()),
        b"INFO" => {
            let state = if status.leader.is_some() { "ok" } else { "fail" };
            let nodes = status.voters.len() + status.learners.len();
            let text = format!(
                "cluster_enabled:0\r\ncluster_state:{state}\r\ncluster_slots_assigned:16384\r\ncluster_known_nodes:{nodes}\r\n\
                cluster_size:1\r\ncluster_current_epoch:{}\r\n",
                status.term
            );
            reply.verbatim(b"txt", text.as_bytes());
        }
        b"SLOTS" => slots(&status, reply),
        b"NODES" => reply.verbatim(b"txt", nodes(&status).as_bytes()),
        _ => reply.error("ERR unknown subcommand: there are CLUSTER INFO, MYID, NODES and SLOTS"),
    }
}

/// A node's name as clusters of Redis have it: forty hexadecimal digits.
fn name(id: u64) -> String {
    format!("{id:040x}")
}

fn host_and_port(address: &str) -> (&str, i64) {
    address.rsplit_once(':').map_or((address, 0), |(host, port)| (host, port.parse().unwrap_or(0)))
}

/// One range of all slots: the leader, then the others.
fn slots(status: &Status, reply: &mut Reply<'_>) {
    let Some(leader) = status.leader else { return reply.array(0) };
    let others = status.members.keys().copied().filter(|id| *id != leader);
    let nodes: Vec<u64> = std::iter::once(leader).chain(others).collect();
    reply.array(1);
    reply.array(2 + nodes.len());
    reply.int(0);
    reply.int(16383);
    for id in nodes {
        let (host, port) = host_and_port(status.members.get(&id).map_or("", |member| &member.client));
        reply.array(3);
        reply.bulk(host.as_bytes());
        reply.int(port);
        reply.bulk(name(id).as_bytes());
    }
}

fn nodes(status: &Status) -> String {
    let mut text = String::new();
    for (id, member) in &status.members {
        let mine = if *id == status.id { "myself," } else { "" };
        let (role, slots) = if status.leader == Some(*id) { ("master", " 0-16383") } else { ("slave", "") };
        let _ = writeln!(text, "{} {}@0 {mine}{role} - 0 0 {} connected{slots}", name(*id), member.client, status.term);
    }
    text
}
