//! The server's side of SCRAM.
//!
//! ```text
//!   client                                        server
//!   n,,n=NAME,r=NONCE              ─▶
//!                                  ◀─  r=NONCE+MORE,s=SALT,i=ITERATIONS
//!   c=biws,r=NONCE+MORE,p=PROOF    ─▶
//!                                  ◀─  v=SIGNATURE
//! ```
//!
//! The proof is the client's key, hidden by a signature over all that was said; the server knows the key's hash. There is
//! no channel binding, and a name is taken as it comes: no SASLprep.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytestring::ByteString;
use ring::{digest, hmac, pbkdf2};

use super::users::{ITERATIONS, Users, Verifier};

/// Longer messages are refused.
const MAX: usize = 4096;

/// Which hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    pub(super) fn digest(self) -> &'static digest::Algorithm {
        match self {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha512 => &digest::SHA512,
        }
    }

    pub(super) fn hmac(self) -> hmac::Algorithm {
        match self {
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha512 => hmac::HMAC_SHA512,
        }
    }

    pub(super) fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Hash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

/// An exchange that waits for the client's proof.
#[derive(Debug)]
pub(super) struct Scram {
    hash: Hash,
    name: ByteString,
    verifier: Verifier,
    /// What the client must say that it has bound to: what it began with.
    bound: String,
    nonce: String,
    /// What the proof is about, up to the client's last words.
    said: String,
}

/// The beginning, and its answer.
pub(super) struct First {
    pub(super) scram: Scram,
    pub(super) answer: String,
}

impl Scram {
    /// The client's first message; `None` if it cannot be understood, or there is no such user.
    pub(super) fn begin(users: &Users, hash: Hash, said: &[u8], nonce: &[u8]) -> Option<First> {
        let said = std::str::from_utf8(said).ok().filter(|said| said.len() <= MAX)?;
        // Channel binding, and another identity: neither is offered.
        let (binding, rest) = said.split_once(',')?;
        let (other, bare) = rest.split_once(',')?;
        if !matches!(binding, "n" | "y") {
            return None;
        }
        let mut fields = bare.split(',');
        let name = unescape(fields.next()?.strip_prefix("n=")?)?;
        let theirs = fields.next()?.strip_prefix("r=").filter(|nonce| !nonce.is_empty())?;
        if !other.is_empty() && unescape(other.strip_prefix("a=")?)? != name {
            return None;
        }
        let verifier = users.get(&name, hash)?.clone();
        let nonce = format!("{theirs}{}", STANDARD.encode(nonce));
        let answer = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(verifier.salt));
        let bound = STANDARD.encode(format!("{binding},{other},"));
        let said = format!("{bare},{answer}");
        Some(First { scram: Scram { hash, name: name.into(), verifier, bound, nonce, said }, answer })
    }

    /// The client's last message; `None` if it does not prove that it knows the password.
    pub(super) fn end(self, said: &[u8]) -> Option<(ByteString, String)> {
        let said = std::str::from_utf8(said).ok().filter(|said| said.len() <= MAX)?;
        let (without_proof, proof) = said.rsplit_once(",p=")?;
        let mut fields = without_proof.split(',');
        let bound = fields.next()?.strip_prefix("c=")?;
        let nonce = fields.next()?.strip_prefix("r=")?;
        // librdkafka before 2.2 says its own part twice. Kafka looks at the end, too: ours is in it, and all of it is signed.
        if bound != self.bound || !nonce.ends_with(&self.nonce) {
            return None;
        }
        let about = format!("{},{without_proof}", self.said);
        let key = |key: &[u8]| hmac::Key::new(self.hash.hmac(), key);
        let signature = hmac::sign(&key(&self.verifier.stored_key), about.as_bytes());
        let proof = STANDARD.decode(proof).ok()?;
        if proof.len() != signature.as_ref().len() {
            return None;
        }
        let client_key: Vec<u8> = proof.iter().zip(signature.as_ref()).map(|(proof, sign)| proof ^ sign).collect();
        // Hashes are compared: where they differ says nothing about the key.
        if digest::digest(self.hash.digest(), &client_key).as_ref() != self.verifier.stored_key {
            return None;
        }
        let signature = hmac::sign(&key(&self.verifier.server_key), about.as_bytes());
        Some((self.name, format!("v={}", STANDARD.encode(signature))))
    }
}

/// In names, `,` is `=2C` and `=` is `=3D`.
fn unescape(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (sign, rest) = part.split_at_checked(2)?;
        plain.push(match sign {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        plain.push_str(rest);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::super::users::salted;
    use super::*;

    /// The client's side: its last message, with something in front of the nonce, and what it expects to hear.
    fn client(hash: Hash, password: &str, bare: &str, first: &str, before: &str) -> (String, String) {
        let field = |name: &str| first.split(',').find_map(|field| field.strip_prefix(name)).unwrap().to_owned();
        let salted = salted(hash, password, &STANDARD.decode(field("s=")).unwrap());
        let sign = |key: &[u8], about: &[u8]| hmac::sign(&hmac::Key::new(hash.hmac(), key), about).as_ref().to_vec();
        let client_key = sign(&salted, b"Client Key");
        let without_proof = format!("c=biws,r={before}{}", field("r="));
        let about = format!("{bare},{first},{without_proof}");
        let stored = digest::digest(hash.digest(), &client_key);
        let signature = sign(stored.as_ref(), about.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, sign)| key ^ sign).collect();
        let verifies = sign(&sign(&salted, b"Server Key"), about.as_bytes());
        (format!("{without_proof},p={}", STANDARD.encode(proof)), format!("v={}", STANDARD.encode(verifies)))
    }

    #[test]
    fn who_knows_the_password_gets_in_and_knows_the_server() {
        let users = Users::new([("a,b=c", "secret")]).unwrap();
        for hash in [Hash::Sha256, Hash::Sha512] {
            let bare = "n=a=2Cb=3Dc,r=nonce";
            let begin = || Scram::begin(&users, hash, format!("n,,{bare}").as_bytes(), b"more").unwrap();
            let First { scram, answer } = begin();
            let (last, expected) = client(hash, "secret", bare, &answer, "");
            assert_eq!(scram.end(last.as_bytes()).unwrap(), ("a,b=c".into(), expected));
            let First { scram, answer } = begin();
            let (last, expected) = client(hash, "secret", bare, &answer, "nonce");
            assert_eq!(scram.end(last.as_bytes()).unwrap(), ("a,b=c".into(), expected), "librdkafka 2.0");
            let First { scram, answer } = begin();
            assert!(scram.end(client(hash, "Secret", bare, &answer, "").0.as_bytes()).is_none());
            // Another exchange's words are worth nothing.
            let other = Scram::begin(&users, hash, format!("n,,{bare}").as_bytes(), b"other").unwrap();
            assert!(other.scram.end(last.as_bytes()).is_none());
        }
    }

    /// RFC 7677, section 3: known salt, nonces and password.
    #[test]
    fn the_example_of_the_rfc() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::new(Hash::Sha256, "pencil", salt.try_into().unwrap());
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let scram = Scram {
            hash: Hash::Sha256,
            name: "user".into(),
            verifier,
            bound: "biws".into(),
            nonce: nonce.into(),
            said: format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
        };
        let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let (name, answer) = scram.end(last.as_bytes()).unwrap();
        assert_eq!((&*name, &*answer), ("user", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    }

    #[test]
    fn what_is_no_beginning_is_refused() {
        let users = Users::new([("u", "p")]).unwrap();
        let long = format!("n,,n=u,r={}", "x".repeat(MAX));
        for said in
            ["", "n", "n,,", "p=tls,,n=u,r=x", "n,a=v,n=u,r=x", "n,,n=v,r=x", "n,,n=u,r=", "n,,n=u=2,r=x", &long]
        {
            assert!(Scram::begin(&users, Hash::Sha256, said.as_bytes(), b"more").is_none(), "{said}");
        }
        assert!(Scram::begin(&users, Hash::Sha256, b"n,a=u,n=u,r=x,extension", b"more").is_some());
        for said in ["", "c=biws", "c=biws,r=x", "c=biws,r=x,p=", "c=biws,r=x,p=!", "c=eSws,r=xbW9yZQ==,p=AAAA"] {
            let First { scram, .. } = Scram::begin(&users, Hash::Sha256, b"n,,n=u,r=x", b"more").unwrap();
            assert!(scram.end(said.as_bytes()).is_none(), "{said}");
        }
    }
}
