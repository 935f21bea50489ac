//! Lines from a person: editing and history.

use std::io::Write;
use std::path::PathBuf;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use crate::shell::Shell;

/// Runs what is typed, to the end. How many statements failed, of which nobody hears.
pub(crate) fn run(shell: &mut Shell) -> usize {
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(shell.out, "xs-sqlite {version}\nEnter \".help\" for usage hints.");
    if shell.file.is_none() {
        let _ = writeln!(shell.out, "Connected to a transient in-memory database.");
        let _ = writeln!(shell.out, "Use \".open FILENAME\" to reopen on a persistent database.");
    }
    let mut editor = match DefaultEditor::new() {
        Ok(editor) => editor,
        Err(error) => {
            let _ = writeln!(shell.err, "Error: no terminal: {error}");
            return 1;
        }
    };
    let history = history();
    if let Some(history) = &history {
        // There is none the first time.
        let _ = editor.load_history(history);
    }
    let (mut pending, mut first) = (String::new(), 1);
    for number in 1.. {
        let prompt = &shell.prompts[usize::from(!pending.trim().is_empty())];
        match editor.readline(prompt) {
            Ok(line) => {
                let _ = editor.add_history_entry(&line);
                shell.line(&line, &mut pending, &mut first, number);
                let _ = shell.out.flush();
                if shell.ended {
                    break;
                }
            }
            // What was typed so far is given up.
            Err(ReadlineError::Interrupted) => pending.clear(),
            Err(_) => break,
        }
    }
    if let Some(history) = &history {
        let _ = editor.save_history(history);
    }
    0
}

fn history() -> Option<PathBuf> {
    let set = std::env::var_os("SQLITE_HISTORY").map(PathBuf::from);
    set.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".sqlite_history")))
}
