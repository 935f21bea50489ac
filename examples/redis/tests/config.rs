//! The configuration of a running server: what CONFIG shows, what it changes, and what that does at once.

use redis::{Value, cmd};
use xs_redis::Server;

type Connection = redis::aio::MultiplexedConnection;

async fn start() -> (Server, Connection) {
    connect(Server::ephemeral().await.unwrap()).await
}

async fn connect(server: Server) -> (Server, Connection) {
    let client = redis::Client::open(server.url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    (server, connection)
}

async fn call(connection: &mut Connection, line: &str) -> Result<Value, String> {
    let mut words = line.split(' ').map(|word| if word == "''" { "" } else { word });
    let mut call = cmd(words.next().unwrap());
    words.for_each(|word| {
        call.arg(word);
    });
    call.query_async(connection).await.map_err(|error: redis::RedisError| {
        format!("{} {}", error.code().unwrap_or("ERR"), error.detail().unwrap_or_default())
    })
}

async fn texts(connection: &mut Connection, line: &str) -> Vec<String> {
    redis::from_redis_value(call(connection, line).await.unwrap()).unwrap()
}

#[tokio::test]
async fn get_shows_what_set_changed() {
    let (_server, mut redis) = start().await;
    call(&mut redis, "CONFIG SET maxmemory 1mb hash-max-ziplist-entries 7 notify-keyspace-events KEA").await.unwrap();
    assert_eq!(texts(&mut redis, "CONFIG GET maxmemory").await, ["maxmemory", "1048576"]);
    assert_eq!(texts(&mut redis, "CONFIG GET hash-max-*-entries").await[1..], ["7", "hash-max-ziplist-entries", "7"]);
    assert_eq!(texts(&mut redis, "CONFIG GET notify-keyspace-events").await[1], "AKE");
    assert!(texts(&mut redis, "CONFIG GET nosuch").await.is_empty());
}

#[tokio::test]
async fn a_failed_set_changes_nothing() {
    let (_server, mut redis) = start().await;
    let error = call(&mut redis, "CONFIG SET maxmemory 5mb timeout soon").await.unwrap_err();
    assert_eq!(
        error,
        "ERR CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer"
    );
    assert_eq!(texts(&mut redis, "CONFIG GET maxmemory").await[1], "0");
}

#[tokio::test]
async fn limits_of_encodings_take_effect_at_once() {
    let (_server, mut redis) = start().await;
    assert!(call(&mut redis, "DEBUG LISTPACK small").await.unwrap_err().starts_with("ERR DEBUG command not allowed"));

    let server = Server::builder().directive("enable-debug-command", "yes").unwrap().ephemeral().await.unwrap();
    let (_allowed, mut redis) = connect(server).await;
    call(&mut redis, "CONFIG SET hash-max-listpack-entries 1").await.unwrap();
    call(&mut redis, "HSET large a 1 b 2").await.unwrap();
    assert_eq!(call(&mut redis, "DEBUG LISTPACK large").await.unwrap_err(), "ERR Not a listpack encoded object.");
    call(&mut redis, "CONFIG SET hash-max-listpack-entries 2").await.unwrap();
    call(&mut redis, "HSET small a 1 b 2").await.unwrap();
    call(&mut redis, "DEBUG LISTPACK small").await.unwrap();
}

#[tokio::test]
async fn a_password_is_asked_for_from_the_next_connection_on() {
    let (server, mut redis) = start().await;
    call(&mut redis, "CONFIG SET requirepass secret").await.unwrap();
    call(&mut redis, "PING").await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut stranger = client.get_multiplexed_async_connection().await.unwrap();
    assert!(call(&mut stranger, "PING").await.unwrap_err().starts_with("NOAUTH"));
    call(&mut stranger, "AUTH secret").await.unwrap();
    call(&mut stranger, "PING").await.unwrap();
}

#[tokio::test]
async fn what_this_server_lacks_cannot_be_turned_on() {
    let (_server, mut redis) = start().await;
    let error = call(&mut redis, "CONFIG SET appendonly yes").await.unwrap_err();
    assert!(error.ends_with("this server doesn't have persistence"), "{error}");
    call(&mut redis, "CONFIG SET appendonly no save ''").await.unwrap();
    let error = call(&mut redis, "CONFIG REWRITE").await.unwrap_err();
    assert_eq!(error, "ERR The server is running without a config file");
}

/// Raising the number is allowed to everybody; it is given back.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_kernel_is_told_how_soon_to_end_the_process() {
    let score = || std::fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim().parse::<i32>().unwrap();
    let (_server, mut redis) = start().await;
    let before = score();
    for (mode, expected) in [("relative", before + 5), ("absolute", before + 5), ("no", before)] {
        let first = if mode == "absolute" { expected } else { 5 };
        let line = format!("CONFIG SET oom-score-adj {mode} oom-score-adj-values");
        let values = format!("{first} 200 800");
        let mut call = cmd("CONFIG");
        line.split(' ').skip(1).for_each(|word| {
            call.arg(word);
        });
        call.arg(values).query_async::<()>(&mut redis).await.unwrap();
        assert_eq!(score(), expected, "{mode}");
    }
    let error = call(&mut redis, "CONFIG SET oom-score-adj often").await.unwrap_err();
    assert!(error.ends_with("argument(s) must be one of the following: no, yes, relative, absolute"), "{error}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_are_not_promised_more_than_the_system_has_room_for() {
    let (_server, mut redis) = start().await;
    let error = call(&mut redis, "CONFIG SET maxclients 4000000000").await.unwrap_err();
    let text = "The operating system is not able to handle the specified number of clients, try with ";
    let most: u32 = error.split_once(text).and_then(|(_, most)| most.parse().ok()).unwrap_or_else(|| panic!("{error}"));
    assert_eq!(texts(&mut redis, "CONFIG GET maxclients").await[1], "10000");
    call(&mut redis, &format!("CONFIG SET maxclients {most}")).await.unwrap();
    assert_eq!(texts(&mut redis, "CONFIG GET maxclients").await[1], most.to_string());
}

#[tokio::test]
async fn the_slow_log_follows_its_directives() {
    let (_server, mut redis) = start().await;
    call(&mut redis, "CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 3").await.unwrap();
    for _ in 0..5 {
        call(&mut redis, "PING").await.unwrap();
    }
    assert_eq!(call(&mut redis, "SLOWLOG LEN").await, Ok(Value::Int(3)));
    call(&mut redis, "CONFIG SET slowlog-log-slower-than -1").await.unwrap();
    call(&mut redis, "SLOWLOG RESET").await.unwrap();
    call(&mut redis, "PING").await.unwrap();
    assert_eq!(call(&mut redis, "SLOWLOG LEN").await, Ok(Value::Int(0)));
    let server = Server::builder();
    let error = server.directive("slowlog-max-len", "-1").unwrap_err();
    assert_eq!(error.to_string(), "argument must be between 0 and 9223372036854775807 inclusive");
}
