//! SaslHandshake and SaslAuthenticate.

use bytestring::ByteString;
use xs_proto::kafka::messages::*;

use crate::sasl::{Mechanism, Session};

/// Chooses a mechanism. Behind version 0 come bytes without Kafka's headers.
pub(crate) fn handshake(session: &mut Session, request: &SaslHandshakeRequest, version: i16) -> Response {
    let chosen = session.choose(&request.mechanism, version == 0);
    let mechanisms = Mechanism::ALL.iter().map(|mechanism| ByteString::from_static(mechanism.name())).collect();
    SaslHandshakeResponse { error_code: chosen.err().unwrap_or_default(), mechanisms }.into()
}

pub(crate) fn authenticate(session: &mut Session, request: &SaslAuthenticateRequest) -> Response {
    let response = match session.exchange(&request.auth_bytes) {
        Ok(auth_bytes) => SaslAuthenticateResponse { error_message: None, auth_bytes, ..Default::default() },
        Err((error_code, why)) => {
            SaslAuthenticateResponse { error_code, error_message: Some(why.into()), ..Default::default() }
        }
    };
    response.into()
}
