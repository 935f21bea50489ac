use super::*;

const WHOLE: &str = r#"
threads = 2
drain = "10s"

[admin]
listen = "127.0.0.1:9901"

[[listener]]
name = "web"
listen = "0.0.0.0:8080"
trusted = ["10.0.0.0/8"]
accept-proxy = true
limits = { connections = 100, rate = "100/s", burst = 200, by = "header:x-api-key", body = 1048576 }
timeouts = { head = "5s", body = "6s", idle = "7s", write = "8s" }
forwarded = "both"
via = "edge"
pool = "app"

[[listener.route]]
host = "A.example"
path = "/api"
methods = ["GET", "POST"]
pool = "api"
set-host = "api.internal"
set-header = { X-Team = "blue" }
remove-header = ["X-Debug"]
set-response-header = { Strict-Transport-Security = "max-age=1" }
remove-response-header = ["Server"]
retry = false
timeout = "2s"

[[listener]]
name = "db"
listen = "[::]:5432"
mode = "tcp"
pool = "db"
timeouts = { idle = "2h" }

[pool.app]
endpoints = ["127.0.0.1:9001", { address = "127.0.0.1:9002", weight = 2, zone = "a" }]
zone = "a"
sticky = { cookie = "lb", key = "000102030405060708090a0b0c0d0e0f" }
health = { http = "/health", host = "app", interval = "1s", timeout = "500ms", rise = 1, fall = 2 }
outlier = { failures = 3, term = "5s", most = 0.5 }
slow-start = "30s"
panic = 0.25
breaker = { calls = 50, failures = 0.4, slow = "1s", open = "2s" }
retry = { attempts = 2, budget = 0.1, least = 5, statuses = [503] }
timeouts = { connect = "1s", response = "2s", idle = "3s" }
connections = { idle = 8, idle-timeout = "9s", lifetime = "1h", max = 16, wait = "100ms" }

[pool.api]
policy = "bounded-load"
percent = 150
hash = "cookie:user"
dns = "api.internal:80"
tls = { ca = "ca.pem", name = "api" }

[pool.db]
policy = "least-connections"
file = "db.endpoints"
health = { tcp = true }
send-proxy = "v2"
"#;

#[test]
fn everything_that_can_be_said_is_understood() {
    let config = Config::parse(WHOLE).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!((config.threads, config.drain), (2, Duration::from_secs(10)));
    let [web, db] = &config.listeners[..] else { panic!("{config:?}") };
    assert!(web.accept_proxy && web.trusted[0].contains([10, 1, 2, 3].into()) && web.connections == 100);
    let Mode::Http(http) = &web.mode else { panic!("{web:?}") };
    assert_eq!(http.limit.as_ref().map(|limit| limit.by.clone()), Some(Key::Header("x-api-key".into())));
    let [api, rest] = &http.routes[..] else { panic!("{http:?}") };
    assert_eq!((api.host.as_deref(), &*api.path, &*api.pool, api.retry), (Some("a.example"), "/api", "api", false));
    assert_eq!(api.request, Edits { remove: vec!["X-Debug".into()], set: vec![("X-Team".into(), "blue".into())] });
    assert_eq!((&*rest.path, &*rest.pool, rest.retry), ("/", "app", true));
    assert!(http.forwarded.x && http.forwarded.standard && http.via == "edge");
    let Mode::Tcp(tcp) = &db.mode else { panic!("{db:?}") };
    assert_eq!((&*tcp.pool, tcp.idle), ("db", Duration::from_secs(7200)));
    let app = &config.pools["app"];
    let Endpoints::List(endpoints) = &app.endpoints else { panic!("{app:?}") };
    assert_eq!((endpoints[0].weight, endpoints[1].weight, endpoints[1].zone.as_deref()), (1, 2, Some("a")));
    assert_eq!((app.panic_percent, app.outlier.most_percent, app.retry.attempts), (25, 50, 2));
    assert_eq!(config.pools["api"].policy, Policy::BoundedLoad(150));
    assert_eq!(config.pools["db"].send_proxy, Some(ProxyVersion::V2));
}

/// Replaces a line of the whole configuration, or adds one behind another, and tells what is said.
fn said(old: &str, new: &str) -> Vec<String> {
    assert_eq!(WHOLE.matches(old).count(), 1, "{old}");
    match Config::parse(&WHOLE.replace(old, new)) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.0.iter().map(Fault::to_string).collect(),
    }
}

#[test]
fn each_fault_is_told_with_its_place_and_what_to_do() {
    for (old, new, place, words) in [
        ("threads = 2", "threads = 0", "2:11", "from 1 to 1024"),
        ("threads = 2", "thread = 2", "2:1", "thread"),
        ("drain = \"10s\"", "drain = \"10\"", "3:9", "ms, s, m or h"),
        ("drain = \"10s\"", "drain = ", "3:", ""),
        ("listen = \"127.0.0.1:9901\"", "listen = \"localhost:9901\"", "6:10", "IP address"),
        ("listen = \"[::]:5432\"", "listen = \"0.0.0.0:8080\"", "35:10", "listener `web` listens"),
        ("listen = \"[::]:5432\"", "listen = \"127.0.0.1:9901\"", "35:10", "the admin page listens"),
        ("listen = \"[::]:5432\"", "listen = \":::5432\"", "35:10", "no address"),
        ("name = \"db\"", "name = \"web\"", "34:8", "already"),
        ("trusted = [\"10.0.0.0/8\"]", "", "12:16", "trusted"),
        ("trusted = [\"10.0.0.0/8\"]", "trusted = [\"10.0.0.0/99\"]", "11:12", "no network"),
        ("rate = \"100/s\", ", "", "13:38", "no `rate`"),
        ("by = \"header:x-api-key\"", "by = \"moon\"", "13:72", "source"),
        ("via = \"edge\"", "via = \"e dge\"", "16:7", "letters"),
        ("forwarded = \"both\"", "forwarded = \"all\"", "15:13", "unknown variant"),
        ("pool = \"api\"", "pool = \"apis\"", "23:8", "no pool `apis`"),
        ("path = \"/api\"", "path = \"api\"", "21:8", "slash"),
        ("host = \"A.example\"", "host = \"a.example:80\"", "20:8", "without a port"),
        ("\"POST\"]", "\"CONNECT\"]", "22:19", "tunnel"),
        ("set-header = { X-Team", "set-header = { Host", "25:16", "set-host"),
        ("{ X-Team = \"blue\" }", "{ X-Team = \"bl\\nue\" }", "25:25", "control"),
        ("mode = \"tcp\"\npool = \"db\"", "mode = \"tcp\"", "33:", "needs a `pool`"),
        ("mode = \"tcp\"\npool = \"db\"", "mode = \"tcp\"\npool = \"api\"", "37:8", "not bytes"),
        ("timeouts = { idle = \"2h\" }", "timeouts = { head = \"2h\" }", "38:21", "mode = \"http\""),
        ("endpoints = [\"127.0.0.1:9001\"", "endpoints = [\"app:9001\"", "41:14", "dns"),
        ("address = \"127.0.0.1:9002\"", "address = \"127.0.0.1:9001\"", "41:32", "was there before"),
        ("weight = 2", "wait = 2", "41:63", "unknown field"),
        ("sticky = { cookie = \"lb\"", "sticky = { source = true", "43:34", "cookie"),
        ("key = \"000102030405060708090a0b0c0d0e0f\"", "key = \"0\"", "43:33", "32 hexadecimal"),
        ("health = { http = \"/health\", host = \"app\"", "health = { host = \"app\"", "44:10", "either"),
        ("rise = 1", "rise = 0", "44:84", "at least 1"),
        ("panic = 0.25", "panic = 25", "47:9", ""),
        ("retry = { attempts = 2", "retry = { attempts = 99", "49:22", "from 1"),
        ("statuses = [503]", "statuses = [404]", "49:63", "500"),
        ("max = 16, wait", "wait", "51:71", "without `max`"),
        ("policy = \"bounded-load\"\n", "", "54:11", "bounded-load"),
        ("dns = \"api.internal:80\"", "dns = \"api.internal\"", "57:7", "port"),
        ("dns = \"api.internal:80\"", "", "53:", "no endpoints"),
        ("name = \"api\"", "verify = false", "58:12", "remove one"),
        ("file = \"db.endpoints\"", "file = \"db.endpoints\"\ndns = \"a:1\"", "63:7", "one place"),
    ] {
        let said = said(old, new);
        let good = said.iter().any(|line| line.starts_with(place) && line.contains(words));
        assert!(good, "{old} → {new}: expected {place} {words}, got {said:#?}");
    }
}

#[test]
fn several_faults_are_told_at_once_and_in_order() {
    let text = "threads = 0\n[[listener]]\nname = \"a\"\nlisten = \"x\"\npool = \"p\"\n";
    let faults = Config::parse(text).unwrap_err();
    assert_eq!(faults.0.iter().map(|fault| fault.line).collect::<Vec<_>>(), [1, 4, 5]);
    assert!(faults.in_file("lb.toml").to_string().starts_with("lb.toml:1:11: `threads`"));
    let nothing = Config::parse("").unwrap_err();
    assert!(nothing.to_string().starts_with("1:1: there is no listener"));
}
