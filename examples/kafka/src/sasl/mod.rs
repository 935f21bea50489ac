//! Who a connection is: PLAIN and SCRAM.
//!
//! ```text
//!   SaslHandshake(mechanism) ─▶ SaslAuthenticate(bytes) ─▶ … ─▶ a name, or nothing but the end
//! ```
//!
//! Where users are configured, a connection is answered ApiVersions and these two until it has said who it is. One that has
//! failed is told so, and closed when it asks for more. Passwords are kept as SCRAM keeps them: salted and hashed, once for
//! each hash.
//!
//! Without TLS, PLAIN shows passwords to whoever listens to the wire; SCRAM does not.
//!
//! Sources: RFC 4616 (PLAIN), RFC 5802 and 7677 (SCRAM), KIP-43, KIP-84, KIP-152.

mod codec;
mod scram;
mod users;

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;

use crate::caller::ANONYMOUS;
pub(crate) use codec::{Bare, ConnectionCodec, Heard, Said};
pub(crate) use scram::Hash;
use scram::{First, Scram};
pub(crate) use users::{Secret, Users};

/// How a client can say who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Plain,
    Scram(Hash),
}

impl Mechanism {
    pub(crate) const ALL: [Mechanism; 3] =
        [Mechanism::Plain, Mechanism::Scram(Hash::Sha256), Mechanism::Scram(Hash::Sha512)];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Scram(Hash::Sha256) => "SCRAM-SHA-256",
            Mechanism::Scram(Hash::Sha512) => "SCRAM-SHA-512",
        }
    }
}

/// How far a connection has come.
#[derive(Debug)]
enum Step {
    /// Nobody has to say who it is.
    Open,
    Start,
    Chosen(Mechanism),
    Challenged(Box<Scram>),
    /// `User:` and a name.
    Known(ByteString),
    Failed,
}

/// One connection's side of it.
#[derive(Debug)]
pub(crate) struct Session {
    users: Arc<Users>,
    step: Step,
    /// The exchange comes without headers.
    bare: Bare,
}

/// A refusal: the code, and why, for people.
pub(crate) type Refused = (ErrorCode, &'static str);

impl Session {
    pub(crate) fn new(users: Arc<Users>) -> Session {
        let step = if users.is_empty() { Step::Open } else { Step::Start };
        Session { users, step, bare: Bare::default() }
    }

    /// Whether the exchange comes without headers: what the connection's codec looks at.
    pub(crate) fn bare(&self) -> Bare {
        self.bare.clone()
    }

    /// Whether it may ask for anything.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.step, Step::Open | Step::Known(_))
    }

    /// Who it is.
    pub(crate) fn principal(&self) -> ByteString {
        match &self.step {
            Step::Known(principal) => principal.clone(),
            _ => ByteString::from_static(ANONYMOUS),
        }
    }

    /// The client says how it wants to say who it is, and whether what comes next has headers.
    pub(crate) fn choose(&mut self, name: &str, bare: bool) -> Result<(), ErrorCode> {
        if !matches!(self.step, Step::Start | Step::Chosen(_)) {
            return Err(ErrorCode::ILLEGAL_SASL_STATE);
        }
        let chosen = Mechanism::ALL.into_iter().find(|mechanism| mechanism.name() == name);
        self.step = Step::Chosen(chosen.ok_or(ErrorCode::UNSUPPORTED_SASL_MECHANISM)?);
        self.bare.set(bare);
        Ok(())
    }

    fn known(&mut self, name: &str) {
        tracing::debug!(name, "a client has said who it is");
        self.bare.set(false);
        self.step = Step::Known(format!("User:{name}").into());
    }

    /// The next bytes of the client's, and what they are answered.
    pub(crate) fn exchange(&mut self, said: &[u8]) -> Result<Bytes, Refused> {
        let failed = (ErrorCode::SASL_AUTHENTICATION_FAILED, "Authentication failed.");
        match std::mem::replace(&mut self.step, Step::Failed) {
            Step::Chosen(Mechanism::Plain) => {
                self.known(&plain(&self.users, said).ok_or(failed)?);
                Ok(Bytes::new())
            }
            Step::Chosen(Mechanism::Scram(hash)) => {
                let nonce = users::random::<18>().ok_or(failed)?;
                let First { scram, answer } = Scram::begin(&self.users, hash, said, &nonce).ok_or(failed)?;
                self.step = Step::Challenged(Box::new(scram));
                Ok(answer.into())
            }
            Step::Challenged(scram) => {
                let (name, answer) = scram.end(said).ok_or(failed)?;
                self.known(&name);
                Ok(answer.into())
            }
            step => {
                self.step = step;
                Err((ErrorCode::ILLEGAL_SASL_STATE, "There is nothing to be authenticated."))
            }
        }
    }
}

/// Whom to be, who it is, the password: NUL between them.
fn plain(users: &Users, said: &[u8]) -> Option<ByteString> {
    let mut parts = std::str::from_utf8(said).ok()?.split('\0');
    let (other, name, password) = (parts.next()?, parts.next()?, parts.next()?);
    let is_itself = other.is_empty() || other == name;
    (parts.next().is_none() && is_itself && users.verify(name, password)).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session::new(Arc::new(Users::new([("alice", "secret")]).unwrap()))
    }

    #[test]
    fn a_password_lets_in_and_anything_else_does_not() {
        let mut right = session();
        assert!(!right.is_open());
        right.choose("PLAIN", false).unwrap();
        assert_eq!(right.principal(), "User:ANONYMOUS");
        assert!(right.exchange(b"\0alice\0secret").is_ok() && right.is_open());
        assert_eq!(right.principal(), "User:alice");
        assert_eq!(right.choose("PLAIN", false), Err(ErrorCode::ILLEGAL_SASL_STATE));
        let wrong: [&[u8]; 7] = [
            b"",
            b"alice",
            b"\0alice\0Secret",
            b"\0bob\0secret",
            b"bob\0alice\0secret",
            b"\0alice\0secret\0",
            b"\0\xff\0secret",
        ];
        for said in wrong {
            let mut session = session();
            session.choose("PLAIN", false).unwrap();
            assert_eq!(session.exchange(said).unwrap_err().0, ErrorCode::SASL_AUTHENTICATION_FAILED);
            assert!(!session.is_open());
            assert_eq!(session.exchange(b"\0alice\0secret").unwrap_err().0, ErrorCode::ILLEGAL_SASL_STATE);
        }
    }

    #[test]
    fn there_is_an_order() {
        let mut session = session();
        assert_eq!(session.exchange(b"").unwrap_err().0, ErrorCode::ILLEGAL_SASL_STATE);
        assert_eq!(session.choose("GSSAPI", true), Err(ErrorCode::UNSUPPORTED_SASL_MECHANISM));
        session.choose("SCRAM-SHA-256", false).unwrap();
        session.choose("PLAIN", false).unwrap();
        assert!(session.exchange(b"\0alice\0secret").is_ok());
        assert!(Session::new(Arc::default()).is_open());
    }
}
