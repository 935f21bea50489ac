//! Values with a unit in them: times, rates, parts of a whole, networks.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A time such as `"250ms"`, `"30s"`, `"5m"` or `"1h"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

impl Time {
    fn parse(text: &str) -> Result<Time, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(format!("`{text}` is no time: write a whole number and ms, s, m or h, such as \"30s\"")),
        };
        let number: u64 = number.parse().map_err(|_| format!("`{text}` has no number that counts: write \"30s\""))?;
        // A year is as good as for ever, and no sum with it overflows.
        let millis = number.checked_mul(millis).filter(|&millis| millis <= 365 * 24 * 3_600_000);
        millis.map(|millis| Time(Duration::from_millis(millis))).ok_or_else(|| format!("`{text}` is more than a year"))
    }
}

/// A number of requests in a time: `"100/s"`, `"5000/m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many, at least 1.
    pub count: u32,
    /// In this time.
    pub per: Duration,
}

impl Rate {
    fn parse(text: &str) -> Result<Rate, String> {
        let wrong = || format!("`{text}` is no rate: write a number, a slash and s, m or h, such as \"100/s\"");
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(wrong()),
        };
        let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
        let count = count.parse().ok().filter(|&count| digits && count > 0).ok_or_else(wrong)?;
        Ok(Rate { count, per: Duration::from_secs(seconds) })
    }
}

/// A part of a whole, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Part(pub(super) f64);

impl Part {
    pub(super) fn percent(self) -> u8 {
        (self.0 * 100.0).round() as u8
    }
}

/// An address, or all addresses that begin with the same bits: `10.0.0.0/8`, `::1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    pub(super) fn parse(text: &str) -> Result<Network, String> {
        let wrong =
            || format!("`{text}` is no network: write an address, or its first one and a length: \"10.0.0.0/8\"");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most { Err(wrong()) } else { Ok(Network { address, bits }) }
    }

    /// Whether an address is in it. An IPv4 address inside an IPv6 one counts as the former.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let shift = width - u32::from(self.bits);
            shift >= width || a >> shift == b >> shift
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

/// Reads a string by `parse`.
struct Text<T>(&'static str, fn(&str) -> Result<T, String>);

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Text("a time such as \"30s\"", Time::parse))
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Text("a rate such as \"100/s\"", Rate::parse))
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Text("a network such as \"10.0.0.0/8\"", Network::parse))
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let part = f64::deserialize(from)?;
        if (0.0..=1.0).contains(&part) { Ok(Part(part)) } else { Err(D::Error::custom("a part is from 0.0 to 1.0")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_rates_and_networks_are_read_or_refused() {
        assert_eq!(Time::parse("250ms"), Ok(Time(Duration::from_millis(250))));
        assert_eq!(Time::parse("2h"), Ok(Time(Duration::from_secs(7200))));
        for wrong in ["", "5", "s", "-1s", "1.5s", "1 s", "9000h", "99999999999999999999s"] {
            assert!(Time::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Rate::parse("90/m"), Ok(Rate { count: 90, per: Duration::from_secs(60) }));
        for wrong in ["", "5", "0/s", "+5/s", "/s", "5/d", "4294967296/s"] {
            assert!(Rate::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "10.0.0.0/33", "::/129", "a/8", "10.0.0.0/", "10/8"] {
            assert!(Network::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        let has = |network: &str, address: &str| Network::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(has("10.0.0.0/8", "10.255.1.2") && !has("10.0.0.0/8", "11.0.0.0"));
        assert!(has("0.0.0.0/0", "1.2.3.4") && !has("0.0.0.0/0", "::1") && has("::/0", "::1"));
        assert!(has("192.0.2.1", "::ffff:192.0.2.1") && !has("192.0.2.1", "192.0.2.2"));
        assert!(has("2001:db8::/32", "2001:db8:1::") && !has("2001:db8::/32", "2001:db9::"));
    }
}
