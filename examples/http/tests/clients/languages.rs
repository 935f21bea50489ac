//! Python, Node and wrk.

use super::*;

/// The Python of the tests' own packages, or the system's.
fn python() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/venv/bin/python");
    if own.exists() { own } else { PathBuf::from("python3") }
}

const HTTP_CLIENT: &str = r#"
import http.client, json, sys
host, port = sys.argv[1].split(":")
c = http.client.HTTPConnection(host, int(port), timeout=20)
def ask(method, path, body=None, headers={}):
    c.request(method, path, body, headers)
    r = c.getresponse()
    return r.status, r.getheader("content-type"), r.read()
head = {"Content-Type": "application/json"}
status, kind, body = ask("POST", "/todos", json.dumps({"title": "tea"}), head)
assert (status, kind) == (201, "application/json"), (status, kind, body)
# A body in chunks, on the same connection.
status, kind, body = ask("POST", "/todos", iter([b'{"tit', b'le": "ca', b'ke"}']), head)
assert status == 201, (status, body)
assert [t["title"] for t in json.loads(ask("GET", "/todos")[2])] == ["tea", "cake"]
assert ask("HEAD", "/todos")[2] == b""
assert ask("DELETE", "/todos/1")[0] == 204
status, kind, body = ask("GET", "/todos/1")
assert (status, kind, json.loads(body)["status"]) == (404, "application/problem+json", 404), body
for n in range(500):
    assert ask("GET", "/health")[2] == b"ok\n"
print("fine")
"#;

#[tokio::test]
#[ignore = "needs python3"]
async fn python_http_client_keeps_a_connection() {
    let program = Program::start(&["api", "--quiet"]).await;
    let address = program.url.strip_prefix("http://").unwrap();
    assert_eq!(said(python(), &["-c", HTTP_CLIENT, address]).await, "fine\n");
}

const REQUESTS: &str = r#"
import requests, sys
url, ca = sys.argv[1:]
s = requests.Session()
s.trust_env = False  # or a proxy, and another list of authorities
s.verify = ca
r = s.get(url + "/words.txt")
assert r.text == "word " * 20000 and r.headers["content-encoding"] in ("gzip", "br", "zstd"), r.headers
again = s.get(url + "/words.txt", headers={"If-None-Match": r.headers["etag"]})
assert again.status_code == 304, again
part = s.get(url + "/words.txt", headers={"Range": "bytes=0-3", "Accept-Encoding": "identity"})
assert (part.status_code, part.content) == (206, b"word"), part
assert s.get(url + "/words", allow_redirects=False).status_code == 308
assert s.get(url + "/words").status_code == 200
assert s.post(url + "/words.txt", data=b"x" * 5000000).status_code == 405
assert s.get(url + "/%2e%2e/x").status_code == 404
print("fine")
"#;

#[tokio::test]
#[ignore = "needs python3 with requests"]
async fn python_requests_over_tls() {
    let (dir, secrets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(dir.path(), "words.txt", "word ".repeat(20_000).as_bytes());
    std::fs::create_dir(dir.path().join("words")).unwrap();
    write(dir.path(), "words/index.html", b"<p>words");
    let (cert, key) = certificate(secrets.path(), &["localhost", "127.0.0.1"]);
    let args = ["serve", text(dir.path()), "--compress", "--tls-cert", text(&cert), "--tls-key", text(&key)];
    let program = Program::start(&args).await;
    let url = program.url.replace("127.0.0.1", "localhost");
    assert_eq!(said(python(), &["-c", REQUESTS, &url, text(&cert)]).await, "fine\n");
}

const FETCH: &str = r#"
const [url] = process.argv.slice(1);
const check = (what, ok) => { if (!ok) { console.error(what); process.exit(1); } };
(async () => {
  const made = await Promise.all([...Array(50).keys()].map(n => fetch(url + "/todos", {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ title: `todo ${n}` }),
  }).then(r => r.json())));
  check("ids", new Set(made.map(t => t.id)).size === 50);
  const all = await (await fetch(url + "/todos")).json();
  check("all", all.length === 50);
  const missing = await fetch(url + "/todos/99");
  check("problem", missing.status === 404 && missing.headers.get("content-type") === "application/problem+json");
  const streamed = await fetch(url + "/todos", {
    method: "POST", headers: { "content-type": "application/json" }, duplex: "half",
    body: new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode('{"title":')); setTimeout(() => {
      c.enqueue(new TextEncoder().encode('"later"}')); c.close(); }, 50); } }),
  });
  check("streamed", streamed.status === 201);
  const preflight = await fetch(url + "/todos", { method: "OPTIONS", headers: {
    "origin": "https://a.example", "access-control-request-method": "PATCH" } });
  check("cors", preflight.headers.get("access-control-allow-origin") === "*");
  console.log("fine");
})();
"#;

#[tokio::test]
#[ignore = "needs node"]
async fn node_fetch_many_at_once_and_streamed() {
    let program = Program::start(&["api", "--cors", "--quiet"]).await;
    assert_eq!(said("node", &["-e", FETCH, &program.url]).await, "fine\n");
}

#[tokio::test]
#[ignore = "needs wrk"]
async fn a_burst_of_wrk_loses_no_request() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "small.txt", b"hello");
    write(dir.path(), "large.bin", &pattern(300_000));
    let program = Program::start(&["serve", text(dir.path()), "--quiet"]).await;
    for name in ["small.txt", "large.bin"] {
        let url = format!("{}/{name}", program.url);
        let report = said("wrk", &["-c", "64", "-t", "1", "-d", "2", &url]).await;
        assert!(report.contains("Requests/sec"), "{report}");
        assert!(!report.contains("Socket errors") && !report.contains("Non-2xx"), "{report}");
    }
}
