//! Looking at a cluster, and changing it, from outside.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::Duration;

use xs_net::Timer;
use xs_proto::resp::Frame;

use super::args::{Change, Status};
use super::{Failure, Outcome, say};
use crate::client::{ask_once, fields, text};
use crate::peer::Tcp;

/// How long a node may take to answer.
const LIMIT: Duration = Duration::from_secs(5);
/// So often a cluster is asked again that is changing its leader, or whose new node is learning.
const TRIES: u32 = 25;
const PAUSE: Duration = Duration::from_millis(200);

async fn ask(to: &str, words: &[&str], limit: Duration) -> Result<Frame, String> {
    ask_once(&Tcp, &Timer::system(), to, words, limit).await
}

/// Asks whoever leads: goes where it is sent, and waits for what is said to pass.
async fn ask_leader(to: &str, words: &[&str]) -> Outcome {
    let mut to = to.to_owned();
    let mut last = String::new();
    for _ in 0..TRIES {
        match ask(&to, words, LIMIT).await {
            Ok(_) => return Ok(()),
            Err(why) if why.starts_with("MOVED ") => {
                to = why.rsplit(' ').next().unwrap_or_default().to_owned();
                last = why;
            }
            Err(why) if why.starts_with("CLUSTERDOWN") => {
                last = why;
                Timer::system().sleep(PAUSE).await;
            }
            Err(why) => return Err(Failure::refused(why)),
        }
    }
    Err(Failure::refused(last))
}

pub(super) async fn members(to: String, change: Change) -> Outcome {
    match change {
        Change::Add { node, peer } => {
            ask_leader(&to, &["RAFT", "ADD", &node.to_string(), &peer]).await?;
            say(&format!("n{node} is added, and learns; let it vote with: members promote {node}"));
        }
        Change::Promote { node } => {
            ask_leader(&to, &["RAFT", "PROMOTE", &node.to_string()]).await?;
            say(&format!("n{node} votes"));
        }
        Change::Remove { node } => {
            ask_leader(&to, &["RAFT", "REMOVE", &node.to_string()]).await?;
            say(&format!("n{node} is removed"));
        }
    }
    Ok(())
}

pub(super) async fn transfer(to: String, node: Option<u64>) -> Outcome {
    let node = node.map(|node| node.to_string());
    let mut words = vec!["RAFT", "TRANSFER"];
    words.extend(node.as_deref());
    let before = leader(&to).await?;
    ask_leader(&to, &words).await?;
    let mut now = before.clone();
    for attempt in 1..=2 * TRIES {
        // Who stands may fail to hear from enough others in time, as one that has just come: it is asked to again.
        if node.is_some() && attempt % 5 == 0 {
            let _ = ask_leader(&to, &words).await;
        }
        now = leader(&to).await?;
        let moved = match &node {
            Some(node) => now == *node,
            None => now != before && now != "0",
        };
        if moved {
            say(&format!("n{now} leads"));
            return Ok(());
        }
        Timer::system().sleep(PAUSE).await;
    }
    Err(Failure::refused(format!("leadership did not move as it was asked to: {}", who_leads(&now))))
}

fn who_leads(leader: &str) -> String {
    match leader {
        "0" => "nobody leads".to_owned(),
        leader => format!("n{leader} leads"),
    }
}

async fn leader(to: &str) -> Result<String, Failure> {
    let status = ask(to, &["RAFT", "STATUS"], LIMIT).await.map_err(Failure::refused)?;
    Ok(text(&fields(&status), "leader"))
}

pub(super) async fn status(status: Status) -> Outcome {
    let refresh = io::stdout().is_terminal() && !status.once;
    loop {
        let table = table(&status.to).await?;
        if !refresh {
            say(&table);
            return Ok(());
        }
        // From the top of a cleared screen.
        say(&format!("\x1b[2J\x1b[H{table}"));
        Timer::system().sleep(Duration::from_secs(1)).await;
    }
}

/// One line a node, as each tells of itself, or as the asked one knows it.
pub(super) async fn table(to: &str) -> Result<String, Failure> {
    let asked = ask(to, &["RAFT", "STATUS"], LIMIT).await.map_err(|why| Failure::refused(format!("{to}: {why}")))?;
    let asked = fields(&asked);
    let mut rows =
        vec![["NODE", "ROLE", "VOTES", "TERM", "APPLIED", "LOG", "CLIENTS AT", "NODES AT"].map(String::from)];
    let nodes = asked.get("nodes").and_then(Frame::elements).unwrap_or_default().to_vec();
    for node in &nodes {
        let node = fields(node);
        let client = text(&node, "client");
        let own = match client.is_empty() {
            true => Err("nobody knows where clients reach it".to_owned()),
            false => ask(&client, &["RAFT", "STATUS"], Duration::from_secs(1)).await,
        };
        let id = text(&node, "node");
        let (role, term, applied, log) = match own.as_ref().map(fields) {
            // Somebody else answers there.
            Ok(own) if text(&own, "id") == id => (
                text(&own, "role"),
                text(&own, "term"),
                text(&own, "applied"),
                format!("{}..{}", text(&own, "first"), text(&own, "last")),
            ),
            _ => ("unreachable".into(), "-".into(), text(&node, "matched"), "-".into()),
        };
        rows.push([format!("n{id}"), role, text(&node, "votes"), term, applied, log, client, text(&node, "peer")]);
    }
    Ok(aligned(&rows, &asked))
}

fn aligned(rows: &[[String; 8]], asked: &BTreeMap<String, Frame>) -> String {
    let leader = who_leads(&text(asked, "leader"));
    let mut lines = vec![format!("{leader} in term {}, committed {}", text(asked, "term"), text(asked, "commit"))];
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:width$}", width = width(column)));
        lines.push(cells.collect::<Vec<_>>().join("  ").trim_end().to_owned());
    }
    lines.join("\n")
}
