//! The protocol of Redis, versions 2 and 3.

mod args;
mod codec;
mod frame;
mod inline;
mod length;
mod limits;
mod number;
mod reply;
mod request;

pub use args::{Args, ArgsIter, Request};
pub use codec::FrameCodec;
pub use frame::{EncodeError, Frame, FrameError};
pub use limits::Limits;
pub use number::{format_double, parse_double, parse_i64};
pub use reply::{Mark, Reply};
pub use request::{RequestDecoder, RequestError};

/// The version of the protocol that a client speaks.
///
/// Requests look alike in both; replies differ. A connection starts in version 2, and `HELLO 3` changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Version {
    /// Five types and two forms of null.
    #[default]
    Resp2,
    /// Adds maps, sets, doubles, booleans, big numbers, verbatim strings, attributes and pushes.
    Resp3,
}
