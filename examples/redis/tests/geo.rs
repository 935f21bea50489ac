//! The geo commands, over the wire.

mod raw;

use raw::{Client, Subject};

async fn sicily(client: &mut Client) {
    let add = "GEOADD s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania";
    client.expect(&[(add, ":2"), ("GEOADD s 12.758489 38.788135 edge1 17.241510 38.788135 edge2", ":2")]).await;
}

#[tokio::test]
async fn places_are_scores() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    sicily(&mut client).await;
    let script = [
        ("TYPE s", "+zset"),
        ("ZSCORE s Palermo", r#""3479099956230698""#),
        ("GEOHASH s Palermo x Catania", r#"["sqc8b49rny0", nil, "sqdtr74hyu0"]"#),
        (
            "GEOPOS s Palermo x Catania",
            r#"[["13.36138933897018433", "38.11555639549629859"], nil, ["15.08726745843887329", "37.50266842333162032"]]"#,
        ),
        ("GEOPOS missing a", "[nil]"),
        ("GEODIST s Palermo Catania", r#""166274.1516""#),
        ("GEODIST s Palermo Catania km", r#""166.2742""#),
        ("GEODIST s Palermo Catania MI", r#""103.3182""#),
        ("GEODIST s Palermo Catania ft", r#""545518.8700""#),
        ("GEODIST s Palermo Palermo", r#""0.0000""#),
        ("GEODIST s Palermo x", "nil"),
        ("GEODIST missing a b", "nil"),
        ("GEODIST s Palermo Catania yd", "-ERR unsupported unit provided. please use M, KM, FT, MI"),
        ("GEODIST s Palermo Catania m m", "-ERR syntax error"),
        ("GEOADD s NX 1 1 Palermo", ":0"),
        ("GEOADD s XX CH 13.5 38.1 Palermo 1 1 new", ":1"),
        ("GEOADD s NX XX 1 1 a", "-ERR syntax error"),
        ("GEOADD s 1 1 a 2 2", "-ERR syntax error"),
        ("GEOADD s 181 0 a", "-ERR invalid longitude,latitude pair 181.000000,0.000000"),
        ("GEOADD s 0 -85.06 a", "-ERR invalid longitude,latitude pair 0.000000,-85.060000"),
        ("GEOADD s x 0 a", "-ERR value is not a valid float"),
        ("GEOADD s 0 0 good 200 0 bad", "-ERR invalid longitude,latitude pair 200.000000,0.000000"),
        ("ZSCORE s good", "nil"),
        ("GEOADD corner 180 85.05112878 a -180 -85.05112878 b", ":2"),
        (
            "GEOPOS corner a b",
            r#"[["180", "85.0511287799999991"], ["-179.99999731779098511", "-85.05112751263942528"]]"#,
        ),
        // Scores that are no places still mean some.
        ("ZADD odd -1 a inf b", ":2"),
        ("GEOHASH odd a b", r#"["bp05b5048p0", "00bh0hbj200"]"#),
        ("SET t x", "+OK"),
        ("GEOADD t 1 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("GEOPOS t a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ];
    client.expect(&script).await;
}

#[tokio::test]
async fn searches() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    sicily(&mut client).await;
    let script = [
        ("GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200 km ASC", r#"["Catania", "Palermo"]"#),
        (
            "GEOSEARCH s FROMLONLAT 15 37 BYBOX 400 400 km DESC WITHDIST",
            r#"[["edge1", "279.7405"], ["edge2", "279.7403"], ["Palermo", "190.4424"], ["Catania", "56.4413"]]"#,
        ),
        (
            "GEOSEARCH s FROMMEMBER Palermo BYRADIUS 100 mi WITHDIST WITHHASH WITHCOORD COUNT 1",
            r#"[["Palermo", "0.0000", :3479099956230698, ["13.36138933897018433", "38.11555639549629859"]]]"#,
        ),
        ("GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 400 km COUNT 2", r#"["Catania", "Palermo"]"#),
        ("GEOSEARCH s FROMLONLAT 0 0 BYRADIUS 1 km", "[]"),
        ("GEOSEARCH missing FROMMEMBER x BYRADIUS 1 km", "[]"),
        ("GEORADIUS s 15 37 200 km WITHDIST DESC", r#"[["Palermo", "190.4424"], ["Catania", "56.4413"]]"#),
        ("GEORADIUS_RO s 15 37 100 km", r#"["Catania"]"#),
        ("GEORADIUSBYMEMBER s Palermo 100 km ASC", r#"["Palermo", "edge1"]"#),
        ("GEORADIUSBYMEMBER_RO s Palermo 0 m", r#"["Palermo"]"#),
        ("GEOSEARCHSTORE t s FROMLONLAT 15 37 BYRADIUS 200 km", ":2"),
        ("GEOHASH t Palermo Catania", r#"["sqc8b49rny0", "sqdtr74hyu0"]"#),
        ("GEOSEARCHSTORE t s FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST COUNT 1", ":1"),
        ("ZRANGE t 0 -1 WITHSCORES", r#"["Catania", "56.441257870158204"]"#),
        ("GEORADIUS s 15 37 100 km STORE t", ":1"),
        ("ZSCORE t Catania", r#""3479447370796909""#),
        ("GEORADIUS s 0 0 1 km STORE t", ":0"),
        ("EXISTS t", ":0"),
        ("GEORADIUSBYMEMBER missing x y z", "[]"),
        ("GEORADIUSBYMEMBER missing x 1 km STOREDIST t", ":0"),
    ];
    client.expect(&script).await;
    let any = client.ask("GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 400 km COUNT 2 ANY").await;
    assert_eq!(any.matches(',').count(), 1, "{any}");
}

#[tokio::test]
async fn wrong_searches() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    sicily(&mut client).await;
    let script = [
        ("GEORADIUS s 15 37 x km", "-ERR need numeric radius"),
        ("GEORADIUS s 15 37 -1 km", "-ERR radius cannot be negative"),
        ("GEORADIUS s 15 37 1 miles", "-ERR unsupported unit provided. please use M, KM, FT, MI"),
        ("GEORADIUS s 15 37 1 km COUNT 0", "-ERR COUNT must be > 0"),
        ("GEORADIUS s 15 37 1 km COUNT", "-ERR syntax error"),
        ("GEORADIUS s 15 37 1 km ANY", "-ERR the ANY argument requires COUNT argument"),
        ("GEORADIUS_RO s 15 37 1 km STORE t", "-ERR syntax error"),
        (
            "GEORADIUS s 15 37 1 km STORE t WITHDIST",
            "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ),
        (
            "GEOSEARCHSTORE t s FROMLONLAT 1 1 BYRADIUS 1 km WITHHASH",
            "-ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ),
        ("GEORADIUSBYMEMBER s x 1 km", "-ERR could not decode requested zset member"),
        ("GEOSEARCH s FROMMEMBER x BYRADIUS 1 km", "-ERR could not decode requested zset member"),
        ("GEOSEARCH s FROMMEMBER Palermo FROMLONLAT 1 1 BYRADIUS 1 km", "-ERR syntax error"),
        ("GEOSEARCH s FROMMEMBER Palermo BYRADIUS 1 km BYBOX 1 1 km", "-ERR syntax error"),
        ("GEOSEARCH s FROMMEMBER Palermo BYRADIUS 1 km STORE t", "-ERR syntax error"),
        ("GEOSEARCH s FROMLONLAT 1 1 BYBOX x 1 km", "-ERR need numeric width"),
        ("GEOSEARCH s FROMLONLAT 1 1 BYBOX 1 -1 km", "-ERR height or width cannot be negative"),
        (
            "geosearch s BYRADIUS 1 km ASC WITHDIST WITHHASH",
            "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for geosearch",
        ),
        (
            "GEOSEARCH s FROMLONLAT 1 1 ASC WITHDIST WITHHASH",
            "-ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH",
        ),
    ];
    client.expect(&script).await;
}

#[tokio::test]
async fn version_3_has_doubles_for_coordinates_only() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    client.hello3().await;
    sicily(&mut client).await;
    let script = [
        ("GEOPOS s Palermo x", "[[,13.36138933897018433, ,38.11555639549629859], nil]"),
        ("GEODIST s Palermo Catania km", r#""166.2742""#),
        ("GEODIST s Palermo x", "nil"),
        (
            "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 100 km WITHCOORD WITHDIST",
            r#"[["Catania", "56.4413", [,15.08726745843887329, ,37.50266842333162032]]]"#,
        ),
    ];
    client.expect(&script).await;
}
