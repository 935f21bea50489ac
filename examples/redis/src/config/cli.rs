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

use super::file::{quote, read};
use super::{Config, LoadError};

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
        Some("-h" | "--help") => return Invocation::Print(HELP.to_owned()),
        Some("--test-memory") => {
            return Invocation::Refuse("This server has no memory test. A tool made for it is memtester.\n".to_owned());
        }
        Some("--check-system") => {
            return Invocation::Refuse("This server has no checks of the system.\n".to_owned());
        }
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
    let mut config = Config::default();
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
            if name.eq_ignore_ascii_case("sentinel") {
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
  --bind <address>...             addresses to listen on; one that begins with - may fail (127.0.0.1 -::1)
  --unixsocket <path>             listen on a Unix socket as well
  --requirepass <password>        clients must authenticate
  --protected-mode yes|no         without a password, answer this machine only (yes)
  --maxmemory <bytes>             memory for data, as 100mb or 2gb; 0 for no limit (0)
  --maxmemory-policy <policy>     what goes when it is full: noeviction, allkeys-lru, allkeys-lfu, volatile-ttl...
  --maxclients <number>           connections at once (10000)
  --databases <number>            (16)
  --io-threads <number>           threads that serve connections (1)
  --notify-keyspace-events <classes>  publish what happens to keys, as KEA
  --loglevel debug|verbose|notice|warning
  --logfile <path>                instead of standard output

Examples:
  xs-redis
  xs-redis --port 7000 --maxmemory 100mb --maxmemory-policy allkeys-lru
  xs-redis /etc/redis/redis.conf --loglevel verbose
  echo 'maxmemory 128mb' | xs-redis -

Nothing is written to disk: directives about persistence, replication, cluster mode, TLS and modules are understood,
named in a warning, and have no effect. CONFIG GET * shows every directive of the running server.
";

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
    }
}
