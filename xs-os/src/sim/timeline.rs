//! A run as text, and as a sequence diagram.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::trace::{Entry, What};

/// An entry a line.
pub(super) fn text<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    entries.fold(String::new(), |mut text, entry| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{entry}");
        text
    })
}

/// Pixels between two lifelines, and between two moments.
const COLUMN: u32 = 220;
const ROW: u32 = 16;
const TOP: u32 = 48;
const LEFT: u32 = 130;
/// What is drawn at most: browsers are slow behind some ten thousand shapes.
const MOST: usize = 4000;

/// An HTML page with one SVG drawing: a lifeline a node, time downwards (a row for each thing that happened, so nothing
/// lies on top of another), an arrow for each message, a band for each time that a node was down or stood still.
pub(super) fn html<'a>(title: &str, nodes: u32, entries: impl Iterator<Item = &'a Entry>) -> String {
    let mut entries: Vec<&Entry> = entries.collect();
    let left_out = entries.len().saturating_sub(MOST);
    entries.drain(..left_out);
    let x = |node: u32| LEFT + COLUMN / 2 + node * COLUMN;
    let y = |row: usize| TOP + ROW * (row as u32 + 1);
    let (width, height) = (LEFT + nodes * COLUMN + 20, y(entries.len()) + 20);
    let mut bands = String::new();
    let mut shapes = String::new();
    // Rows at which messages left; nodes that are down (since which row) or stand still.
    let mut sent: BTreeMap<u64, usize> = BTreeMap::new();
    let mut down: BTreeMap<u32, usize> = BTreeMap::new();
    let mut still: BTreeMap<u32, usize> = BTreeMap::new();
    let arrivals: BTreeMap<u64, usize> = entries
        .iter()
        .enumerate()
        .filter_map(|(row, entry)| match &entry.what {
            What::Deliver { id, .. } => Some((*id, row)),
            _ => None,
        })
        .collect();
    let band = |bands: &mut String, node: u32, from: usize, to: usize, class: &str| {
        let (left, top, tall) = (x(node) - 9, y(from), y(to) - y(from));
        let _ = writeln!(bands, r#"<rect class="{class}" x="{left}" y="{top}" width="18" height="{tall}"/>"#);
    };
    let mut last_time = None;
    for (row, entry) in entries.iter().enumerate() {
        let at = y(row);
        let micros = entry.at.as_micros();
        if last_time != Some(micros) {
            let _ =
                writeln!(shapes, r#"<text class="t" x="4" y="{at}">{}.{:03} ms</text>"#, micros / 1000, micros % 1000);
        }
        last_time = Some(micros);
        let mut label = |x: u32, class: &str, text: &str| {
            let _ = writeln!(shapes, r#"<text class="{class}" x="{x}" y="{}">{}</text>"#, at - 3, escaped(text));
        };
        match &entry.what {
            What::Send { id, from, to, text } => {
                sent.insert(*id, row);
                label(x(from.0) + if to.0 > from.0 { 10 } else { 4 }, "m", text);
                // What is still on its way at the end of the drawing, or was lost, is a stub.
                if !arrivals.contains_key(id) && to.0 < nodes {
                    arrow(&mut shapes, (x(from.0), at), ((x(from.0) + x(to.0)) / 2, at + ROW / 2), "lost");
                }
            }
            What::Deliver { id, from, to } => {
                let start = sent.get(id).copied().unwrap_or(0);
                arrow(&mut shapes, (x(from.0), y(start)), (x(to.0), at), "msg");
            }
            What::Lose { to, why, .. } => label(x(to.0) + 10, "x", &format!("✗ {why:?}")),
            What::Timer { node, timer } => label(x(node.0) + 10, "t", &format!("timer {}", timer.0)),
            What::Start { node, life } => {
                if let Some(from) = down.remove(&node.0) {
                    band(&mut bands, node.0, from, row, "down");
                }
                label(x(node.0) + 10, "s", &format!("starts, life {life}"));
            }
            What::End { node, why } => {
                down.entry(node.0).or_insert(row);
                label(x(node.0) + 10, "x", why);
            }
            What::Pause { node } => drop(still.insert(node.0, row)),
            What::Resume { node } => {
                if let Some(from) = still.remove(&node.0) {
                    band(&mut bands, node.0, from, row, "still");
                }
            }
            What::Begin { text, node } => label(node.map_or(LEFT, |node| x(node.0) + 10), "f", &format!("▼ {text}")),
            What::Heal { text, node } => label(node.map_or(LEFT, |node| x(node.0) + 10), "f", &format!("▲ {text}")),
            What::Note { node, text } => label(node.map_or(LEFT, |node| x(node.0) + 10), "n", text),
        }
    }
    for (map, class) in [(&down, "down"), (&still, "still")] {
        map.iter().for_each(|(node, from)| band(&mut bands, *node, *from, entries.len(), class));
    }
    let mut lines = String::new();
    for node in 0..nodes {
        let x = x(node);
        let _ = writeln!(lines, r#"<text class="h" x="{x}" y="28">n{node}</text>"#);
        let _ = writeln!(lines, r#"<line class="life" x1="{x}" y1="{TOP}" x2="{x}" y2="{}"/>"#, height - 10);
    }
    let earlier = if left_out > 0 { format!(" ({left_out} earlier entries are left out)") } else { String::new() };
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\n\
         <body><h1>{title}{earlier}</h1>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\">\n\
         <defs><marker id=\"a\" markerWidth=\"8\" markerHeight=\"8\" refX=\"7\" refY=\"3\" orient=\"auto\">\
         <path d=\"M0,0 L7,3 L0,6\"/></marker></defs>\n{bands}{lines}{shapes}</svg></body></html>\n"
    )
}

const STYLE: &str = "body{font:13px sans-serif;margin:12px}h1{font-size:15px}text{font:11px monospace;fill:#333}\
    .t{fill:#999}.h{font-weight:bold;text-anchor:middle;font-size:14px}.m{fill:#246}.n{fill:#060}.x{fill:#a00}\
    .s{fill:#060}.f{fill:#a50;font-weight:bold}.life{stroke:#bbb}.down{fill:#f6c6c6}.still{fill:#d8d8f4}\
    line.msg{stroke:#357;marker-end:url(#a)}line.lost{stroke:#c66;stroke-dasharray:4 3}";

fn arrow(shapes: &mut String, from: (u32, u32), to: (u32, u32), class: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(shapes, r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#);
}

/// Text as HTML, and not too long.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(160) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
