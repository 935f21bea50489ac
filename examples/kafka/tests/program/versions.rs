//! Which version each client chooses of every request. The table in the page is made here:
//! `XS_WRITE=1 cargo test -p xs-kafka --test program -- --ignored the_table`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use xs_proto::kafka::messages::*;

use crate::client::Client;
use crate::process::{Broker, beside, python};

/// Client, request, versions.
type Chosen = BTreeMap<(&'static str, String), BTreeSet<i16>>;

const COLUMNS: [&str; 6] = ["kcat", "confluent", "python", "aiokafka", "kafkajs", "rskafka"];
const USER: [(&str, &str); 2] = [("KAFKA_USER", "alice"), ("KAFKA_PASSWORD", "secret")];

/// Notes down what the broker's trace tells of one client: of all that it has seen, or of who has a certain name.
fn note(chosen: &mut Chosen, client: &'static str, name: Option<&str>, broker: &Broker) {
    for line in broker.log() {
        let Some((_, request)) = line.split_once("a request ") else { continue };
        let field = |key: &str| request.split(' ').find_map(|part| part.trim().strip_prefix(key)?.strip_prefix('='));
        let (Some(api), Some(version)) = (field("api"), field("version")) else { continue };
        if name.is_none_or(|name| field("client") == Some(&format!("{name:?}"))) {
            let versions = chosen.entry((client, api.trim_matches('"').to_owned())).or_default();
            versions.insert(version.parse().expect("a number"));
        }
    }
}

/// Runs a client against a broker of its own.
fn tour(chosen: &mut Chosen, users: &str, clients: &[(&'static str, Option<&str>)], commands: &[Vec<String>]) {
    let broker = Broker::traced(&["--port", "0", "--users", users]);
    for command in commands {
        let args = command[1..].iter().map(|arg| arg.replace("SERVERS", &broker.bootstrap()));
        let done = Command::new(&command[0]).args(args).envs(USER).output().expect("it starts");
        assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
    for (client, name) in clients {
        note(chosen, client, *name, &broker);
    }
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn tours(users: &str) -> Chosen {
    let mut chosen = Chosen::new();
    let kcat = "kcat -b SERVERS -X security.protocol=SASL_PLAINTEXT -X sasl.mechanism=PLAIN -X sasl.username=alice \
                -X sasl.password=secret -X enable.idempotence=true";
    let more = [
        "-P -t t /dev/null",
        "-P -t t -l /etc/hostname",
        "-C -t t -e -q",
        "-Q -t t:0:0",
        "-G g -e -q -X auto.offset.reset=earliest t",
    ];
    let kcat: Vec<_> = more.iter().map(|more| words(&format!("{kcat} {more}"))).collect();
    tour(&mut chosen, users, &[("kcat", None)], &kcat);

    let python = python().into_os_string().into_string().expect("a path");
    for (client, name) in [("confluent", "confluent"), ("python", "python"), ("aiokafka", "aio")] {
        let command = vec![python.clone(), beside("program/tour.py"), "SERVERS".into(), name.into()];
        tour(&mut chosen, users, &[(client, None)], &[command]);
    }

    let node = |script, args: &str| [words("node"), vec![beside(script), "SERVERS".into()], words(args)].concat();
    let commands = [
        node("program/kafkajs.js", "admin"),
        node("program/kafkajs.js", "write t gzip true v 1"),
        node("groups/kafkajs.js", "transactions t"),
        node("groups/kafkajs.js", "move t out 1"),
        node("groups/kafkajs.js", "beat t"),
    ];
    tour(&mut chosen, users, &[("kafkajs", None)], &commands);

    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = format!("LD_LIBRARY_PATH={}", here.join("../../.cache/librdkafka").display());
    let program = crate::rust::build().into_os_string().into_string().expect("a path");
    tour(
        &mut chosen,
        users,
        &[("rskafka", Some("rskafka"))],
        &[vec!["env".into(), library, program, "SERVERS".into()]],
    );
    chosen
}

fn table(served: &[ApiVersion], chosen: &Chosen) -> String {
    let mut table =
        format!("| request | served | {} |\n|---|---|{}\n", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()));
    for served in served {
        let api = ApiKey::from_code(served.api_key).expect("one that the codec knows");
        let ApiVersion { min_version: least, max_version: most, .. } = served;
        let range = if least == most { least.to_string() } else { format!("{least}–{most}") };
        let versions = |client| {
            let versions = chosen.get(&(client, api.name().to_owned())).into_iter().flatten();
            versions.map(i16::to_string).collect::<Vec<_>>().join(", ")
        };
        let cells = COLUMNS.map(versions).join(" | ");
        table += &format!("| {} {} | {range} | {cells} |\n", api.name(), served.api_key);
    }
    table
}

#[tokio::test]
#[ignore = "needs kcat, a Python with confluent-kafka, kafka-python and aiokafka, Node with kafkajs, and librdkafka"]
async fn the_table_of_versions_is_what_clients_choose() {
    let dir = tempfile::tempdir().unwrap();
    let users = dir.path().join("users");
    std::fs::write(&users, "alice:secret\n").unwrap();
    let users = users.to_str().unwrap().to_owned();
    let chosen = tokio::task::spawn_blocking(move || tours(&users)).await.unwrap();
    let broker = Broker::start(&["--port", "0"]);
    let mut client = Client::at(broker.addr).await.unwrap();
    let Response::ApiVersions(mut served) = client.ask(3, ApiVersionsRequest::default()).await else {
        panic!("another")
    };
    served.api_keys.sort_by_key(|api| api.api_key);
    let table = table(&served.api_keys, &chosen);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/versions.md");
    if std::env::var_os("XS_WRITE").is_some() {
        std::fs::write(&file, &table).unwrap();
    }
    let there = std::fs::read_to_string(&file).unwrap();
    assert!(there == table, "src/versions.md is not what clients choose, which is\n{table}");
}
