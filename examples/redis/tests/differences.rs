//! Corners in which answers once differed from redis-server's.

mod raw;

use raw::Subject;

#[tokio::test]
async fn a_limit_without_a_count_is_none_among_ranks() {
    let subject = Subject::start().await;
    let mut client = subject.connect().await;
    client
        .expect(&[
            ("ZADD a 1 m1 2 m2", ":2"),
            ("ZRANGE a 0 -1 LIMIT 0 -1", r#"["m1", "m2"]"#),
            ("ZRANGE a 0 -1 LIMIT 5 -1", r#"["m1", "m2"]"#),
            ("ZRANGESTORE b a 0 -1 LIMIT 5 -1", ":2"),
            ("ZRANGE a - + LIMIT -1 -1 WITHSCORES", "-ERR value is not an integer or out of range"),
            (
                "ZRANGE a 0 -1 LIMIT 0 1",
                "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ),
        ])
        .await;
}

#[tokio::test]
async fn a_scan_tells_whole_scores_of_small_sets_digit_by_digit() {
    let subject = Subject::start().await;
    let mut client = subject.connect().await;
    client
        .expect(&[
            ("ZADD z 123456789012345680 m", ":1"),
            ("ZSCAN z 0", r#"["0", ["m", "123456789012345680"]]"#),
            ("ZSCORE z m", "\"1.2345678901234568e+17\""),
            ("ZADD z XX 1e21 m", ":0"),
            ("ZSCAN z 0", r#"["0", ["m", "1e+21"]]"#),
            ("ZADD z XX -2.5 m", ":0"),
            ("ZSCAN z 0", r#"["0", ["m", "-2.5"]]"#),
            ("ZADD z XX -0 m", ":0"),
            ("ZSCAN z 0", r#"["0", ["m", "0"]]"#),
            ("CONFIG SET zset-max-listpack-entries 0", "+OK"),
            ("ZADD y 123456789012345680 m", ":1"),
            ("ZSCAN y 0", r#"["0", ["m", "1.2345678901234568e+17"]]"#),
        ])
        .await;
}

#[tokio::test]
async fn a_table_of_lengths_is_limited_as_strings_are() {
    let subject = Subject::start().await;
    let mut client = subject.connect().await;
    client
        .expect(&[
            ("SETRANGE a 30000 x", ":30001"),
            ("COPY a b", ":1"),
            ("LCS a b LEN", "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"),
        ])
        .await;
}

#[tokio::test]
async fn timeouts_are_read_with_more_range_than_doubles_have() {
    let subject = Subject::start().await;
    let mut client = subject.connect().await;
    client
        .expect(&[
            ("BLPOP q 1e400", "-ERR timeout is negative"),
            ("BLPOP q 1e", "-ERR timeout is not a float or out of range"),
        ])
        .await;
}
