//! Sends a request that the store refuses once more, if there are new credentials: a key that was replaced, and taken from the store at
//! once, costs no answer.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpClient, HttpError, HttpRequest, HttpResponse, HttpService};

use super::credentials::AwsCredentials;

const FORBIDDEN: u16 = 403;
/// Where a signature is, and the token that goes with it.
const OF_SIGNATURE: [&str; 2] = ["authorization", "x-amz-security-token"];

/// An HTTP client for requests that are signed with credentials which may be replaced.
#[derive(Debug)]
pub(crate) struct SignedAgain {
    pub client: HttpClient,
    pub credentials: Arc<AwsCredentials>,
    pub region: String,
}

#[async_trait]
impl HttpService for SignedAgain {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // What has a body writes. The commands that write are short, and can be run again.
        let again = (request.body().content_length() == 0).then(|| request.clone());
        let answer = self.client.execute(request).await?;
        let Some(mut again) = again.filter(|_| answer.status() == FORBIDDEN) else {
            return Ok(answer);
        };
        let signature = again.headers().get(OF_SIGNATURE[0]).and_then(|sent| sent.to_str().ok());
        let Some(signature) = signature else { return Ok(answer) };
        let Some(credential) = self.credentials.instead(signature).await else { return Ok(answer) };
        for header in OF_SIGNATURE {
            again.headers_mut().remove(header);
        }
        AwsAuthorizer::new(&credential, "s3", &self.region).authorize(&mut again, None);
        self.client.execute(again).await
    }
}
