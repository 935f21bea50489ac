//! Units as `systemctl` prints them.

use std::fmt::Write;

use xs_os::supervisor::driver::{JobStatus, UnitStatus};

/// How text is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether states have colours.
    pub color: bool,
}

impl Style {
    fn paint(self, unit: &UnitStatus, text: &str) -> String {
        let color = match unit.active.as_str() {
            _ if !self.color => return text.to_owned(),
            "active" | "reloading" => "1;32",
            "failed" => "1;31",
            "activating" | "deactivating" => "1;33",
            _ => return text.to_owned(),
        };
        format!("\x1b[{color}m{text}\x1b[0m")
    }
}

fn dot(unit: &UnitStatus) -> &'static str {
    match (unit.load.as_str(), unit.active.as_str()) {
        (_, "failed") => "×",
        (_, "reloading") => "↻",
        (_, "active" | "activating" | "deactivating") => "●",
        _ => "○",
    }
}

/// A unit's name as somebody types it: without a suffix, a service's.
pub fn unit_name(typed: &str) -> String {
    let known = [".service", ".socket", ".target"].iter().any(|suffix| typed.ends_with(suffix));
    if known { typed.to_owned() } else { format!("{typed}.service") }
}

/// All that is known of a unit, as `systemctl status` prints it.
pub fn status(unit: &UnitStatus, style: Style) -> String {
    let mut out = format!("{} {}", style.paint(unit, dot(unit)), unit.name);
    if unit.description != unit.name {
        let _ = write!(out, " - {}", unit.description);
    }
    out.push('\n');
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(out, "{name:>11}: {value}");
    };
    let source = unit.sources.first().map(|path| format!(" ({path})")).unwrap_or_default();
    let why = unit.load_error.as_ref().map(|why| format!(" (Reason: {why})")).unwrap_or_default();
    row("Loaded", &format!("{}{source}{why}", unit.load));
    for (number, path) in unit.sources.iter().skip(1).enumerate() {
        row(if number == 0 { "Drop-In" } else { "" }, path);
    }
    let result = if unit.result == "success" { String::new() } else { format!(" (Result: {})", unit.result) };
    let state = style.paint(unit, &format!("{} ({})", unit.active, unit.sub));
    let known_since = unit.active != "inactive" || unit.main_status.is_some();
    let since = if known_since { format!(" since {}; {} ago", unit.since, unit.age) } else { String::new() };
    row("Active", &format!("{state}{result}{since}"));
    if let Some(triggers) = &unit.triggers {
        row("Triggers", &format!("● {triggers}"));
    }
    for socket in &unit.triggered_by {
        row("TriggeredBy", &format!("● {socket}"));
    }
    for documentation in &unit.documentation {
        row("Docs", documentation);
    }
    for listen in &unit.listen {
        row("Listen", listen);
    }
    let program = |pid: u32| {
        let process = unit.processes.iter().find(|(number, _)| *number == pid);
        let command = process.and_then(|(_, command)| command.split(['\0', ' ']).next()).unwrap_or_default();
        command.rsplit('/').next().map(|name| format!("{pid} ({name})")).unwrap_or_default()
    };
    match (unit.main_pid, &unit.main_status) {
        (Some(pid), _) => row("Main PID", &program(pid)),
        (None, Some(status)) => row("Process", &format!("main process ended ({status})")),
        (None, None) => {}
    }
    if let Some(pid) = unit.control_pid {
        row("Cntrl PID", &program(pid));
    }
    if !unit.status_text.is_empty() {
        row("Status", &format!("\"{}\"", unit.status_text));
    }
    if unit.restarts > 0 {
        row("Restarts", &unit.restarts.to_string());
    }
    if let Some(job) = &unit.job {
        row("Job", job);
    }
    if let Some(memory) = unit.memory {
        row("Memory", &bytes(memory));
    }
    for (number, (pid, command)) in unit.processes.iter().enumerate() {
        let branch = if number + 1 == unit.processes.len() { "└─" } else { "├─" };
        row(if number == 0 { "Processes" } else { "" }, &format!("{branch}{pid} {command}"));
    }
    // A row without a name has no colon either.
    let mut out = out.replace("\n           : ", "\n             ");
    if !unit.lines.is_empty() {
        out.push('\n');
        unit.lines.iter().for_each(|line| {
            let _ = writeln!(out, "{line}");
        });
    }
    out
}

fn bytes(count: u64) -> String {
    let units = ["B", "K", "M", "G", "T"];
    let (mut value, mut unit) = (count as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    if unit == 0 { format!("{count}B") } else { format!("{value:.1}{}", units[unit]) }
}

/// Units as a table, as `systemctl list-units` prints it.
pub fn list(units: &[UnitStatus], style: Style) -> String {
    let rows: Vec<[&str; 5]> =
        units.iter().map(|unit| [unit.name.as_str(), &unit.load, &unit.active, &unit.sub, &unit.description]).collect();
    let header = ["UNIT", "LOAD", "ACTIVE", "SUB", "DESCRIPTION"];
    let width =
        |column: usize| rows.iter().chain([&header]).map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2), width(3)];
    let line = |mark: &str, row: &[&str; 5]| {
        let [name, load, active, sub, description] = row;
        let [a, b, c, d] = widths;
        format!("{mark} {name:a$} {load:b$} {active:c$} {sub:d$} {description}").trim_end().to_owned() + "\n"
    };
    let mut out = line(" ", &header);
    for (unit, row) in units.iter().zip(&rows) {
        let odd = unit.active == "failed" || unit.load != "loaded";
        let mark = if odd { style.paint(unit, if unit.active == "failed" { "×" } else { "○" }) } else { " ".into() };
        out.push_str(&line(&mark, row));
    }
    let _ = writeln!(out, "\n{} units listed.", units.len());
    out
}

/// Jobs as a table, as `systemctl list-jobs` prints it.
pub fn jobs(jobs: &[JobStatus]) -> String {
    if jobs.is_empty() {
        return "No jobs running.\n".into();
    }
    let width = jobs.iter().map(|job| job.unit.len()).max().unwrap_or_default().max(4);
    let mut out = format!("JOB UNIT{:1$} TYPE    STATE\n", "", width - 4);
    for job in jobs {
        let _ = writeln!(out, "{:<3} {:width$} {:7} {}", job.id, job.unit, job.kind, job.state);
    }
    let _ = writeln!(out, "\n{} jobs listed.", jobs.len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_suffix() {
        for (typed, name) in
            [("web", "web.service"), ("web.socket", "web.socket"), ("a.b", "a.b.service"), ("x.target", "x.target")]
        {
            assert_eq!(unit_name(typed), name);
        }
    }

    #[test]
    fn a_status_looks_as_people_know_it() {
        let unit = UnitStatus {
            name: "web.service".into(),
            description: "The web".into(),
            sources: vec!["/u/web.service".into(), "/u/web.service.d/a.conf".into()],
            load: "loaded".into(),
            active: "failed".into(),
            sub: "failed".into(),
            result: "exit-code".into(),
            since: "2026-01-01T00:00:00.000Z".into(),
            age: "5s".into(),
            main_status: Some("code=exited, status=1/FAILURE".into()),
            processes: vec![(7, "/bin/x -a".into()), (8, "y".into())],
            memory: Some(5 << 20),
            lines: vec!["hello".into()],
            ..UnitStatus::default()
        };
        let expected = "× web.service - The web\n     Loaded: loaded (/u/web.service)\n    Drop-In: /u/web.service.d/a.conf\n     Active: failed (failed) (Result: exit-code) since 2026-01-01T00:00:00.000Z; 5s ago\n    Process: main process ended (code=exited, status=1/FAILURE)\n     Memory: 5.0M\n  Processes: ├─7 /bin/x -a\n             └─8 y\n\nhello\n";
        assert_eq!(status(&unit, Style::default()), expected);
        assert!(status(&unit, Style { color: true }).starts_with("\x1b[1;31m×\x1b[0m web.service"));
        assert!(list(&[unit], Style::default()).contains("× web.service loaded failed failed The web\n"));
    }
}
