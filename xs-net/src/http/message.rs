//! What a service is asked with and answers with: the `http` crate's types, or messages as the protocol has them.

use http::{Extensions, Request, Response, StatusCode};
use http_body::Body;
use xs_proto::http1::{AnyResponse, Error, RequestHead, ResponseHead, Spare};

use super::{Incoming, OnUpgrade};

/// A message with its head as it was received or will be sent: fields in their order and spelling, not in a map. A proxy
/// passes such messages on for the price of copying their bytes.
#[derive(Debug)]
pub struct Message<H, B = Incoming> {
    /// A [`RequestHead`] or [`ResponseHead`].
    pub head: H,
    /// The body.
    pub body: B,
    /// What travels with it inside the process.
    pub extensions: Extensions,
}

impl<H, B> Message<H, B> {
    /// A message without extensions.
    pub fn new(head: H, body: B) -> Self {
        Message { head, body, extensions: Extensions::new() }
    }
}

/// A request that a server can ask its service with.
pub trait FromHead: Sized {
    /// Puts a request together, in memory that is spare, and leaves there what is left over.
    ///
    /// # Errors
    ///
    /// The head cannot be said in this type; the client is answered with the error's status.
    fn from_head(
        head: RequestHead,
        body: Incoming,
        upgrade: Option<OnUpgrade>,
        spare: &mut Spare,
    ) -> Result<Self, Error>;
}

impl FromHead for Request<Incoming> {
    fn from_head(
        head: RequestHead,
        body: Incoming,
        upgrade: Option<OnUpgrade>,
        spare: &mut Spare,
    ) -> Result<Self, Error> {
        let mut parts = head.into_parts_with(spare)?;
        if let Some(upgrade) = upgrade {
            parts.extensions.insert(upgrade);
        }
        Ok(Request::from_parts(parts, body))
    }
}

impl FromHead for Message<RequestHead> {
    fn from_head(
        head: RequestHead,
        body: Incoming,
        upgrade: Option<OnUpgrade>,
        _spare: &mut Spare,
    ) -> Result<Self, Error> {
        let mut message = Message::new(head, body);
        if let Some(upgrade) = upgrade {
            message.extensions.insert(upgrade);
        }
        Ok(message)
    }
}

/// A response that a server's service can answer with.
pub trait IntoHead {
    /// Its body.
    type Body: Body;

    /// Takes it apart.
    fn into_head(self) -> (AnyResponse, Self::Body);
}

impl<B: Body> IntoHead for Response<B> {
    type Body = B;

    fn into_head(self) -> (AnyResponse, B) {
        let (parts, body) = self.into_parts();
        (parts.into(), body)
    }
}

impl<B: Body> IntoHead for Message<ResponseHead, B> {
    type Body = B;

    fn into_head(self) -> (AnyResponse, B) {
        (self.head.into(), self.body)
    }
}

impl<B: Body> IntoHead for Message<AnyResponse, B> {
    type Body = B;

    fn into_head(self) -> (AnyResponse, B) {
        (self.head, self.body)
    }
}

pub(super) fn status_of(head: &AnyResponse) -> StatusCode {
    match head {
        AnyResponse::Parts(parts) => parts.status,
        AnyResponse::Head(head) => head.status(),
    }
}
