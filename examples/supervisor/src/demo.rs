//! The demonstration: a supervisor of its own, and commands as somebody would type them.

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::failure::Failure;

/// The units of the demonstration, by the names of their files.
const UNITS: [(&str, &str); 5] = [
    ("db.service", include_str!("../units/db.service")),
    ("web.toml", include_str!("../units/web.toml")),
    ("crash.service", include_str!("../units/crash.service")),
    ("echo.service", include_str!("../units/echo.service")),
    ("echo.socket", include_str!("../units/echo.socket")),
];

pub(crate) fn run() -> Result<u8, Failure> {
    let failed = |source| Failure::Io { what: "demo".into(), source };
    let home = tempfile::tempdir().map_err(failed)?;
    // The one thing that the story does not survive is being told half of it: whatever happens, the supervisor ends.
    let mut supervisor = begin(home.path()).map_err(failed)?;
    let told = tell(home.path());
    let ended = command(home.path(), &["shutdown"]);
    if !matches!(ended, Ok(true)) {
        let _ = supervisor.kill();
    }
    supervisor.wait().map_err(failed)?;
    told.map_err(failed)?;
    Ok(0)
}

fn begin(home: &Path) -> io::Result<Child> {
    let units = home.join("units");
    std::fs::create_dir(&units)?;
    for (name, text) in UNITS {
        std::fs::write(units.join(name), text.replace("/run/demo", &home.display().to_string()))?;
    }
    let mut run = itself(home)?;
    let child = run.arg("run").arg(&units).arg("--quiet").stdout(Stdio::null()).spawn()?;
    for _ in 0..200 {
        if home.join("control").exists() {
            break;
        }
        sleep(Duration::from_millis(10));
    }
    Ok(child)
}

fn itself(home: &Path) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--control").arg(home.join("control"));
    Ok(command)
}

/// Types a command, and shows what it says; whether it ended well.
fn command(home: &Path, words: &[&str]) -> io::Result<bool> {
    say(&format!("\n$ xs-supervisor {}\n", words.join(" ")))?;
    let output = itself(home)?.args(words).output()?;
    let mut out = io::stdout().lock();
    out.write_all(&output.stdout)?;
    out.write_all(&output.stderr)?;
    if let Some(code) = output.status.code().filter(|code| *code != 0) {
        out.write_all(format!("[exit code {code}]\n").as_bytes())?;
    }
    Ok(output.status.success())
}

fn tell(home: &Path) -> io::Result<()> {
    let pause = |millis| sleep(Duration::from_millis(millis));
    say("# What the units need of one another.\n")?;
    let units = home.join("units");
    command(home, &["graph", &units.display().to_string(), "web"])?;
    say("\n# Starting web starts db first, and waits until that says that it is ready.\n")?;
    command(home, &["start", "web"])?;
    command(home, &["status", "web", "db", "-n", "2"])?;
    say("\n# A service that crashes is started again, later each time, until that was too often.\n")?;
    command(home, &["start", "crash"])?;
    pause(2500);
    command(home, &["status", "crash", "-n", "6"])?;
    say("\n# Nobody runs behind the socket; a datagram starts the service, which finds it waiting.\n")?;
    command(home, &["status", "echo.socket", "echo.service", "-n", "0"])?;
    UnixDatagram::unbound()?.send_to(b"hello from outside\n", home.join("echo"))?;
    pause(500);
    command(home, &["status", "echo.service", "-n", "2"])?;
    say("\n# Everything ends in the order opposite to its beginning.\n")
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
