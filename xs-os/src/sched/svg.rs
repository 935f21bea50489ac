//! A run as a Gantt chart that stands alone: SVG, for light and dark pages.

use std::fmt::Write as _;

use super::Time;
use super::timeline::{cells, human};
use super::trace::Run;

/// More stretches than these are drawn as columns.
const MOST_BARS: usize = 5_000;
/// Columns, then.
const COLUMNS: usize = 960;
/// Kinds in the legend.
const MOST_NAMED: usize = 32;

const LEFT: usize = 60;
const WIDTH: usize = 960;
const TOP: usize = 48;
const ROW: usize = 28;
const BAR: usize = 20;

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#222}.t{font-size:15px;font-weight:600}.a{fill:#666}\
.g{stroke:#8884}.r{fill:#8882}.h{opacity:.35}rect.b{stroke:#0003;stroke-width:.5}\
svg{background:#fff}@media(prefers-color-scheme:dark){svg{background:#161616}text{fill:#ddd}.a{fill:#aaa}}";

/// Draws a run: a row a CPU, a bar a stretch; a pale one is a system call that keeps its P. Pointing at a bar says who, from when to
/// when, and why no longer. A run of more than 5000 stretches is drawn by what each CPU did most of, in 960 columns.
pub fn svg(run: &Run) -> String {
    let rows = usize::from(run.cpus);
    let named = run.kinds.len().min(MOST_NAMED);
    let legend_top = TOP + rows * ROW + 44;
    let height = legend_top + named.div_ceil(4) * 20 + if named < run.kinds.len() { 28 } else { 8 };
    let total = LEFT + WIDTH + 20;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {total} {height}\" width=\"{total}\" height=\"{height}\" \
         role=\"img\"><title>{title}</title><style>{STYLE}</style>",
        title = escape(&format!("{} on {} CPUs", run.policy, run.cpus)),
    );
    let _ = writeln!(
        out,
        "<text class=\"t\" x=\"{LEFT}\" y=\"22\">{}</text><text class=\"a\" x=\"{LEFT}\" y=\"38\">{}</text>",
        escape(&format!("{}, {} CPUs, {}", run.policy, run.cpus, human(run.end))),
        escape(&run.outcome.to_string()),
    );
    for cpu in 0..rows {
        let y = TOP + cpu * ROW;
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">cpu {cpu}</text>\
             <rect class=\"r\" x=\"{LEFT}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{BAR}\"/>",
            LEFT - 8,
            y + 14,
        );
    }
    axis(&mut out, run, TOP + rows * ROW);
    if run.intervals.len() <= MOST_BARS {
        bars(&mut out, run)
    } else {
        columns(&mut out, run)
    }
    for (kind, name) in run.kinds.iter().take(named).enumerate() {
        let (x, y) = (LEFT + kind % 4 * (WIDTH / 4), legend_top + kind / 4 * 20);
        let short: String = name.chars().take(28).collect();
        let _ = writeln!(
            out,
            "<rect class=\"b\" x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"{}\">{}</text>",
            colour(kind),
            x + 18,
            y + 10,
            escape(&short),
        );
    }
    if named < run.kinds.len() {
        let y = legend_top + named.div_ceil(4) * 20 + 10;
        let _ = writeln!(out, "<text class=\"a\" x=\"{LEFT}\" y=\"{y}\">and {} more</text>", run.kinds.len() - named);
    }
    out.push_str("</svg>\n");
    out
}

fn x(run: &Run, at: Time) -> f64 {
    LEFT as f64 + at as f64 / run.end.max(1) as f64 * WIDTH as f64
}

fn bars(out: &mut String, run: &Run) {
    for i in &run.intervals {
        let Some(task) = run.tasks.get(i.task.index()) else { continue };
        let (from, to) = (x(run, i.from), x(run, i.to));
        let held = if i.held { " h" } else { "" };
        let says = format!("{}: {} to {}, {}", task.name, human(i.from), human(i.to), i.end);
        let _ = writeln!(
            out,
            "<rect class=\"b{held}\" x=\"{from:.2}\" y=\"{}\" width=\"{:.2}\" height=\"{BAR}\" fill=\"{}\"><title>{}</title></rect>",
            TOP + i.cpu.index() * ROW,
            (to - from).max(0.2),
            colour(task.kind),
            escape(&says),
        );
    }
}

fn columns(out: &mut String, run: &Run) {
    for (cpu, row) in cells(run, COLUMNS).iter().enumerate() {
        let mut at = 0;
        while at < row.len() {
            let most = row[at].most;
            let same = row[at..].iter().take_while(|cell| cell.most == most).count();
            if let Some((kind, held)) = most {
                let width = WIDTH as f64 / COLUMNS as f64;
                let name = run.kinds.get(kind).map_or("", |name| name.as_str());
                let _ = writeln!(
                    out,
                    "<rect class=\"b{}\" x=\"{:.2}\" y=\"{}\" width=\"{:.2}\" height=\"{BAR}\" fill=\"{}\">\
                     <title>mostly {}</title></rect>",
                    if held { " h" } else { "" },
                    LEFT as f64 + at as f64 * width,
                    TOP + cpu * ROW,
                    same as f64 * width,
                    colour(kind),
                    escape(name),
                );
            }
            at += same;
        }
    }
}

/// Lines at round times, five to ten of them.
fn axis(out: &mut String, run: &Run, bottom: usize) {
    let mut step: Time = 1;
    for factor in [2, 5, 10].into_iter().cycle() {
        if run.end / step <= 10 {
            break;
        }
        let decade = 10_u64.pow(step.ilog10());
        step = decade.saturating_mul(factor);
    }
    let mut at = 0;
    while at <= run.end {
        let x = x(run, at);
        let _ = writeln!(
            out,
            "<line class=\"g\" x1=\"{x:.2}\" x2=\"{x:.2}\" y1=\"{}\" y2=\"{bottom}\"/>\
             <text class=\"a\" x=\"{x:.2}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            TOP - 4,
            bottom + 16,
            human(at),
        );
        at = at.saturating_add(step);
    }
}

/// Far from the ones before it, for as long as that is possible; fit for white and for black.
fn colour(kind: usize) -> String {
    let hue = (kind * 137 + 210) % 360;
    format!("hsl({hue} {}% {}%)", 65 - kind / 8 % 3 * 15, 55 - kind / 24 % 3 * 10)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML has no word for these.
            c if (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                out.push('\u{fffd}')
            }
            c => out.push(c),
        }
    }
    out
}
