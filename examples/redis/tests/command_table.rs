//! The command table as clients see it: held against what is known of Redis 7.0's.

use redis::{Value, cmd, from_redis_value};
use xs_redis::Server;

type Connection = redis::aio::MultiplexedConnection;

async fn start() -> (Server, Connection) {
    let server = Server::ephemeral().await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    (server, connection)
}

async fn command(redis: &mut Connection, args: &str) -> Result<Value, String> {
    let args: Vec<&str> = args.split(' ').collect();
    let answer = cmd("COMMAND").arg(&args).query_async(redis).await;
    answer.map_err(|error: redis::RedisError| error.detail().unwrap_or_default().to_owned())
}

async fn names(redis: &mut Connection, args: &str) -> Vec<String> {
    from_redis_value(command(redis, args).await.unwrap()).unwrap()
}

#[tokio::test]
async fn every_command_says_what_it_is_for() {
    let (_server, mut redis) = start().await;
    let count: usize = from_redis_value(command(&mut redis, "COUNT").await.unwrap()).unwrap();
    let all: Vec<Value> = cmd("COMMAND").query_async(&mut redis).await.unwrap();
    assert_eq!(all.len(), count);
    assert!(count > 180, "{count}");
    let Value::Array(get) = command(&mut redis, "INFO get nosuch").await.unwrap() else { panic!("an array") };
    assert_eq!(get[1], Value::Nil);
    let Value::Array(fields) = &get[0] else { panic!("an array") };
    assert_eq!(fields.len(), 10);
    assert_eq!(fields[1], Value::Int(2));
}

#[tokio::test]
async fn names_are_filtered_by_category_and_pattern() {
    let (_server, mut redis) = start().await;
    assert_eq!(names(&mut redis, "LIST FILTERBY PATTERN xr*").await, ["xrange", "xread", "xreadgroup", "xrevrange"]);
    assert_eq!(names(&mut redis, "LIST FILTERBY PATTERN memory|u*").await, ["memory|usage"]);
    let sketches = names(&mut redis, "LIST FILTERBY ACLCAT hyperloglog").await;
    assert!(sketches.iter().all(|name| name.starts_with("pf")) && sketches.len() == 5, "{sketches:?}");
    assert!(names(&mut redis, "LIST FILTERBY MODULE any").await.is_empty());
    assert!(names(&mut redis, "LIST").await.contains(&"client|list".to_owned()));
    assert_eq!(command(&mut redis, "LIST FILTERBY nosuch x").await, Err("syntax error".to_owned()));
}

#[tokio::test]
async fn keys_are_found_in_calls() {
    let (_server, mut redis) = start().await;
    for (call, keys) in [
        ("set a b", &["a"][..]),
        ("mset a 1 b 2", &["a", "b"]),
        ("zunionstore d 2 x y weights 1 2", &["d", "x", "y"]),
        ("xread count 1 streams a b 0 0", &["a", "b"]),
        ("object freq k", &["k"]),
        ("memory usage k", &["k"]),
        ("eval text 0 a", &[]),
    ] {
        assert_eq!(names(&mut redis, &format!("GETKEYS {call}")).await, keys, "{call}");
    }
    for (call, error) in [
        ("nosuch a", "Invalid command specified"),
        ("ping a", "The command has no key arguments"),
        ("get a b", "Invalid number of arguments specified for command"),
        ("zunionstore d 0 x", "Invalid arguments specified for command"),
    ] {
        assert_eq!(command(&mut redis, &format!("GETKEYS {call}")).await, Err(error.to_owned()), "{call}");
    }
}
