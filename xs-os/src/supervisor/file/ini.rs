//! The syntax of unit files: sections, assignments, comments, continued lines.

use super::Problem;

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) section: &'a str,
    pub(super) key: &'a str,
    /// With continued lines put together, by one blank for each break.
    pub(super) value: String,
    /// The line that it begins in, from 1.
    pub(super) line: usize,
}

/// A unit file is no longer than this.
pub(super) const LONGEST: usize = 1 << 20;

/// All assignments in their order, and what is wrong with which line; those lines are left out.
pub(super) fn parse(text: &str) -> (Vec<Entry<'_>>, Vec<(usize, Problem)>) {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut wrong = Vec::new();
    let mut section = None;
    // Whether the last line goes on; and if so, whether what goes on was kept.
    let mut goes_on = false;
    let mut kept = false;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        let bare = line.trim_start();
        // A comment between continued lines is no part of them, and does not end them.
        if bare.starts_with(['#', ';']) || (!goes_on && bare.trim_end().is_empty()) {
            continue;
        }
        let (content, continued) = match line.strip_suffix('\\') {
            Some(content) => (content, true),
            None => (line, false),
        };
        if goes_on {
            if let Some(last) = entries.last_mut().filter(|_| kept) {
                last.value.push(' ');
                last.value.push_str(content.trim());
            }
            goes_on = continued;
            continue;
        }
        (goes_on, kept) = (continued, false);
        let content = content.trim();
        if let Some(header) = content.strip_prefix('[') {
            section = header.strip_suffix(']');
            if section.is_none() {
                wrong.push((number, Problem::Bad(format!("Invalid section header '{content}'"))));
            }
        } else if let Some((key, value)) = content.split_once('=') {
            match section {
                Some(section) => {
                    let (key, value) = (key.trim_end(), value.trim_start().to_owned());
                    entries.push(Entry { section, key, value, line: number });
                    kept = true;
                }
                None => wrong.push((number, Problem::Bad("Assignment outside of section, ignoring".into()))),
            }
        } else {
            wrong.push((number, Problem::Bad("Missing '=', ignoring line".into())));
        }
    }
    for entry in &mut entries {
        entry.value.truncate(entry.value.trim_end().len());
    }
    (entries, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_on_over_comments() {
        let text = "# c\n[Service]\nExecStart = /bin/a \\\n  ; no\n# no\n  b \\\n c \n\nUser=x\n=v\n[bad\nfoo\n";
        let (entries, wrong) = parse(text);
        let all: Vec<_> = entries.iter().map(|e| (e.section, e.key, e.value.as_str(), e.line)).collect();
        assert_eq!(
            all,
            [("Service", "ExecStart", "/bin/a b c", 3), ("Service", "User", "x", 9), ("Service", "", "v", 10)]
        );
        assert_eq!(wrong.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [11, 12]);
        let (entries, wrong) = parse("A=1\n[U]\nA=\\\n");
        assert_eq!((entries.len(), wrong.len()), (1, 1));
        assert_eq!(entries[0].value, "");
    }
}
