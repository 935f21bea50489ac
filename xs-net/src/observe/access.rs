//! One line for each request: [`AccessLog`] and [`Access`].

use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use xs_os::clock::Utc;

use super::TraceContext;

/// What a line tells. Text is as it came from the wire: it may hold anything.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Access<'a> {
    /// When the request came, by the calendar.
    pub time: SystemTime,
    /// Who asked.
    pub client: Option<IpAddr>,
    /// As whom, if that is known.
    pub user: Option<&'a [u8]>,
    /// The request's method.
    pub method: &'a [u8],
    /// The request's target as it was sent.
    pub target: &'a [u8],
    /// The protocol and its version, such as `HTTP/1.1`.
    pub protocol: &'a str,
    /// The response's status; 0 if there was none.
    pub status: u16,
    /// How many bytes the response's body had.
    pub bytes: u64,
    /// How long it took, to the end of the body.
    pub took: Duration,
    /// The field `Referer`.
    pub referer: Option<&'a [u8]>,
    /// The field `User-Agent`.
    pub agent: Option<&'a [u8]>,
    /// Which backend answered.
    pub upstream: Option<&'a str>,
    /// The request's place in a trace.
    pub trace: Option<&'a TraceContext>,
}

impl<'a> Access<'a> {
    /// A request that came at `time`, and was not answered yet.
    pub fn new(time: SystemTime, method: &'a [u8], target: &'a [u8], protocol: &'a str) -> Self {
        Access {
            time,
            client: None,
            user: None,
            method,
            target,
            protocol,
            status: 0,
            bytes: 0,
            took: Duration::ZERO,
            referer: None,
            agent: None,
            upstream: None,
            trace: None,
        }
    }
}

/// How a line is written. Whatever a client sends, it is one line, and every field ends where it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AccessLog {
    /// The Common Log Format of NCSA's and Apache's servers:
    /// `192.0.2.1 - ada [06/Nov/1994:08:49:37 +0000] "GET / HTTP/1.1" 200 5`.
    ///
    /// Only printable ASCII is written as it is; any other byte, a quotation mark and a backslash become `\xHH`, so what was
    /// sent can be told exactly.
    Common,
    /// The same with `"referer" "user agent"` behind it.
    #[default]
    Combined,
    /// An object a line, of every field that is known: `time` (RFC 3339, milliseconds), `client`, `user`, `method`, `target`,
    /// `protocol`, `status`, `bytes`, `took` (seconds), `referer`, `agent`, `upstream`, `trace_id`, `span_id`. Text that is not
    /// UTF-8 has U+FFFD where it breaks; control characters and line separators are escaped.
    Json,
}

impl AccessLog {
    /// Appends a line, its `\n` included.
    pub fn write(self, access: &Access<'_>, out: &mut Vec<u8>) {
        match self {
            AccessLog::Common | AccessLog::Combined => common(access, self == AccessLog::Combined, out),
            AccessLog::Json => json(access, out),
        }
        out.push(b'\n');
    }
}

/// Writing to memory does not fail.
macro_rules! put {
    ($out:expr, $($what:tt)*) => {{
        let _ = write!($out, $($what)*);
    }};
}

fn common(access: &Access<'_>, combined: bool, out: &mut Vec<u8>) {
    match access.client {
        Some(client) => put!(out, "{client}"),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b" - ");
    match access.user {
        // Space would end the field here.
        Some(user) if !user.is_empty() => visible(user, b" \"\\", out),
        _ => out.push(b'-'),
    }
    let utc = Utc::from(access.time);
    let Utc { year, day, hour, minute, second, .. } = utc;
    put!(out, " [{day:02}/{}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000] \"", utc.month_name());
    visible(access.method, b"\"\\", out);
    out.push(b' ');
    visible(access.target, b"\"\\", out);
    out.push(b' ');
    visible(access.protocol.as_bytes(), b"\"\\", out);
    put!(out, "\" {} {}", access.status, access.bytes);
    if combined {
        for field in [access.referer, access.agent] {
            out.extend_from_slice(b" \"");
            visible(field.unwrap_or(b"-"), b"\"\\", out);
            out.push(b'"');
        }
    }
}

/// Text as it is where it is printable ASCII and not one of `except`, and else as `\xHH`.
fn visible(text: &[u8], except: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        if matches!(byte, b' '..=b'~') && !except.contains(&byte) {
            out.push(byte);
        } else {
            put!(out, "\\x{byte:02X}");
        }
    }
}

fn json(access: &Access<'_>, out: &mut Vec<u8>) {
    let Utc { year, month, day, hour, minute, second, nanos } = Utc::from(access.time);
    let millis = nanos / 1_000_000;
    put!(out, "{{\"time\":\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z\"");
    if let Some(client) = access.client {
        put!(out, ",\"client\":\"{client}\"");
    }
    let mut text = |name: &str, text: Option<&[u8]>| {
        if let Some(text) = text {
            put!(out, ",\"{name}\":\"");
            escaped(text, out);
            out.push(b'"');
        }
    };
    text("user", access.user);
    text("method", Some(access.method));
    text("target", Some(access.target));
    text("protocol", Some(access.protocol.as_bytes()));
    text("referer", access.referer);
    text("agent", access.agent);
    text("upstream", access.upstream.map(str::as_bytes));
    put!(out, ",\"status\":{},\"bytes\":{},\"took\":{:.6}", access.status, access.bytes, access.took.as_secs_f64());
    if let Some(trace) = access.trace {
        put!(out, ",\"trace_id\":\"{}\",\"span_id\":\"{}\"", trace.trace_id, trace.span_id);
    }
    out.push(b'}');
}

/// Text as the inside of a JSON string.
fn escaped(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '"' | '\\' => out.extend_from_slice(&[b'\\', char as u8]),
                // Also those of the upper half, which terminals obey, and the separators that end lines in JavaScript.
                _ if char.is_control() || matches!(char, '\u{2028}' | '\u{2029}') => {
                    put!(out, "\\u{:04x}", u32::from(char));
                }
                _ => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;
    use xs_os::Rng;

    fn line(format: AccessLog, access: &Access<'_>) -> String {
        let mut out = Vec::new();
        format.write(access, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn access<'a>(target: &'a [u8]) -> Access<'a> {
        let time = UNIX_EPOCH + Duration::from_millis(784_111_777_250);
        let client = Some([192, 0, 2, 1].into());
        let took = Duration::from_micros(1_500);
        Access { client, status: 200, bytes: 5, took, ..Access::new(time, b"GET", target, "HTTP/1.1") }
    }

    #[test]
    fn lines_are_as_others_write_them() {
        let known = Access { user: Some(b"ada"), agent: Some(b"curl/8"), ..access(b"/a?b") };
        let common = "192.0.2.1 - ada [06/Nov/1994:08:49:37 +0000] \"GET /a?b HTTP/1.1\" 200 5";
        assert_eq!(line(AccessLog::Common, &known), format!("{common}\n"));
        assert_eq!(line(AccessLog::Combined, &known), format!("{common} \"-\" \"curl/8\"\n"));
        let trace = TraceContext::root(true, &mut Rng::from_seed(1));
        let traced = Access { trace: Some(&trace), upstream: Some("b1"), ..known };
        let ids = format!("\"trace_id\":\"{}\",\"span_id\":\"{}\"", trace.trace_id, trace.span_id);
        let expected = format!(
            "{{\"time\":\"1994-11-06T08:49:37.250Z\",\"client\":\"192.0.2.1\",\"user\":\"ada\",\"method\":\"GET\",\
             \"target\":\"/a?b\",\"protocol\":\"HTTP/1.1\",\"agent\":\"curl/8\",\"upstream\":\"b1\",\"status\":200,\
             \"bytes\":5,\"took\":0.001500,{ids}}}\n"
        );
        assert_eq!(line(AccessLog::Json, &traced), expected);
    }

    #[test]
    fn nobody_writes_a_line_of_his_own() {
        let forged = b"/\" 200 5\n192.0.2.9 - root [06/Nov/1994:08:49:38 +0000] \"GET /admin";
        let written = line(AccessLog::Common, &access(forged));
        assert!(written.contains(r"/\x22 200 5\x0A192.0.2.9 - root"), "{written}");
        assert_eq!(written.matches(['\n', '"']).count(), 3);
        let spaced = Access { user: Some(b"a [x] \"y"), ..access(b"/") };
        assert!(line(AccessLog::Common, &spaced).contains(r"- a\x20[x]\x20\x22y [06/"));
        let terminal = Access { agent: Some(b"\x1b[2J\xc2\x9b2J\xe2\x80\xa8\xff"), ..access(b"/") };
        assert!(line(AccessLog::Combined, &terminal).contains(r#""\x1B[2J\xC2\x9B2J\xE2\x80\xA8\xFF""#));
        let json = line(AccessLog::Json, &terminal);
        assert!(json.contains("\"agent\":\"\\u001b[2J\\u009b2J\\u2028\u{fffd}\""), "{json}");
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_one_line_and_can_be_told_apart(
            target: Vec<u8>, agent: Vec<u8>, user in proptest::option::of(any::<Vec<u8>>()),
        ) {
            let sent = Access { agent: Some(&agent), user: user.as_deref(), ..access(&target) };
            let combined = line(AccessLog::Combined, &sent);
            let body = combined.strip_suffix('\n').unwrap();
            prop_assert!(body.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{}", body);
            let quoted: Vec<&str> = body.split('"').collect();
            prop_assert_eq!(quoted.len(), 7);
            prop_assert_eq!(told(quoted[1]), [b"GET ", &target[..], b" HTTP/1.1"].concat());
            prop_assert_eq!(told(quoted[5]), agent.clone());
            prop_assert_eq!(quoted[0].split(' ').count(), 6);

            let json = line(AccessLog::Json, &sent);
            prop_assert_eq!(json.lines().count(), 1);
            let read: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(read["target"].as_str(), Some(&*String::from_utf8_lossy(&target)));
            prop_assert_eq!(read["agent"].as_str(), Some(&*String::from_utf8_lossy(&agent)));
        }
    }

    /// What was sent, from what was written.
    fn told(written: &str) -> Vec<u8> {
        let mut parts = written.split("\\x");
        let mut sent = parts.next().unwrap().as_bytes().to_vec();
        for part in parts {
            sent.push(u8::from_str_radix(&part[..2], 16).unwrap());
            sent.extend_from_slice(&part.as_bytes()[2..]);
        }
        sent
    }
}
