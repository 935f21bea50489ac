//! The page, in HTML.

use std::fmt::Display;
use std::time::Duration;

use super::guard::encoded;
use super::shown::{EndpointSeen, ListenerSeen, PoolSeen, Seen};

const BEFORE: &str = r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>xs-load-balancer</title>
<noscript><meta http-equiv="refresh" content="2"></noscript>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #222; background: #fafafa }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem }
table { border-collapse: collapse; background: #fff; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem; border: 1px solid #ddd; text-align: right; white-space: nowrap }
th { background: #f0f0f0; font-weight: 600 } td:first-child, th:first-child { text-align: left }
.well { color: #0a7a2f } .unwell, .ejected { color: #b00020; font-weight: 600 } .draining { color: #946200 }
button { font: inherit; padding: 0 .5rem } form { margin: 0 } .ending { color: #b00020 }
@media (prefers-color-scheme: dark) {
  body { background: #16181c; color: #ddd } table { background: #1d2026 } th { background: #262a31 }
  th, td { border-color: #363b44 } .well { color: #58c57c } .unwell, .ejected { color: #ff7a85 } .draining { color: #e0b050 }
}
</style>
<h1>xs-load-balancer</h1>
<main id="tables">
"#;

const AFTER: &str = r#"</main>
<p><a href="/stats">JSON</a> · <a href="/metrics">Prometheus</a></p>
<script>
const tables = document.getElementById("tables");
async function show() {
  try {
    const answer = await fetch("/tables");
    // A button that is being pressed stays where it is.
    if (answer.ok && !tables.querySelector("button:active")) tables.innerHTML = await answer.text();
    document.title = "xs-load-balancer";
  } catch {
    document.title = "no answer: xs-load-balancer";
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
    let mut html = String::new();
    if seen.ending {
        html += "<p class=\"ending\">Ending: no new connections are taken.</p>\n";
    }
    html += "<h2>Listeners</h2>\n<table><tr><th>name<th>address<th>mode<th>open<th>taken<th>a second<th>requests\
             <th>2xx<th>3xx<th>4xx<th>5xx<th>broken<th>limited<th>in<th>out<th>p50<th>p99</tr>\n";
    seen.listeners.iter().for_each(|listener| html += &row_of_listener(listener));
    html += "</table>\n";
    for pool in &seen.pools {
        html += &table_of_pool(pool);
    }
    html
}

fn row_of_listener(listener: &ListenerSeen) -> String {
    let [broken, _, ok, moved, client, server] = listener.responses;
    let (received, sent) = (bytes(listener.received), bytes(listener.sent));
    row([
        &escaped(&listener.name) as &dyn Display,
        &listener.address,
        &listener.mode,
        &format!("{} of {}", listener.open, listener.most),
        &listener.connections,
        &format!("{:.0}", listener.rate),
        &listener.requests,
        &ok,
        &moved,
        &client,
        &server,
        &broken,
        &listener.limited,
        &received,
        &sent,
        &millis(listener.p50),
        &millis(listener.p99),
    ])
}

fn table_of_pool(pool: &PoolSeen) -> String {
    let mut html = format!(
        "<h2>Pool {}</h2>\n<p>{} requests, {} tried again, {} more often than the budget allows, {} found nobody.</p>\n\
         <table><tr><th>endpoint<th>zone<th>weight<th>state<th>under way<th>a second<th>requests<th>connects\
         <th>refused<th>late<th>broken<th>5xx<th>ejections<th>p50<th>p99<th></tr>\n",
        escaped(&pool.name),
        pool.requests,
        pool.retries,
        pool.over_budget,
        pool.nobody,
    );
    pool.endpoints.iter().for_each(|endpoint| html += &row_of_endpoint(&pool.name, endpoint));
    html + "</table>\n"
}

fn row_of_endpoint(pool: &str, endpoint: &EndpointSeen) -> String {
    let order = if endpoint.weight == 0 { "enable" } else { "drain" };
    let (pool, name) = (encoded(pool), encoded(&endpoint.name));
    row([
        &escaped(&endpoint.name) as &dyn Display,
        &escaped(endpoint.zone.as_deref().unwrap_or_default()),
        &endpoint.weight,
        &format!("<span class=\"{0}\">{0}</span>", endpoint.state),
        &endpoint.outstanding,
        &format!("{:.0}", endpoint.rate),
        &endpoint.requests,
        &endpoint.connects,
        &endpoint.connect_failures,
        &endpoint.timeouts,
        &endpoint.breaks,
        &endpoint.errors,
        &endpoint.ejections,
        &millis(endpoint.p50),
        &millis(endpoint.p99),
        &format!(
            "<form method=\"post\" action=\"/{order}?pool={pool}&amp;endpoint={name}\"><button>{order}</button></form>"
        ),
    ])
}

fn row<const N: usize>(cells: [&dyn Display; N]) -> String {
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}")).collect();
    format!("<tr>{cells}</tr>\n")
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
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

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_and_no_markup() {
        assert_eq!(escaped("<b>\"&'"), "&lt;b&gt;&quot;&amp;&#39;");
    }

    #[test]
    fn amounts_have_units() {
        let shown = [0, 1023, 1024, 1 << 21, 3 << 40].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "2.0 MiB", "3.0 TiB"]);
    }
}
