//! The HTTP client with which credentials are asked for, of STS, SSO, containers and machines: object_store's, since the AWS crates would
//! bring one of their own, with another TLS.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use object_store::ClientOptions;
use object_store::client::{
    self, HttpConnector as _, HttpRequestBody, HttpResponseBody, ReqwestConnector,
};
use tokio::time::timeout;

/// The longest wait for an answer where the caller sets no limit.
const READ_LIMIT: Duration = Duration::from_secs(30);

/// Makes clients for the AWS crates.
#[derive(Debug)]
pub(crate) struct AwsHttp;

impl HttpClient for AwsHttp {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        // Containers and machines give credentials over plain HTTP, at addresses of their own.
        let mut options = ClientOptions::new().with_allow_http(true).with_timeout_disabled();
        if let Some(limit) = settings.connect_timeout() {
            options = options.with_connect_timeout(limit);
        }
        let client = ReqwestConnector::default().connect(&options).map_err(|e| e.to_string());
        let read_limit = settings.read_timeout().unwrap_or(READ_LIMIT);
        SharedHttpConnector::new(CredentialClient { client, read_limit })
    }
}

/// A client, or why there is none.
#[derive(Clone, Debug)]
struct CredentialClient {
    client: Result<client::HttpClient, String>,
    read_limit: Duration,
}

impl HttpConnector for CredentialClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.clone();
        HttpConnectorFuture::new(async move { client.answer(request).await })
    }
}

impl CredentialClient {
    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let client = self.client.clone().map_err(|error| ConnectorError::user(error.into()))?;
        let request = request.try_into_http1x().map_err(|e| ConnectorError::user(e.into()))?;
        let whole = request.body().bytes().map(bytes::Bytes::copy_from_slice);
        let whole = whole.ok_or_else(|| ConnectorError::user("a body that is streamed".into()))?;
        let request = request.map(|_| HttpRequestBody::from(whole));
        let answer = async {
            let (head, body) = client.execute(request).await?.into_parts();
            Ok::<_, client::HttpError>((head, HttpResponseBody::bytes(body).await?))
        };
        let (head, body) = timeout(self.read_limit, answer)
            .await
            .map_err(|error| ConnectorError::timeout(error.into()))?
            .map_err(|error| ConnectorError::io(error.into()))?;
        let status = StatusCode::try_from(head.status.as_u16());
        let status = status.map_err(|error| ConnectorError::user(error.into()))?;
        let mut answer = HttpResponse::new(status, body.into());
        for (name, value) in &head.headers {
            if let Ok(value) = value.to_str() {
                answer.headers_mut().append(name.as_str().to_string(), value.to_string());
            }
        }
        Ok(answer)
    }
}
