//! Identities of topics and the like.

use std::fmt;

/// Sixteen bytes that name a topic. All zeros is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// No identity.
    pub const ZERO: Uuid = Uuid([0; 16]);

    /// A random identity (RFC 9562, version 4) from 16 random bytes.
    pub const fn from_random(mut random: [u8; 16]) -> Uuid {
        random[6] = random[6] & 0x0f | 0x40;
        random[8] = random[8] & 0x3f | 0x80;
        Uuid(random)
    }
}

/// URL-safe Base64 without padding, as Kafka's tools print it.
impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let value = u128::from_be_bytes(self.0);
        for i in 0..22 {
            // The last digit holds two bits, with zeros below them.
            let bits = if i < 21 { value >> (122 - 6 * i) } else { value << 4 };
            write!(f, "{}", char::from(DIGITS[(bits & 63) as usize]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_as_kafka_shows_it() {
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(Uuid([0xff; 16]).to_string(), "_____________________w");
        let bytes: [u8; 16] = std::array::from_fn(|i| i as u8);
        assert_eq!(Uuid(bytes).to_string(), "AAECAwQFBgcICQoLDA0ODw");
        assert_eq!(Uuid::from_random([0xff; 16]).0[6..9], [0x4f, 0xff, 0xbf]);
    }
}
