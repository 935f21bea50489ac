//! Users, and what is kept of their passwords.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};

use super::Hash;

/// What RFC 7677 asks for at least, and Kafka's default.
pub(super) const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

/// What a server keeps of a password: enough to check it, not enough to be the user.
#[derive(Debug, Clone)]
pub(super) struct Verifier {
    pub(super) salt: [u8; 16],
    pub(super) stored_key: Vec<u8>,
    pub(super) server_key: Vec<u8>,
}

/// A password, which is not shown.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// What is kept of one.
#[derive(Debug)]
struct User {
    verifiers: [Verifier; 2],
    /// The password, signed with a key that lives as long as the process: PLAIN is checked so. Deriving a verifier for each
    /// connection would hold up all others for milliseconds.
    signed: hmac::Tag,
}

/// All users. None: everybody may come in.
#[derive(Debug, Default)]
pub(crate) struct Users {
    all: BTreeMap<String, User>,
    key: Option<hmac::Key>,
}

/// Bytes that nobody can guess. From the operating system, whatever the broker's seed is: a nonce that can be known
/// beforehand lets an old exchange be played again.
pub(super) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}

impl Users {
    /// `None` if there is no randomness to be had.
    pub(crate) fn new<'a>(users: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Users> {
        let mut all = BTreeMap::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()?;
        for (name, password) in users {
            let verifier = |hash| Some(Verifier::new(hash, password, random()?));
            let verifiers = [verifier(Hash::Sha256)?, verifier(Hash::Sha512)?];
            all.insert(name.to_owned(), User { verifiers, signed: hmac::sign(&key, password.as_bytes()) });
        }
        Some(Users { all, key: Some(key) })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn get(&self, name: &str, hash: Hash) -> Option<&Verifier> {
        self.all.get(name).map(|user| &user.verifiers[hash as usize])
    }

    /// Whether this is that user's password.
    pub(super) fn verify(&self, name: &str, password: &str) -> bool {
        let Some(key) = &self.key else { return false };
        // An unknown name costs as much as a known one. Comparing takes the same time wherever they differ.
        let nobody = [0; 32];
        let signed = self.all.get(name).map_or(&nobody[..], |user| user.signed.as_ref());
        hmac::verify(key, password.as_bytes(), signed).is_ok()
    }
}

impl Verifier {
    /// RFC 5802, section 3.
    pub(super) fn new(hash: Hash, password: &str, salt: [u8; 16]) -> Verifier {
        let salted = salted(hash, password, &salt);
        let key = hmac::Key::new(hash.hmac(), &salted);
        let client_key = hmac::sign(&key, b"Client Key");
        let stored_key = digest::digest(hash.digest(), client_key.as_ref()).as_ref().to_vec();
        Verifier { salt, stored_key, server_key: hmac::sign(&key, b"Server Key").as_ref().to_vec() }
    }
}

pub(super) fn salted(hash: Hash, password: &str, salt: &[u8]) -> Vec<u8> {
    let mut salted = vec![0; hash.digest().output_len()];
    pbkdf2::derive(hash.pbkdf2(), ITERATIONS, salt, password.as_bytes(), &mut salted);
    salted
}
