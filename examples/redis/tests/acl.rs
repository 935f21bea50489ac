//! Users and their rights, over the wire.

mod raw;

use raw::{Client, Subject};

/// A client of a user with these rules and the password `pw`.
async fn user(server: &Subject, admin: &mut Client, rules: &str) -> Client {
    let reply = admin.ask(&format!("ACL SETUSER tester reset on >pw {rules}")).await;
    assert_eq!(reply, "+OK", "{rules}");
    let mut client = server.connect().await;
    assert_eq!(client.ask("AUTH tester pw").await, "+OK");
    client
}

const NO_KEY: &str = "-NOPERM this user has no permissions to access one of the keys used as arguments";
const NO_CHANNEL: &str = "-NOPERM this user has no permissions to access one of the channels used as arguments";

fn no_command(name: &str) -> String {
    format!("-NOPERM this user has no permissions to run the '{name}' command")
}

#[tokio::test]
async fn rights_are_rules() {
    let server = Subject::start().await;
    let mut admin = server.connect().await;
    for (rules, call, reply) in [
        ("+get ~*", "GET x", "nil".to_owned()),
        ("+get", "GET x", NO_KEY.to_owned()),
        ("~*", "GET x", no_command("get")),
        ("+@all ~a* ~b*", "MGET a1 b1", "[nil, nil]".to_owned()),
        ("+@all ~a* ~b*", "MGET a1 c1", NO_KEY.to_owned()),
        ("+@all %R~r* %W~w*", "GET r1", "nil".to_owned()),
        ("+@all %R~r* %W~w*", "SET r1 x", NO_KEY.to_owned()),
        ("+@all %R~r* %W~w*", "SET w1 x", "+OK".to_owned()),
        ("+@all %R~r* %W~w*", "SET w1 x GET", NO_KEY.to_owned()),
        ("+@all %R~r* %W~w*", "COPY r1 w2", ":0".to_owned()),
        ("+@all %R~r* %W~w*", "COPY w1 r2", NO_KEY.to_owned()),
        ("+@all ~* -@dangerous", "FLUSHALL", no_command("flushall")),
        ("+client|id", "CLIENT LIST", no_command("client|list")),
        ("+client -client|list", "CLIENT LIST", no_command("client|list")),
        ("+@all -config +config|get", "CONFIG SET maxmemory 0", no_command("config|set")),
        ("+select|0", "SELECT 0", "+OK".to_owned()),
        ("+select|0", "SELECT 1", no_command("select")),
        ("+@all &chan*", "PUBLISH chan1 x", ":0".to_owned()),
        ("+@all &chan*", "PUBLISH other x", NO_CHANNEL.to_owned()),
        ("+@all &chan*", "SUBSCRIBE chan1", r#"["subscribe", "chan1", :1]"#.to_owned()),
        ("+@all &chan*", "PSUBSCRIBE chan1", NO_CHANNEL.to_owned()),
        ("+@all &chan*", "PSUBSCRIBE chan*", r#"["psubscribe", "chan*", :1]"#.to_owned()),
        ("+@all &chan*", "UNSUBSCRIBE other", r#"["unsubscribe", "other", :0]"#.to_owned()),
        ("-@all (+get ~g*) (+set ~s*)", "GET g1", "nil".to_owned()),
        ("-@all (+get ~g*) (+set ~s*)", "SET s1 x", "+OK".to_owned()),
        ("-@all (+get ~g*) (+set ~s*)", "GET s1", NO_KEY.to_owned()),
        ("-@all (+get ~g*) (+set ~s*)", "DEL g1", no_command("del")),
        ("+@read +@connection ~*", "SET a b", no_command("set")),
        ("+@read +@connection ~*", "PING", "+PONG".to_owned()),
        ("-@all", "HELLO 4", "-NOPROTO unsupported protocol version".to_owned()),
        ("allcommands allkeys allchannels", "SET free x", "+OK".to_owned()),
    ] {
        let mut client = user(&server, &mut admin, rules).await;
        assert_eq!(client.ask(call).await, reply, "{rules}: {call}");
    }
    admin.ask("ACL DELUSER tester").await;
}

#[tokio::test]
async fn wrong_rules_change_nothing() {
    let server = Subject::start().await;
    let mut admin = server.connect().await;
    admin.ask("ACL SETUSER tester on nopass +get ~k*").await;
    for (rule, error) in [
        ("+nosuch", "Unknown command or category name in ACL"),
        ("+@nosuch", "Unknown command or category name in ACL"),
        ("-client|nosuch", "Unknown command or category name in ACL"),
        ("+client|nosuch", "Unknown command or category name in ACL"),
        ("+client|list|x", "Allowing first-arg of a subcommand is not supported"),
        ("+get|", "Syntax error"),
        ("%~x", "Syntax error"),
        ("%RX~x", "Syntax error"),
        ("nonsense", "Syntax error"),
        ("<absent", "The password you are trying to remove from the user does not exist"),
        ("#abc", "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"),
    ] {
        let reply = admin.ask(&format!("ACL SETUSER tester off {rule}")).await;
        assert_eq!(reply, format!("-ERR Error in ACL SETUSER modifier '{rule}': {error}"));
    }
    assert_eq!(
        admin.ask("ACL SETUSER tester ~* ~x").await,
        "-ERR Error in ACL SETUSER modifier '~x': Adding a pattern after the * pattern (or the 'allkeys' flag) is not \
         valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns"
    );
    assert_eq!(
        admin.ask("ACL SETUSER tester (+get ~x").await,
        "-ERR Unmatched parenthesis in acl selector starting at '(+get'."
    );
    assert_eq!(
        admin.ask_words(&["ACL", "SETUSER", "a b"]).await,
        "-ERR Usernames can't contain spaces or null characters"
    );
    assert_eq!(
        admin.ask("ACL LIST").await,
        r#"["user default on nopass ~* &* +@all", "user tester on nopass ~k* resetchannels -@all +get"]"#
    );
    assert_eq!(admin.ask("ACL DELUSER tester nobody").await, ":1");
    assert_eq!(admin.ask("ACL DELUSER default").await, "-ERR The 'default' user cannot be removed");
}

#[tokio::test]
async fn users_are_described() {
    let server = Subject::start().await;
    let mut admin = server.connect().await;
    for (rules, described) in [
        ("", "off resetchannels -@all"),
        ("on >a", "on #ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb resetchannels -@all"),
        ("+@all", "off resetchannels +@all"),
        ("+@all -get", "off resetchannels +@all -get"),
        ("+@all -@dangerous", "off resetchannels +@all -@dangerous"),
        ("+@string", "off resetchannels -@all +@string"),
        ("+@all -client +client|id", "off resetchannels +@all -client +client|id"),
        ("+client|id", "off resetchannels -@all +client|id"),
        ("+select|0 +select|1", "off resetchannels -@all +select|0 +select|1"),
        ("%R~a %W~b %RW~c %R~d %W~d &x &y", "off %R~a %W~b ~c ~d resetchannels &x &y -@all"),
        ("(~a +get)", "off resetchannels -@all (~a resetchannels -@all +get)"),
        ("(allkeys (a", "unmatched"),
        ("reset", "off sanitize-payload resetchannels -@all"),
    ] {
        admin.ask("ACL DELUSER tester").await;
        let reply = admin.ask(format!("ACL SETUSER tester {rules}").trim_end()).await;
        if described == "unmatched" {
            assert!(reply.contains("Unmatched"), "{reply}");
            continue;
        }
        assert_eq!(reply, "+OK", "{rules}");
        let list = admin.ask("ACL LIST").await;
        assert!(list.ends_with(&format!("\"user tester {described}\"]")), "{rules}: {list}");
    }
    admin.ask("ACL SETUSER tester reset on >a +get ~k &c (+set ~s)").await;
    assert_eq!(
        admin.ask("ACL GETUSER tester").await,
        r#"["flags", ["on", "sanitize-payload"], "passwords", ["ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"], "commands", "-@all +get", "keys", "~k", "channels", "&c", "selectors", [["commands", "-@all +set", "keys", "~s", "channels", ""]]]"#
    );
    assert_eq!(admin.ask("ACL GETUSER nobody").await, "nil");
    assert_eq!(admin.ask("ACL USERS").await, r#"["default", "tester"]"#);
    assert_eq!(admin.ask("ACL WHOAMI").await, r#""default""#);
    admin.ask("ACL DELUSER tester").await;
}

#[tokio::test]
async fn dry_runs_say_what_would_happen() {
    let server = Subject::start().await;
    let mut admin = server.connect().await;
    admin.ask("ACL SETUSER tester reset +get +publish ~k* &c").await;
    for (call, reply) in [
        ("nobody get x", "-ERR User 'nobody' not found"),
        ("tester nosuch", "-ERR Command 'nosuch' not found"),
        ("tester get", "-ERR wrong number of arguments for 'get' command"),
        ("tester get k1", "+OK"),
        ("tester get x1", "\"This user has no permissions to access the 'x1' key\""),
        ("tester publish d x", "\"This user has no permissions to access the 'd' channel\""),
        ("tester set k1 x", "\"This user has no permissions to run the 'set' command\""),
    ] {
        assert_eq!(admin.ask(&format!("ACL DRYRUN {call}")).await, reply, "{call}");
    }
    admin.ask("ACL DELUSER tester").await;
}

#[tokio::test]
async fn refusals_are_logged() {
    let server = Subject::start().await;
    let mut admin = server.connect().await;
    admin.ask("ACL LOG RESET").await;
    let mut client = user(&server, &mut admin, "+get +multi ~k*").await;
    client.ask("GET x").await;
    client.ask("GET x").await;
    client.ask("DEL k").await;
    client.ask("AUTH tester wrong").await;
    client.ask("MULTI").await;
    client.ask("DEL k").await;
    let log = admin.ask("ACL LOG").await;
    let heads: Vec<&str> =
        log.split("[\"count\", ").skip(1).map(|entry| entry.split(", \"age").next().unwrap()).collect();
    assert_eq!(
        heads,
        [
            r#":1, "reason", "command", "context", "multi", "object", "del", "username", "tester""#,
            r#":1, "reason", "auth", "context", "toplevel", "object", "AUTH", "username", "tester""#,
            r#":1, "reason", "command", "context", "toplevel", "object", "del", "username", "tester""#,
            r#":2, "reason", "key", "context", "toplevel", "object", "x", "username", "tester""#,
        ]
    );
    assert_eq!(admin.ask("ACL LOG 0").await, "[]");
    assert_eq!(admin.ask("ACL LOG RESET").await, "+OK");
    assert_eq!(admin.ask("ACL LOG").await, "[]");
    admin.ask("ACL DELUSER tester").await;
}

#[tokio::test]
async fn rights_that_change_reach_open_connections() {
    let server = Subject::start().await;
    let mut admin = server.connect().await;
    let mut client = user(&server, &mut admin, "+@all ~*").await;
    client.ask("MULTI").await;
    assert_eq!(client.ask("SET x 1").await, "+QUEUED");
    assert_eq!(client.ask("GET x").await, "+QUEUED");
    admin.ask("ACL SETUSER tester -set").await;
    assert_eq!(
        client.ask("EXEC").await,
        "[-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command \
         is no longer allowed for the following reason: no permission to execute the command or subcommand, nil]"
    );
    // Who listens where he may not any more is cut, and so is who does not exist any more.
    let mut listener = user(&server, &mut admin, "+@all &a*").await;
    listener.ask("SUBSCRIBE a1").await;
    admin.ask("ACL SETUSER tester &b*").await;
    assert!(listener.is_silent().await);
    admin.ask("ACL SETUSER tester resetchannels &b*").await;
    assert_eq!(listener.next().await, "closed");
    assert_eq!(client.ask("PING").await, "+PONG");
    admin.ask("ACL DELUSER tester").await;
    assert_eq!(client.next().await, "closed");
}

#[tokio::test]
async fn the_default_user_has_a_password_perhaps() {
    let server = Subject::start().await;
    let mut admin = server.connect().await;
    assert_eq!(admin.ask("CONFIG SET requirepass secret").await, "+OK");
    assert_eq!(admin.ask("PING").await, "+PONG");
    let mut client = server.connect().await;
    assert_eq!(client.ask("PING").await, "-NOAUTH Authentication required.");
    assert!(client.ask("HELLO 3").await.starts_with("-NOAUTH HELLO must be called with the client already"));
    assert_eq!(client.ask("AUTH wrong").await, "-WRONGPASS invalid username-password pair or user is disabled.");
    assert!(client.ask("HELLO 2 AUTH default secret").await.starts_with(r#"["server""#));
    assert_eq!(client.ask("RESET").await, "+RESET");
    assert_eq!(client.ask("PING").await, "-NOAUTH Authentication required.");
    assert_eq!(admin.ask_words(&["CONFIG", "SET", "requirepass", ""]).await, "+OK");
    assert_eq!(client.ask("PING").await, "+PONG");
}

#[tokio::test]
async fn categories_and_passwords() {
    let server = Subject::start().await;
    let mut admin = server.connect().await;
    assert_eq!(
        admin.ask("ACL CAT").await,
        r#"["keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo", "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting"]"#
    );
    let mut transaction = admin
        .ask("ACL CAT transaction")
        .await
        .trim_matches(['[', ']'])
        .split(", ")
        .map(str::to_owned)
        .collect::<Vec<_>>();
    transaction.sort();
    assert_eq!(transaction, [r#""discard""#, r#""exec""#, r#""multi""#, r#""unwatch""#, r#""watch""#]);
    assert_eq!(admin.ask("ACL CAT nosuch").await, "-ERR Unknown category 'nosuch'");
    assert_eq!(admin.ask("ACL GENPASS").await.len(), 64 + 2);
    assert_eq!(admin.ask("ACL GENPASS 5").await.len(), 2 + 2);
    assert_ne!(admin.ask("ACL GENPASS").await, admin.ask("ACL GENPASS").await);
    assert!(admin.ask("ACL GENPASS 0").await.starts_with("-ERR ACL GENPASS argument must be the number of bits"));
    assert!(admin.ask("ACL LOAD").await.starts_with("-ERR This Redis instance is not configured to use an ACL file."));
}
