//! The command line, in redis-server's own grammar.
//!
//! ```text
//!   xs-redis [/path/to/redis.conf | -] [--directive value...]... [-]
//! ```
//!
//! Options are lines of the configuration file in another spelling: each `--name value…` becomes a line behind those of
//! the file, so later ones win and errors look alike. No library for options knows this grammar, in which an option takes
//! as many values as stand before the next `--`.

use std::io::Read;

use super::directive::{Directive, Effect};
use super::file::{quote, read};
use super::{Config, LoadError, table};

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// Start a server.
    Serve(Box<Config>),
    /// Print this and end well.
    Print(String),
    /// Print this to standard error and end badly.
    Refuse(String),
}

/// Reads the arguments (without the program's name). `stdin` is read only where `-` asks for it.
pub(crate) fn invocation(args: &[String], stdin: &mut dyn Read) -> Invocation {
    match args.first().map(String::as_str) {
        Some("-v" | "--version") => return Invocation::Print(version()),
        Some("-h" | "--help") => return Invocation::Print(help()),
        Some("--test-memory") => {
            return Invocation::Refuse("This server has no memory test. A tool made for it is memtester.\n".to_owned());
        }
        Some("--check-system") => {
            return Invocation::Refuse("This server has no checks of the system.\n".to_owned());
        }
        _ if args.iter().any(|arg| arg == "--sentinel") => return Invocation::Refuse(NO_SENTINEL.to_owned()),
        _ => {}
    }
    match configuration(args, stdin) {
        Ok(config) => Invocation::Serve(Box::new(config)),
        Err(error) => Invocation::Refuse(format!("{error}\n")),
    }
}

fn version() -> String {
    format!(
        "Redis server v={} sha=00000000:0 malloc=mimalloc bits={} build=xs-{}\n",
        crate::VERSION,
        usize::BITS,
        env!("CARGO_PKG_VERSION")
    )
}

fn configuration(args: &[String], stdin: &mut dyn Read) -> Result<Config, LoadError> {
    let mut config = Config { is_given: !args.is_empty(), ..Config::default() };
    let mut text = String::new();
    let options = match args.first() {
        Some(path) if !path.starts_with('-') => {
            text = read(path)?;
            let absolute = std::path::absolute(path).map(|path| path.to_string_lossy().into_owned());
            config.file = Some(absolute.unwrap_or_else(|_| path.clone()));
            &args[1..]
        }
        _ => args,
    };
    let file_args = args.len() - options.len();
    let (lines, from_stdin) = lines(options, file_args);
    if from_stdin {
        let mut bytes = Vec::new();
        stdin
            .read_to_end(&mut bytes)
            .map_err(|error| LoadError::Unreadable { path: "-".to_owned(), why: super::reason(&error) })?;
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    if !lines.is_empty() {
        text.push('\n');
        text.push_str(&lines);
    }
    config.load(&text)?;
    Ok(config)
}

/// The options as lines of a configuration file, and whether standard input holds one. `before`: how many arguments
/// stood before these.
fn lines(args: &[String], before: usize) -> (String, bool) {
    let mut lines = String::new();
    let mut from_stdin = false;
    // An option that has no value yet takes whatever follows, even another `--word`.
    let mut wants_value = false;
    for (at, arg) in args.iter().enumerate() {
        let is_first_or_last = at + before == 0 || at + 1 == args.len();
        if arg == "-" && is_first_or_last {
            from_stdin = true;
        } else if let Some(name) = arg.strip_prefix("--").filter(|_| !wants_value) {
            if !lines.is_empty() {
                lines.push('\n');
            }
            lines.push_str(name);
            lines.push(' ');
            // `--port 7000` may come as one argument.
            wants_value = super::split(arg.as_bytes()).is_some_and(|words| words.len() == 1);
            // A `--save` without a value is an empty one: people have scripts that rely on it.
            let next = args.get(at + 1);
            if name.eq_ignore_ascii_case("save") && next.is_none_or(|next| next.starts_with("--")) {
                lines.push_str("\"\"");
                wants_value = false;
            }
        } else {
            lines.push_str(&quote(arg.as_bytes()));
            lines.push(' ');
            wants_value = false;
        }
    }
    (lines, from_stdin)
}

const HELP: &str = "\
A Redis server, assembled from xs. It takes redis-server's own configuration.

Usage: xs-redis [/path/to/redis.conf] [--directive value...]... [-]
       xs-redis -                 read the configuration from standard input
       xs-redis -v | --version
       xs-redis -h | --help

Every directive of redis.conf is an option; options come after the file and win over it. Those that most people want:

  --port <number>                 TCP port, 0 for none (6379)
  --bind <address>...             addresses to listen on; one that begins with - may fail (* -::*)
  --unixsocket <path>             listen on a Unix socket as well
  --requirepass <password>        clients must authenticate
  --protected-mode yes|no         without a password, answer this machine only, whatever is bound (yes)
  --maxmemory <bytes>             memory to stay within, as 100mb or 2gb; 0 for no limit (0)
  --maxmemory-policy <policy>     what goes when it is full: noeviction, allkeys-lru, allkeys-lfu, volatile-ttl...
  --maxclients <number>           connections at once (10000)
  --databases <number>            (16)
  --io-threads <number>           threads that serve connections (1)
  --notify-keyspace-events <classes>  publish what happens to keys, as KEA
  --loglevel debug|verbose|notice|warning
  --logfile <path>                instead of standard output
  --daemonize yes|no              run in the background; --pidfile <path> keeps the process number (no)

Examples:
  xs-redis
  xs-redis --port 7000 --maxmemory 100mb --maxmemory-policy allkeys-lru
  xs-redis /etc/redis/redis.conf --loglevel verbose
  echo 'maxmemory 128mb' | xs-redis -

Nothing is written to disk. CONFIG GET * shows every directive of the running server.
";

/// What a server that would be asked to watch others says.
pub(crate) const NO_SENTINEL: &str =
    "This server has no Sentinel mode: it serves data, and doesn't watch other servers.\n";

/// The help, with the directives that change nothing: those are read off the table.
fn help() -> String {
    let mut text = HELP.to_owned();
    let idle = table::all().filter(|directive| matches!(directive.effect, Effect::Idle) && !directive.hidden);
    let at_start = table::all().filter(|directive| matches!(directive.effect, Effect::AtStart(_)));
    list(&mut text, "Taken when the server starts, and not by CONFIG SET as redis-server takes them", at_start);
    list(&mut text, "Accepted without effect, for they tune what this server does in another way or not at all", idle);
    let mut parts: Vec<&str> = Vec::new();
    let lacking = |directive: &Directive| match directive.effect {
        Effect::Lacks(part, _) if !directive.hidden => Some(part),
        _ => None,
    };
    for part in table::all().filter_map(lacking) {
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    text.push_str("\nAbout what this server doesn't have: named in a warning at the start, and without effect\n");
    for part in parts {
        list(&mut text, part, table::all().filter(|directive| lacking(directive) == Some(part)));
    }
    let switches = table::all().filter(|directive| directive.is_switch() && !directive.fixed && !directive.hidden);
    list(&mut text, "Of these, CONFIG SET refuses what would turn such a part on", switches);
    // A line of its own kind, not a directive with a value.
    text.push_str("\nmodules:\n  loadmodule\n");
    text
}

/// A heading with names below it, in lines of a readable length.
fn list(text: &mut String, heading: &str, directives: impl Iterator<Item = &'static Directive>) {
    const WIDTH: usize = 110;
    text.push_str(&format!("\n{heading}:\n"));
    let mut line = String::new();
    for directive in directives {
        if line.len() + directive.name.len() > WIDTH {
            text.push_str(&format!(" {line}\n"));
            line.clear();
        }
        line.push(' ');
        line.push_str(directive.name);
    }
    text.push_str(&format!(" {line}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(args: &[&str], stdin: &str) -> Result<Config, String> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        match invocation(&args, &mut stdin.as_bytes()) {
            Invocation::Serve(config) => Ok(*config),
            Invocation::Print(text) | Invocation::Refuse(text) => Err(text),
        }
    }

    #[test]
    fn options_are_lines_of_the_file() {
        let config =
            serve(&["--port", "7000", "--bind", "127.0.0.1", "::1", "--maxmemory 1kb", "--save", "--hz", "7"], "")
                .unwrap();
        assert_eq!((config.port, config.maxmemory, config.hz), (7000, 1024, 7));
        assert_eq!(config.bind, ["127.0.0.1", "::1"]);
        assert_eq!(config.get("save").unwrap(), b"");
    }

    #[test]
    fn standard_input_comes_before_the_options() {
        let config = serve(&["-", "--port", "7001"], "port 7000\nmaxclients 5\n").unwrap();
        assert_eq!((config.port, config.maxclients), (7001, 5));
        let config = serve(&["--port", "7001", "-"], "maxclients 6").unwrap();
        assert_eq!((config.port, config.maxclients), (7001, 6));
    }

    #[test]
    fn a_value_may_look_like_an_option() {
        let config = serve(&["--requirepass", "--secret", "--port", "1"], "").unwrap();
        assert_eq!(config.requirepass, b"--secret");
        assert_eq!(config.port, 1);
    }

    #[test]
    fn errors_look_like_redis_servers() {
        let error = serve(&["--foo", "bar"], "").unwrap_err();
        let text = "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line 2\n>>> 'foo \"bar\"'\nBad directive or wrong number of arguments\n";
        assert_eq!(error, text);
        assert!(serve(&["--port"], "").unwrap_err().ends_with(">>> 'port'\nwrong number of arguments\n"));
        let missing = serve(&["/no/such/file"], "").unwrap_err();
        assert_eq!(missing, "Fatal error, can't open config file '/no/such/file': No such file or directory\n");
        assert!(serve(&["--test-memory", "10"], "").is_err());
        assert!(serve(&["--help"], "").unwrap_err().starts_with("A Redis server"));
        for args in [&["--port", "1", "--sentinel"][..], &["a.conf", "--sentinel"]] {
            assert_eq!(serve(args, "").unwrap_err(), NO_SENTINEL);
        }
        for line in ["sentinel", "sentinel monitor a b 1 2"] {
            let error = serve(&["-"], line).unwrap_err();
            assert!(error.ends_with("sentinel directive while not in sentinel mode\n"), "{error}");
        }
    }

    #[test]
    fn help_names_whatever_has_no_effect() {
        let help = help();
        let listed = |directive: &Directive| help.split_whitespace().any(|word| word == directive.name);
        for directive in table::all().filter(|directive| !directive.hidden) {
            let has_none = matches!(directive.effect, Effect::Idle | Effect::Lacks(..));
            assert!(!has_none || listed(directive), "{}", directive.name);
        }
        assert!(!help.contains("hash-max-listpack-entries") && help.contains("\npersistence:\n"), "{help}");
        assert!(help.lines().all(|line| line.len() <= 120), "{help}");
    }
}
