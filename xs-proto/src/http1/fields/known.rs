//! [`Known`]: the fields that frame a message or concern its connection, told by their names.

use http::header::{self, HeaderName};

/// The fields that the machines themselves must understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http1) enum Known {
    Other,
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Expect,
    Upgrade,
    Date,
    /// `TE`, `Trailer`, `Keep-Alive`, `Proxy-Connection`: they concern one connection and frame nothing.
    Hop,
    /// Not the name of a framing field, but what a gateway that maps `_` to `-` would take for one.
    Lookalike,
}

impl Known {
    #[inline]
    pub(in crate::http1) fn of(name: &[u8]) -> Known {
        let (known, full): (Known, &[u8]) = match name.len() {
            2 => (Known::Hop, b"te"),
            4 => {
                // No other byte of a token becomes a letter with this bit.
                let word = u32::from_ne_bytes([name[0], name[1], name[2], name[3]]) | 0x2020_2020;
                return match &word.to_ne_bytes() {
                    b"host" => Known::Host,
                    b"date" => Known::Date,
                    _ => Known::Other,
                };
            }
            6 => (Known::Expect, b"expect"),
            7 if name[0] | 0x20 == b'u' => (Known::Upgrade, b"upgrade"),
            7 => (Known::Hop, b"trailer"),
            10 if name[0] | 0x20 == b'c' => (Known::Connection, b"connection"),
            10 => (Known::Hop, b"keep-alive"),
            14 => (Known::ContentLength, b"content-length"),
            16 => (Known::Hop, b"proxy-connection"),
            17 => (Known::TransferEncoding, b"transfer-encoding"),
            _ => return Known::Other,
        };
        if is_same(name, full) {
            return known;
        }
        Known::alike(known, full, name)
    }

    /// What a name is that has the length of a known one.
    #[cold]
    fn alike(known: Known, full: &[u8], name: &[u8]) -> Known {
        let framing = matches!(known, Known::ContentLength | Known::TransferEncoding);
        let alike = |(&a, &b): (&u8, &u8)| a.eq_ignore_ascii_case(&b) || (a == b'_' && b == b'-');
        if framing && name.iter().zip(full).all(alike) { Known::Lookalike } else { Known::Other }
    }

    /// The one name of this kind, for most requests have it: it need not be looked up.
    pub(super) fn name(self) -> Option<HeaderName> {
        match self {
            Known::Host => Some(header::HOST),
            Known::ContentLength => Some(header::CONTENT_LENGTH),
            Known::TransferEncoding => Some(header::TRANSFER_ENCODING),
            Known::Connection => Some(header::CONNECTION),
            Known::Expect => Some(header::EXPECT),
            Known::Upgrade => Some(header::UPGRADE),
            Known::Date => Some(header::DATE),
            Known::Other | Known::Hop | Known::Lookalike => None,
        }
    }
}

/// Whether a name in some case is this one of the same length, which is of small letters and dashes: no other byte of a
/// token becomes one of those with the bit that makes letters small.
#[inline]
fn is_same(name: &[u8], small: &[u8]) -> bool {
    let all = |name: &[u8; 8], small: &[u8; 8]| {
        u64::from_ne_bytes(*name) | u64::from_ne_bytes([0x20; 8]) == u64::from_ne_bytes(*small)
    };
    let ((names, _), (smalls, _)) = (name.as_chunks::<8>(), small.as_chunks::<8>());
    match (name.last_chunk(), small.last_chunk()) {
        // The last eight may overlap with others.
        (Some(name), Some(small)) => all(name, small) && names.iter().zip(smalls).all(|(name, small)| all(name, small)),
        _ => name.eq_ignore_ascii_case(small),
    }
}
