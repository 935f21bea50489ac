//! The extensions of version 2: types, lengths and values.

use bytes::{Buf, BufMut, Bytes};

use super::{EncodeError, Error};

const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const NOOP: u8 = 0x04;
const UNIQUE_ID: u8 = 0x05;
const TLS: u8 = 0x20;
const TLS_VERSION: u8 = 0x21;
const TLS_COMMON_NAME: u8 = 0x22;
const TLS_CIPHER: u8 = 0x23;
const TLS_SIGNATURE: u8 = 0x24;
const TLS_KEY: u8 = 0x25;
const NETNS: u8 = 0x30;

/// What a header of version 2 says besides addresses (section 2.2 of the specification, from "2.2.1" on).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions {
    /// The protocol that the client and the proxy have agreed on, as in TLS's ALPN (RFC 7301).
    pub alpn: Option<Bytes>,
    /// The name of the host that the client wants, as in TLS's server name.
    pub authority: Option<String>,
    /// What tells this connection from all others in the logs of all proxies; at most 128 bytes.
    pub unique_id: Option<Bytes>,
    /// The client spoke TLS, or at least the proxy says something about it.
    pub tls: Option<Tls>,
    /// The name of the network namespace that the client's connection came to; ASCII.
    pub namespace: Option<String>,
    /// Types that have no field here, in their order, each with its value.
    pub other: Vec<(u8, Bytes)>,
    /// Whether the header carries a checksum. One that came was right, and one that is sent will be.
    pub checksum: bool,
}

/// What is known of the TLS between client and proxy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// What of it there was: the sum of the flags below.
    pub client: u8,
    /// Zero if the client's certificate was verified.
    pub verify: u32,
    /// The version, such as `TLSv1.3`; ASCII.
    pub version: Option<String>,
    /// The common name in the client's certificate.
    pub common_name: Option<String>,
    /// The cipher suite; ASCII.
    pub cipher: Option<String>,
    /// The algorithm by which the proxy's certificate is signed; ASCII.
    pub signature: Option<String>,
    /// The algorithm of the key of the proxy's certificate; ASCII.
    pub key: Option<String>,
    /// Types that have no field here.
    pub other: Vec<(u8, Bytes)>,
}

impl Tls {
    /// The client spoke TLS.
    pub const SPOKEN: u8 = 1;
    /// It showed a certificate on this connection.
    pub const CERTIFICATE: u8 = 2;
    /// It showed one at least once in this TLS session.
    pub const CERTIFICATE_IN_SESSION: u8 = 4;

    /// Whether the client spoke TLS.
    pub fn is_spoken(&self) -> bool {
        self.client & Tls::SPOKEN != 0
    }

    /// Whether the client showed a certificate that was verified. A zero alone says nothing: without a certificate there
    /// was nothing to verify.
    pub fn is_verified(&self) -> bool {
        self.client & (Tls::CERTIFICATE | Tls::CERTIFICATE_IN_SESSION) != 0 && self.verify == 0
    }
}

impl Extensions {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        *self == Extensions::default()
    }
}

/// Reads and writes the space behind the addresses.
pub(super) struct Tlvs;

impl Tlvs {
    /// Takes all of `rest`, which is the end of the whole `header`.
    pub(super) fn parse(header: &[u8], mut rest: Bytes) -> Result<Extensions, Error> {
        let mut found = Extensions::default();
        while let Some((kind, value)) = next(&mut rest)? {
            match kind {
                ALPN => once(&mut found.alpn, value)?,
                AUTHORITY => once(&mut found.authority, text(&value)?)?,
                CRC32C => {
                    let told: [u8; 4] = value.as_ref().try_into().map_err(|_| Error::Tlv)?;
                    if std::mem::replace(&mut found.checksum, true) {
                        return Err(Error::Tlv);
                    }
                    // The checksum is that of the header with zeros in its place.
                    let at = header.len() - rest.len() - told.len();
                    let sum = crc32c::crc32c_append(crc32c::crc32c(&header[..at]), &[0; 4]);
                    if crc32c::crc32c_append(sum, &header[at + told.len()..]) != u32::from_be_bytes(told) {
                        return Err(Error::Checksum);
                    }
                }
                NOOP => {}
                UNIQUE_ID if value.len() > 128 => return Err(Error::Tlv),
                UNIQUE_ID => once(&mut found.unique_id, value)?,
                TLS => once(&mut found.tls, tls(value)?)?,
                NETNS => once(&mut found.namespace, ascii(&value)?)?,
                _ => found.other.push((kind, value)),
            }
        }
        Ok(found)
    }

    /// Appends all of `extensions` and answers where the checksum is to be put.
    pub(super) fn write(extensions: &Extensions, out: &mut Vec<u8>) -> Result<Option<usize>, EncodeError> {
        let Extensions { alpn, authority, unique_id, tls, namespace, other, checksum } = extensions;
        // First, so that it does not move and readers that stop early have seen it.
        let place = checksum.then_some(out.len() + 3);
        if *checksum {
            put(CRC32C, &[0; 4], out)?;
        }
        put_some(ALPN, alpn, out)?;
        put_some(AUTHORITY, authority, out)?;
        if unique_id.as_ref().is_some_and(|id| id.len() > 128) {
            return Err(EncodeError::TooLong);
        }
        put_some(UNIQUE_ID, unique_id, out)?;
        if let Some(tls) = tls {
            put(TLS, &inner(tls)?, out)?;
        }
        put_some(NETNS, namespace, out)?;
        for (kind, value) in other {
            if matches!(*kind, ALPN | AUTHORITY | CRC32C | NOOP | UNIQUE_ID | TLS | NETNS) {
                return Err(EncodeError::Registered);
            }
            put(*kind, value, out)?;
        }
        Ok(place)
    }
}

fn tls(mut value: Bytes) -> Result<Tls, Error> {
    if value.len() < 5 {
        return Err(Error::Tlv);
    }
    let mut found = Tls { client: value.get_u8(), verify: value.get_u32(), ..Tls::default() };
    while let Some((kind, value)) = next(&mut value)? {
        match kind {
            TLS_VERSION => once(&mut found.version, ascii(&value)?)?,
            TLS_COMMON_NAME => once(&mut found.common_name, text(&value)?)?,
            TLS_CIPHER => once(&mut found.cipher, ascii(&value)?)?,
            TLS_SIGNATURE => once(&mut found.signature, ascii(&value)?)?,
            TLS_KEY => once(&mut found.key, ascii(&value)?)?,
            _ => found.other.push((kind, value)),
        }
    }
    Ok(found)
}

fn inner(tls: &Tls) -> Result<Vec<u8>, EncodeError> {
    let Tls { client, verify, version, common_name, cipher, signature, key, other } = tls;
    let mut value = vec![*client];
    value.put_u32(*verify);
    put_some(TLS_VERSION, version, &mut value)?;
    put_some(TLS_COMMON_NAME, common_name, &mut value)?;
    put_some(TLS_CIPHER, cipher, &mut value)?;
    put_some(TLS_SIGNATURE, signature, &mut value)?;
    put_some(TLS_KEY, key, &mut value)?;
    for (kind, bytes) in other {
        if (TLS_VERSION..=TLS_KEY).contains(kind) {
            return Err(EncodeError::Registered);
        }
        put(*kind, bytes, &mut value)?;
    }
    Ok(value)
}

/// Takes the next TLV off the front.
fn next(rest: &mut Bytes) -> Result<Option<(u8, Bytes)>, Error> {
    if rest.is_empty() {
        return Ok(None);
    }
    if rest.len() < 3 {
        return Err(Error::Tlv);
    }
    let (kind, len) = (rest.get_u8(), usize::from(rest.get_u16()));
    if rest.len() < len {
        return Err(Error::Tlv);
    }
    Ok(Some((kind, rest.split_to(len))))
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Error> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::Tlv),
    }
}

fn text(value: &[u8]) -> Result<String, Error> {
    std::str::from_utf8(value).map(str::to_owned).map_err(|_| Error::Tlv)
}

fn ascii(value: &[u8]) -> Result<String, Error> {
    if value.is_ascii() { text(value) } else { Err(Error::Tlv) }
}

fn put_some(kind: u8, value: &Option<impl AsRef<[u8]>>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    value.as_ref().map_or(Ok(()), |value| put(kind, value.as_ref(), out))
}

fn put(kind: u8, value: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let len = u16::try_from(value.len()).map_err(|_| EncodeError::TooLong)?;
    out.put_u8(kind);
    out.put_u16(len);
    out.put_slice(value);
    Ok(())
}
