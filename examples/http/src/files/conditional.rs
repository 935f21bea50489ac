//! Conditional requests: whether what a client knows is still true (RFC 9110, section 13). Pure.

use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, Method, header};

/// An entity tag, without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) weak: bool,
    pub(super) opaque: String,
}

impl Tag {
    pub(super) fn header(&self) -> String {
        format!("{}\"{}\"", if self.weak { "W/" } else { "" }, self.opaque)
    }
}

/// What there is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validators {
    pub(super) tag: Tag,
    pub(super) modified: Option<SystemTime>,
    /// The file has rested long enough that its date, which counts in seconds, tells it from every older state.
    pub(super) date_is_strong: bool,
}

/// What a request's conditions come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answer it.
    Go,
    /// 304: the client has it.
    NotModified,
    /// 412: it is another one than the client thought.
    Failed,
}

/// The tags of a list. A list that cannot be read has none: it matches nothing.
fn tags(value: &str) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    let mut rest = value.trim_start();
    while !rest.is_empty() {
        let weak = rest.starts_with("W/");
        let quoted = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
        let (opaque, behind) = quoted.split_once('"')?;
        tags.push(Tag { weak, opaque: opaque.to_owned() });
        let behind = behind.trim_start();
        rest = match behind.strip_prefix(',') {
            Some(rest) => rest.trim_start(),
            None if behind.is_empty() => behind,
            None => return None,
        };
    }
    Some(tags)
}

/// Whether a list of tags names the one that there is; `*` names any. `None` where there is no such field.
fn names(headers: &HeaderMap, field: HeaderName, tag: &Tag, strong: bool) -> Option<bool> {
    if !headers.contains_key(&field) {
        return None;
    }
    let values = headers.get_all(&field).iter();
    let mut named = false;
    for value in values {
        let Ok(value) = value.to_str() else { continue };
        named |= value.trim() == "*"
            || tags(value)
                .unwrap_or_default()
                .iter()
                .any(|known| known.opaque == tag.opaque && (!strong || (!known.weak && !tag.weak)));
    }
    Some(named)
}

/// A date in one of the three forms that a server must take; others count as absent (section 13.1.3).
fn date(headers: &HeaderMap, field: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(field)?.to_str().ok()?).ok()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Looks at the conditions in the order of section 13.2.2.
pub(super) fn judge(method: &Method, headers: &HeaderMap, now: &Validators) -> Verdict {
    let safe = matches!(*method, Method::GET | Method::HEAD);
    match names(headers, header::IF_MATCH, &now.tag, true) {
        Some(false) => return Verdict::Failed,
        Some(true) => {}
        None => {
            if let (Some(since), Some(modified)) = (date(headers, header::IF_UNMODIFIED_SINCE), now.modified)
                && seconds(modified) > seconds(since)
            {
                return Verdict::Failed;
            }
        }
    }
    match names(headers, header::IF_NONE_MATCH, &now.tag, false) {
        Some(true) if safe => return Verdict::NotModified,
        Some(true) => return Verdict::Failed,
        Some(false) => {}
        None => {
            if let (true, Some(since), Some(modified)) = (safe, date(headers, header::IF_MODIFIED_SINCE), now.modified)
                && seconds(modified) <= seconds(since)
            {
                return Verdict::NotModified;
            }
        }
    }
    Verdict::Go
}

/// Whether ranges may be cut out of what there is: `If-Range` is absent, or names it without a doubt (section 13.1.5).
pub(super) fn may_be_cut(headers: &HeaderMap, now: &Validators) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else { return true };
    let Ok(text) = value.to_str() else { return false };
    if text.contains('"') {
        return tags(text).is_some_and(|tags| match &tags[..] {
            [one] => !one.weak && !now.tag.weak && one.opaque == now.tag.opaque,
            _ => false,
        });
    }
    match (httpdate::parse_http_date(text), now.modified) {
        (Ok(known), Some(modified)) => now.date_is_strong && seconds(known) == seconds(modified),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const OLD: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const NEWER: &str = "Sunday, 06-Nov-94 08:49:38 GMT"; // in an obsolete form

    fn now(weak: bool) -> Validators {
        let tag = Tag { weak, opaque: "now".to_owned() };
        // A fraction of a second, which no date can say.
        let modified = Some(UNIX_EPOCH + Duration::from_millis(784_111_777_900));
        Validators { tag, modified, date_is_strong: !weak }
    }

    fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn conditions_are_looked_at_in_their_order() {
        use Verdict::{Failed, Go, NotModified};
        use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
        let cases: &[(&[(HeaderName, &str)], Verdict)] = &[
            (&[], Go),
            (&[(IF_MATCH, "\"now\"")], Go),
            (&[(IF_MATCH, "*")], Go),
            (&[(IF_MATCH, "\"then\", \"now\"")], Go),
            (&[(IF_MATCH, "\"then\"")], Failed),
            (&[(IF_MATCH, "W/\"now\"")], Failed),
            (&[(IF_MATCH, "now")], Failed),
            (&[(IF_UNMODIFIED_SINCE, OLD)], Failed),
            (&[(IF_UNMODIFIED_SINCE, SAME)], Go),
            (&[(IF_UNMODIFIED_SINCE, "yesterday")], Go),
            (&[(IF_MATCH, "\"now\""), (IF_UNMODIFIED_SINCE, OLD)], Go), // the tag says more
            (&[(IF_NONE_MATCH, "\"now\"")], NotModified),
            (&[(IF_NONE_MATCH, "W/\"now\"")], NotModified),
            (&[(IF_NONE_MATCH, "*")], NotModified),
            (&[(IF_NONE_MATCH, "\"then\"")], Go),
            (&[(IF_NONE_MATCH, "\"then\""), (IF_NONE_MATCH, "\"now\"")], NotModified),
            (&[(IF_NONE_MATCH, "\"a, b\" , \"now\"")], NotModified),
            (&[(IF_MODIFIED_SINCE, OLD)], Go),
            (&[(IF_MODIFIED_SINCE, SAME)], NotModified),
            (&[(IF_MODIFIED_SINCE, NEWER)], NotModified),
            (&[(IF_NONE_MATCH, "\"then\""), (IF_MODIFIED_SINCE, NEWER)], Go), // the tag says more
            (&[(IF_MATCH, "\"then\""), (IF_NONE_MATCH, "\"now\"")], Failed),
            (&[(IF_MATCH, "\"now\""), (IF_NONE_MATCH, "\"now\"")], NotModified),
        ];
        for (fields, verdict) in cases {
            assert_eq!(judge(&Method::GET, &headers(fields), &now(false)), *verdict, "{fields:?}");
        }
        let put = |fields: &[_]| judge(&Method::PUT, &headers(fields), &now(false));
        assert_eq!(put(&[(IF_NONE_MATCH, "*")]), Failed);
        assert_eq!(put(&[(IF_MODIFIED_SINCE, NEWER)]), Go);
        assert_eq!(judge(&Method::GET, &headers(&[(IF_MATCH, "\"now\"")]), &now(true)), Failed);
        assert_eq!(judge(&Method::GET, &headers(&[(IF_NONE_MATCH, "\"now\"")]), &now(true)), NotModified);
    }

    #[test]
    fn ranges_need_certainty() {
        let cuts = |value: &str, weak| may_be_cut(&headers(&[(header::IF_RANGE, value)]), &now(weak));
        assert!(may_be_cut(&HeaderMap::new(), &now(true)));
        assert!(cuts("\"now\"", false) && cuts(SAME, false));
        assert!(!cuts("\"now\"", true) && !cuts(SAME, true));
        for value in ["\"then\"", "W/\"now\"", OLD, NEWER, "now", "\"now\", \"then\"", "\"now"] {
            assert!(!cuts(value, false), "{value}");
        }
    }
}
