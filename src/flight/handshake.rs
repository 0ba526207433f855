//! Who may read whole tables and run SQL: calls whose metadata carries the server's token. All others get `UNAUTHENTICATED`, with a
//! sentence that says how to send the token.
//!
//! A server without a token lets everyone. With one, clients send it in each call, as a bearer or as the password
//! of basic authentication (any user name), or once, in a handshake, which gives it back as a bearer.

use arrow_flight::HandshakeResponse;
use futures::stream::{self, BoxStream, StreamExt};
use headers::authorization::{Basic, Bearer};
use headers::{Authorization, HeaderMapExt};
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::{Response, Status};

use crate::error::{Error, Kind, Result};
use crate::token::Token;

const HOW: &str = "send the server's token in the header `authorization: Bearer TOKEN`, or as the password of basic authentication";

/// The messages of a handshake.
pub(crate) type Handshake = BoxStream<'static, Result<HandshakeResponse, Status>>;

/// Who may do what on one server.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    token: Option<Token>,
}

impl Access {
    /// Lets calls with the token through; without a token, all calls.
    pub(crate) fn new(token: Option<Token>) -> Self {
        Self { token }
    }

    /// `Ok` if the call carries the token, or if none is needed; else `Unauthenticated`.
    pub(crate) fn check(&self, metadata: &MetadataMap) -> Result<()> {
        let Some(token) = &self.token else { return Ok(()) };
        let wrong = match sent(metadata) {
            Some(sent) if token.is(&sent) => return Ok(()),
            Some(_) => "the token is wrong",
            None => "a token is needed",
        };
        Err(Error::new(Kind::Unauthenticated, format!("{wrong}: {HOW}")))
    }

    /// Gives the token of the call back as a bearer, in the header `authorization`, where pyarrow and the Go and
    /// Rust clients look for it, and in the payload.
    pub(crate) fn handshake(&self, metadata: &MetadataMap) -> Result<Response<Handshake>> {
        self.check(metadata)?;
        let sent = sent(metadata).unwrap_or_default();
        let payload = HandshakeResponse { protocol_version: 0, payload: sent.clone().into() };
        let mut response = Response::new(stream::iter([Ok(payload)]).boxed());
        if let Ok(mut bearer) = MetadataValue::<Ascii>::try_from(format!("Bearer {sent}")) {
            bearer.set_sensitive(true);
            response.metadata_mut().insert("authorization", bearer);
        }
        Ok(response)
    }
}

/// The token that a call carries, right or wrong.
fn sent(metadata: &MetadataMap) -> Option<String> {
    let headers = metadata.as_ref();
    let bearer = headers.typed_get::<Authorization<Bearer>>();
    let basic = || headers.typed_get::<Authorization<Basic>>();
    bearer
        .map(|bearer| bearer.token().to_string())
        .or_else(|| basic().map(|basic| basic.password().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(authorization: &str) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        metadata.insert("authorization", authorization.parse().unwrap());
        metadata
    }

    fn access() -> Access {
        Access::new(Some("s3same".parse().unwrap()))
    }

    #[test]
    fn only_the_token_opens() {
        let access = access();
        // any:s3same
        for right in ["Bearer s3same", "bearer s3same", "Basic YW55OnMzc2FtZQ=="] {
            access.check(&call(right)).unwrap();
        }
        // s3same:any
        for wrong in
            ["Bearer s3sam", "Bearer s3same2", "Basic czNzYW1lOmFueQ==", "Digest s3same", "s3same"]
        {
            let error = access.check(&call(wrong)).unwrap_err();
            assert_eq!(error.kind(), Kind::Unauthenticated, "{wrong}");
            assert!(error.to_string().contains("Bearer TOKEN"), "{error}");
        }
        let error = access.check(&MetadataMap::new()).unwrap_err();
        assert!(error.to_string().starts_with("a token is needed"), "{error}");
        Access::new(None).check(&MetadataMap::new()).unwrap();
    }

    #[tokio::test]
    async fn a_handshake_gives_a_bearer_that_opens() {
        let access = access();
        let response = access.handshake(&call("Basic YW55OnMzc2FtZQ==")).unwrap();
        let bearer = response.metadata().get("authorization").unwrap().to_str().unwrap();
        access.check(&call(bearer)).unwrap();
        let payloads: Vec<_> = response.into_inner().collect().await;
        assert_eq!(payloads[0].as_ref().unwrap().payload, "s3same");
        assert!(access.handshake(&MetadataMap::new()).is_err());
    }
}
