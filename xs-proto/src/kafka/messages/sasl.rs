//! Who a client is.

use bytes::Bytes;
use bytestring::ByteString;

use super::macros::structs;
use crate::kafka::ErrorCode;
use crate::kafka::wire::{At, Field, Form, Kind, ReadError, Reader, Wire, WriteError, Writer, all, from};

structs! {
    /// Chooses a SASL mechanism.
    struct SaslHandshakeRequest {
        /// The mechanism's name.
        mechanism: ByteString, all();
    }

    /// The answer to [`SaslHandshakeRequest`].
    struct SaslHandshakeResponse {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// The mechanisms that there are.
        mechanisms: Vec<ByteString>, all();
    }

    /// Carries the bytes of a SASL exchange.
    struct SaslAuthenticateRequest {
        /// What the mechanism says.
        auth_bytes: Bytes, all();
    }

    /// The answer to [`SaslAuthenticateRequest`].
    struct SaslAuthenticateResponse {
        /// What went wrong, or nothing.
        error_code: ErrorCode, all();
        /// What went wrong, for people.
        error_message: Option<ByteString> = Some(Default::default()), all().nullable();
        /// What the mechanism says.
        auth_bytes: Bytes, all();
        /// How long the client is believed before it must say again who it is, in milliseconds; 0 for always.
        session_lifetime_ms: i64, from(1).ignorable();
    }
}
