//! Who sends a request, by the token that it carries, and what that opens: whole tables and SQL. A layer around all doors looks at the
//! token once; the doors then ask for [`Access`].
//!
//! A server without tokens lets everyone. With some, clients send one in each call, as a bearer or as the password of basic authentication
//! (any user name). Over Flight they may also send it in a handshake, which gives it back as a bearer.

use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderMap};
use axum::middleware::Next;
use axum::response::Response;
use headers::authorization::{Basic, Bearer};
use headers::{Authorization, HeaderMapExt};
use tracing::Span;

use crate::error::{Error, Kind, Result};
use crate::token::{Tokens, User};

const HOW: &str = "send the server's token in the header `authorization: Bearer TOKEN`, or as the password of basic authentication";

/// What a request may do. It is among the extensions of each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything: the server has no tokens.
    Unrestricted,
    /// Everything: it carries a token of the server.
    Granted(User),
    /// What is open to everyone: it carries a token that the server does not have.
    Wrong,
    /// What is open to everyone: it carries none.
    Anonymous,
}

impl Access {
    /// That of a request with these headers.
    pub fn from_headers(tokens: &Tokens, headers: &HeaderMap) -> Self {
        if tokens.are_none() {
            return Self::Unrestricted;
        }
        match sent(headers) {
            Some(sent) => tokens.user(&sent).map_or(Self::Wrong, Self::Granted),
            None => Self::Anonymous,
        }
    }

    /// That of a request that came through [`recognise`].
    pub fn from_extensions(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or(Self::Anonymous)
    }

    /// `Ok` if it opens whole tables and SQL, else `Unauthenticated`, with a sentence that says how to send a token.
    pub fn check(&self) -> Result<()> {
        let wrong = match self {
            Self::Unrestricted | Self::Granted(_) => return Ok(()),
            Self::Wrong => "the token is wrong",
            Self::Anonymous => "a token is needed",
        };
        Err(Error::new(Kind::Unauthenticated, format!("{wrong}: {HOW}")))
    }
}

/// Middleware around all doors: puts [`Access`] among the extensions of a request, and the name of the token into the log line of the
/// request.
pub async fn recognise(State(tokens): State<Tokens>, mut request: Request, next: Next) -> Response {
    let access = Access::from_headers(&tokens, request.headers());
    if let Access::Granted(User(name)) = &access {
        Span::current().record("user", &**name);
    }
    request.extensions_mut().insert(access);
    next.run(request).await
}

/// The token that a request carries, right or wrong.
pub fn sent(headers: &HeaderMap) -> Option<String> {
    let bearer = headers.typed_get::<Authorization<Bearer>>();
    let basic = || headers.typed_get::<Authorization<Basic>>();
    bearer
        .map(|bearer| bearer.token().to_string())
        .or_else(|| basic().map(|basic| basic.password().to_string()))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::header::AUTHORIZATION;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    fn tokens() -> Tokens {
        Tokens::open(Some("s3same".parse().unwrap()), None).unwrap()
    }

    fn headers(authorization: &str) -> HeaderMap {
        [(AUTHORIZATION, authorization.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn only_a_token_opens() {
        let tokens = tokens();
        let access = |authorization| Access::from_headers(&tokens, &headers(authorization));
        // any:s3same
        for right in ["Bearer s3same", "bearer s3same", "Basic YW55OnMzc2FtZQ=="] {
            assert_eq!(access(right), Access::Granted(User("token".into())));
            access(right).check().unwrap();
        }
        // s3same:any
        for wrong in
            ["Bearer s3sam", "Bearer s3same2", "Basic czNzYW1lOmFueQ==", "Digest s3same", "s3same"]
        {
            let error = access(wrong).check().unwrap_err();
            assert_eq!(error.kind(), Kind::Unauthenticated, "{wrong}");
            assert!(error.to_string().contains("Bearer TOKEN"), "{error}");
        }
        let nothing = HeaderMap::new();
        let error = Access::from_headers(&tokens, &nothing).check().unwrap_err();
        assert!(error.to_string().starts_with("a token is needed"), "{error}");
        Access::from_extensions(&Extensions::new()).check().unwrap_err();
        let none = Tokens::open(None, None).unwrap();
        Access::from_headers(&none, &nothing).check().unwrap();
    }

    #[tokio::test]
    async fn a_request_carries_what_it_may_do() {
        let handler = |request: Request| async move {
            format!("{:?}", Access::from_extensions(request.extensions()))
        };
        let router = Router::new().route("/", get(handler));
        let router = router.layer(from_fn_with_state(tokens(), recognise));
        for (authorization, expected) in
            [("Bearer s3same", "Granted(User(\"token\"))"), ("Bearer other", "Wrong")]
        {
            let request = Request::builder().uri("/").header(AUTHORIZATION, authorization);
            let request = request.body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            let body = axum::body::to_bytes(answer.into_body(), 100).await.unwrap();
            assert_eq!(body, expected);
        }
    }
}
