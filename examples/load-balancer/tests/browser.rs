//! The admin page in a real browser: it loads, its numbers move by themselves, and its buttons do what they say.

mod support;

use std::path::PathBuf;
use std::process::Stdio;

use support::{Does, Endpoint, Wire, get, status};
use tokio::net::TcpStream;
use tokio::process::Command;
use xs_load_balancer::{Balancer, Config, Machine};

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Looks at the page as a user does. What it finds wrong is an exception; what the browser complains of, too.
const SCRIPT: &str = r#"
import sys, urllib.request
from playwright.sync_api import expect, sync_playwright

page_url, web_url = sys.argv[1:]
# A browser on a busy machine is slow; how slow is not what is tried here.
expect.set_options(timeout=60_000)
with sync_playwright() as p:
    browser = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"], timeout=120_000)
    page = browser.new_page()
    page.set_default_timeout(60_000)
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    page.goto(page_url)
    assert page.title() == "xs-load-balancer", page.title()
    assert page.locator("h2").all_inner_texts() == ["Listeners", "Pool app"], page.content()
    names = page.locator("table").first.locator("th").all_inner_texts()
    cell = page.locator("table").first.locator("td").nth(names.index("requests"))
    assert cell.inner_text() == "0", cell.inner_text()
    # Nobody loads the page again.
    for n in range(7):
        urllib.request.urlopen(web_url, timeout=60).read()
    expect(cell).to_have_text("7")

    expect(page.locator("span.well")).to_have_count(2)
    page.locator("form button").first.click()
    expect(page.locator("span.draining")).to_have_count(1)
    expect(page.locator("span.well")).to_have_count(1)
    assert page.url == page_url, page.url
    page.locator("form button", has_text="enable").click()
    expect(page.locator("span.well")).to_have_count(2)

    # Without scripts the browser loads it again by itself.
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.set_default_timeout(60_000)
    plain.goto(page_url)
    cell = plain.locator("table").first.locator("td").nth(names.index("requests"))
    expect(cell).to_have_text("7")
    urllib.request.urlopen(web_url, timeout=60).read()
    expect(cell).to_have_text("8")
    assert not complaints, complaints
    browser.close()
print("good")
"#;

#[tokio::test]
#[ignore = "needs chromium and Python's playwright"]
async fn the_page_loads_and_its_numbers_move() {
    let endpoints = [Endpoint::start(Does::Says(GOOD.into())).await, Endpoint::start(Does::Says(GOOD.into())).await];
    let text = format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\n[pool.app]\nendpoints = [\"{}\", \"{}\"]\n\
         [[listener]]\nname = \"web\"\nlisten = \"127.0.0.1:0\"\npool = \"app\"\n",
        endpoints[0].address, endpoints[1].address
    );
    let balancer = Balancer::start(Config::parse(&text).unwrap(), Machine::system()).unwrap();
    let (web, admin) = (balancer.address("web").unwrap(), balancer.admin_address().unwrap());
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.cache/venv/bin/python3"));
    let python = if own.exists() { own } else { "python3".into() };
    let output = Command::new(python)
        .args(["-c", SCRIPT, &format!("http://{admin}/"), &format!("http://{web}/")])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && output.stdout == b"good\n", "{said}");
    let mut wire = Wire::new(TcpStream::connect(web).await.unwrap());
    wire.send(&get("/")).await;
    assert_eq!(status(&wire.answer(false).await), 200);
}
