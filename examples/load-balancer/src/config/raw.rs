//! The shapes in which a configuration is written. What is no such shape is refused here; whether it makes sense is
//! `check`'s business.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use toml::Spanned;

use super::units::{Network, Part, Rate, Time};

type Text = Spanned<String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Raw {
    pub(super) threads: Option<Spanned<usize>>,
    pub(super) drain: Option<Time>,
    pub(super) admin: Option<RawAdmin>,
    pub(super) listener: Option<Vec<Spanned<RawListener>>>,
    pub(super) pool: Option<BTreeMap<Spanned<String>, Spanned<RawPool>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawAdmin {
    pub(super) listen: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawListener {
    pub(super) name: Text,
    pub(super) listen: Text,
    pub(super) mode: Option<Spanned<RawMode>>,
    pub(super) pool: Option<Text>,
    pub(super) trusted: Option<Spanned<Vec<Network>>>,
    pub(super) accept_proxy: Option<Spanned<bool>>,
    pub(super) tls: Option<Spanned<RawListenerTls>>,
    #[serde(default)]
    pub(super) limits: RawLimits,
    #[serde(default)]
    pub(super) timeouts: RawListenerTimeouts,
    pub(super) forwarded: Option<Spanned<RawForwarded>>,
    pub(super) via: Option<Text>,
    pub(super) route: Option<Spanned<Vec<Spanned<RawRoute>>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawMode {
    Http,
    Tcp,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawListenerTls {
    pub(super) certificate: Text,
    pub(super) key: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawLimits {
    pub(super) connections: Option<Spanned<usize>>,
    pub(super) rate: Option<Spanned<Rate>>,
    pub(super) burst: Option<Spanned<u32>>,
    pub(super) by: Option<Text>,
    pub(super) body: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawListenerTimeouts {
    pub(super) head: Option<Spanned<Time>>,
    pub(super) body: Option<Spanned<Time>>,
    pub(super) idle: Option<Time>,
    pub(super) write: Option<Spanned<Time>>,
    pub(super) upgraded: Option<Spanned<Time>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawForwarded {
    X,
    Rfc7239,
    Both,
    None,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawRoute {
    pub(super) host: Option<Text>,
    pub(super) path: Option<Text>,
    pub(super) methods: Option<Vec<Text>>,
    pub(super) pool: Text,
    pub(super) set_host: Option<Text>,
    #[serde(default)]
    pub(super) set_header: BTreeMap<Spanned<String>, Text>,
    #[serde(default)]
    pub(super) remove_header: Vec<Text>,
    #[serde(default)]
    pub(super) set_response_header: BTreeMap<Spanned<String>, Text>,
    #[serde(default)]
    pub(super) remove_response_header: Vec<Text>,
    pub(super) retry: Option<bool>,
    pub(super) timeout: Option<Time>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawPool {
    pub(super) policy: Option<Spanned<RawPolicy>>,
    pub(super) hash: Option<Text>,
    pub(super) percent: Option<Spanned<u32>>,
    pub(super) zone: Option<String>,
    pub(super) endpoints: Option<Spanned<Vec<Spanned<RawEndpoint>>>>,
    pub(super) file: Option<Text>,
    pub(super) dns: Option<Text>,
    pub(super) sticky: Option<Spanned<RawSticky>>,
    pub(super) health: Option<Spanned<RawHealth>>,
    pub(super) outlier: Option<RawOutlier>,
    pub(super) slow_start: Option<Time>,
    pub(super) panic: Option<Part>,
    pub(super) breaker: Option<RawBreaker>,
    pub(super) retry: Option<RawRetry>,
    #[serde(default)]
    pub(super) timeouts: RawPoolTimeouts,
    #[serde(default)]
    pub(super) connections: RawConnections,
    pub(super) send_proxy: Option<RawProxyVersion>,
    pub(super) tls: Option<Spanned<RawPoolTls>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawPolicy {
    RoundRobin,
    Weighted,
    Random,
    LeastConnections,
    P2c,
    RingHash,
    Maglev,
    Rendezvous,
    BoundedLoad,
}

/// An address alone, or a table.
#[derive(Debug)]
pub(super) struct RawEndpoint {
    pub(super) address: String,
    pub(super) weight: u32,
    pub(super) zone: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawSticky {
    pub(super) cookie: Option<Text>,
    pub(super) key: Option<Text>,
    pub(super) source: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawHealth {
    pub(super) http: Option<Text>,
    pub(super) host: Option<Text>,
    pub(super) tcp: Option<bool>,
    pub(super) interval: Option<Spanned<Time>>,
    pub(super) timeout: Option<Spanned<Time>>,
    pub(super) rise: Option<Spanned<u32>>,
    pub(super) fall: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawOutlier {
    pub(super) failures: Option<u32>,
    pub(super) interval: Option<Time>,
    pub(super) volume: Option<u32>,
    pub(super) deviations: Option<f64>,
    pub(super) term: Option<Time>,
    pub(super) longest_term: Option<Time>,
    pub(super) most: Option<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawBreaker {
    pub(super) calls: Option<Spanned<usize>>,
    pub(super) failures: Option<Part>,
    pub(super) slow: Option<Time>,
    pub(super) open: Option<Time>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawRetry {
    pub(super) attempts: Option<Spanned<u32>>,
    pub(super) budget: Option<Part>,
    pub(super) least: Option<u32>,
    pub(super) statuses: Option<Vec<Spanned<u16>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawPoolTimeouts {
    pub(super) connect: Option<Time>,
    pub(super) response: Option<Time>,
    pub(super) idle: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawConnections {
    pub(super) idle: Option<usize>,
    pub(super) idle_timeout: Option<Time>,
    pub(super) lifetime: Option<Time>,
    pub(super) max: Option<Spanned<usize>>,
    pub(super) wait: Option<Spanned<Time>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawProxyVersion {
    V1,
    V2,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawPoolTls {
    pub(super) ca: Option<Text>,
    pub(super) verify: Option<bool>,
    pub(super) name: Option<Text>,
}

impl<'de> Deserialize<'de> for RawEndpoint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        struct Table {
            address: String,
            #[serde(default = "one")]
            weight: u32,
            zone: Option<String>,
        }

        fn one() -> u32 {
            1
        }

        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = RawEndpoint;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address or a table { address, weight, zone }")
            }

            fn visit_str<E: Error>(self, address: &str) -> Result<RawEndpoint, E> {
                Ok(RawEndpoint { address: address.to_owned(), weight: 1, zone: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawEndpoint, A::Error> {
                let Table { address, weight, zone } = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RawEndpoint { address, weight, zone })
            }
        }

        from.deserialize_any(Either)
    }
}
