//! Client-side caching, over the wire.

mod raw;

use raw::{Client, Subject};

async fn tracker(server: &Subject, options: &str) -> Client {
    let mut client = server.connect().await;
    client.hello3().await;
    assert_eq!(client.ask(format!("CLIENT TRACKING on {options}").trim_end()).await, "+OK");
    client
}

#[tokio::test]
async fn who_read_a_key_is_told_once_when_it_changes() {
    let server = Subject::start().await;
    let mut writer = server.connect().await;
    let mut client = tracker(&server, "").await;
    client.ask("MGET a b").await;
    writer.ask("SET a 1").await;
    assert_eq!(client.next().await, r#">["invalidate", ["a"]]"#);
    writer.ask("SET a 2").await;
    writer.ask("SET c 2").await;
    assert!(client.is_silent().await);
    writer.ask("FLUSHALL").await;
    assert_eq!(client.next().await, r#">["invalidate", nil]"#);
    assert!(client.is_silent().await);
    // One's own change is told too, behind its reply.
    client.ask("GET a").await;
    client.send("SET a 3").await;
    assert_eq!(client.next().await, "+OK");
    assert_eq!(client.next().await, r#">["invalidate", ["a"]]"#);
    assert_eq!(client.ask("CLIENT TRACKING off").await, "+OK");
    client.ask("GET a").await;
    writer.ask("SET a 4").await;
    assert!(client.is_silent().await);
}

#[tokio::test]
async fn time_running_out_is_told_too() {
    let server = Subject::start().await;
    let mut client = tracker(&server, "").await;
    client.ask("SET a 1 PX 50").await;
    client.ask("GET a").await;
    assert_eq!(client.next().await, r#">["invalidate", ["a"]]"#);
}

#[tokio::test]
async fn own_changes_are_left_out_on_request() {
    let server = Subject::start().await;
    let mut writer = server.connect().await;
    for options in ["NOLOOP", "BCAST NOLOOP"] {
        let mut client = tracker(&server, options).await;
        client.ask("GET a").await;
        client.ask("SET a 1").await;
        assert!(client.is_silent().await, "{options}");
        client.ask("GET a").await;
        writer.ask("SET a 2").await;
        assert_eq!(client.next().await, r#">["invalidate", ["a"]]"#, "{options}");
    }
}

#[tokio::test]
async fn optin_and_optout_turn_on_one_word() {
    let server = Subject::start().await;
    let mut writer = server.connect().await;
    let mut client = tracker(&server, "OPTIN").await;
    client.ask("GET a").await;
    assert_eq!(client.ask("CLIENT CACHING yes").await, "+OK");
    client.ask("GET b").await;
    client.ask("GET c").await;
    writer.ask("MSET a 1 b 1 c 1").await;
    assert_eq!(client.next().await, r#">["invalidate", ["b"]]"#);
    assert!(client.is_silent().await);
    client.ask("CLIENT CACHING yes").await;
    client.ask("MULTI").await;
    client.ask("GET a").await;
    client.ask("GET c").await;
    client.ask("EXEC").await;
    writer.ask("MSET a 1 b 1 c 1").await;
    assert_eq!(client.next().await, r#">["invalidate", ["a"]]"#);
    assert_eq!(client.next().await, r#">["invalidate", ["c"]]"#);

    let mut client = tracker(&server, "OPTOUT").await;
    assert_eq!(client.ask("CLIENT CACHING no").await, "+OK");
    client.ask("GET a").await;
    client.ask("GET b").await;
    writer.ask("MSET a 1 b 1").await;
    assert_eq!(client.next().await, r#">["invalidate", ["b"]]"#);
    assert!(client.is_silent().await);
}

#[tokio::test]
async fn prefixes_are_broadcast_in_batches() {
    let server = Subject::start().await;
    let mut writer = server.connect().await;
    let mut client = tracker(&server, "BCAST PREFIX foo PREFIX bar").await;
    writer.ask("MSET foo1 a bar1 b other c foo2 d").await;
    let mut told = [client.next().await, client.next().await];
    told.sort();
    assert_eq!(told, [r#">["invalidate", ["bar1"]]"#, r#">["invalidate", ["foo1", "foo2"]]"#]);
    writer.ask("MULTI").await;
    writer.ask("INCR foo3").await;
    writer.ask("INCR foo3").await;
    writer.ask("INCR foo4").await;
    writer.ask("EXEC").await;
    assert_eq!(client.next().await, r#">["invalidate", ["foo3", "foo4"]]"#);
    assert!(client.is_silent().await);
}

#[tokio::test]
async fn invalidations_go_to_another_client_on_request() {
    let server = Subject::start().await;
    let mut writer = server.connect().await;
    let mut listener = server.connect().await;
    let to = listener.id().await;
    listener.ask("SUBSCRIBE __redis__:invalidate").await;
    let mut client = tracker(&server, &format!("REDIRECT {to}")).await;
    assert_eq!(client.ask("CLIENT GETREDIR").await, format!(":{to}"));
    client.ask("GET a").await;
    writer.ask("SET a 1").await;
    assert_eq!(listener.next().await, r#"["message", "__redis__:invalidate", ["a"]]"#);
    client.ask("GET a").await;
    writer.ask("FLUSHALL").await;
    assert!(listener.next().await.starts_with(r#"["message", "__redis__:invalidate", "#));
    client.ask("GET a").await;
    listener.ask("UNSUBSCRIBE").await;
    listener.ask("QUIT").await;
    drop(listener);
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    writer.ask("SET a 2").await;
    assert_eq!(client.next().await, format!(r#">["tracking-redir-broken", :{to}]"#));
    assert_eq!(
        client.ask("CLIENT TRACKINGINFO").await,
        format!(r#"%["flags", ~["on", "broken_redirect"], "redirect", :{to}, "prefixes", []]"#)
    );
}

#[tokio::test]
async fn the_table_of_keys_is_bounded() {
    let server = Subject::start().await;
    let mut client = tracker(&server, "").await;
    assert_eq!(client.ask("CONFIG SET tracking-table-max-keys 2").await, "+OK");
    client.ask("MGET a b c").await;
    client.send("PING").await;
    let told = client.next().await;
    assert!(told.starts_with(r#">["invalidate", [""#), "{told}");
    assert_eq!(client.next().await, "+PONG");
    assert!(client.is_silent().await);
    client.ask("CONFIG SET tracking-table-max-keys 1000000").await;
}

#[tokio::test]
async fn options_must_go_together() {
    let server = Subject::start().await;
    let mut client = server.connect().await;
    for (words, reply) in [
        ("TRACKINGINFO", r#"["flags", ["off"], "redirect", :-1, "prefixes", []]"#),
        ("GETREDIR", ":-1"),
        (
            "CACHING yes",
            "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ),
        ("TRACKING maybe", "-ERR syntax error"),
        ("TRACKING on foo", "-ERR syntax error"),
        ("TRACKING on REDIRECT 1000000", "-ERR The client ID you want redirect to does not exist"),
        ("TRACKING on PREFIX a", "-ERR PREFIX option requires BCAST mode to be enabled"),
        ("TRACKING on BCAST OPTIN", "-ERR OPTIN and OPTOUT are not compatible with BCAST"),
        ("TRACKING on OPTOUT OPTIN", "-ERR You can't specify both OPTIN mode and OPTOUT mode"),
        (
            "TRACKING on BCAST PREFIX ab PREFIX a",
            "-ERR Prefix 'ab' overlaps with another provided prefix 'a'. Prefixes for a single client must not overlap.",
        ),
        ("TRACKING on OPTIN NOLOOP", "+OK"),
        (
            "TRACKING on OPTOUT",
            "-ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.",
        ),
        (
            "TRACKING on BCAST",
            "-ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.",
        ),
        ("CACHING no", "-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."),
        ("CACHING yes", "+OK"),
        ("TRACKINGINFO", r#"["flags", ["on", "optin", "caching-yes", "noloop"], "redirect", :0, "prefixes", []]"#),
        ("TRACKING off", "+OK"),
        ("TRACKING on BCAST PREFIX ab PREFIX b", "+OK"),
        (
            "TRACKING on BCAST PREFIX a",
            "-ERR Prefix 'a' overlaps with an existing prefix 'ab'. Prefixes for a single client must not overlap.",
        ),
        ("TRACKINGINFO", r#"["flags", ["on", "bcast"], "redirect", :0, "prefixes", ["ab", "b"]]"#),
        ("TRACKING off", "+OK"),
    ] {
        assert_eq!(client.ask(&format!("CLIENT {words}")).await, reply, "{words}");
    }
}
