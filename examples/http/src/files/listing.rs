//! A directory as a page.

use std::fmt::Write;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use xs_proto::http1::http_date;

use super::root::Entry;

/// What a segment of a path in a link must not have as it is.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'/')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Text as it may stand between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            char => safe.push(char),
        }
    }
    safe
}

/// The page of a directory whose decoded path is `title`.
pub(super) fn page(title: &str, is_root: bool, entries: &[Entry], hidden: bool) -> String {
    let title = escaped(title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         \n<title>{title}</title>\n<style>body{{font:16px/1.5 system-ui,sans-serif;margin:2em}}\
         td{{padding-right:2em}}td+td{{color:#666;text-align:right}}</style>\n<h1>{title}</h1>\n<table>\n"
    );
    if !is_root {
        page.push_str("<tr><td><a href=\"../\">../</a><td><td>\n");
    }
    for entry in entries {
        let name = entry.name.to_string_lossy();
        if name.starts_with('.') && !hidden {
            continue;
        }
        let slash = if entry.is_file { "" } else { "/" };
        let link = percent_encode(entry.name.as_encoded_bytes(), SEGMENT);
        let size = if entry.is_file { human(entry.len) } else { String::new() };
        let date = entry.modified.map(http_date).unwrap_or([b' '; 29]);
        // `./`, so that a name with a colon is not taken for a scheme.
        let _ = writeln!(
            page,
            "<tr><td><a href=\"./{link}{slash}\">{}{slash}</a><td>{size}<td>{}",
            escaped(&name),
            String::from_utf8_lossy(&date[5..22]).trim_end()
        );
    }
    page.push_str("</table>\n");
    page
}

/// `713 B`, `4.2 MiB`.
fn human(len: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = len as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{len} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_and_never_markup() {
        let entry = |name: &str, is_file| Entry { is_file, name: name.into(), len: 4_404_019, modified: None };
        let entries =
            [entry("d&d", false), entry("<script>\"'.txt", true), entry("a b%20?#:c", true), entry(".git", false)];
        let page = page("/<b>/", false, &entries, false);
        assert!(!page.contains("<script>") && !page.contains("<b>") && !page.contains(".git"), "{page}");
        assert!(page.contains("<a href=\"./d%26d/\">d&amp;d/</a>"), "{page}");
        assert!(page.contains("<a href=\"./%3Cscript%3E%22%27.txt\">&lt;script&gt;&quot;&#39;.txt</a>"), "{page}");
        assert!(page.contains("<a href=\"./a%20b%2520%3F%23%3Ac\">a b%20?#:c</a>"), "{page}");
        assert!(page.contains("4.2 MiB") && page.contains("href=\"../\""), "{page}");
    }
}
