//! The message.

use super::Error;

/// Handshake bytes.
const LONGEST: usize = 64 << 10;
const MOST_RECORDS: usize = 64;
/// What a record may carry: 2^14, and what RFC 5246 adds for compression.
const LONGEST_RECORD: usize = (1 << 14) + 1024;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// An extension: its number, and its body.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Extension {
    /// Of IANA's registry "TLS ExtensionType Values".
    pub number: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// A ClientHello.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientHello {
    /// 0x0303 since TLS 1.2; later versions stand in an extension.
    pub legacy_version: u16,
    /// 32 bytes of chance.
    pub random: [u8; 32],
    /// At most 32 bytes.
    pub session_id: Vec<u8>,
    /// What it can do, the best first.
    pub cipher_suites: Vec<u16>,
    /// 0 alone, today.
    pub compression_methods: Vec<u8>,
    /// In the client's order, which it may shuffle. None at all where the message ends before them.
    pub extensions: Vec<Extension>,
}

/// Vectors of a message, each with its length in front of it.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Error::Malformed(what))?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self, what: &'static str) -> Result<u8, Error> {
        Ok(self.take(1, what)?.iter().fold(0, |_, byte| *byte))
    }

    fn u16(&mut self, what: &'static str) -> Result<u16, Error> {
        Ok(self.take(2, what)?.iter().fold(0, |word, byte| word << 8 | u16::from(*byte)))
    }

    /// A vector whose length is a byte.
    fn short(&mut self, what: &'static str) -> Result<Fields<'a>, Error> {
        let len = self.u8(what)?.into();
        self.take(len, what).map(Fields)
    }

    /// A vector whose length is two bytes.
    fn long(&mut self, what: &'static str) -> Result<Fields<'a>, Error> {
        let len = self.u16(what)?.into();
        self.take(len, what).map(Fields)
    }

    fn end(&self, what: &'static str) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Malformed(what)) }
    }

    fn words(mut self, what: &'static str) -> Result<Vec<u16>, Error> {
        let mut words = Vec::new();
        while !self.0.is_empty() {
            words.push(self.u16(what)?);
        }
        Ok(words)
    }
}

impl ClientHello {
    /// Looks for the message at the beginning of a stream. `None` asks for more bytes; what stands behind the message
    /// is not looked at.
    ///
    /// # Errors
    ///
    /// As soon as the bytes can't become one.
    pub fn from_records(stream: &[u8]) -> Result<Option<Self>, Error> {
        let (mut rest, mut message) = (stream, Vec::new());
        for _ in 0..MOST_RECORDS {
            // Type 22, and a version 3.x; the rest of the five bytes is a length.
            if rest.first().is_some_and(|byte| *byte != HANDSHAKE) || rest.get(1).is_some_and(|byte| *byte != 3) {
                return Err(Error::NotTls);
            }
            let Some([_, _, _, high, low]) = rest.first_chunk::<5>() else { return Ok(None) };
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            if len == 0 || len > LONGEST_RECORD {
                return Err(Error::NotTls);
            }
            let there = rest.get(5..).unwrap_or_default();
            message.extend_from_slice(there.get(..len).unwrap_or(there));
            if let Some(kind) = message.first().filter(|kind| **kind != CLIENT_HELLO) {
                return Err(Error::NotClientHello(*kind));
            }
            if let Some([_, a, b, c]) = message.first_chunk::<4>() {
                let whole = 4 + usize::from(*a) * 65_536 + usize::from(*b) * 256 + usize::from(*c);
                if whole > LONGEST {
                    return Err(Error::TooLong);
                }
                if let Some(message) = message.get(..whole) {
                    return Self::parse(message).map(Some);
                }
            }
            match there.get(len..) {
                Some(next) => rest = next,
                None => return Ok(None),
            }
        }
        Err(Error::TooLong)
    }

    /// Reads a handshake message, which fills the bytes.
    ///
    /// # Errors
    ///
    /// [`Error::NotClientHello`]; [`Error::Malformed`] with what is wrong.
    pub fn parse(message: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields(message);
        match fields.u8("type")? {
            CLIENT_HELLO => {}
            other => return Err(Error::NotClientHello(other)),
        }
        let high = usize::from(fields.u8("length")?);
        if high << 16 | usize::from(fields.u16("length")?) != fields.0.len() {
            return Err(Error::Malformed("length"));
        }
        let legacy_version = fields.u16("version")?;
        let mut random = [0; 32];
        random.copy_from_slice(fields.take(32, "random")?);
        let session_id = fields.short("session")?.0.to_vec();
        if session_id.len() > 32 {
            return Err(Error::Malformed("session"));
        }
        let cipher_suites = fields.long("list of ciphers")?.words("list of ciphers")?;
        let compression_methods = fields.short("list of compression methods")?.0.to_vec();
        if cipher_suites.is_empty() || compression_methods.is_empty() {
            return Err(Error::Malformed("list of ciphers"));
        }
        let mut extensions: Vec<Extension> = Vec::new();
        if !fields.0.is_empty() {
            let mut list = fields.long("list of extensions")?;
            let mut seen = std::collections::HashSet::new();
            while !list.0.is_empty() {
                let number = list.u16("list of extensions")?;
                let body = list.long("list of extensions")?.0.to_vec();
                if !seen.insert(number) {
                    return Err(Error::Malformed("list of extensions"));
                }
                extensions.push(Extension { number, body });
            }
        }
        fields.end("length")?;
        Ok(ClientHello { legacy_version, random, session_id, cipher_suites, compression_methods, extensions })
    }

    /// A hello that asks for a server and for protocols, with a random of zeros: for tests and probes.
    pub fn with_server_name(name: &str, protocols: &[&[u8]]) -> Self {
        let sized = |bytes: Vec<u8>| [&(bytes.len().min(0xffff) as u16).to_be_bytes()[..], &bytes].concat();
        let host = [&[0][..], &sized(name.as_bytes().to_vec())].concat();
        let protocols = protocols.iter().flat_map(|each| [&[each.len().min(255) as u8][..], each].concat()).collect();
        ClientHello {
            legacy_version: 0x0303,
            random: [0; 32],
            session_id: Vec::new(),
            cipher_suites: vec![0x1301, 0x1302, 0x1303],
            compression_methods: vec![0],
            extensions: vec![
                Extension { number: SERVER_NAME, body: sized(host) },
                Extension { number: ALPN, body: sized(protocols) },
                Extension { number: SUPPORTED_VERSIONS, body: vec![2, 3, 4] },
            ],
        }
    }

    /// The handshake message.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] where a list is longer than its length can say, or the whole longer than 64 KiB.
    pub fn write(&self) -> Result<Vec<u8>, Error> {
        let long = |bytes: &[u8], out: &mut Vec<u8>| {
            out.extend_from_slice(&u16::try_from(bytes.len()).map_err(|_| Error::TooLong)?.to_be_bytes());
            out.extend_from_slice(bytes);
            Ok(())
        };
        let short = |bytes: &[u8], out: &mut Vec<u8>| {
            out.push(u8::try_from(bytes.len()).map_err(|_| Error::TooLong)?);
            out.extend_from_slice(bytes);
            Ok(())
        };
        let mut out = vec![CLIENT_HELLO, 0, 0, 0];
        out.extend_from_slice(&self.legacy_version.to_be_bytes());
        out.extend_from_slice(&self.random);
        short(&self.session_id, &mut out)?;
        let ciphers: Vec<u8> = self.cipher_suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
        long(&ciphers, &mut out)?;
        short(&self.compression_methods, &mut out)?;
        let mut list = Vec::new();
        for extension in &self.extensions {
            list.extend_from_slice(&extension.number.to_be_bytes());
            long(&extension.body, &mut list)?;
        }
        if !list.is_empty() {
            long(&list, &mut out)?;
        }
        if out.len() > LONGEST {
            return Err(Error::TooLong);
        }
        let [_, len @ ..] = ((out.len() - 4) as u32).to_be_bytes();
        out[1..4].copy_from_slice(&len);
        Ok(out)
    }

    /// The message in as many records as it needs.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_record(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        for part in self.write()?.chunks(1 << 14) {
            // Version 3.1, as old servers want to see it in the first record.
            out.extend_from_slice(&[HANDSHAKE, 3, 1]);
            out.extend_from_slice(&(part.len() as u16).to_be_bytes());
            out.extend_from_slice(part);
        }
        Ok(out)
    }

    /// An extension's body.
    pub fn extension(&self, number: u16) -> Option<&[u8]> {
        self.extensions.iter().find(|extension| extension.number == number).map(|extension| &*extension.body)
    }

    /// For which server the connection is (RFC 6066).
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a list that is none, or a name that no host in the DNS has: it is empty, longer than
    /// 255 bytes, not of letters, digits, hyphens, underscores and dots.
    pub fn server_name(&self) -> Result<Option<&str>, Error> {
        const WHAT: &str = "server name";
        let Some(body) = self.extension(SERVER_NAME) else { return Ok(None) };
        let mut list = Fields(body);
        let mut names = list.long(WHAT)?;
        list.end(WHAT)?;
        let mut host = None;
        while !names.0.is_empty() {
            let kind = names.u8(WHAT)?;
            let name = names.long(WHAT)?.0;
            // Of each kind there is at most one, and 0, a host, is all there are.
            if kind == 0 && host.replace(name).is_some() {
                return Err(Error::Malformed(WHAT));
            }
        }
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let Some(name) = host else { return Err(Error::Malformed(WHAT)) };
        if name.is_empty() || name.len() > 255 || !name.iter().all(plain) {
            return Err(Error::Malformed(WHAT));
        }
        std::str::from_utf8(name).map(Some).map_err(|_| Error::Malformed(WHAT))
    }

    /// The protocols that the client would speak, the best first (RFC 7301); none without the extension.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a list that is none.
    pub fn alpn(&self) -> Result<Vec<&[u8]>, Error> {
        const WHAT: &str = "list of protocols";
        let Some(body) = self.extension(ALPN) else { return Ok(Vec::new()) };
        let mut list = Fields(body);
        let mut names = list.long(WHAT)?;
        list.end(WHAT)?;
        let mut protocols = Vec::new();
        while !names.0.is_empty() {
            protocols.push(Some(names.short(WHAT)?.0).filter(|name| !name.is_empty()).ok_or(Error::Malformed(WHAT))?);
        }
        Ok(protocols)
    }

    /// The versions that the client speaks, the best first: what the extension says, or else what stands at the
    /// message's beginning.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a list that is none.
    pub fn supported_versions(&self) -> Result<Vec<u16>, Error> {
        const WHAT: &str = "list of versions";
        let Some(body) = self.extension(SUPPORTED_VERSIONS) else { return Ok(vec![self.legacy_version]) };
        let mut list = Fields(body);
        let versions = list.short(WHAT)?.words(WHAT)?;
        list.end(WHAT)?;
        Ok(versions)
    }
}
