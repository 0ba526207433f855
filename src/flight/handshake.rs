//! The handshake, in which a client sends a token once and gets it back as a bearer for its further calls.

use arrow_flight::HandshakeResponse;
use futures::stream::{self, BoxStream, StreamExt};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Response, Status};

use crate::access::{self, Access};
use crate::error::Result;

/// The messages of a handshake.
pub(crate) type Handshake = BoxStream<'static, Result<HandshakeResponse, Status>>;

/// Gives the token of the call back as a bearer, in the header `authorization`, where pyarrow and the Go and Rust clients look for it, and
/// in the payload. `Unauthenticated` if the call carries no token of the server.
pub(crate) fn answer<T>(request: &Request<T>) -> Result<Response<Handshake>> {
    Access::from_extensions(request.extensions()).check()?;
    let sent = access::sent(request.metadata().as_ref()).unwrap_or_default();
    let payload = HandshakeResponse { protocol_version: 0, payload: sent.clone().into() };
    let mut response = Response::new(stream::iter([Ok(payload)]).boxed());
    if let Ok(mut bearer) = MetadataValue::<Ascii>::try_from(format!("Bearer {sent}")) {
        bearer.set_sensitive(true);
        response.metadata_mut().insert("authorization", bearer);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::User;

    #[tokio::test]
    async fn a_handshake_gives_a_bearer_that_opens() {
        let mut call = Request::new(());
        call.metadata_mut().insert("authorization", "Basic YW55OnMzc2FtZQ==".parse().unwrap());
        assert!(answer(&call).is_err(), "it was not recognised");
        call.extensions_mut().insert(Access::Granted(User("token".into())));
        let response = answer(&call).unwrap();
        let bearer = response.metadata().get("authorization").unwrap().to_str().unwrap();
        assert_eq!(bearer, "Bearer s3same");
        let payloads: Vec<_> = response.into_inner().collect().await;
        assert_eq!(payloads[0].as_ref().unwrap().payload, "s3same");
    }
}
