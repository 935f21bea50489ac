//! Command lines.

use super::Draft;
use crate::supervisor::file::Problem;
use crate::supervisor::file::words::split;
use crate::supervisor::unit::Exec;

impl Draft<'_> {
    /// The commands of one value: several if a word `;` stands between them.
    pub(super) fn commands(&self, value: &str) -> Result<Vec<Exec>, Problem> {
        let mut all = Vec::new();
        let words = split(value).map_err(Problem::Bad)?;
        // A semicolon that is quoted or escaped is a word like others, and splitting forgets quotes: so the marks are looked
        // for in the text as it stands.
        let parts = marks(value);
        let mut words = words.into_iter();
        for count in parts {
            let part: Vec<String> = words.by_ref().take(count).collect();
            words.next();
            if !part.is_empty() {
                all.push(self.command(&part)?);
            }
        }
        Ok(all)
    }

    fn command(&self, words: &[String]) -> Result<Exec, Problem> {
        let bad = |why: String| Problem::Bad(format!("{why}, ignoring: {}", words.join(" ")));
        let mut exec = Exec::default();
        let (first, rest) = words.split_first().ok_or_else(|| bad("Empty command line".into()))?;
        let mut path = first.as_str();
        let mut own_name = false;
        while let Some(c) = path.chars().next() {
            match c {
                '-' => exec.ignore_failure = true,
                '@' => own_name = true,
                ':' => exec.no_expansion = true,
                '+' | '!' => exec.full_privileges = true,
                '|' => return Err(bad("A command through a shell ('|') is not supported".into())),
                _ => break,
            }
            path = path.get(1..).unwrap_or_default();
        }
        exec.program = self.text(path)?;
        if exec.program.is_empty() || exec.program.ends_with('/') {
            return Err(bad("Executable path specifies a directory or nothing".into()));
        }
        if exec.program.contains('/') && !exec.program.starts_with('/') {
            return Err(bad("Neither a valid executable name nor an absolute path".into()));
        }
        let mut argv = rest.iter().map(|word| self.text(word)).collect::<Result<Vec<_>, _>>()?;
        if !own_name {
            argv.insert(0, exec.program.clone());
        } else if argv.is_empty() {
            return Err(bad("'@' needs a name after the path".into()));
        }
        if argv.iter().any(|word| word.contains('\0')) {
            return Err(bad("A word with a zero byte".into()));
        }
        exec.argv = argv;
        Ok(exec)
    }
}

/// How many words stand before each `;` that is a word by itself, and after the last one.
fn marks(value: &str) -> Vec<usize> {
    let mut counts = vec![0];
    let mut word = String::new();
    let (mut quote, mut escaped) = (None, false);
    // A blank at the end ends the last word as well.
    for c in value.chars().chain([' ']) {
        if escaped {
            escaped = false;
            word.push(c);
        } else if c == '\\' {
            escaped = true;
            word.push(c);
        } else if quote == Some(c) {
            quote = None;
            word.push(c);
        } else if quote.is_none() && matches!(c, '"' | '\'') {
            quote = Some(c);
            word.push(c);
        } else if quote.is_none() && c.is_ascii_whitespace() {
            match (word.as_str(), counts.last_mut()) {
                ("", _) | (_, None) => {}
                (";", _) => counts.push(0),
                (_, Some(last)) => *last += 1,
            }
            word.clear();
        } else {
            word.push(c);
        }
    }
    counts
}
