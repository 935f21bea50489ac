use super::*;

fn shown(config: &Config, patterns: &[&str]) -> Vec<(String, String)> {
    let found = config.matching(patterns.iter().map(|pattern| pattern.as_bytes()));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    found.into_iter().map(|(name, value)| (text(name), text(value))).collect()
}

fn with(config: &Config, pairs: &[(&str, &str)]) -> Result<Config, String> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    config.with(&pairs, false).map_err(|fault| fault.shown().into_owned())
}

#[test]
fn every_default_is_its_own_canonical_form() {
    let config = Config::default();
    for (index, directive) in table::all().enumerate().filter(|(_, directive)| directive.name != "dir") {
        let default = directive.default.as_bytes();
        let words: Vec<&[u8]> = match directive.takes_words() {
            true => default.split(|byte| *byte == b' ').collect(),
            false => vec![default],
        };
        if !matches!(directive.name, "replicaof") {
            let read = directive.read(&config.values[index], &words);
            assert_eq!(read.as_deref(), Ok(default), "{}", directive.name);
        }
    }
    assert_eq!(table::all().count(), table::COUNT);
    assert_eq!((config.port, config.databases, config.maxclients), (6379, 16, 10_000));
    assert_eq!(config.output_limits[1], OutputLimit { hard: 268_435_456, soft: 67_108_864, seconds: 60 });
    assert_eq!(config.latency_percentiles, [50.0, 99.0, 99.9]);
    assert_eq!(config.slow_after, Some(Duration::from_millis(10)));
}

#[test]
fn patterns_find_directives_by_both_names_and_each_once() {
    let config = Config::default();
    let names: Vec<_> =
        shown(&config, &["hash-max-*", "HASH-MAX-LISTPACK-VALUE"]).into_iter().map(|(name, _)| name).collect();
    let all =
        ["hash-max-listpack-entries", "hash-max-ziplist-entries", "hash-max-listpack-value", "hash-max-ziplist-value"];
    assert_eq!(names, all);
    assert_eq!(shown(&config, &["Port"]), [("Port".to_owned(), "6379".to_owned())]);
    assert!(shown(&config, &["nosuch"]).is_empty());
    // Hidden ones must be named.
    assert!(shown(&config, &["*key-save*"]).is_empty());
    assert_eq!(shown(&config, &["rdb-key-save-delay"]).len(), 1);
    assert_eq!(shown(&config, &["*"]).len(), 192);
}

#[test]
fn a_setting_is_all_or_nothing() {
    let config = Config::default();
    let new =
        with(&config, &[("maxmemory", "1gb"), ("hash-max-ziplist-entries", "7"), ("notify-keyspace-events", "KEA")])
            .unwrap();
    assert_eq!((new.maxmemory, new.limits.hash_max_listpack_entries), (1 << 30, 7));
    assert_eq!(new.get("notify-keyspace-events").unwrap(), b"AKE");
    assert_eq!(new.get("hash-max-listpack-entries").unwrap(), b"7");
    let error = with(&config, &[("maxmemory", "1gb"), ("timeout", "soon")]).unwrap_err();
    assert_eq!(
        error,
        "ERR CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer"
    );
}

#[test]
fn what_may_not_be_set_says_why() {
    let config = Config::default();
    let error = |pairs: &[(&str, &str)]| with(&config, pairs).unwrap_err();
    assert_eq!(error(&[("nosuch", "1")]), "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'");
    assert!(error(&[("Databases", "1")]).ends_with("argument 'Databases') - can't set immutable config"));
    assert!(error(&[("dir", "/")]).ends_with("can't set protected config"));
    assert!(error(&[("hz", "1"), ("HZ", "2")]).ends_with("argument 'HZ') - duplicate parameter"));
    assert!(error(&[("appendonly", "yes")]).ends_with("this server doesn't have persistence"));
    assert!(error(&[("save", "900 1")]).ends_with("this server doesn't have persistence"));
    assert!(error(&[("port", "1")]).ends_with("takes it only when it starts"));
    assert!(error(&[("min-replicas-to-write", "1")]).ends_with("this server doesn't have replication"));
    // What tunes a part that is off may be anything.
    let new = with(&config, &[("lua-time-limit", "7"), ("appendfsync", "always"), ("rdbcompression", "no")]).unwrap();
    assert_eq!(new.get("busy-reply-threshold").unwrap(), b"7");
    // Asking for nothing, or for what is so already, is granted.
    with(&config, &[("appendonly", "no"), ("save", ""), ("rdbcompression", "yes"), ("port", "6379")]).unwrap();
}

#[test]
fn a_file_is_lines_of_words() {
    let mut config = Config::default();
    config
        .load("# comment\n\n  port 7000\r\nREQUIREPASS \"a b\\x41\\n\"\nsave 900 1\nsave 300 10\nuser alice on >secret ~*\nclient-output-buffer-limit normal 1kb 0 0\nhash-max-ziplist-value 9\nlogfile ''")
        .unwrap();
    assert_eq!(config.port, 7000);
    assert_eq!(config.requirepass, b"a bA\n");
    assert_eq!(config.get("save").unwrap(), b"900 1 300 10");
    assert_eq!(config.users[0].words.len(), 4);
    assert_eq!(config.output_limits[0].hard, 1024);
    assert_eq!(config.limits.hash_max_listpack_value, 9);
    assert_eq!(config.unsupported, ["save"]);
}

#[test]
fn a_bad_line_is_named() {
    let error = |text: &str| Config::default().load(text).unwrap_err().to_string();
    assert!(error("port 1\nport \"1").ends_with("at line 2\n>>> 'port \"1'\nUnbalanced quotes in configuration line"));
    assert!(error("port 1 2").ends_with("wrong number of arguments"));
    assert!(error("nonsense").ends_with("Bad directive or wrong number of arguments"));
    assert!(error("a.b").ends_with("Module config specified without value"));
    assert!(error("rename-command nosuch x").ends_with("No such command in rename-command"));
    assert!(error("rename-command get SET").ends_with("Target command name already exists"));
    assert!(error("rename-command get \"\"\nrename-command get x").ends_with("No such command in rename-command"));
    assert!(error("rename-command get").ends_with("Bad directive or wrong number of arguments"));
    assert!(error("include /no/such/file").starts_with("Fatal error, can't open config file '/no/such/file'"));
}

#[test]
fn words_survive_quoting() {
    for word in [&b""[..], b"plain", b"a b", b"\"'\\", b"\n\r\t\x07\x08\x00\xff", b"--x"] {
        assert_eq!(split(file::quote(word).as_bytes()), Some(vec![word.to_vec()]));
    }
    assert_eq!(split(b"a 'it\\'s' \"x\\ty\""), Some(vec![b"a".to_vec(), b"it's".to_vec(), b"x\ty".to_vec()]));
    assert_eq!(split(b"'a'b"), None);
    assert_eq!(split(b"\"a"), None);
}
