//! What records say.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::name::{Written, write_whole};
use super::{Error, Name, RecordType};

/// A record's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A server of the zone.
    Ns(Name),
    /// The name's real name.
    Cname(Name),
    /// Another name.
    Ptr(Name),
    /// A mail server and its preference: the lowest first.
    Mx(u16, Name),
    /// Texts of up to 255 bytes.
    Txt(Vec<Vec<u8>>),
    /// The beginning of a zone: its first server and its keeper's address, then serial, refresh, retry, expire and minimum.
    Soa(Name, Name, [u32; 5]),
    /// A service: priority, weight, port, and where.
    Srv(u16, u16, u16, Name),
    /// Who may issue certificates: flags, tag, value.
    Caa(u8, Vec<u8>, Vec<u8>),
    /// EDNS options: number and bytes.
    Opt(Vec<(u16, Vec<u8>)>),
    /// Anything else, as it came.
    Other(RecordType, Vec<u8>),
}

/// Takes a record's data off its message.
struct Fields<'a> {
    message: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let to = self.at.checked_add(len).filter(|to| *to <= self.end);
        let taken = to.and_then(|to| self.message.get(self.at..to)).ok_or(self.short())?;
        self.at += len;
        Ok(taken)
    }

    fn rest(&mut self) -> Result<&'a [u8], Error> {
        self.take(self.end.saturating_sub(self.at))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    fn text(&mut self) -> Result<&'a [u8], Error> {
        let [len] = self.array()?;
        self.take(len.into())
    }

    fn name(&mut self) -> Result<Name, Error> {
        let (name, behind) = Name::read(self.message, self.at)?;
        if behind > self.end {
            return Err(self.short());
        }
        self.at = behind;
        Ok(name)
    }

    fn short(&self) -> Error {
        Error::Malformed { at: self.at, what: "a record's data is longer than its length" }
    }
}

impl Data {
    /// Of which type it is.
    pub fn record_type(&self) -> RecordType {
        match self {
            Data::A(_) => RecordType::A,
            Data::Aaaa(_) => RecordType::AAAA,
            Data::Ns(_) => RecordType::NS,
            Data::Cname(_) => RecordType::CNAME,
            Data::Ptr(_) => RecordType::PTR,
            Data::Mx(..) => RecordType::MX,
            Data::Txt(_) => RecordType::TXT,
            Data::Soa(..) => RecordType::SOA,
            Data::Srv(..) => RecordType::SRV,
            Data::Caa(..) => RecordType::CAA,
            Data::Opt(_) => RecordType::OPT,
            Data::Other(record_type, _) => *record_type,
        }
    }

    pub(super) fn read(record_type: RecordType, message: &[u8], at: usize, end: usize) -> Result<Self, Error> {
        let mut fields = Fields { message, at, end };
        let data = match record_type {
            // An update's conditions and deletions have no data, whatever their type.
            _ if at == end && !matches!(record_type, RecordType::OPT) => Data::Other(record_type, Vec::new()),
            RecordType::A => Data::A(fields.array::<4>()?.into()),
            RecordType::AAAA => Data::Aaaa(fields.array::<16>()?.into()),
            RecordType::NS => Data::Ns(fields.name()?),
            RecordType::CNAME => Data::Cname(fields.name()?),
            RecordType::PTR => Data::Ptr(fields.name()?),
            RecordType::MX => Data::Mx(fields.u16()?, fields.name()?),
            RecordType::TXT => {
                let mut texts = Vec::new();
                while fields.at < end {
                    texts.push(fields.text()?.to_vec());
                }
                Data::Txt(texts)
            }
            RecordType::SOA => {
                let (server, keeper) = (fields.name()?, fields.name()?);
                let mut numbers = [0; 5];
                for number in &mut numbers {
                    *number = u32::from_be_bytes(fields.array()?);
                }
                Data::Soa(server, keeper, numbers)
            }
            RecordType::SRV => Data::Srv(fields.u16()?, fields.u16()?, fields.u16()?, fields.name()?),
            RecordType::CAA => {
                let [flags] = fields.array()?;
                Data::Caa(flags, fields.text()?.to_vec(), fields.rest()?.to_vec())
            }
            RecordType::OPT => {
                let mut options = Vec::new();
                while fields.at < end {
                    let (number, len) = (fields.u16()?, fields.u16()?);
                    options.push((number, fields.take(len.into())?.to_vec()));
                }
                Data::Opt(options)
            }
            other => Data::Other(other, fields.rest()?.to_vec()),
        };
        if fields.at == end {
            Ok(data)
        } else {
            Err(Error::Malformed { at: fields.at, what: "a record's data is shorter than its length" })
        }
    }

    pub(super) fn write(&self, names: &mut Written, out: &mut Vec<u8>) -> Result<(), Error> {
        let text = |text: &[u8], out: &mut Vec<u8>| {
            out.push(u8::try_from(text.len()).map_err(|_| Error::TooLong)?);
            out.extend_from_slice(text);
            Ok(())
        };
        match self {
            Data::A(address) => out.extend_from_slice(&address.octets()),
            Data::Aaaa(address) => out.extend_from_slice(&address.octets()),
            // Only the types of RFC 1035 may be compressed.
            Data::Ns(name) | Data::Cname(name) | Data::Ptr(name) => names.write(name, out),
            Data::Mx(preference, name) => {
                out.extend_from_slice(&preference.to_be_bytes());
                names.write(name, out);
            }
            Data::Txt(texts) => texts.iter().try_for_each(|each| text(each, out))?,
            Data::Soa(server, keeper, numbers) => {
                names.write(server, out);
                names.write(keeper, out);
                numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
            }
            Data::Srv(priority, weight, port, target) => {
                [priority, weight, port].into_iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
                write_whole(target, out);
            }
            Data::Caa(flags, tag, value) => {
                out.push(*flags);
                text(tag, out)?;
                out.extend_from_slice(value);
            }
            Data::Opt(options) => {
                for (number, value) in options {
                    out.extend_from_slice(&number.to_be_bytes());
                    out.extend_from_slice(&u16::try_from(value.len()).map_err(|_| Error::TooLong)?.to_be_bytes());
                    out.extend_from_slice(value);
                }
            }
            Data::Other(_, bytes) => out.extend_from_slice(bytes),
        }
        Ok(())
    }
}

/// A text in quotes, as master files have it.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for byte in self.0 {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(*byte))?,
                0x20..=0x7e => write!(f, "{}", char::from(*byte))?,
                byte => write!(f, "\\{byte:03}")?,
            }
        }
        f.write_str("\"")
    }
}

/// Bytes of a type that isn't known (RFC 3597, section 5).
struct Generic<'a>(&'a [u8]);

impl fmt::Display for Generic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\\# {}", self.0.len())?;
        for (at, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if at == 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Data::A(address) => write!(f, "{address}"),
            Data::Aaaa(address) => write!(f, "{address}"),
            Data::Ns(name) | Data::Cname(name) | Data::Ptr(name) => write!(f, "{name}"),
            Data::Mx(preference, name) => write!(f, "{preference} {name}"),
            Data::Txt(texts) => {
                for (at, text) in texts.iter().enumerate() {
                    write!(f, "{}{}", if at == 0 { "" } else { " " }, Quoted(text))?;
                }
                Ok(())
            }
            Data::Soa(server, keeper, [serial, refresh, retry, expire, minimum]) => {
                write!(f, "{server} {keeper} {serial} {refresh} {retry} {expire} {minimum}")
            }
            Data::Srv(priority, weight, port, target) => write!(f, "{priority} {weight} {port} {target}"),
            Data::Caa(flags, tag, value) => write!(f, "{flags} {} {}", tag.escape_ascii(), Quoted(value)),
            Data::Opt(options) => write!(f, "{} options", options.len()),
            Data::Other(_, bytes) => write!(f, "{}", Generic(bytes)),
        }
    }
}
