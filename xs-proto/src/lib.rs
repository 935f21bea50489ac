//! **Bytes on the wire, and nothing else.** A codec of xs turns bytes into values and values into bytes. It opens no
//! socket, reads no clock, starts no thread and needs no async runtime: whoever has bytes can use it, in a server, a
//! test, a fuzzer or a file converter.
//!
//! Read in this order:
//!
//! 1. [`out`]: where encoders put bytes. [`Out`] collects small ones in a row and keeps large ones by reference.
//! 2. [`codec`]: the two traits that every protocol implements, [`Decode`] and [`Encode`], and who is to blame when
//!    bytes are wrong, [`Blame`].
//! 3. [`machine`]: the trait of a protocol that is a conversation, with answers, deadlines and back-pressure of its own.
//! 4. [`resp`] (feature `resp`): the protocol of Redis, versions 2 and 3; the first codec to read, because all of it
//!    fits in a head.
//! 5. [`http1`] (feature `http1`): HTTP/1.0 and HTTP/1.1, both ends; the first machine to read.
//! 6. [`kafka`] (feature `kafka`): Kafka's messages in all their versions, and its record batches; the codec to read when a
//!    protocol has been growing for ten years.
//! 7. [`proxy_protocol`] (feature `proxy-protocol`): the header with which a proxy says for whom it connects.
//! 8. [`ip`] (feature `ip`): packets, from Ethernet to TCP, and what they were cut from.
//! 9. [`dns`] (feature `dns`): messages of the domain name system, over UDP and TCP.
//! 10. [`client_hello`] (feature `client-hello`): the first message of TLS, which says for whom it is.
//! 11. [`pcap`] (feature `pcap`): files of captured packets, pcap and pcapng.
//!
//! Every protocol stands behind a feature of its own, and none is on by default. The feature `tokio-util` adds
//! `codec::Framing`, which makes any codec here one of tokio's.
#![forbid(unsafe_code)]

#[cfg(feature = "client-hello")]
pub mod client_hello;
pub mod codec;
#[cfg(feature = "dns")]
pub mod dns;
#[cfg(feature = "http1")]
pub mod http1;
#[cfg(feature = "ip")]
pub mod ip;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod machine;
pub mod out;
#[cfg(feature = "pcap")]
pub mod pcap;
#[cfg(feature = "proxy-protocol")]
pub mod proxy_protocol;
#[cfg(feature = "resp")]
pub mod resp;

pub use codec::{Blame, Decode, Encode};
pub use machine::Machine;
pub use out::Out;
