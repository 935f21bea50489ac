//! From a request's head to the head of its response and a plan for the body. Synchronous: it is called where reading the
//! disk harms nobody.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header, response};
use xs_proto::http1::http_date;

use super::body::{self, PIECE, Part, SENT_MIN, SENT_PIECE, read};
use super::conditional::{Tag, Validators, Verdict, judge, may_be_cut};
use super::encoding::{Coding, wanted};
use super::path::{Place, Refused, place};
use super::range::{self, Wanted};
use super::root::{Found, OpenFile, Root};
use super::{FilesOptions, listing};
use crate::precompressed::Precompressed;

/// More entries are not listed.
const MOST_LISTED: usize = 10_000;

/// A file that has rested for so long will have another date after the next change (section 8.8.2.2), whatever the grain
/// of the disk's clock.
const REST: Duration = Duration::from_secs(2);

/// What to answer with.
pub(super) enum Plan {
    /// A status and nothing more to say.
    Status(StatusCode),
    /// All of it is here.
    Whole(Response<Bytes>),
    /// The rest is in a file.
    Parts {
        head: Response<()>,
        file: File,
        parts: VecDeque<Part>,
        /// Up to which byte the first part can be sent without waiting for the disk.
        warm: u64,
    },
}

/// What is asked for.
pub(super) struct Query<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    /// The calendar's time.
    pub(super) now: SystemTime,
    /// Whether the connection sends files by itself.
    pub(super) files: bool,
}

pub(super) fn answer(root: &Root, options: &FilesOptions, boundary: u64, query: &Query<'_>) -> Plan {
    let place = match place(query.uri.path(), options.hidden) {
        Ok(place) => place,
        Err(Refused::Malformed) => return Plan::Status(StatusCode::BAD_REQUEST),
        Err(Refused::Hidden) => return Plan::Status(StatusCode::NOT_FOUND),
    };
    found(root, options, boundary, query, &place).unwrap_or_else(|error| {
        Plan::Status(match error.kind() {
            // Not the system's word: a link leads out of the root.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => StatusCode::NOT_FOUND,
            io::ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => {
                StatusCode::NOT_FOUND
            }
            // A loop of links, a path that leads out: nothing that is served.
            _ if is_not_served(&error) => StatusCode::NOT_FOUND,
            _ => {
                tracing::warn!(%error, path = %place.path.display(), "a file cannot be read");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        })
    })
}

#[cfg(unix)]
fn is_not_served(error: &io::Error) -> bool {
    use rustix::io::Errno;
    // A socket cannot be opened (ENXIO); a link out of the root is EXDEV.
    let known = [Errno::LOOP, Errno::XDEV, Errno::NXIO, Errno::NODEV];
    error.raw_os_error().is_some_and(|code| known.iter().any(|errno| errno.raw_os_error() == code))
}

#[cfg(not(unix))]
fn is_not_served(_error: &io::Error) -> bool {
    false
}

fn found(root: &Root, options: &FilesOptions, boundary: u64, query: &Query<'_>, place: &Place) -> io::Result<Plan> {
    match root.look_up(&place.path)? {
        Found::File(_) if place.is_dir => Ok(Plan::Status(StatusCode::NOT_FOUND)),
        Found::File(file) => send(root, options, boundary, query, &place.path, file),
        Found::Dir if !place.is_dir => Ok(redirect(query.uri)),
        Found::Dir => {
            if let Some(index) = &options.index {
                let path = place.path.join(index);
                match root.look_up(&path) {
                    Ok(Found::File(file)) => return send(root, options, boundary, query, &path, file),
                    Ok(Found::Dir) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            if options.listing { list(root, options, query, place) } else { Ok(Plan::Status(StatusCode::NOT_FOUND)) }
        }
    }
}

/// To the same path with a slash, so that links in the directory's page lead into it. The path has no empty segment, and
/// so cannot begin like another host's.
fn redirect(uri: &Uri) -> Plan {
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let location = format!("{}/{query}", uri.path());
    match HeaderValue::try_from(location) {
        Ok(location) => {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
            response.headers_mut().insert(header::LOCATION, location);
            Plan::Whole(response)
        }
        Err(_) => Plan::Status(StatusCode::BAD_REQUEST),
    }
}

fn list(root: &Root, options: &FilesOptions, query: &Query<'_>, place: &Place) -> io::Result<Plan> {
    let entries = root.list(&place.path, MOST_LISTED)?;
    let title = percent_encoding::percent_decode_str(query.uri.path()).decode_utf8_lossy();
    let page = listing::page(&title, query.uri.path() == "/", &entries, options.hidden);
    let mut response = Response::new(Bytes::from(page));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
    fields.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    Ok(Plan::Whole(response))
}

/// One of the forms of a file.
struct Form {
    coding: Option<Coding>,
    file: OpenFile,
}

fn send(
    root: &Root,
    options: &FilesOptions,
    boundary: u64,
    query: &Query<'_>,
    path: &Path,
    file: OpenFile,
) -> io::Result<Plan> {
    let (form, varies) = if options.precompressed {
        choose(root, query.headers, path, file)
    } else {
        (Form { coding: None, file }, false)
    };
    let validators = validators(&form, query.now);
    let mut head = Response::builder();
    if let Some(fields) = head.headers_mut() {
        let mut set = |name, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                fields.insert(name, value);
            }
        };
        set(header::ETAG, &validators.tag.header());
        if let Some(modified) = validators.modified {
            set(header::LAST_MODIFIED, &String::from_utf8_lossy(&http_date(modified)));
        }
        if let Some(cache) = &options.cache_control {
            set(header::CACHE_CONTROL, cache);
        }
        if varies {
            set(header::VARY, "accept-encoding");
        }
    }
    match judge(query.method, query.headers, &validators) {
        Verdict::NotModified => return Ok(Plan::Whole(done(head.status(StatusCode::NOT_MODIFIED), Bytes::new())?)),
        Verdict::Failed => return Ok(Plan::Status(StatusCode::PRECONDITION_FAILED)),
        Verdict::Go => {}
    }
    let len = form.file.len;
    let kind = kind_of(path);
    let mut head = head.header(header::ACCEPT_RANGES, "bytes");
    if let Some(coding) = form.coding {
        head = head.header(header::CONTENT_ENCODING, coding.name()).extension(Precompressed);
    }
    let cuts = *query.method == Method::GET && may_be_cut(query.headers, &validators);
    match if cuts { range::wanted(query.headers, len) } else { Wanted::Whole } {
        Wanted::Whole => content(query, head.header(header::CONTENT_TYPE, kind), form.file.file, 0..len),
        Wanted::Nothing => {
            let head = head.header(header::CONTENT_RANGE, format!("bytes */{len}"));
            Ok(Plan::Whole(done(head.status(StatusCode::RANGE_NOT_SATISFIABLE), Bytes::new())?))
        }
        Wanted::Parts(parts) => {
            let head = head.status(StatusCode::PARTIAL_CONTENT);
            match &parts[..] {
                [part] => {
                    let told = content_range(part, len);
                    let head = head.header(header::CONTENT_TYPE, kind).header(header::CONTENT_RANGE, told);
                    content(query, head, form.file.file, part.clone())
                }
                parts => {
                    let boundary = format!("xs-{boundary:016x}-{len:x}");
                    let told = format!("multipart/byteranges; boundary={boundary}");
                    let head = head.header(header::CONTENT_TYPE, told);
                    let parts = multipart(&boundary, &kind, parts, len);
                    Ok(Plan::Parts { head: done(head, ())?, file: form.file.file, parts, warm: 0 })
                }
            }
        }
    }
}

/// The form that the client likes best, and whether another client would get another one.
fn choose(root: &Root, headers: &HeaderMap, path: &Path, file: OpenFile) -> (Form, bool) {
    let sibling = |coding: Coding| {
        let mut name = OsString::from(path.as_os_str());
        name.push(".");
        name.push(coding.extension());
        match root.look_up(Path::new(&name)) {
            // One that is older than the file was made of an older one.
            Ok(Found::File(sibling)) if seconds(sibling.modified) >= seconds(file.modified) => Some(sibling),
            _ => None,
        }
    };
    let wanted = wanted(headers);
    let chosen = wanted.iter().find_map(|&coding| Some((coding, sibling(coding)?)));
    match chosen {
        Some((coding, file)) => (Form { coding: Some(coding), file }, true),
        None => {
            let varies = Coding::ALL.iter().any(|&coding| !wanted.contains(&coding) && sibling(coding).is_some());
            (Form { coding: None, file }, varies)
        }
    }
}

fn seconds(time: Option<SystemTime>) -> u64 {
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs())
}

fn validators(form: &Form, now: SystemTime) -> Validators {
    let OpenFile { len, modified, .. } = form.file;
    let since = modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    // Changed a moment ago, it may change again without another date or length.
    let rests = modified.is_some_and(|modified| now.duration_since(modified).is_ok_and(|age| age >= REST));
    let coding = form.coding.map_or_else(String::new, |coding| format!("-{}", coding.name()));
    let tag = Tag { weak: !rests, opaque: format!("{:x}-{len:x}{coding}", since.as_nanos()) };
    // A date in the future would be a lie (section 8.8.2.1).
    Validators { tag, modified: modified.map(|modified| modified.min(now)), date_is_strong: rests }
}

/// What a file is, by its name. What may be text says in which encoding.
fn kind_of(path: &Path) -> String {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    let is_text = guess.type_() == "text" || matches!(guess.subtype().as_str(), "javascript" | "json" | "xml");
    if is_text && guess.get_param("charset").is_none() { format!("{guess}; charset=utf-8") } else { guess.to_string() }
}

fn content_range(part: &Range<u64>, len: u64) -> String {
    format!("bytes {}-{}/{len}", part.start, part.end - 1)
}

/// One run of bytes: at once where it is short.
fn content(query: &Query<'_>, head: response::Builder, file: File, range: Range<u64>) -> io::Result<Plan> {
    let len = range.end - range.start;
    let is_get = *query.method == Method::GET;
    let sent = query.files && len >= SENT_MIN;
    if is_get && !sent && len <= PIECE {
        return Ok(Plan::Whole(done(head, read(&file, &range)?)?));
    }
    let mut warm = 0;
    if is_get && sent {
        warm = range.end.min(range.start + SENT_PIECE);
        body::warm(&file, &(range.start..warm))?;
    }
    Ok(Plan::Parts { head: done(head, ())?, file, parts: VecDeque::from([Part::Range(range)]), warm })
}

/// Several runs of bytes, each with a head of its own (section 14.6).
fn multipart(boundary: &str, kind: &str, parts: &[Range<u64>], len: u64) -> VecDeque<Part> {
    let mut all = VecDeque::with_capacity(2 * parts.len() + 1);
    let mut before = "";
    for part in parts {
        let told = content_range(part, len);
        let head = format!("{before}--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {told}\r\n\r\n");
        before = "\r\n";
        all.push_back(Part::Bytes(head.into()));
        all.push_back(Part::Range(part.clone()));
    }
    all.push_back(Part::Bytes(format!("\r\n--{boundary}--\r\n").into()));
    all
}

fn done<T>(head: response::Builder, body: T) -> io::Result<Response<T>> {
    head.body(body).map_err(io::Error::other)
}
