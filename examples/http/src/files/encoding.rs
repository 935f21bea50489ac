//! `Accept-Encoding`: which of several forms of the same bytes a client wants (RFC 9110, section 12.5.3). Pure.

use http::{HeaderMap, header};

/// A form that a file may lie beside itself in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    /// All of them, the best first.
    pub(super) const ALL: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

    /// What the protocol calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// How its file's name goes on.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstd => "zst",
            Coding::Gzip => "gz",
        }
    }
}

/// The weight of a coding, in thousandths; what is not named weighs what `*` does.
fn weight(headers: &HeaderMap, name: &str) -> Option<u16> {
    let mut any = None;
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        for item in value.to_str().ok()?.split(',') {
            let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
            let (coding, parameters) = (coding.trim(), parameters.trim());
            let q = parameters.strip_prefix("q=").or_else(|| parameters.strip_prefix("Q="));
            let Some(weight) = q.map_or(Some(1000), thousandths) else { continue };
            let is_alias = name == "gzip" && coding.eq_ignore_ascii_case("x-gzip");
            if coding.eq_ignore_ascii_case(name) || is_alias {
                return Some(weight);
            }
            if coding == "*" {
                any = Some(weight);
            }
        }
    }
    any
}

/// `0`, `0.5`, `1.000`; nothing else.
fn thousandths(q: &str) -> Option<u16> {
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(whole, "0" | "1") {
        return None;
    }
    let padded = format!("{whole}{fraction:0<3}");
    padded.parse().ok().filter(|&q| q <= 1000)
}

/// The codings that the client takes at least as gladly as the bytes themselves, the best first.
pub(super) fn wanted(headers: &HeaderMap) -> Vec<Coding> {
    if !headers.contains_key(header::ACCEPT_ENCODING) {
        return Vec::new();
    }
    // Identity is fine unless it is excluded, and beside something named explicitly its weight is the smallest one.
    let plain = weight(headers, "identity").unwrap_or(1);
    let mut found: Vec<(u16, Coding)> = Coding::ALL
        .into_iter()
        .filter_map(|coding| weight(headers, coding.name()).map(|weight| (weight, coding)))
        .filter(|(weight, _)| *weight > 0 && *weight >= plain)
        .collect();
    found.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight)); // stable: our own order among equals
    found.into_iter().map(|(_, coding)| coding).collect()
}

#[cfg(test)]
mod tests {
    use super::Coding::{Brotli, Gzip, Zstd};
    use super::*;

    #[test]
    fn weights_decide_and_then_our_own_order() {
        for (value, expected) in [
            ("gzip, br, zstd", &[Brotli, Zstd, Gzip][..]),
            ("gzip;q=1.0, br;q=0.5", &[Gzip, Brotli]),
            ("gzip; q=0.8", &[Gzip]),
            ("X-GZIP", &[Gzip]),
            ("*", &[Brotli, Zstd, Gzip]),
            ("*;q=0.5, identity;q=0.1", &[Brotli, Zstd, Gzip]),
            ("br;q=0, *;q=0.5, identity;q=0", &[Zstd, Gzip]),
            ("identity, gzip;q=0.5", &[]),
            ("identity;q=0.4, gzip;q=0.5", &[Gzip]),
            ("gzip;q=0", &[]),
            ("gzip;q=2, br;q=x, zstd;q=0.1234", &[]),
            ("", &[]),
            ("deflate, compress", &[]),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            assert_eq!(wanted(&headers), expected, "{value}");
        }
        assert_eq!(wanted(&HeaderMap::new()), []);
        let mut two = HeaderMap::new();
        two.append(header::ACCEPT_ENCODING, "gzip;q=0.1".parse().unwrap());
        two.append(header::ACCEPT_ENCODING, "br".parse().unwrap());
        assert_eq!(wanted(&two), [Brotli, Gzip]);
    }
}
