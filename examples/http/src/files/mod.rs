//! A directory on the web: [`Files`].
//!
//! # The problem
//!
//! Sending a file is a read and a write. Everything else is the standard, and attackers. A download that broke off is
//! continued, unless the file has changed meanwhile; a browser asks whether its copy is still good, in four ways that
//! contradict each other; players ask for several pieces at once. And a path is text from a stranger: `..`, `%2e%2e`,
//! a link to `/etc`, `.git/config`, a name that is markup, a pipe that blocks whoever opens it.
//!
//! # How it works
//!
//! ```text
//!   path ─▶ names, decoded once, strict ─▶ below the root, by the system's own check ─▶ a file │ a directory
//!                                                                                        │        ├─ no slash: 308
//!   Accept-Encoding ─▶ file, or a sibling .br .zst .gz that is not older ◀───────────────┘        ├─ index.html
//!                          │                                                                      └─ listing
//!   If-Match … If-Modified-Since ─▶ 412 │ 304 │ go on      (RFC 9110, section 13.2.2)
//!   If-Range, Range ──▶ 200 all │ 206 one part │ 206 multipart │ 416
//! ```
//!
//! All of that, and the first 128 KiB, is one call over the [`Bridge`]: a reactor never waits for the
//! disk. What is longer follows piece by piece, each read when the one before has gone into the connection. Over plain TCP
//! files of more than 16 KiB stay in the kernel (`sendfile`): what the bridge does then is to bring the next mebibyte into
//! the page cache. What is compressed on the way, by a layer above, has to pass through the process and gives that up; a
//! precompressed sibling does not.
//!
//! The entity tag is made of the file's length and the nanoseconds of its date. It is strong once the file has rested for
//! two seconds; before, another change could leave both as they are, and the tag is weak: good for a cache's question, and
//! no ground to put two downloads together.
//!
//! # Invariants
//!
//! - A path leads below the root (`path`, by property test), and no link leads out of it (`root`: `openat2`), unless
//!   [`FilesOptions::follow_links_out`] is set. Names that begin with a dot are not there, but for `.well-known`.
//! - Only regular files are sent, and what else lies there is not even waited for.
//! - Parts do not overlap, and are 32 at most (`range`): a request cannot ask for more than the file.
//! - A response is as long as it says, or it is cut: a file that becomes shorter on the way breaks the connection.
//! - At most one piece of 128 KiB of each response is in memory, besides what the connection holds to be sent.
//! - Names in a listing are text (`listing`), and its own policy forbids scripts.
//!
//! # Cost
//!
//! A file of up to 128 KiB: one way over the bridge (two wake-ups, some 5 µs), three system calls, a copy into memory, or
//! none over plain TCP. With [`FilesOptions::precompressed`], a look for each sibling that could be. Beyond that, a way a piece.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use http::{Request, StatusCode};
//! use tower::ServiceExt;
//! use xs_http::{Body, Files, FilesOptions};
//! use xs_net::{Bridge, Timer};
//! use xs_os::{Rng, ThreadJobs};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! std::fs::write(dir.path().join("a.txt"), "0123456789")?;
//! let bridge = Bridge::new(Arc::new(ThreadJobs::new()), 1, 16);
//! let files = Files::open(dir.path(), FilesOptions::default(), bridge, &Timer::system(), &mut Rng::from_entropy())?;
//!
//! let request = Request::get("/a.txt").header("range", "bytes=2-4").body(Body::empty())?;
//! let response = files.clone().oneshot(request).await?;
//! assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
//! assert_eq!(response.headers()["content-range"], "bytes 2-4/10");
//!
//! let request = Request::get("/%2e%2e/etc/passwd").body(Body::empty())?;
//! assert_eq!(files.oneshot(request).await?.status(), StatusCode::NOT_FOUND);
//! # Ok(()) }
//! ```
//!
//! # How others do it
//!
//! nginx sends files from the kernel (`sendfile`), has `disable_symlinks` for links, off by default, and answers several
//! ranges with all of them, however they overlap. Apache's byte ranges were a way to take a server down for a small request
//! (CVE-2011-3192). tower-http's `ServeDir` reads on tokio's pool of blocking threads, knows precompressed siblings, and
//! answers several ranges with an error. Caddy's tags are strong from the first moment.
//!
//! # What this leaves out
//!
//! io_uring, and a cache of open files. Files of which the kernel has dropped a page between its being fetched and its being
//! sent: the reactor waits for that page. Uploads. Tags by content. Languages. Downloads of directories. Whoever
//! can write below the root can still make a hard link to a file elsewhere.
//!
//! # Try next
//!
//! Run `xs-http serve .`, fetch a large file with `curl --limit-rate 1M -O`, interrupt it, change the file, and continue
//! with `curl -C -`: curl does not ask `If-Range`, so look at what it puts together. Then do it with a browser.
//!
//! # Sources
//!
//! RFC 9110, sections 8.8 (validators), 12.5.3 (encodings), 13 (conditions), 14 (ranges); RFC 8615; `openat2(2)`, `sendfile(2)`,
//! `posix_fadvise(2)`.

mod answer;
mod body;
mod conditional;
mod encoding;
mod listing;
mod path;
mod range;
mod root;

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, ready};
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tower::Service;
use xs_net::{Bridge, Timer};
use xs_os::Rng;

use self::answer::{Plan, Query, answer};
use self::root::Root;
use crate::body::Body;
use crate::problem::Problem;
use crate::reply::Reply;

pub(crate) use body::{FileBody, SendsFiles};

/// How a directory is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesOptions {
    /// What is sent for a directory, if it is there. Default `index.html`.
    pub index: Option<String>,
    /// Whether a directory without that is listed. Default no.
    pub listing: bool,
    /// Whether names that begin with a dot are there. Default no.
    pub hidden: bool,
    /// Whether links may lead out of the directory. Default no.
    pub follow_links_out: bool,
    /// Whether `a.js.br`, `a.js.zst` and `a.js.gz` are sent for `a.js` to who takes them. Default yes.
    pub precompressed: bool,
    /// What `Cache-Control` says. Default nothing.
    pub cache_control: Option<String>,
}

impl Default for FilesOptions {
    fn default() -> Self {
        FilesOptions {
            index: Some("index.html".to_owned()),
            listing: false,
            hidden: false,
            follow_links_out: false,
            precompressed: true,
            cache_control: None,
        }
    }
}

/// A service that sends the files of a directory. Clones are the same one. See the [module page](self).
#[derive(Clone)]
pub struct Files {
    shared: Arc<Shared>,
}

struct Shared {
    root: Root,
    options: FilesOptions,
    bridge: Bridge,
    timer: Timer,
    /// What nobody who writes a file can know, so that no file contains it.
    boundary: u64,
}

impl Files {
    /// The files below `dir`. They are read over `bridge`.
    ///
    /// # Errors
    ///
    /// It is no directory that can be read.
    pub fn open(dir: &Path, options: FilesOptions, bridge: Bridge, timer: &Timer, rng: &mut Rng) -> io::Result<Files> {
        let root = Root::open(dir, options.follow_links_out)?;
        let shared = Shared { root, options, bridge, timer: timer.clone(), boundary: rng.next_u64() };
        Ok(Files { shared: Arc::new(shared) })
    }
}

impl Shared {
    fn response(&self, plan: Plan) -> Response<Body> {
        match plan {
            Plan::Status(status) => Problem::new(status).reply(),
            Plan::Whole(response) => response.map(Body::from),
            Plan::Parts { head, file, parts, warm } => {
                head.map(|()| Body::file(FileBody::new(file, parts, warm, self.bridge.clone())))
            }
        }
    }
}

impl<B> Service<Request<B>> for Files {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, _) = request.into_parts();
        if !matches!(head.method, Method::GET | Method::HEAD) {
            let mut response = match head.method {
                Method::OPTIONS => StatusCode::NO_CONTENT.reply(),
                _ => Problem::new(StatusCode::METHOD_NOT_ALLOWED).reply(),
            };
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
            return Box::pin(ready(Ok(response)));
        }
        let shared = self.shared.clone();
        Box::pin(async move {
            let asked = shared.clone();
            let plan = shared.bridge.run(move || {
                let now = asked.timer.wall();
                let files = head.extensions.get::<SendsFiles>().is_some();
                let query = Query { method: &head.method, uri: &head.uri, headers: &head.headers, now, files };
                answer(&asked.root, &asked.options, asked.boundary, &query)
            });
            Ok(shared.response(plan.await))
        })
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("options", &self.shared.options).finish_non_exhaustive()
    }
}
