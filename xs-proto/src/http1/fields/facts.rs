//! [`Facts`]: what the fields of a head say about the message and the connection, and which of them contradict each other.

use http::Version;

use super::super::Framing;
use super::super::chars::{decimal, is_token, list, trim};
use super::super::error::Error;
use super::{Known, Line};

/// What the fields of a head say about the message and the connection.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::http1) struct Facts {
    /// Where the value of `Host` lies.
    pub(in crate::http1) host: Option<(u32, u32)>,
    pub(in crate::http1) content_length: Option<u64>,
    pub(in crate::http1) encoding: Encoding,
    pub(in crate::http1) close: bool,
    pub(in crate::http1) keep_alive: bool,
    /// `Connection: upgrade`, and an `Upgrade` field.
    pub(in crate::http1) connection_upgrade: bool,
    pub(in crate::http1) upgrade: bool,
    pub(in crate::http1) expects_continue: bool,
    pub(in crate::http1) expects_other: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::http1) enum Encoding {
    #[default]
    None,
    Chunked,
    /// Ends in `chunked`, and applies something before it.
    Other,
}

impl Facts {
    /// How the message's body is framed, as far as the fields tell.
    pub(in crate::http1) fn framing(&self, version: Version) -> Result<Framing, Error> {
        match (self.encoding, self.content_length) {
            (Encoding::None, None) => Ok(Framing::None),
            (Encoding::None, Some(length)) => Ok(Framing::Sized(length)),
            _ if version == Version::HTTP_10 => Err(Error::TransferEncodingVersion),
            (_, Some(_)) => Err(Error::LengthAndEncoding),
            (Encoding::Chunked, None) => Ok(Framing::Chunked),
            (Encoding::Other, None) => Err(Error::TransferCoding),
        }
    }

    /// Whether the connection outlives the message.
    pub(in crate::http1) fn persistent(&self, version: Version) -> bool {
        !self.close && (version == Version::HTTP_11 || self.keep_alive)
    }

    pub(super) fn note(&mut self, line: &Line, value: &[u8]) -> Result<(), Error> {
        match line.known {
            Known::Other | Known::Hop | Known::Date => {}
            Known::Lookalike => return Err(Error::FieldName),
            Known::Host => {
                if self.host.is_some() {
                    return Err(Error::HostRepeated);
                }
                self.host = Some((line.value, line.value_end));
            }
            Known::ContentLength => {
                if self.content_length.is_some() {
                    return Err(Error::ContentLengthRepeated);
                }
                self.content_length = Some(decimal(value).ok_or(Error::ContentLength)?);
            }
            Known::TransferEncoding => {
                if self.encoding != Encoding::None {
                    return Err(Error::TransferEncoding);
                }
                self.encoding = transfer_encoding(value)?;
            }
            Known::Connection => {
                for option in list(value) {
                    match option.len() {
                        5 => self.close |= option.eq_ignore_ascii_case(b"close"),
                        7 => self.connection_upgrade |= option.eq_ignore_ascii_case(b"upgrade"),
                        10 => self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive"),
                        _ => {}
                    }
                }
            }
            Known::Expect => {
                let known = value.eq_ignore_ascii_case(b"100-continue");
                self.expects_continue |= known;
                self.expects_other |= !known;
            }
            Known::Upgrade => self.upgrade = true,
        }
        Ok(())
    }
}

/// The one value that is accepted is `chunked`. What ends in it is a coding that we do not have; anything else leaves the
/// length open.
fn transfer_encoding(value: &[u8]) -> Result<Encoding, Error> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(Encoding::Chunked);
    }
    let mut codings: Vec<&[u8]> = value.split(|&b| b == b',').map(trim).collect();
    let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let last = codings.pop().unwrap_or_default();
    let tokens = codings.iter().all(|coding| is_token(coding) && !chunked(coding));
    if chunked(last) && !codings.is_empty() && tokens { Ok(Encoding::Other) } else { Err(Error::TransferEncoding) }
}
