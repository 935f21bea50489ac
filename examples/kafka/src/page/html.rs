//! The page for people, in HTML.

use std::fmt::Display;

use super::seen::{GroupSeen, Seen, TopicSeen};

const BEFORE: &str = r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>xs-kafka</title>
<noscript><meta http-equiv="refresh" content="2"></noscript>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #222; background: #fafafa }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem }
table { border-collapse: collapse; background: #fff; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem; border: 1px solid #ddd; text-align: right; white-space: nowrap }
th { background: #f0f0f0; font-weight: 600 } td:first-child, th:first-child { text-align: left }
@media (prefers-color-scheme: dark) {
  body { background: #16181c; color: #ddd } table { background: #1d2026 } th { background: #262a31 }
  th, td { border-color: #363b44 }
}
</style>
<h1>xs-kafka</h1>
<main id="tables">
"#;

const AFTER: &str = r#"</main>
<p><a href="/metrics">Prometheus</a></p>
<script>
const tables = document.getElementById("tables");
async function show() {
  try {
    const answer = await fetch("/tables");
    if (answer.ok) tables.innerHTML = await answer.text();
    document.title = "xs-kafka";
  } catch {
    document.title = "no answer: xs-kafka";
  }
  setTimeout(show, 1000);
}
setTimeout(show, 1000);
</script>
"#;

pub(super) fn whole(seen: &Seen) -> String {
    format!("{BEFORE}{}{AFTER}", tables(seen))
}

pub(super) fn tables(seen: &Seen) -> String {
    let mut html =
        "<h2>Topics</h2>\n<table><tr><th>name<th>partitions<th>stopped<th>records<th>disk<th>records in/s<th>in/s\
                    <th>out/s<th>records in<th>in<th>out</tr>\n"
            .to_owned();
    seen.topics.iter().for_each(|topic| html += &row_of_topic(topic));
    html += "</table>\n<h2>Groups</h2>\n<table><tr><th>name<th>state<th>generation<th>members<th>lag</tr>\n";
    seen.groups.iter().for_each(|group| html += &row_of_group(group));
    html += "</table>\n<h2>Lag</h2>\n<table><tr><th>group<th>topic<th>partition<th>committed<th>end<th>lag</tr>\n";
    for group in &seen.groups {
        for offset in &group.offsets {
            let (name, topic) = (escaped(&group.name), escaped(&offset.topic));
            html +=
                &row([&name as &dyn Display, &topic, &offset.partition, &offset.committed, &offset.end, &offset.lag()]);
        }
    }
    html += "</table>\n";
    if seen.left_out > 0 {
        html += &format!("<p>{} more groups and offsets are not shown.</p>\n", seen.left_out);
    }
    let states = seen.transactions.iter().filter(|(_, count)| *count > 0);
    let states: Vec<String> = states.map(|(state, count)| format!("{count} {state}")).collect();
    let states = if states.is_empty() { "none".to_owned() } else { states.join(", ") };
    let (sessions, partitions) = seen.sessions;
    html + &format!("<p>Transactional ids: {states}. Fetch sessions: {sessions}, of {partitions} partitions.</p>\n")
}

fn row_of_topic(topic: &TopicSeen) -> String {
    let (counts, rates) = (&topic.counts, &topic.rates);
    row([
        &escaped(&topic.name) as &dyn Display,
        &topic.partitions,
        &topic.stopped,
        &topic.records,
        &bytes(topic.disk_bytes),
        &format!("{:.0}", rates.produced_records),
        &bytes(rates.produced_bytes as u64),
        &bytes(rates.fetched_bytes as u64),
        &counts.produced_records,
        &bytes(counts.produced_bytes),
        &bytes(counts.fetched_bytes),
    ])
}

fn row_of_group(group: &GroupSeen) -> String {
    let lag: u64 = group.offsets.iter().map(|offset| offset.lag()).sum();
    row([&escaped(&group.name) as &dyn Display, &group.state.name(), &group.generation, &group.members, &lag])
}

fn row<const N: usize>(cells: [&dyn Display; N]) -> String {
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}")).collect();
    format!("<tr>{cells}</tr>\n")
}

fn bytes(count: u64) -> String {
    let mut amount = count as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if amount < 1024.0 {
            return if unit == "B" { format!("{count} B") } else { format!("{amount:.1} {unit}") };
        }
        amount /= 1024.0;
    }
    format!("{amount:.1} TiB")
}

/// Names of groups are the clients'.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::State;

    #[test]
    fn a_groups_name_is_no_markup_and_lag_is_added_up() {
        let offset = |committed| super::super::seen::OffsetSeen { topic: "t".into(), partition: 1, committed, end: 10 };
        let group = GroupSeen {
            name: "<script>&".into(),
            state: State::Stable,
            generation: 3,
            members: 2,
            offsets: vec![offset(4), offset(10)],
        };
        let html = tables(&Seen { groups: vec![group], left_out: 5, ..Seen::default() });
        assert!(html.contains("<tr><td>&lt;script&gt;&amp;<td>Stable<td>3<td>2<td>6</tr>"), "{html}");
        assert!(html.contains("<td>t<td>1<td>4<td>10<td>6</tr>"), "{html}");
        assert!(html.contains("5 more") && !html.contains("<script"), "{html}");
    }

    #[test]
    fn amounts_have_units() {
        let shown = [0, 1023, 1024, 1 << 21, 3 << 40].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "2.0 MiB", "3.0 TiB"]);
    }
}
