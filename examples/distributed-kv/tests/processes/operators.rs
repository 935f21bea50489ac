//! The command line that an operator uses, against a cluster of processes, with what it prints.

use std::process::Output;

use crate::cluster::{MS, Place, Processes};
use crate::common::Client;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What it has printed, and its code; what it complains of comes instead of what it prints.
fn outcome(output: &Output) -> (i32, String) {
    let said = if output.status.success() { &output.stdout } else { &output.stderr };
    (output.status.code().unwrap_or(-1), text(said).trim_end().to_owned())
}

async fn told(cluster: &Processes, arguments: &[&str]) -> (i32, String) {
    outcome(&cluster.program(arguments).await)
}

fn ok(said: &str) -> (i32, String) {
    (0, said.to_owned())
}

fn refused(said: &str) -> (i32, String) {
    (1, format!("xs-distributed-kv: {said}"))
}

/// The rows of `status`, without the places where the nodes are.
async fn rows(cluster: &Processes, to: &str) -> Vec<String> {
    let (code, table) = told(cluster, &["status", "--to", to]).await;
    assert_eq!(code, 0, "{table}");
    let mut lines = table.lines();
    let first = lines.next().unwrap();
    assert!(first.contains(" in term ") && first.contains(", committed "), "{first}");
    let heads: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(heads, ["NODE", "ROLE", "VOTES", "TERM", "APPLIED", "LOG", "CLIENTS", "AT", "NODES", "AT"]);
    lines.map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ")).collect()
}

/// Asks for the table until it shows this: nodes tell of themselves a little later.
async fn shows(cluster: &Processes, to: &str, expected: &[&str]) {
    let mut found = Vec::new();
    for _ in 0..300 {
        found = rows(cluster, to).await;
        if found == expected {
            return;
        }
        cluster.timer.sleep(20 * MS).await;
    }
    panic!("{found:#?}, and not {expected:#?}");
}

#[tokio::test]
async fn a_cluster_is_looked_at_grown_and_shrunk_from_the_command_line() {
    // Nobody stands for election of their own accord, however slow the machine is: leadership goes where it is told.
    let mut cluster = Processes::start_with(3, &["--election-timeout", "3000"]).await;
    let to = cluster.addr(1).to_string();
    let mut client = Client::to(cluster.addr(1)).await.unwrap();
    assert_eq!(client.ask("SET k v").await, "OK");
    // It goes to somebody else if nobody is named.
    for node in [2, 3, 1] {
        let transferred = told(&cluster, &["transfer", "--to", &to, &node.to_string()]).await;
        assert_eq!(transferred, ok(&format!("n{node} leads")), "to who leads already, too");
        assert_eq!(cluster.leader().await, node);
    }
    shows(&cluster, &to, &["n1 leader yes", "n2 follower yes", "n3 follower yes"]).await;
    let (code, said) = told(&cluster, &["transfer", "--to", &to]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(said, format!("n{} leads", cluster.leader().await));
    assert_ne!(cluster.leader().await, 1);
    let (code, said) = told(&cluster, &["transfer", "--to", &to, "9"]).await;
    assert_eq!(code, 1, "{said}");
    // A node comes, learns, votes.
    let place = Place::local();
    let mut command = cluster.serve(4, &cluster.data_dir(4), &place);
    command.arg("--join");
    cluster.places.insert(4, place.clone());
    cluster.spawn(4, command);
    let peers = place.peers().to_string();
    let add = ["members", "--to", &to, "add", "4", &peers];
    assert_eq!(told(&cluster, &add).await, ok("n4 is added, and learns; let it vote with: members promote 4"));
    assert_eq!(told(&cluster, &add).await, refused("ERR it is a member already"));
    let elsewhere = told(&cluster, &["members", "--to", &to, "add", "5", &peers]).await;
    assert_eq!(elsewhere, refused("ERR another node has that address"));
    assert_eq!(told(&cluster, &["members", "--to", &to, "promote", "4"]).await, ok("n4 votes"));
    cluster.leader().await;
    assert_eq!(told(&cluster, &["transfer", "--to", &to, "4"]).await, ok("n4 leads"));
    shows(&cluster, &to, &["n1 follower yes", "n2 follower yes", "n3 follower yes", "n4 leader yes"]).await;
    // One goes, and takes nothing with it.
    assert_eq!(told(&cluster, &["members", "--to", &to, "remove", "3"]).await, ok("n3 is removed"));
    cluster.kill(3);
    cluster.places.remove(&3);
    shows(&cluster, &to, &["n1 follower yes", "n2 follower yes", "n4 leader yes"]).await;
    // One that does not answer is said to be so.
    cluster.kill(2);
    shows(&cluster, &to, &["n1 follower yes", "n2 unreachable yes", "n4 leader yes"]).await;
    assert_eq!(client.ask("GET k").await, "v");
    assert_eq!(client.ask("SET k w").await, "OK");
    assert_eq!(Client::to(cluster.addr(4)).await.unwrap().ask("GET k").await, "w");
}

#[tokio::test]
async fn whoever_asks_nobody_or_makes_no_sense_is_told() {
    let cluster = Processes::start(1).await;
    let nobody = Place::local().clients().to_string();
    let (code, said) = told(&cluster, &["status", "--to", &nobody]).await;
    assert_eq!(code, 1);
    assert!(said.starts_with(&format!("xs-distributed-kv: {nobody}: ")), "{said}");
    let to = cluster.addr(1).to_string();
    let (code, said) = told(&cluster, &["members", "--to", &to, "remove", "1"]).await;
    assert_eq!(code, 1, "the last one can't go: {said}");
    assert_eq!(
        told(&cluster, &["members", "--to", &to, "add", "0", "h:1"]).await,
        refused("ERR a node's number is at least 1")
    );
    let (code, said) = told(&cluster, &["members", "--to", &to, "add", "2", "nowhere"]).await;
    assert_eq!((code, &*said), (1, "xs-distributed-kv: ERR 'nowhere' is not an address: host:port"));
    for arguments in
        [&["members"][..], &["transfer", "x"], &["serve", "--id", "1"], &["serve", "--id", "1", "--data-dir", "d"]]
    {
        assert_eq!(told(&cluster, arguments).await.0, 2, "{arguments:?}");
    }
}
