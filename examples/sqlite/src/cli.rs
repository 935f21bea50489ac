//! The command line: SQLite's options, each with one dash or two.

use crate::output::{Format, Mode};

/// What `--help` says.
pub const HELP: &str = "\
Usage: xs-sqlite [OPTIONS] [FILENAME [SQL]...]
FILENAME is a database in SQLite's format. It is made if there is none. Without one, the database is in memory.
Each SQL is statements, or a command that begins with a dot. Without any they are read from the standard input.
OPTIONS:
   -ascii               set output mode to 'ascii'
   -bail                stop after the first error
   -batch               no prompts, no line editing
   -box                 set output mode to 'box'
   -cmd COMMAND         run COMMAND before anything else
   -column              set output mode to 'column'
   -csv                 set output mode to 'csv'
   -echo                print what is run before it is
   -[no]header          turn headers on or off
   -help                show this message
   -html                set output mode to HTML
   -init FILENAME       read FILENAME first
   -interactive         prompts, whatever the input is
   -json                set output mode to 'json'
   -line                set output mode to 'line'
   -list                set output mode to 'list'
   -markdown            set output mode to 'markdown'
   -newline SEP         set the separator of rows; default: '\\n'
   -nullvalue TEXT      set the text for NULL; default: ''
   -quote               set output mode to 'quote'
   -readonly            open the database for reading only
   -separator SEP       set the separator of columns; default: '|'
   -table               set output mode to 'table'
   -tabs                set output mode to 'tabs'
   -version             show the version
";

/// What was asked for.
#[derive(Debug, Default)]
pub struct Options {
    /// The database; nothing for one in memory.
    pub file: Option<String>,
    /// What to run in place of the input.
    pub statements: Vec<String>,
    /// What to run before.
    pub commands: Vec<String>,
    /// A file to read before.
    pub init: Option<String>,
    /// How rows are written.
    pub format: Format,
    /// Stop at the first error.
    pub bail: bool,
    /// Print what is run.
    pub echo: bool,
    /// Change nothing.
    pub read_only: bool,
    /// Prompt, or don't, whatever the input is.
    pub interactive: Option<bool>,
}

/// What there is to do.
#[derive(Debug)]
pub enum Request {
    /// Run.
    Run(Box<Options>),
    /// Say how it is used.
    Help,
    /// Say which version it is.
    Version,
}

/// Reads the arguments behind the program's name.
///
/// # Errors
///
/// What is wrong with them.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Request, String> {
    let mut options = Options::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let Some(name) = arg.strip_prefix('-').filter(|name| !name.is_empty()) else {
            match options.file {
                None => options.file = Some(arg),
                Some(_) => options.statements.push(arg),
            }
            continue;
        };
        let mut value = || args.next().ok_or_else(|| format!("missing argument to {arg}"));
        let format = &mut options.format;
        match name.strip_prefix('-').unwrap_or(name) {
            "help" | "?" => return Ok(Request::Help),
            "version" => return Ok(Request::Version),
            "bail" => options.bail = true,
            "batch" => options.interactive = Some(false),
            "interactive" => options.interactive = Some(true),
            "echo" => options.echo = true,
            "readonly" => options.read_only = true,
            "header" | "headers" => format.headers = Some(true),
            "noheader" | "noheaders" => format.headers = Some(false),
            "cmd" => options.commands.push(value()?),
            "init" => options.init = Some(value()?),
            "newline" => format.row_separator = value()?,
            "nullvalue" => format.null = value()?,
            "separator" => format.column_separator = value()?,
            "ascii" => format.set_mode(Mode::Ascii),
            "box" => format.set_mode(Mode::Box),
            "column" => format.set_mode(Mode::Column),
            "csv" => {
                format.set_mode(Mode::Csv);
                // As sqlite3 has it: lines end as on this system, unlike those of `.mode csv`.
                format.row_separator = "\n".into();
            }
            "html" => format.set_mode(Mode::Html),
            "json" => format.set_mode(Mode::Json),
            "line" => format.set_mode(Mode::Line),
            "list" => format.set_mode(Mode::List),
            "markdown" => format.set_mode(Mode::Markdown),
            "quote" => format.set_mode(Mode::Quote),
            "table" => format.set_mode(Mode::Table),
            "tabs" => format.set_mode(Mode::Tabs),
            _ => return Err(format!("unknown option: {arg}")),
        }
    }
    Ok(Request::Run(Box::new(options)))
}

/// A text with C's escapes read: `\n`, `\t`, `\\`, three octal digits.
pub(crate) fn unescaped(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let digits = rest.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
        if digits > 0 {
            out.extend(u8::from_str_radix(&rest[..digits], 8).ok().map(char::from));
            rest = &rest[digits..];
            continue;
        }
        let Some(escaped) = rest.chars().next() else {
            out.push('\\');
            break;
        };
        out.push(match escaped {
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0C',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0B',
            other => other,
        });
        rest = &rest[escaped.len_utf8()..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Options {
        match parse(args.iter().map(ToString::to_string)) {
            Ok(Request::Run(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_are_those_of_sqlite() {
        let options =
            run(&["-csv", "--header", "-separator", "\\t", "-cmd", ".bail on", "f.db", "SELECT 1", ".tables"]);
        assert_eq!((options.format.mode, options.format.headers), (Mode::Csv, Some(true)));
        assert_eq!((&*options.format.column_separator, &*options.format.row_separator), ("\\t", "\n"));
        assert_eq!(options.file.as_deref(), Some("f.db"));
        assert_eq!((options.statements.len(), options.commands.len()), (2, 1));
        assert!(parse(["-nope".to_owned()]).unwrap_err().contains("unknown option: -nope"));
        assert!(parse(["-separator".to_owned()]).is_err());
        assert!(matches!(parse(["-help".to_owned()]), Ok(Request::Help)));
    }

    #[test]
    fn escapes_are_those_of_c() {
        assert_eq!(unescaped("a\\tb\\\\\\101\\n\\"), "a\tb\\A\n\\");
        assert_eq!(unescaped("\\ü"), "ü");
    }
}
