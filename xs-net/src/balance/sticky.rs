//! The same endpoint for the same client: by a token that the client brings, or by where it comes from.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use siphasher::sip::SipHasher24;
use xs_os::Rng;

use super::{Candidates, Policy, hash};
use crate::endpoint::Endpoint;

/// The secret that makes tokens unguessable. The same in all processes that are to understand each other's cookies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; 16]);

impl Key {
    /// A key of 16 bytes from a source of secrets.
    pub fn new(bytes: [u8; 16]) -> Self {
        Key(bytes)
    }

    /// What stands for an endpoint in a client's cookie: it says nothing about the name, and nobody can make one without
    /// the key.
    pub fn token(&self, name: &str) -> Token {
        Token(SipHasher24::new_with_key(&self.0).hash(name.as_bytes()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What a client brings along to come to the same endpoint again: 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Not the 16 hexadecimal digits of a token. Treat the client as a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token of 16 hexadecimal digits")]
pub struct InvalidToken;

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidToken);
        }
        u64::from_str_radix(text, 16).map(Token).map_err(|_| InvalidToken)
    }
}

/// Requests that bring a token come to its endpoint while that is well, also while it drains; all others, and those whose
/// endpoint is gone, as another policy says.
///
/// The request's hash is its token here. Set a new cookie whenever the endpoint picked is not the token's.
#[derive(Debug, Clone)]
pub struct Sticky<P> {
    key: Key,
    /// In order of tokens; each with its member.
    tokens: Vec<(u64, u32)>,
    others: P,
}

impl<P: Policy> Sticky<P> {
    /// Tokens by `key`; requests without one by `others`.
    pub fn new(key: Key, others: P) -> Self {
        Sticky { key, tokens: Vec::new(), others }
    }
}

impl<P: Policy> Policy for Sticky<P> {
    fn changed(&mut self, endpoints: &[Endpoint]) {
        let token = |(index, endpoint): (usize, &Endpoint)| (self.key.token(&endpoint.name).0, index as u32);
        self.tokens = endpoints.iter().enumerate().map(token).collect();
        self.tokens.sort_unstable();
        self.others.changed(endpoints);
    }

    fn pick(&mut self, candidates: &Candidates<'_>, hash: Option<u64>, rng: &mut Rng) -> Option<usize> {
        let found = hash.and_then(|hash| self.tokens.binary_search_by_key(&hash, |&(token, _)| token).ok());
        let pinned = found.and_then(|found| candidates.pinned(self.tokens[found].1 as usize));
        match pinned {
            Some(candidate) => Some(candidate.index),
            None => self.others.pick(candidates, None, rng),
        }
    }
}

/// The hash of a client's address, for [`Hashed`](super::Hashed). Of an IPv6 address it takes the first 64 bits: the rest is
/// the client's own, and many change it every day. An IPv4 address inside an IPv6 one is the IPv4 address.
pub fn source(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => hash(&address.octets()),
        IpAddr::V6(address) => hash(&address.octets()[..8]),
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use crate::balance::{Change, Cluster, ClusterOptions, RoundRobin};
    use xs_os::{Clock, VirtualClock};

    #[test]
    fn a_token_leads_back_while_its_endpoint_is_well_and_also_while_it_drains() {
        let (now, mut rng) = (VirtualClock::new().now(), Rng::from_seed(1));
        let mut cluster = Cluster::new("test", ClusterOptions::default(), now);
        for name in ["a", "b", "c"] {
            cluster.apply(Change::Insert(Endpoint::new(name)), now);
        }
        let key = Key::new(*b"0123456789abcdef");
        let mut policy = Sticky::new(key, RoundRobin::new());
        policy.changed(cluster.endpoints());
        let cookie = key.token("b").to_string();
        let token = cookie.parse::<Token>().unwrap();
        let mut pick = |cluster: &mut Cluster, token: Option<Token>| {
            policy.pick(&cluster.candidates(now, &[]), token.map(|token| token.0), &mut rng).unwrap()
        };
        assert!((0..9).all(|_| pick(&mut cluster, Some(token)) == 1));
        let others: std::collections::BTreeSet<_> = (0..3).map(|_| pick(&mut cluster, Some(Token(7)))).collect();
        assert_eq!(others.len(), 3, "a token of nobody is none");
        cluster.apply(Change::Insert(Endpoint::new("b").weight(0)), now);
        assert!((0..9).all(|_| pick(&mut cluster, Some(token)) == 1));
        assert!((0..9).all(|_| pick(&mut cluster, None) != 1));
        cluster.set_well("b", false, now);
        assert!((0..9).all(|_| pick(&mut cluster, Some(token)) != 1));
    }

    #[test]
    fn tokens_depend_on_the_key_and_print_as_they_are_read() {
        // The first test vectors of the SipHash paper have this key: of the empty message, and of one byte, a zero.
        let key = Key::new(std::array::from_fn(|n| n as u8));
        assert_eq!(key.token("").0, 0x726f_db47_dd0e_0e31);
        assert_eq!(key.token("\0").0, 0x74f8_39c5_93dc_67fd);
        assert_ne!(key.token("a"), Key::new([0; 16]).token("a"));
        assert_eq!(Token(5).to_string(), "0000000000000005");
        for bad in ["", "5", "00000000000000005", "000000000000000g", "+000000000000005", "٠٠٠٠٠٠٠٠"] {
            assert_eq!(bad.parse::<Token>(), Err(InvalidToken));
        }
    }

    #[test]
    fn a_source_is_the_part_of_an_address_that_stays() {
        let source = |text: &str| super::source(text.parse().unwrap());
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }
}
