//! librdkafka's own load generator, `rdkafka_performance`, and what it says.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Where `.ci/tools` builds it, and what to do when it is not there.
pub(super) fn find(given: Option<PathBuf>) -> Result<PathBuf, String> {
    let path = given.unwrap_or_else(|| Path::new(".cache/rdkafka_performance").to_owned());
    if path.exists() {
        return Ok(path);
    }
    Err(format!("there is no {}: run .ci/tools, which builds it from Debian's librdkafka", path.display()))
}

/// Messages a second of one run, as the client counts them.
pub(super) fn produce(program: &Path, port: u16, topic: &str, size: usize, count: u64) -> io::Result<f64> {
    let args = ["-P", "-t", topic, "-p", "0", "-s", &size.to_string(), "-c", &count.to_string(), "-a", "-1"];
    let said = run(program, port, &args)?;
    delivered(&said, count).ok_or_else(|| io::Error::other(format!("the load generator said:\n{said}")))
}

/// The same of a consumer that reads a topic from its beginning.
pub(super) fn consume(program: &Path, port: u16, topic: &str, count: u64) -> io::Result<f64> {
    let args = ["-C", "-t", topic, "-p", "0", "-o", "beginning", "-c", &count.to_string()];
    let said = run(program, port, &args)?;
    consumed(&said, count).ok_or_else(|| io::Error::other(format!("the load generator said:\n{said}")))
}

/// A producer that sends at a rate, each message at once, with the time in it.
pub(super) fn pace(program: &Path, port: u16, topic: &str, size: usize, count: u64, rate: u64) -> io::Result<()> {
    let (size, count, rate) = (size.to_string(), count.to_string(), rate.to_string());
    let args =
        ["-P", "-l", "-t", topic, "-p", "0", "-s", &size, "-c", &count, "-r", &rate, "-a", "-1", "-X", "linger.ms=0"];
    said(command(program, port, &args).output()?).map(drop)
}

/// A consumer that writes to `file` how old each message was, in microseconds, until it has seen one that tells no time and
/// `count` that do.
pub(super) fn watch(program: &Path, port: u16, topic: &str, count: u64, file: &Path) -> io::Result<Child> {
    let (count, file) = ((count + 1).to_string(), file.display().to_string());
    let args = ["-C", "-l", "-q", "-t", topic, "-p", "0", "-o", "beginning", "-c", &count, "-A", &file];
    command(program, port, &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// Waits for a consumer that watches.
pub(super) fn finish(consumer: Child) -> io::Result<()> {
    said(consumer.wait_with_output()?).map(drop)
}

fn run(program: &Path, port: u16, args: &[&str]) -> io::Result<String> {
    // What it says is asked for what it was to do; it ends with a failure for little.
    let output = command(program, port, args).output()?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// A run that hangs is a run that failed.
fn command(program: &Path, port: u16, args: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.arg("120").arg(program).args(args).args(["-b", &format!("127.0.0.1:{port}")]);
    command
}

fn said(output: Output) -> io::Result<String> {
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(said) } else { Err(io::Error::other(format!("the load generator said:\n{said}"))) }
}

/// `% 1000000 messages produced (100000000 bytes), 1000000 delivered (offset 0, 0 failed) in 300ms: 3333333 msgs/s and …`
fn delivered(said: &str, count: u64) -> Option<f64> {
    let line = said.lines().rev().find(|line| line.contains(" delivered (offset "))?;
    let all = line.contains(&format!(", {count} delivered (offset ")) && line.contains(", 0 failed) in ");
    all.then(|| rate(line, ": ")).flatten()
}

/// `% 1000000 messages (100000000 bytes) consumed in 300ms: 3333333 msgs/s (333.33 MB/s)`
fn consumed(said: &str, count: u64) -> Option<f64> {
    let line = said.lines().rev().find(|line| line.contains(" consumed in "))?;
    let read: u64 = line.strip_prefix("% ")?.split(' ').next()?.parse().ok()?;
    (read >= count).then(|| rate(line, ": ")).flatten()
}

fn rate(line: &str, before: &str) -> Option<f64> {
    line.split(before).find_map(|part| part.split_once(" msgs/s")?.0.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_is_read() {
        let said = "%% something else\n\
            % 500 messages produced (50000 bytes), 500 delivered (offset 499, 0 failed) in 2ms: 250000 msgs/s and 25.00 \
            MB/s, 0 produce failures, 0 in queue, no compression\n";
        assert_eq!(delivered(said, 500), Some(250_000.0));
        assert_eq!(delivered(said, 501), None);
        assert_eq!(delivered(&said.replace("0 failed)", "1 failed)"), 500), None);
        let said = "% 700 messages (70000 bytes) consumed in 7ms: 100000 msgs/s (10.00 MB/s)\n";
        assert_eq!(consumed(said, 700), Some(100_000.0));
        assert_eq!(consumed(said, 701), None);
    }
}
