//! `RAFT …`: what an operator asks of the cluster, over the same protocol as everything else.

use xs_proto::resp::{Reply, Request};

use super::Front;
use crate::command::Member;
use crate::node::{Admin, Status};

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Status,
    Do(Admin),
}

const HELP: &str = "ERR try RAFT STATUS, RAFT ADD id peer-address [client-address], RAFT PROMOTE id, RAFT REMOVE id, \
    RAFT TRANSFER [id], or RAFT COMPACT";

pub(super) fn parse(request: &Request) -> Result<Asked, String> {
    let text = |i| request.get(i).map(|word| String::from_utf8_lossy(word).into_owned());
    let node = |i| match text(i) {
        None => Err("ERR which node?".to_owned()),
        Some(id) => id.parse().map_err(|_| format!("ERR '{id}' is not the number of a node")),
    };
    let address = |i| match text(i) {
        Some(address) if address.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) => {
            Err(format!("ERR '{address}' is not an address: host:port"))
        }
        address => Ok(address),
    };
    let name = request.get(1).unwrap_or_default().to_ascii_uppercase();
    let most = match &name[..] {
        b"ADD" => 5,
        b"PROMOTE" | b"REMOVE" | b"TRANSFER" => 3,
        b"STATUS" | b"COMPACT" => 2,
        _ => return Err(HELP.into()),
    };
    if request.len() > most {
        return Err(HELP.into());
    }
    Ok(match &name[..] {
        b"STATUS" => Asked::Status,
        b"COMPACT" => Asked::Do(Admin::Compact),
        b"ADD" => {
            let peer = address(3)?.ok_or("ERR where do other nodes reach it? RAFT ADD id peer-address")?;
            Asked::Do(Admin::Add(node(2)?, Member { peer, client: address(4)?.unwrap_or_default() }))
        }
        b"PROMOTE" => Asked::Do(Admin::Promote(node(2)?)),
        b"REMOVE" => Asked::Do(Admin::Remove(node(2)?)),
        _ => Asked::Do(Admin::Transfer(if request.len() > 2 { Some(node(2)?) } else { None })),
    })
}

pub(super) async fn run(front: &Front, asked: Asked, reply: &mut Reply<'_>) {
    match asked {
        Asked::Status => status(&front.node.status(), reply),
        Asked::Do(admin) => match front.node.admin(admin).await {
            Ok(()) => reply.ok(),
            Err(why) => reply.error(why.to_string()),
        },
    }
}

/// The fields by name, and the nodes as a list of such lists.
fn status(status: &Status, reply: &mut Reply<'_>) {
    let numbers = [
        ("id", status.id),
        ("cluster", status.cluster),
        ("term", status.term),
        ("leader", status.leader.unwrap_or(0)),
        ("commit", status.commit),
        ("applied", status.applied),
        ("first", status.first),
        ("last", status.last),
    ];
    reply.map(numbers.len() + 3);
    reply.bulk(b"role");
    reply.bulk(status.role.as_bytes());
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.int(i64::try_from(number).unwrap_or(i64::MAX));
    }
    reply.bulk(b"stopped");
    match &status.stopped {
        Some(why) => reply.bulk(why.as_bytes()),
        None => reply.null(),
    }
    reply.bulk(b"nodes");
    let nodes: Vec<u64> = status.voters.iter().chain(&status.learners).copied().collect();
    reply.array(nodes.len());
    for id in nodes {
        let member = status.members.get(&id);
        let follower = status.followers.get(&id);
        reply.map(6);
        let mut text = |name: &str, value: &str| {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        };
        text("node", &id.to_string());
        text("votes", if status.voters.contains(&id) { "yes" } else { "no" });
        text("peer", member.map_or("", |member| &member.peer));
        text("client", member.map_or("", |member| &member.client));
        text("matched", &follower.map_or(String::new(), |follower| follower.matched.to_string()));
        text("mode", follower.map_or("", |follower| follower.mode));
    }
}
