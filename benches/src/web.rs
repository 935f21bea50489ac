//! What the benchmarks of web servers and balancers share: wrk and what it says, processes on a core of their own, and the
//! manners of nginx.

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{median, process};

/// Makes wrk send several requests at once, and says how long a batch took.
///
/// wrk times a batch once, but adds samples for the requests that a slow response held back as if each request had been
/// timed: it takes the mean time of a request for that of a batch. What it adds lies mostly below the least time that there
/// was, where its percentiles do not look, and it prints 0. So `done` takes off what was added, from the longest time down:
/// for each sample of at least twice that mean, one at every multiple of the mean below it.
const PIPELINE: &str = "
init = function(args)
  local depth = tonumber(args[1])
  local requests = {}
  for i = 1, depth do requests[i] = wrk.format() end
  batch = table.concat(requests)
end
request = function() return batch end
done = function(summary, latency)
  local step = math.floor(summary.duration / math.floor(summary.requests / 64))
  local times, counts, all = {}, {}, 0
  for i = 1, #latency do
    local time, count = latency(i)
    times[i], counts[time] = time, count
  end
  for i = #times, 1, -1 do
    local count = counts[times[i]]
    all = all + count
    if times[i] >= 2 * step then
      for time = times[i] - step, step + 1, -step do
        if counts[time] then counts[time] = counts[time] - count end
      end
    end
  end
  local seen, p50, p99 = 0, nil, nil
  for _, time in ipairs(times) do
    seen = seen + counts[time]
    if seen >= all * 0.5 then p50 = p50 or time end
    if seen >= all * 0.99 then p99 = p99 or time end
  end
  print(string.format('Batches: %d %dus %dus', all, p50, p99))
end
";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) json: Option<File>,
    pub(crate) rounds: usize,
    pub(crate) seconds: usize,
    row: Option<String>,
}

impl Options {
    /// Reads the arguments; nothing where help is asked for. There are rows of these names.
    pub(crate) fn parse<'a>(
        args: impl IntoIterator<Item = OsString>,
        rows: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Options>, Box<dyn Error>> {
        use lexopt::prelude::{Long, ValueExt};
        let mut options = Options { json: None, rounds: 5, seconds: 4, row: None };
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("help") => return Ok(None),
                Long("quick") => (options.rounds, options.seconds) = (2, 1),
                Long("json") => options.json = Some(File::create(parser.value()?)?),
                Long("rounds") => options.rounds = parser.value()?.parse()?,
                Long("seconds") => options.seconds = parser.value()?.parse()?,
                Long("row") => options.row = Some(parser.value()?.string()?),
                other => return Err(other.unexpected().into()),
            }
        }
        match &options.row {
            Some(row) if !rows.into_iter().any(|known| known == row) => Err(format!("no row is called {row}").into()),
            _ => Ok(Some(options)),
        }
    }

    /// Whether a row is wanted.
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.row.as_deref().is_none_or(|only| only == row)
    }
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Processor seconds of the server a million requests.
    pub(crate) cpu: f64,
    /// Milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Measured {
    /// The median of each figure.
    pub(crate) fn median_of(runs: &[Measured]) -> Measured {
        let of = |figure: fn(&Measured) -> f64| median(runs.iter().map(figure).collect());
        Measured { rate: of(|m| m.rate), cpu: of(|m| m.cpu), p50: of(|m| m.p50), p99: of(|m| m.p99) }
    }

    /// A line of the table.
    pub(crate) fn print(&self, row: &str, name: &str) {
        println!("| {row} | {name} | {:.0} | {:.2} | {:.2} | {:.2} |", self.rate, self.cpu, self.p50, self.p99);
    }
}

/// Runs wrk once, on the second core, with 64 connections that send `depth` requests at once.
pub(crate) fn wrk(server: &Running, url: &str, depth: usize, seconds: usize) -> io::Result<Measured> {
    let script = tempfile::NamedTempFile::new()?;
    script.as_file().write_all(PIPELINE.as_bytes())?;
    let mut wrk = Command::new("taskset");
    // The script knows of the 64 as well.
    wrk.args(["-c", "1", "wrk", "-t1", "-c64", "--latency", &format!("-d{seconds}s")]);
    if depth > 1 {
        wrk.arg("-s").arg(script.path());
    }
    wrk.arg(url);
    if depth > 1 {
        wrk.args(["--", &depth.to_string()]);
    }
    let pid = server.0.id().to_string();
    let before = process::ticks(&pid)?;
    let output = wrk.output()?;
    let spent = process::ticks(&pid)? - before;
    let text = String::from_utf8_lossy(&output.stdout);
    let (requests, rate, p50, p99) =
        figures(&text).ok_or_else(|| io::Error::other(format!("{url}: wrk said:\n{text}")))?;
    Ok(Measured { rate, cpu: spent / requests * 1e6, p50, p99 })
}

/// Requests, requests a second, and two percentiles in milliseconds, of what wrk prints. Nothing if a response was wrong.
fn figures(text: &str) -> Option<(f64, f64, f64, f64)> {
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return None;
    }
    let word_after = |label: &str| {
        let line = text.lines().map(str::trim).find(|line| line.starts_with(label))?;
        line[label.len()..].split_whitespace().next()
    };
    let requests = text.lines().find(|line| line.contains(" requests in "))?.split_whitespace().next()?;
    let (p50, p99) = match text.lines().find_map(|line| line.strip_prefix("Batches:")) {
        Some(batches) => {
            let mut words = batches.split_whitespace().skip(1);
            (words.next()?, words.next()?)
        }
        None => (word_after("50%")?, word_after("99%")?),
    };
    Some((requests.parse().ok()?, word_after("Requests/sec:")?.parse().ok()?, millis(p50)?, millis(p99)?))
}

/// `612.00us`, `1.20ms`, `2.00s`.
fn millis(text: &str) -> Option<f64> {
    let (number, factor) = match text.strip_suffix("us") {
        Some(number) => (number, 1e-3),
        None => match text.strip_suffix("ms") {
            Some(number) => (number, 1.0),
            None => (text.strip_suffix('s')?, 1e3),
        },
    };
    Some(number.parse::<f64>().ok()? * factor)
}

/// A process, ended with the value.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program on a core, silent but for `stdout`. Not even a killed harness leaves it behind.
pub(crate) fn run(core: &str, program: &Path, args: &[&str], stdout: Stdio) -> io::Result<Running> {
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "taskset", "-c", core])
        .arg(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::null())
        .spawn()
        .map(Running)
}

/// Whether a program can be run at all.
pub(crate) fn is_installed(program: &str) -> bool {
    Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// A port that nobody has.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits until somebody listens.
pub(crate) fn wait_for(port: u16, name: &str) -> io::Result<()> {
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > until {
            return Err(io::Error::other(format!("{name} does not listen")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// How every configuration begins.
pub(crate) fn nginx_head(dir: &Path, name: &str) -> String {
    let dir = dir.display();
    format!(
        "daemon off; master_process off; pid {dir}/{name}.pid; error_log {dir}/{name}.log;
events {{ worker_connections 4096; }}\n"
    )
}

/// Connections are kept for as long as the run takes, and nothing is written outside of `dir`.
pub(crate) fn nginx_kept(dir: &Path, name: &str) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {}/{name}-{kind}; ", dir.display()))
        .collect();
    format!("keepalive_requests 1000000000; keepalive_timeout 1h; {temporary}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Running 1s test @ http://127.0.0.1:1/small
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   500.00us  100.00us   4.00ms   90.00%
  Latency Distribution
     50%  512.00us
     75%  600.00us
     90%  700.00us
     99%    1.25ms
  120000 requests in 1.00s, 9.00MB read
Requests/sec: 119000.50
Transfer/sec:      9.00MB
";

    #[test]
    fn what_wrk_says_is_read() {
        assert_eq!(figures(SAID), Some((120_000.0, 119_000.5, 0.512, 1.25)));
        // Of a batch, what the script says counts.
        let batches = format!("{}Batches: 7500 530us 1310us\n", SAID.replace("512.00us", "0.00us"));
        assert_eq!(figures(&batches), Some((120_000.0, 119_000.5, 0.53, 1.31)));
        assert_eq!(figures(&SAID.replace("Requests/sec", "Non-2xx or 3xx responses: 7\nRequests/sec")), None);
        assert_eq!(millis("2.00s"), Some(2000.0));
        assert_eq!(millis("2.00"), None);
    }

    #[test]
    fn the_command_line() {
        let options = |line: &[&str]| Options::parse(line.iter().map(OsString::from), ["3 B", "1 KiB"]);
        assert_eq!(options(&["--quick"]).unwrap().map(|options| (options.rounds, options.seconds)), Some((2, 1)));
        let one = options(&["--row", "3 B"]).unwrap().unwrap();
        assert!(one.wants("3 B") && !one.wants("1 KiB"));
        assert!(options(&["--help"]).unwrap().is_none());
        assert!(options(&["--row", "4 B"]).is_err() && options(&["--fast"]).is_err());
    }
}
