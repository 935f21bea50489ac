//! What COMMAND tells of every command, field by field beside redis-server: everything but the prose.

mod support;

use redis::{Connection, Value, cmd, from_redis_value};
use support::{Server, Subject};
use xs_redis::Server as InProcess;

/// Fields whose words are our own: that both have them is compared, and not what they say.
const PROSE: &[&str] = &["summary", "complexity", "replaced_by", "notes"];

fn connect(port: u16) -> Connection {
    redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap().get_connection().unwrap()
}

fn ask(redis: &mut Connection, what: &str, name: &str) -> Value {
    cmd("COMMAND").arg(what).arg(name).query(redis).unwrap()
}

fn text(value: &Value) -> Option<String> {
    matches!(value, Value::BulkString(_) | Value::SimpleString(_)).then(|| from_redis_value(value.clone()).ok())?
}

/// The answer as a text, with the prose left out; what is a set in RESP3 in alphabetical order.
fn facts(value: &Value, is_set: bool) -> String {
    let Value::Array(items) = value else { return text(value).unwrap_or_else(|| format!("{value:?}")) };
    let mut told = Vec::new();
    let mut before = String::new();
    for item in items {
        told.push(match before.as_str() {
            field if PROSE.contains(&field) => "…".to_owned(),
            // Answered under names of their own.
            "subcommands" => "…".to_owned(),
            "history" => versions(item),
            "flags" => facts(item, true),
            _ => facts(item, false),
        });
        before = text(item).unwrap_or_default();
    }
    if is_set {
        told.sort();
    }
    format!("[{}]", told.join(" "))
}

fn versions(history: &Value) -> String {
    let entries: Vec<(String, String)> = from_redis_value(history.clone()).unwrap();
    entries.into_iter().map(|(version, _)| version).collect::<Vec<_>>().join(" ")
}

/// Name, arity, flags, first, last, step, categories, tips, key specifications; without the subcommands.
fn info(value: Value) -> Vec<String> {
    let Value::Array(mut one) = value else { panic!("an array") };
    let Some(Value::Array(fields)) = one.pop() else { panic!("{one:?}") };
    let told = fields.iter().take(9).enumerate();
    told.map(|(at, field)| facts(field, matches!(at, 2 | 6 | 7))).collect()
}

#[test]
#[ignore = "needs redis-server and the release binary"]
fn every_command_is_told_as_redis_tells_it() {
    let (reference, ours) = (Server::start(Subject::Redis, &[]), Server::start(Subject::Ours, &[]));
    let (mut theirs, mut ours) = (connect(reference.port), connect(ours.port));
    let names: Vec<String> = cmd("COMMAND").arg("LIST").query(&mut ours).unwrap();
    assert!(names.len() > 290, "{}", names.len());
    for name in names {
        let mut told = |what| (ask(&mut ours, what, &name), ask(&mut theirs, what, &name));
        let (our_info, their_info) = told("INFO");
        assert_eq!(info(our_info), info(their_info), "COMMAND INFO {name}");
        let (our_docs, their_docs) = told("DOCS");
        assert_eq!(facts(&our_docs, false), facts(&their_docs, false), "COMMAND DOCS {name}");
    }
}

#[tokio::test]
async fn the_arguments_are_a_tree() {
    let server = InProcess::ephemeral().await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let docs: Value = cmd("COMMAND").arg("DOCS").arg("zrange").query_async(&mut redis).await.unwrap();
    let told = facts(&docs, false);
    for part in [
        "[zrange [summary … since 1.2.0 group sorted-set complexity … history 6.2.0 arguments [",
        "[name key type key key_spec_index int(0)]",
        "[name sortby type oneof since 6.2.0 flags [optional] arguments [[name byscore type pure-token token BYSCORE] ",
        "[name offset_count type block token LIMIT since 6.2.0 flags [optional] arguments [[name offset type integer] ",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let docs: Value = cmd("COMMAND").arg("DOCS").arg("rpoplpush").query_async(&mut redis).await.unwrap();
    assert!(facts(&docs, false).contains("doc_flags [deprecated] deprecated_since 6.2.0 replaced_by …"), "{docs:?}");
    let docs: Value = cmd("COMMAND").arg("DOCS").arg("nosuch").query_async(&mut redis).await.unwrap();
    assert_eq!(facts(&docs, false), "[]");
}
