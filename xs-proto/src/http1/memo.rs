//! [`Memo`]: the fields of the last head, so that the next head's need not be understood again where they are the same.
//!
//! What a client says of itself it mostly says again with each request on a connection, byte by byte: the host, what it
//! accepts, who it is. HTTP/2 compresses heads by that. Here the section of fields that was read last is kept with what was
//! found in it, and one comparison of bytes stands for reading the same section again. Equal bytes have an equal meaning,
//! for what is kept depends on nothing else: the limits of a connection never change, and of the request line only
//! the form matters, which is one and the same for all heads that are read in this way. A section counts as equal only with
//! the empty line at its end, so nothing can follow that was not compared.

use super::fields::{Facts, Fields, Line};

/// The fields of the last head.
#[derive(Debug, Default)]
pub(super) struct Memo {
    /// Their bytes, the empty line included; nothing where there is no last head.
    section: Vec<u8>,
    /// Where in the head they began.
    pos: usize,
    lines: Vec<Line>,
    facts: Facts,
}

impl Memo {
    /// Longer sections are not kept: an idle connection would have to hold them.
    const MOST: usize = 1024;

    /// If the section at `pos` is the last one again: puts its lines into `fields`, which are empty, and says where it ends.
    #[inline]
    pub(super) fn recall(&self, src: &[u8], pos: usize, fields: &mut Fields) -> Option<(usize, &Facts)> {
        if self.section.is_empty() || !src.get(pos..)?.starts_with(&self.section) {
            return None;
        }
        fields.lines.reserve(self.lines.len().max(16));
        fields.lines.extend(self.lines.iter().map(|line| line.moved(self.pos, pos)));
        Some((pos + self.section.len(), &self.facts))
    }

    /// Keeps a section that was found to be right, which stood at `pos`.
    pub(super) fn keep(&mut self, section: &[u8], pos: usize, fields: &Fields, facts: &Facts) {
        self.section.clear();
        if section.len() > Memo::MOST {
            return;
        }
        self.section.extend_from_slice(section);
        self.lines.clear();
        self.lines.extend_from_slice(&fields.lines);
        (self.pos, self.facts) = (pos, *facts);
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use proptest::prelude::*;

    use super::super::config::Limits;
    use super::super::message::Spare;
    use super::super::request::{RequestHead, RequestParser};

    fn read(parser: &mut RequestParser, spare: &mut Spare, bytes: &str) -> Option<(Box<RequestHead>, usize)> {
        let mut src = BytesMut::from(bytes);
        let head = parser.whole(&mut src, &Limits::SERVER, spare)?;
        Some((head, src.len()))
    }

    /// The same by the parser for whatever comes, which remembers nothing.
    fn slowly(bytes: &str) -> Option<(Box<RequestHead>, usize)> {
        let (mut parser, mut spare) = (RequestParser::default(), Spare::default());
        let len = parser.parse(bytes.as_bytes(), &Limits::SERVER).ok()??;
        let head = parser.take(Bytes::copy_from_slice(&bytes.as_bytes()[..len]), &mut spare).ok()?;
        Some((head, bytes.len() - len))
    }

    const METHODS: [&str; 8] = ["GET", "GET", "HEAD", "POST", "OPTIONS", "CONNECT", "get", "PURGE"];
    const TARGETS: [&str; 8] = ["/", "/", "/a", "/longer?q", "http://a/", "http://bb:80/x", "a:80", "*"];
    const VERSIONS: [&str; 4] = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"];
    const HOSTS: [&str; 10] = [
        "Host: a\r\n",
        "Host: a\r\n",
        "HOST:a:80\r\n",
        "host: A \r\n",
        "Host: bb:80\r\n",
        "Host: [::1]:8080\r\n",
        "Host:\r\n",
        "Host: u@a\r\n",
        "X-Host: a\r\n",
        "",
    ];
    const LINES: [&str; 9] = [
        "Host: a\r\n",
        "Accept: */*\r\n",
        "content-length: 3\r\n",
        "Connection: close\r\n",
        "Connection: upgrade\r\nUpgrade: h2c\r\n",
        "Expect: 100-continue\r\n",
        "transfer-encoding: chunked\r\n",
        "X:\r\n",
        "\r\n",
    ];

    /// A head: its line, its fields, and whether all of it is there.
    fn head() -> impl Strategy<Value = String> {
        let line = (0..METHODS.len(), 0..TARGETS.len(), 0..VERSIONS.len());
        let lines = prop::collection::vec(0..LINES.len(), 0..3);
        // Where the host stands among the fields.
        (line, 0..HOSTS.len(), lines, 0..3_usize, prop::bool::weighted(0.9)).prop_map(
            |((method, target, version), host, lines, place, whole)| {
                let mut fields: Vec<&str> = lines.into_iter().map(|line| LINES[line]).collect();
                fields.insert(place.min(fields.len()), HOSTS[host]);
                let end = if whole { "\r\nrest" } else { "\r" };
                let (method, target, version) = (METHODS[method], TARGETS[target], VERSIONS[version]);
                format!("{method} {target} {version}\r\n{}{end}", fields.concat())
            },
        )
    }

    proptest! {
        /// A parser that has read other heads before finds in each what a new one finds, and what the one finds that remembers
        /// nothing. Some heads come twice, so that there is something to recall.
        #[test]
        fn what_came_before_changes_nothing(heads in prop::collection::vec((head(), 1..3_usize), 1..12)) {
            let (mut parser, mut spare) = (RequestParser::default(), Spare::default());
            for text in heads.iter().flat_map(|(text, times)| std::iter::repeat_n(text, *times)) {
                let got = read(&mut parser, &mut spare, text);
                let expected = read(&mut RequestParser::default(), &mut Spare::default(), text);
                prop_assert_eq!(&got, &expected);
                let Some((head, left)) = got else { continue };
                let Some((slow, its)) = slowly(text) else { panic!("only one takes {text:?}") };
                prop_assert_eq!((&head, left), (&slow, its));
                prop_assert_eq!(head.authority(), slow.authority());
                spare.put_head(head);
            }
        }
    }

    #[test]
    fn the_same_fields_behind_another_target_are_known_and_long_ones_are_not_kept() {
        let (mut parser, mut spare) = (RequestParser::default(), Spare::default());
        let (head, _) = read(&mut parser, &mut spare, "GET /a HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n").unwrap();
        spare.put_head(head);
        assert!(parser.knows(b"Host: h\r\nX: y\r\n\r\nmore") && !parser.knows(b"Host: h\r\nX: y\r\n"));
        let (head, left) =
            read(&mut parser, &mut spare, "PUT /longer HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\nmore").unwrap();
        assert_eq!((head.fields().get("x"), head.authority(), left), (Some(&b"y"[..]), Some("h"), 4));
        spare.put_head(head);
        let long = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "y".repeat(1024));
        let (head, _) = read(&mut parser, &mut spare, &long).unwrap();
        assert_eq!(head.fields().get("x").map(<[u8]>::len), Some(1024));
        assert!(!parser.knows(&long.as_bytes()[16..]) && !parser.knows(b"Host: h\r\nX: y\r\n\r\n"));
    }
}
