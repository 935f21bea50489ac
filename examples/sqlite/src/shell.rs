//! What reads statements and commands, and runs them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::sync::Arc;

use xs_os::{Clock, SystemClock};
use xs_storage::sql::{Failure, Parser, Value};

use crate::cli::Options;
use crate::complete::is_complete;
use crate::database::{Database, open};
use crate::dot;
use crate::output::{Format, Printer};

/// Files may read files, so deep.
const MAX_DEPTH: usize = 25;

/// Where statements come from: what is said of one that fails, and where.
#[derive(Clone, Copy)]
pub(crate) enum From {
    /// An argument.
    Argument,
    /// A file or the input, by line.
    Line(usize),
}

/// The shell.
pub struct Shell {
    pub(crate) db: Database,
    pub(crate) file: Option<String>,
    pub(crate) format: Format,
    pub(crate) bail: bool,
    pub(crate) echo: bool,
    pub(crate) changes: bool,
    pub(crate) timer: bool,
    pub(crate) plans: bool,
    pub(crate) read_only: bool,
    pub(crate) prompts: [String; 2],
    /// The file that output goes to, if it goes to one; whether for the next statement only.
    pub(crate) redirected: Option<(File, bool)>,
    pub(crate) out: Box<dyn Write>,
    pub(crate) err: Box<dyn Write>,
    clock: Arc<dyn Clock>,
    commands: Vec<String>,
    statements: Vec<String>,
    init: Option<String>,
    interactive: Option<bool>,
    depth: usize,
    /// Somebody has asked for the end.
    pub(crate) ended: bool,
    /// And what the program is to end with.
    pub(crate) exit: Option<u8>,
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Shell {
    /// Opens the database.
    ///
    /// # Errors
    ///
    /// It can't be opened.
    pub fn open(options: Options, out: Box<dyn Write>, err: Box<dyn Write>) -> Result<Shell, Failure> {
        let file = options.file.filter(|file| file != ":memory:");
        Ok(Shell {
            db: open(file.as_deref(), options.read_only)?,
            file,
            format: options.format,
            bail: options.bail,
            echo: options.echo,
            changes: false,
            timer: false,
            plans: false,
            read_only: options.read_only,
            prompts: ["sqlite> ".into(), "   ...> ".into()],
            redirected: None,
            out,
            err,
            clock: Arc::new(SystemClock),
            commands: options.commands,
            statements: options.statements,
            init: options.init,
            interactive: options.interactive,
            depth: 0,
            ended: false,
            exit: None,
        })
    }

    /// Runs what it was started for, to the end. The status to end with.
    pub fn run(mut self, input: impl BufRead + IsTerminal) -> u8 {
        let mut status = 0;
        if let Some(init) = self.init.take() {
            status |= u8::from(!dot::read(&mut self, &init));
        }
        for command in std::mem::take(&mut self.commands) {
            status = self.argument(&command);
            if self.ended || status != 0 && self.bail {
                return self.exit.unwrap_or(status);
            }
        }
        if self.statements.is_empty() {
            let interactive = self.interactive.unwrap_or_else(|| input.is_terminal());
            let failed = match interactive {
                true => crate::prompt::run(&mut self),
                false => self.lines(input),
            };
            status = u8::from(failed > 0);
        } else {
            for text in std::mem::take(&mut self.statements) {
                status = self.argument(&text);
                if self.ended || status != 0 {
                    break;
                }
            }
        }
        let flushed = self.out.flush();
        self.exit.unwrap_or(if flushed.is_err() { 1 } else { status })
    }

    /// Runs a text of statements, one after the other, as if it were an argument. The status to end with.
    pub fn run_text(mut self, sql: &str) -> u8 {
        let status = self.argument(sql);
        self.exit.unwrap_or(status)
    }

    fn argument(&mut self, text: &str) -> u8 {
        if text.starts_with('.') {
            return u8::from(!dot::run(self, text));
        }
        match self.execute(text, From::Argument) {
            Ok(()) => 0,
            Err(code) => code,
        }
    }

    /// Runs what a file or the input has. How many statements and commands failed.
    pub(crate) fn lines(&mut self, input: impl BufRead) -> usize {
        let (mut failed, mut pending, mut first) = (0, String::new(), 1);
        for (at, line) in input.split(b'\n').enumerate() {
            let Ok(line) = line else {
                let _ = writeln!(self.err, "Error: cannot read the input");
                return failed + 1;
            };
            let line = String::from_utf8_lossy(&line);
            failed += self.line(line.strip_suffix('\r').unwrap_or(&line), &mut pending, &mut first, at + 1);
            if self.ended || failed > 0 && self.bail {
                return failed;
            }
        }
        failed + usize::from(!pending.trim().is_empty() && self.execute(&pending, From::Line(first)).is_err())
    }

    /// Takes a line, and runs what it ends. How many failed.
    pub(crate) fn line(&mut self, line: &str, pending: &mut String, first: &mut usize, number: usize) -> usize {
        if pending.trim().is_empty() {
            pending.clear();
            *first = number;
            if line.starts_with('.') || line.starts_with('#') {
                if self.echo {
                    let _ = writeln!(self.out, "{line}");
                }
                return usize::from(line.starts_with('.') && !dot::run(self, line));
            }
        }
        // What other systems end statements with, on a line of its own.
        let ends = !pending.trim().is_empty() && matches!(line.trim().to_ascii_lowercase().as_str(), "go" | "/");
        pending.push_str(if ends { ";" } else { line });
        pending.push('\n');
        if !is_complete(pending) {
            return 0;
        }
        let text = std::mem::take(pending);
        if self.echo {
            let _ = writeln!(self.out, "{}", text.trim_end());
        }
        usize::from(self.execute(&text, From::Line(*first)).is_err())
    }

    /// Reads a file as if it were the input. Whether all of it went well.
    pub(crate) fn read(&mut self, path: &str) -> io::Result<bool> {
        if self.depth >= MAX_DEPTH {
            let _ = writeln!(self.err, "Input nesting limit ({MAX_DEPTH}) reached at line 1. Check recursion.");
            return Ok(false);
        }
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.depth += 1;
        let failed = self.lines(BufReader::new(file));
        self.depth -= 1;
        Ok(failed == 0)
    }

    /// Runs statements to the first that fails; the result code of that one, which it has told.
    pub(crate) fn execute(&mut self, sql: &str, from: From) -> Result<(), u8> {
        let begun = self.clock.now();
        let mut rest = sql;
        loop {
            // The parser says where a statement ends. What it says of a bad one, the statement says as well.
            let mut parser = Parser::new(rest);
            let parsed = parser.next_statement();
            let end = match &parsed {
                Ok(None) => break,
                Ok(Some(_)) => parser.offset().min(rest.len()),
                Err(_) => rest.len(),
            };
            let (one, behind) = rest.split_at(end);
            if let Err((failure, stage)) = self.statement(one) {
                self.tell(&failure, stage, one, from, sql.len() - rest.len(), sql);
                self.finish_once();
                return Err(u8::try_from(failure.code().class().0).unwrap_or(1));
            }
            rest = behind;
        }
        if self.timer {
            let spent = self.clock.now().saturating_duration_since(begun).as_secs_f64();
            let _ = writeln!(self.sink(), "Run Time: real {spent:.3}");
        }
        self.finish_once();
        Ok(())
    }

    fn statement(&mut self, sql: &str) -> Result<(), (Failure, Stage)> {
        if crate::plan::is_asked(sql) {
            return self.show_plan(sql);
        }
        if self.plans {
            // What is no query has no plan, or an error that it says itself.
            match self.show_plan(&format!("EXPLAIN QUERY PLAN {sql}")) {
                Err((_, Stage::Prepare)) => {}
                shown => shown?,
            }
        }
        let mut statement = self.db.prepare(sql).map_err(|failure| (failure, Stage::Prepare))?;
        let names: Vec<String> =
            (0..statement.column_count()).filter_map(|at| statement.column_name(at).map(str::to_owned)).collect();
        let out: &mut dyn Write = match &mut self.redirected {
            Some((file, _)) => file,
            None => &mut self.out,
        };
        let mut printer = Printer::new(&self.format, names, out);
        let mut step = || -> Result<io::Result<()>, Failure> {
            let mut rows = statement.query(())?;
            while let Some(row) = rows.next()? {
                let row = (0..row.column_count()).map(|at| row.get::<Value>(at)).collect::<Result<Vec<_>, _>>()?;
                let row: Vec<_> = row.iter().map(Value::as_ref).collect();
                if let Err(error) = printer.row(&row) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok(()))
        };
        let stepped = step();
        let written = printer.end();
        let written = stepped.map_err(|failure| (failure, Stage::Step))?.and(written);
        if written.is_err() {
            // Whoever reads has gone: nothing that follows can be shown.
            (self.ended, self.exit) = (true, Some(1));
        }
        if self.changes {
            let (changes, total) = (self.db.changes(), self.db.total_changes());
            let _ = writeln!(self.sink(), "changes: {changes}   total_changes: {total}");
        }
        Ok(())
    }

    /// Where rows go.
    pub(crate) fn sink(&mut self) -> &mut dyn Write {
        match &mut self.redirected {
            Some((file, _)) => file,
            None => &mut self.out,
        }
    }

    fn finish_once(&mut self) {
        self.redirected = self.redirected.take().filter(|(_, once)| !once);
    }

    fn show_plan(&mut self, sql: &str) -> Result<(), (Failure, Stage)> {
        let mut statement = self.db.prepare(sql).map_err(|failure| (failure, Stage::Prepare))?;
        let mut lines = vec![(0, 0, "QUERY PLAN".to_owned())];
        let mut collect = || -> Result<(), Failure> {
            let mut rows = statement.query(())?;
            while let Some(row) = rows.next()? {
                lines.push((row.get::<i64>(0)?, row.get::<i64>(1)?, row.get::<String>(3)?));
            }
            Ok(())
        };
        collect().map_err(|failure| (failure, Stage::Step))?;
        let _ = self.sink().write_all(crate::plan::tree(&lines).as_bytes());
        Ok(())
    }

    /// Says what went wrong, as sqlite3 does: scripts look for it.
    fn tell(&mut self, failure: &Failure, stage: Stage, one: &str, from: From, begin: usize, sql: &str) {
        let _ = self.out.flush();
        let number = match failure.code().class().0 {
            1 => String::new(),
            code => format!(" ({code})"),
        };
        let what = match (from, stage) {
            (From::Argument, Stage::Prepare) => "Error: in prepare, ".to_owned(),
            (From::Argument, Stage::Step) => "Error: stepping, ".to_owned(),
            (From::Line(line), stage) => {
                // The line of the statement's first word.
                let skipped = one.len() - one.trim_start().len();
                let line = line + sql[..begin + skipped].matches('\n').count();
                let kind = if matches!(stage, Stage::Prepare) { "Parse" } else { "Runtime" };
                format!("{kind} error near line {line}: ")
            }
        };
        let _ = writeln!(self.err, "{what}{}{number}", failure.message());
        if let (Stage::Prepare, Some(at)) = (stage, failure.offset()) {
            let shown = one.trim_start();
            let at = at.saturating_sub(one.len() - shown.len());
            let _ = self.err.write_all(context(shown.strip_suffix('\n').unwrap_or(shown), at).as_bytes());
        }
    }
}

/// When it went wrong.
#[derive(Clone, Copy)]
enum Stage {
    Prepare,
    Step,
}

/// The text around a place, with a mark below it.
fn context(sql: &str, at: usize) -> String {
    const WIDTH: usize = 78;
    let flat: String = sql.chars().map(|char| if char.is_whitespace() { ' ' } else { char }).collect();
    let (mut text, mut at) = (&flat[..], at.min(flat.len()));
    // The mark is within the first fifty characters.
    while at > 50 {
        let Some(char) = text.chars().next() else { break };
        text = &text[char.len_utf8()..];
        at -= char.len_utf8();
    }
    let mut end = text.len().min(WIDTH);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let (text, at) = (&text[..end], text.get(..at).map_or(at, |before| before.chars().count()));
    match at < 25 {
        true => format!("  {text}\n  {:at$}^--- error here\n", ""),
        false => format!("  {text}\n  {:1$}error here ---^\n", "", at - 14),
    }
}
