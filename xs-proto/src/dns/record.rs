//! Resource records.

use std::fmt;

use super::name::Written;
use super::{Data, Error, Name};

/// A number of IANA's registry with the names that are in use.
macro_rules! numbers {
    ($(#[$doc:meta])* $type:ident, $prefix:literal: $($(#[$each:meta])* $name:ident = $number:literal $text:literal,)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(pub u16);

        impl $type {
            $($(#[$each])* pub const $name: $type = $type($number);)*
        }

        impl fmt::Display for $type {
            /// Its name, or its number as RFC 3597 has it.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    $($number => f.pad($text),)*
                    number => write!(f, concat!($prefix, "{}"), number),
                }
            }
        }
    };
}

numbers! {
    /// What a record says, or what is asked for.
    RecordType, "TYPE":
    /// An IPv4 address.
    A = 1 "A",
    /// A server of the zone.
    NS = 2 "NS",
    /// The name's real name.
    CNAME = 5 "CNAME",
    /// The beginning of a zone.
    SOA = 6 "SOA",
    /// Another name: an address' host.
    PTR = 12 "PTR",
    /// Who takes the name's mail.
    MX = 15 "MX",
    /// Texts.
    TXT = 16 "TXT",
    /// An IPv6 address.
    AAAA = 28 "AAAA",
    /// Where a service is.
    SRV = 33 "SRV",
    /// EDNS, which is no record.
    OPT = 41 "OPT",
    /// A service's parameters.
    SVCB = 64 "SVCB",
    /// HTTPS' parameters.
    HTTPS = 65 "HTTPS",
    /// A whole zone.
    AXFR = 252 "AXFR",
    /// Everything there is.
    ANY = 255 "ANY",
    /// Who may issue certificates.
    CAA = 257 "CAA",
}

numbers! {
    /// Of which network. All that is in use is [`Class::IN`].
    Class, "CLASS":
    /// The Internet.
    IN = 1 "IN",
    /// Chaos: where servers tell their version.
    CH = 3 "CH",
    /// None, in updates.
    NONE = 254 "NONE",
    /// Any, in questions.
    ANY = 255 "ANY",
}

/// A resource record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Of whom it speaks.
    pub name: Name,
    /// In which network. Of [`RecordType::OPT`], the longest datagram that the sender takes.
    pub class: Class,
    /// Seconds for which it may be kept. Of [`RecordType::OPT`], flags.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

impl Record {
    /// A record of the Internet.
    pub fn new(name: Name, ttl: u32, data: Data) -> Self {
        Record { name, class: Class::IN, ttl, data }
    }

    /// What kind it is.
    pub fn record_type(&self) -> RecordType {
        self.data.record_type()
    }

    pub(super) fn read(message: &[u8], at: usize) -> Result<(Self, usize), Error> {
        let (name, at) = Name::read(message, at)?;
        let mut fields = [0; 10];
        fields.copy_from_slice(message.get(at..at + 10).ok_or(Error::Truncated { at: message.len() })?);
        let [t0, t1, c0, c1, a, b, c, d, l0, l1] = fields;
        let (start, len) = (at + 10, usize::from(u16::from_be_bytes([l0, l1])));
        let end = start + len;
        if end > message.len() {
            return Err(Error::Truncated { at: message.len() });
        }
        let data = Data::read(RecordType(u16::from_be_bytes([t0, t1])), message, start, end)?;
        let (class, ttl) = (Class(u16::from_be_bytes([c0, c1])), u32::from_be_bytes([a, b, c, d]));
        Ok((Record { name, class, ttl, data }, end))
    }

    pub(super) fn write(&self, names: &mut Written, out: &mut Vec<u8>) -> Result<(), Error> {
        names.write(&self.name, out);
        out.extend_from_slice(&self.record_type().0.to_be_bytes());
        out.extend_from_slice(&self.class.0.to_be_bytes());
        out.extend_from_slice(&self.ttl.to_be_bytes());
        let start = out.len();
        out.extend_from_slice(&[0, 0]);
        self.data.write(names, out)?;
        let len = u16::try_from(out.len() - start - 2).map_err(|_| Error::TooLong)?;
        out[start..start + 2].copy_from_slice(&len.to_be_bytes());
        Ok(())
    }
}

impl fmt::Display for Record {
    /// As a master file has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {} {}", self.name, self.ttl, self.class, self.record_type(), self.data)
    }
}
