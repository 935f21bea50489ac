//! Whole messages.

use std::fmt;

use super::name::Written;
use super::{Class, Error, Name, Record, RecordType};

/// What a message is for: 4 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Opcode(pub u8);

impl Opcode {
    /// A question.
    pub const QUERY: Opcode = Opcode(0);
    /// A zone has changed.
    pub const NOTIFY: Opcode = Opcode(4);
    /// A change of a zone.
    pub const UPDATE: Opcode = Opcode(5);
}

/// How it went: 4 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ResponseCode(pub u8);

impl ResponseCode {
    /// Well.
    pub const NO_ERROR: ResponseCode = ResponseCode(0);
    /// The server could not read the message.
    pub const FORM_ERR: ResponseCode = ResponseCode(1);
    /// The server has a problem.
    pub const SERV_FAIL: ResponseCode = ResponseCode(2);
    /// There is no such name.
    pub const NX_DOMAIN: ResponseCode = ResponseCode(3);
    /// The server does not do that.
    pub const NOT_IMP: ResponseCode = ResponseCode(4);
    /// The server does not do that for you.
    pub const REFUSED: ResponseCode = ResponseCode(5);
}

impl fmt::Display for ResponseCode {
    /// As dig shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
        match names.get(usize::from(self.0)) {
            Some(name) => f.pad(name),
            None => write!(f, "RCODE{}", self.0),
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// Of whom.
    pub name: Name,
    /// Which records.
    pub record_type: RecordType,
    /// In which network.
    pub class: Class,
}

impl Question {
    /// A question about the Internet.
    pub fn new(name: Name, record_type: RecordType) -> Self {
        Question { name, record_type, class: Class::IN }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.class, self.record_type)
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// A number that the answer repeats.
    pub id: u16,
    /// Whether it is an answer.
    pub response: bool,
    /// What it is for.
    pub opcode: Opcode,
    /// The server speaks for the zone.
    pub authoritative: bool,
    /// The answer did not fit: ask over TCP.
    pub truncated: bool,
    /// Ask others, if need be.
    pub recursion_desired: bool,
    /// The server would.
    pub recursion_available: bool,
    /// The data was verified (DNSSEC).
    pub authentic_data: bool,
    /// The asker verifies by itself (DNSSEC).
    pub checking_disabled: bool,
    /// How it went.
    pub response_code: ResponseCode,
    /// What is asked for.
    pub questions: Vec<Question>,
    /// What answers it.
    pub answers: Vec<Record>,
    /// Who speaks for the zone.
    pub authorities: Vec<Record>,
    /// What may help.
    pub additional: Vec<Record>,
}

/// The flags' bits.
const RESPONSE: u16 = 1 << 15;
const AUTHORITATIVE: u16 = 1 << 10;
const TRUNCATED: u16 = 1 << 9;
const RECURSION_DESIRED: u16 = 1 << 8;
const RECURSION_AVAILABLE: u16 = 1 << 7;
const AUTHENTIC_DATA: u16 = 1 << 5;
const CHECKING_DISABLED: u16 = 1 << 4;

impl Message {
    /// A question.
    pub fn query(id: u16, question: Question) -> Self {
        Message { id, questions: vec![question], ..Message::default() }
    }

    /// The beginning of the answer to this question: its number, opcode, wish for recursion and questions.
    #[must_use]
    pub fn into_response(self) -> Self {
        let Message { id, opcode, recursion_desired, checking_disabled, questions, .. } = self;
        Message { id, response: true, opcode, recursion_desired, checking_disabled, questions, ..Message::default() }
    }

    /// Reads a message, which ends where the bytes end.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`], [`Error::Malformed`] with where it is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let header = bytes.first_chunk::<12>().ok_or(Error::Truncated { at: bytes.len() })?;
        let word = |n: usize| u16::from_be_bytes([header[n * 2], header[n * 2 + 1]]);
        let flag = |bit: u16| word(1) & bit != 0;
        let mut message = Message {
            id: word(0),
            response: flag(RESPONSE),
            opcode: Opcode(((word(1) >> 11) & 0x0f) as u8),
            authoritative: flag(AUTHORITATIVE),
            truncated: flag(TRUNCATED),
            recursion_desired: flag(RECURSION_DESIRED),
            recursion_available: flag(RECURSION_AVAILABLE),
            authentic_data: flag(AUTHENTIC_DATA),
            checking_disabled: flag(CHECKING_DISABLED),
            response_code: ResponseCode((word(1) & 0x0f) as u8),
            ..Message::default()
        };
        let mut at = 12;
        for _ in 0..word(2) {
            let (name, behind) = Name::read(bytes, at)?;
            let fields = bytes.get(behind..).and_then(|rest| rest.first_chunk::<4>());
            let [a, b, c, d] = *fields.ok_or(Error::Truncated { at: bytes.len() })?;
            let (record_type, class) = (RecordType(u16::from_be_bytes([a, b])), Class(u16::from_be_bytes([c, d])));
            message.questions.push(Question { name, record_type, class });
            at = behind + 4;
        }
        let sections = [&mut message.answers, &mut message.authorities, &mut message.additional];
        for (section, count) in sections.into_iter().zip([word(3), word(4), word(5)]) {
            for _ in 0..count {
                let (record, behind) = Record::read(bytes, at)?;
                section.push(record);
                at = behind;
            }
        }
        if at == bytes.len() {
            Ok(message)
        } else {
            Err(Error::Malformed { at, what: "something stands behind the message" })
        }
    }

    /// The message's bytes.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] beyond 65,535 bytes, records of a section, or bytes of a text.
    pub fn write(&self) -> Result<Vec<u8>, Error> {
        let count = |len: usize| u16::try_from(len).map_err(|_| Error::TooLong);
        let flag = |is: bool, bit: u16| if is { bit } else { 0 };
        let flags = flag(self.response, RESPONSE)
            | u16::from(self.opcode.0 & 0x0f) << 11
            | flag(self.authoritative, AUTHORITATIVE)
            | flag(self.truncated, TRUNCATED)
            | flag(self.recursion_desired, RECURSION_DESIRED)
            | flag(self.recursion_available, RECURSION_AVAILABLE)
            | flag(self.authentic_data, AUTHENTIC_DATA)
            | flag(self.checking_disabled, CHECKING_DISABLED)
            | u16::from(self.response_code.0 & 0x0f);
        let mut out = Vec::with_capacity(512);
        let sections = [&self.answers, &self.authorities, &self.additional];
        out.extend_from_slice(&self.id.to_be_bytes());
        out.extend_from_slice(&flags.to_be_bytes());
        out.extend_from_slice(&count(self.questions.len())?.to_be_bytes());
        for section in sections {
            out.extend_from_slice(&count(section.len())?.to_be_bytes());
        }
        let mut names = Written::default();
        for question in &self.questions {
            names.write(&question.name, &mut out);
            out.extend_from_slice(&question.record_type.0.to_be_bytes());
            out.extend_from_slice(&question.class.0.to_be_bytes());
        }
        for record in sections.into_iter().flatten() {
            record.write(&mut names, &mut out)?;
            count(out.len())?;
        }
        count(out.len()).map(|_| out)
    }
}
