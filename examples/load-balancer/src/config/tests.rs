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
timeouts = { head = "5s", body = "6s", idle = "7s", write = "8s", upgraded = "9s" }
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

/// Line and column of the only place where `at` stands in a text.
fn place(text: &str, at: &str) -> (usize, usize) {
    assert_eq!(text.matches(at).count(), 1, "{at} in {text}");
    let before = &text[..text.find(at).unwrap()];
    (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap().chars().count() + 1)
}

#[test]
fn each_fault_is_told_with_its_place_and_what_to_do() {
    let mut wrong = Vec::new();
    // What is replaced by what, where the fault is then told, and a word of it.
    for (old, new, at, word) in [
        ("threads = 2", "threads = 0", "0\ndrain", "from 1 to 1024"),
        ("threads = 2", "thread = 2", "thread = 2", "unknown field"),
        ("drain = \"10s\"", "drain = \"10\"", "\"10\"", "ms, s, m or h"),
        ("listen = \"127.0.0.1:9901\"", "listen = \"localhost:9901\"", "\"localhost:9901", "IP address"),
        ("listen = \"127.0.0.1:9901\"", "listen = \"127.0.0.1:5433\"\nlost = 1", "lost", "unknown field"),
        ("\"[::]:5432\"", "\"0.0.0.0:8080\" ", "\"0.0.0.0:8080\" ", "listener `web` listens"),
        ("\"[::]:5432\"", "\"127.0.0.1:9901\" ", "\"127.0.0.1:9901\" ", "the admin page listens"),
        ("\"[::]:5432\"", "\":::5432\"", "\":::5432\"", "no address"),
        ("\"[::]:5432\"", "\"::1:5432\"", "\"::1:5432\"", "brackets"),
        ("name = \"db\"", "name = \"web\" ", "\"web\" ", "already"),
        ("trusted = [\"10.0.0.0/8\"]\n", "", "true\nlimits", "trusted"),
        ("\"10.0.0.0/8\"", "\"10.0.0.0/99\"", "\"10.0.0.0/99\"", "no network"),
        ("rate = \"100/s\", ", "", "200, by", "no `rate`"),
        ("\"header:x-api-key\"", "\"moon\"", "\"moon\"", "source"),
        ("burst = 200", "burst = 0", "0, by", "at least 1"),
        ("\"edge\"", "\"e dge\"", "\"e dge\"", "letters"),
        ("forwarded = \"both\"", "forwarded = \"all\"", "\"all\"", "unknown variant"),
        ("pool = \"api\"", "pool = \"apis\"", "\"apis\"", "no pool `apis`"),
        ("path = \"/api\"", "path = \"api/\"", "\"api/\"", "slash"),
        ("\"A.example\"", "\"a.example:80\"", "\"a.example:80\"", "without a port"),
        ("\"POST\"]", "\"CONNECT\"]", "\"CONNECT\"]", "tunnel"),
        ("{ X-Team", "{ Host", "Host = ", "set-host"),
        ("\"blue\"", "\"bl\\nue\"", "\"bl\\nue\"", "control"),
        ("set-host = \"api.internal\"", "set-host = \"a b\"", "\"a b\"", "a name"),
        ("mode = \"tcp\"\npool = \"db\"", "mode = \"tcp\"", "[[listener]]\nname = \"db\"", "needs a `pool`"),
        ("mode = \"tcp\"\npool = \"db\"", "mode = \"tcp\"\npool = \"app\" ", "\"app\" ", "not bytes"),
        ("idle = \"2h\"", "write = \"2h\"", "\"2h\"", "mode = \"http\""),
        ("idle = \"2h\"", "head = \"2h\"", "\"2h\"", "mode = \"http\""),
        ("[\"127.0.0.1:9001\"", "[\"app:9001\"", "\"app:9001\"", "dns"),
        ("\"127.0.0.1:9002\"", "\"127.0.0.1:9001\" ", "{ address", "was there before"),
        ("weight = 2", "wait = 2", "wait = 2", "unknown field"),
        ("cookie = \"lb\"", "source = true", "\"000102", "cookie"),
        ("\"000102030405060708090a0b0c0d0e0f\"", "\"0\"", "\"0\"", "32 hexadecimal"),
        ("http = \"/health\", host", "host", "{ host = \"app\"", "either"),
        ("rise = 1", "rise = 0", "0, fall", "at least 1"),
        ("panic = 0.25", "panic = 25.0", "25.0", "from 0.0 to 1.0"),
        ("attempts = 2", "attempts = 99", "99, budget", "from 1"),
        ("[503]", "[404]", "404", "500"),
        ("max = 16, wait", "wait", "\"100ms\"", "without `max`"),
        ("policy = \"bounded-load\"\n", "", "150", "bounded-load"),
        ("policy = \"bounded-load\"\npercent = 150\n", "policy = \"random\"\n", "\"cookie:user\"", "maglev"),
        ("\"api.internal:80\"", "\"api.internals\"", "\"api.internals\"", "port"),
        ("dns = \"api.internal:80\"", "", "[pool.api]", "no endpoints"),
        ("\"api\" }\n\n[pool.db]", "\"api:443\" }\n\n[pool.db]", "\"api:443\"", "without a port"),
        ("name = \"api\"", "verify = false", "\"ca.pem\"", "remove one"),
        ("file = \"db.endpoints\"", "file = \"db.endpoints\"\ndns = \"a:1\"", "\"a:1\"", "one place"),
    ] {
        assert_eq!(WHOLE.matches(old).count(), 1, "{old}");
        let text = WHOLE.replace(old, new);
        let faults = match Config::parse(&text) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.0,
        };
        let (line, column) = place(&text, at);
        if !faults.iter().any(|fault| (fault.line, fault.column) == (line, column) && fault.message.contains(word)) {
            wrong.push(format!("{old} → {new}: expected {line}:{column}: …{word}…, got {faults:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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

#[test]
fn the_configuration_that_is_shown_is_good() {
    let config = Config::parse(include_str!("../../balancer.toml")).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!((config.listeners.len(), config.pools.len()), (2, 3));
}
