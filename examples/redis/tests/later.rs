//! What this server doesn't have yet: it says so under the command's full name, and where the truth is Redis' own answer,
//! gives that.

mod raw;

use raw::Subject;

const NO_CLUSTER: &str = "-ERR This instance has cluster support disabled";
const NOT_BUSY: &str = "-NOTBUSY No scripts in execution right now.";
const NO_SCRIPT: &str = "-NOSCRIPT No matching script. Please use EVAL.";

/// These hold of redis-server, too.
#[tokio::test]
async fn what_is_true_without_the_missing_parts_is_answered() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    client
        .expect(&[
            ("CLUSTER INFO", NO_CLUSTER),
            ("CLUSTER KEYSLOT x", NO_CLUSTER),
            ("CLUSTER HELP", NO_CLUSTER),
            ("CLUSTER MEET", "-ERR wrong number of arguments for 'cluster|meet' command"),
            ("CLUSTER nosuch", "-ERR unknown subcommand 'nosuch'. Try CLUSTER HELP."),
            ("ASKING", NO_CLUSTER),
            ("READONLY", NO_CLUSTER),
            ("READWRITE", NO_CLUSTER),
            ("DUMP missing", "nil"),
            ("EVALSHA abc 0", NO_SCRIPT),
            ("EVALSHA_RO abc 0", NO_SCRIPT),
            ("SCRIPT KILL", NOT_BUSY),
            ("FUNCTION KILL", NOT_BUSY),
            ("FUNCTION DELETE x", "-ERR Library not found"),
            ("FUNCTION LIST LIBRARYNAME x WITHCODE", "[]"),
            ("FUNCTION LIST LIBRARYNAME", "-ERR library name argument was not given"),
            ("FUNCTION LIST some", "-ERR Unknown argument some"),
            ("FCALL f 0", "-ERR Function not found"),
            ("FCALL_RO f 0", "-ERR Function not found"),
            ("REPLICAOF no ONE", "+OK"),
            ("REPLICAOF host port", "-ERR Invalid master port"),
            ("FAILOVER", "-ERR FAILOVER requires connected replicas."),
            ("FAILOVER ABORT", "-ERR No failover in progress."),
        ])
        .await;
    assert!(client.ask("MODULE LOAD /x").await.starts_with("-ERR MODULE command not allowed. If the enable-module-"));
    let saved: u64 = client.ask("LASTSAVE").await[1..].parse().expect("a time");
    let time = client.ask("TIME").await;
    let now: u64 = time.split('"').nth(1).and_then(|now| now.parse().ok()).expect("a time");
    assert!(saved <= now && (now - saved < 60 || !server.is_ours()), "{saved} {now}");
    for (help, name) in [("FUNCTION HELP", "FUNCTION"), ("SCRIPT HELP", "SCRIPT"), ("MODULE HELP", "MODULE")] {
        let text = client.ask(help).await;
        assert!(text.starts_with(&format!("[+{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:, +")));
        assert!(text.ends_with("+HELP, +    Prints this help.]") || !server.is_ours(), "{text}");
    }
}

#[tokio::test]
async fn what_is_missing_is_named_under_the_full_name() {
    let server = Subject::start().await;
    if !server.is_ours() {
        return;
    }
    let mut client = server.connect().await;
    client
        .expect(&[
            ("SET k v", "+OK"),
            ("DUMP k", "-ERR DUMP needs persistence, which this server doesn't have"),
            ("FUNCTION STATS", "-ERR FUNCTION STATS needs scripting, which this server doesn't have"),
            ("SCRIPT LOAD x", "-ERR SCRIPT LOAD needs scripting, which this server doesn't have"),
            ("REPLICAOF host 1", "-ERR REPLICAOF needs replication, which this server doesn't have"),
            ("SAVE", "-ERR SAVE needs persistence, which this server doesn't have"),
        ])
        .await;
}

/// Neither does redis-server look whether there are such servers to tell the keys of a call.
#[tokio::test]
async fn the_keys_of_migrate() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    let invalid = "-ERR Invalid arguments specified for command";
    for (call, keys) in [
        ("h 1 key 0 0", r#"["key"]"#),
        ("h 1  0 0 KEYS a b", r#"["a", "b"]"#),
        ("h 1  0 0 COPY AUTH keys KEYS a", r#"["a"]"#),
        ("h 1  0 0 AUTH2 u keys KEYS a", r#"["a"]"#),
        ("h 1 key 0 0 KEYS a", invalid),
        ("h 1  0 0 KEYS", r#"[""]"#),
    ] {
        let words: Vec<&str> = ["COMMAND", "GETKEYS", "MIGRATE"].into_iter().chain(call.split(' ')).collect();
        assert_eq!(client.ask_words(&words).await, keys, "{call}");
    }
    let flags = client.ask("COMMAND GETKEYSANDFLAGS MIGRATE h 1  0 0 KEYS a").await;
    assert_eq!(flags, r#"[["a", [+RW, +access, +delete]]]"#);
}
