//! The shell's own commands: lines that begin with a dot.

mod copy;
mod import;
mod schema;
mod words;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;

use crate::database::open;
use crate::output::{MODES, Mode};
use crate::shell::Shell;

/// A command: its name, what is behind it, what it does, how it is run. It answers whether it went well, or how it is used.
struct Command {
    name: &'static str,
    arguments: &'static str,
    help: &'static str,
    run: fn(&mut Shell, &[String]) -> Result<bool, Usage>,
}

/// The arguments were not those of the command.
struct Usage;

type Outcome = Result<bool, Usage>;

macro_rules! commands {
    ($($name:literal $arguments:literal $help:literal $run:expr;)*) => {
        &[$(Command { name: $name, arguments: $arguments, help: $help, run: $run },)*]
    };
}

/// In the order in which abbreviations are looked up.
const COMMANDS: &[Command] = commands! {
    "backup" "?DB? FILE" "Backup DB (default \"main\") to FILE" copy::backup;
    "bail" "on|off" "Stop after hitting an error.  Default OFF" |shell, args| switch(shell, args, |shell| &mut shell.bail);
    "changes" "on|off" "Show number of rows changed by SQL" |shell, args| switch(shell, args, |shell| &mut shell.changes);
    "databases" "" "List names and files of attached databases" schema::databases;
    "dump" "?OBJECTS?" "Render database content as SQL" schema::dump;
    "echo" "on|off" "Turn command echo on or off" |shell, args| switch(shell, args, |shell| &mut shell.echo);
    "eqp" "on|off" "Enable or disable automatic EXPLAIN QUERY PLAN" |shell, args| switch(shell, args, |shell| &mut shell.plans);
    "exit" "?CODE?" "Exit this program with return-code CODE" exit;
    "headers" "on|off" "Turn display of headers on or off" headers;
    "help" "?PATTERN?" "Show help text for PATTERN" help;
    "import" "FILE TABLE" "Import data from FILE into TABLE" import::import;
    "indexes" "?TABLE?" "Show names of indexes" schema::indexes;
    "mode" "MODE ?TABLE?" "Set output mode" mode;
    "nullvalue" "STRING" "Use STRING in place of NULL values" nullvalue;
    "once" "FILE" "Output for the next SQL command only to FILE" |shell, args| output(shell, args, true);
    "open" "?--readonly? ?FILE?" "Close existing database and reopen FILE" reopen;
    "output" "?FILE?" "Send output to FILE or stdout if FILE is omitted" |shell, args| output(shell, args, false);
    "print" "STRING..." "Print literal STRING" print;
    "prompt" "MAIN CONTINUE" "Replace the standard prompts" prompt;
    "quit" "" "Exit this program" |shell, _| { shell.ended = true; Ok(true) };
    "read" "FILE" "Read input from FILE" |shell, args| match args { [file] => Ok(read(shell, file)), _ => Err(Usage) };
    "save" "?DB? FILE" "Write database to FILE (an alias for .backup)" copy::backup;
    "schema" "?PATTERN?" "Show the CREATE statements matching PATTERN" schema::schema;
    "separator" "COL ?ROW?" "Change the column and row separators" separator;
    "show" "" "Show the current values for various settings" show;
    "tables" "?TABLE?" "List names of tables matching LIKE pattern TABLE" schema::tables;
    "timeout" "MS" "Try opening locked tables for MS milliseconds" timeout;
    "timer" "on|off" "Turn SQL timer on or off" |shell, args| switch(shell, args, |shell| &mut shell.timer);
    "version" "" "Show the version" version;
    "width" "NUM1 NUM2 ..." "Set minimum column widths for columnar output" width;
};

/// Runs a line that begins with a dot. Whether it went well.
pub(crate) fn run(shell: &mut Shell, line: &str) -> bool {
    let words = words::split(&line[1..]);
    let Some((name, args)) = words.split_first() else { return true };
    let found = COMMANDS.iter().find(|command| !name.is_empty() && command.name.starts_with(name.as_str()));
    let Some(command) = found else {
        return complain(
            shell,
            &format!("Error: unknown command or invalid arguments:  \"{name}\". Enter \".help\" for help"),
        );
    };
    match (command.run)(shell, args) {
        Ok(well) => well,
        Err(Usage) => complain(shell, format!("Usage: .{} {}", command.name, command.arguments).trim_end()),
    }
}

/// Says what is wrong.
fn complain(shell: &mut Shell, what: &str) -> bool {
    let _ = shell.out.flush();
    let _ = writeln!(shell.err, "{what}");
    false
}

/// Writes to where rows go.
fn say(shell: &mut Shell, text: &str) -> Outcome {
    Ok(shell.sink().write_all(text.as_bytes()).is_ok())
}

/// Reads a file of statements and commands.
pub(crate) fn read(shell: &mut Shell, file: &str) -> bool {
    match shell.read(file) {
        Ok(well) => well,
        Err(_) => complain(shell, &format!("Error: cannot open \"{file}\"")),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "yes" | "true" | "1" => Some(true),
        "off" | "no" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// Turns something on or off. What is neither is off, as in sqlite3.
fn switch(shell: &mut Shell, args: &[String], setting: fn(&mut Shell) -> &mut bool) -> Outcome {
    let [value] = args else { return Err(Usage) };
    let on = boolean(value);
    if on.is_none() {
        complain(shell, &format!("ERROR: Not a boolean value: \"{value}\". Assuming \"no\"."));
    }
    *setting(shell) = on.unwrap_or(false);
    Ok(true)
}

fn headers(shell: &mut Shell, args: &[String]) -> Outcome {
    switch(shell, args, |shell| shell.format.headers.insert(false))
}

fn exit(shell: &mut Shell, args: &[String]) -> Outcome {
    shell.exit = match args {
        [] => None,
        // As the system has it: the lowest byte.
        [code] => Some(code.parse::<i32>().map_err(|_| Usage)? as u8),
        _ => return Err(Usage),
    };
    shell.ended = true;
    Ok(true)
}

fn help(shell: &mut Shell, args: &[String]) -> Outcome {
    let pattern = args.first().map_or("", |pattern| pattern.trim_start_matches('.'));
    let mut text = String::new();
    for Command { name, arguments, help, .. } in COMMANDS.iter().filter(|command| command.name.contains(pattern)) {
        let _ = writeln!(text, "{:<24} {help}", format!(".{name} {arguments}").trim_end());
        if *name == "mode" && !pattern.is_empty() {
            let names: Vec<_> = MODES.iter().map(|(name, _)| *name).collect();
            let _ = writeln!(text, "   MODE is one of: {}", names.join(" "));
        }
    }
    if text.is_empty() {
        let _ = writeln!(text, "Nothing matches '{pattern}'");
    }
    say(shell, &text)
}

fn mode(shell: &mut Shell, args: &[String]) -> Outcome {
    let (name, table) = match args {
        [] => {
            let name = MODES.iter().find(|(_, mode)| *mode == shell.format.mode).map_or("", |(name, _)| name);
            return say(shell, &format!("current output mode: {name}\n"));
        }
        [name] => (name, None),
        [name, table] if !table.starts_with('-') => (name, Some(table)),
        [_, option, ..] if option.starts_with('-') => {
            return Ok(complain(shell, &format!("unknown option: {option}")));
        }
        [_, _, more, ..] => return Ok(complain(shell, &format!("extra argument: \"{more}\""))),
        [..] => return Err(Usage),
    };
    let Some((_, mode)) = MODES.iter().find(|(known, _)| known.starts_with(name.as_str())) else {
        let names: Vec<_> = MODES.iter().map(|(name, _)| *name).collect();
        return Ok(complain(shell, &format!("Error: mode should be one of: {}", names.join(" "))));
    };
    shell.format.set_mode(*mode);
    if *mode == Mode::Column && shell.format.headers.is_none() {
        shell.format.headers = Some(true);
    }
    if *mode == Mode::Insert {
        shell.format.table = table.cloned().unwrap_or_else(|| "table".into());
    }
    Ok(true)
}

fn nullvalue(shell: &mut Shell, args: &[String]) -> Outcome {
    let [text] = args else { return Err(Usage) };
    shell.format.null.clone_from(text);
    Ok(true)
}

fn output(shell: &mut Shell, args: &[String], once: bool) -> Outcome {
    shell.redirected = None;
    match args {
        [] if !once => Ok(true),
        [file] if file == "stdout" => Ok(true),
        [file] if file.starts_with('|') => Ok(complain(shell, "Error: output to programs is not supported")),
        [file] => match File::create(file) {
            Ok(created) => {
                let _ = shell.out.flush();
                shell.redirected = Some((created, once));
                Ok(true)
            }
            Err(_) => Ok(complain(shell, &format!("Error: cannot write to \"{file}\""))),
        },
        _ => Err(Usage),
    }
}

fn reopen(shell: &mut Shell, args: &[String]) -> Outcome {
    let (read_only, file) = match args {
        [] => (false, None),
        [option] if option.trim_start_matches('-') == "readonly" && option.starts_with('-') => (true, None),
        [option, file] if option.trim_start_matches('-') == "readonly" && option.starts_with('-') => (true, Some(file)),
        [file] if !file.starts_with('-') => (false, Some(file)),
        [option, ..] if option.starts_with('-') => {
            return Ok(complain(shell, &format!("unknown option: {option}")));
        }
        _ => return Err(Usage),
    };
    let file = file.filter(|file| *file != ":memory:").cloned();
    match open(file.as_deref(), read_only) {
        Ok(db) => {
            (shell.db, shell.file, shell.read_only) = (db, file, read_only);
            Ok(true)
        }
        Err(failure) => {
            let file = file.unwrap_or_default();
            Ok(complain(shell, &format!("Error: unable to open database \"{file}\": {failure}")))
        }
    }
}

fn print(shell: &mut Shell, args: &[String]) -> Outcome {
    say(shell, &format!("{}\n", args.join(" ")))
}

fn prompt(shell: &mut Shell, args: &[String]) -> Outcome {
    for (prompt, text) in shell.prompts.iter_mut().zip(args) {
        prompt.clone_from(text);
    }
    Ok(true)
}

fn separator(shell: &mut Shell, args: &[String]) -> Outcome {
    let (columns, rows) = match args {
        [columns] => (columns, None),
        [columns, rows] => (columns, Some(rows)),
        _ => return Err(Usage),
    };
    shell.format.column_separator = columns.clone();
    if let Some(rows) = rows {
        shell.format.row_separator = rows.clone();
    }
    Ok(true)
}

fn show(shell: &mut Shell, args: &[String]) -> Outcome {
    if !args.is_empty() {
        return Err(Usage);
    }
    let on = |on: bool| if on { "on" } else { "off" };
    let escaped = |text: &str| {
        let text: String = text.chars().flat_map(char::escape_default).collect();
        text
    };
    let format = &shell.format;
    let mode = MODES.iter().find(|(_, mode)| *mode == format.mode).map_or("", |(name, _)| name);
    let widths: String = format.widths.iter().map(|width| format!("{width} ")).collect();
    let lines = [
        ("echo", on(shell.echo).to_owned()),
        ("eqp", on(shell.plans).to_owned()),
        ("explain", "auto".to_owned()),
        ("headers", on(format.headers.unwrap_or(false)).to_owned()),
        ("mode", mode.to_owned()),
        ("nullvalue", format!("\"{}\"", format.null)),
        ("output", if shell.redirected.is_some() { "file" } else { "stdout" }.to_owned()),
        ("colseparator", format!("\"{}\"", escaped(&format.column_separator))),
        ("rowseparator", format!("\"{}\"", escaped(&format.row_separator))),
        ("stats", "off".to_owned()),
        ("width", widths),
        ("filename", shell.file.clone().unwrap_or_else(|| ":memory:".into())),
    ];
    let text: String = lines.iter().map(|(name, value)| format!("{name:>12}: {value}\n")).collect();
    say(shell, &text)
}

fn timeout(shell: &mut Shell, args: &[String]) -> Outcome {
    let limit = match args {
        [] => 0,
        [limit] => limit.parse::<i32>().map_err(|_| Usage)?,
        _ => return Err(Usage),
    };
    match shell.db.execute(&format!("PRAGMA busy_timeout = {limit}"), ()) {
        Ok(_) => Ok(true),
        Err(failure) => Ok(complain(shell, &format!("Error: {}", failure.message()))),
    }
}

fn version(shell: &mut Shell, _: &[String]) -> Outcome {
    say(shell, &format!("xs-sqlite {}\n", env!("CARGO_PKG_VERSION")))
}

fn width(shell: &mut Shell, args: &[String]) -> Outcome {
    shell.format.widths = args.iter().map(|arg| arg.parse().map_err(|_| Usage)).collect::<Result<_, _>>()?;
    Ok(true)
}
