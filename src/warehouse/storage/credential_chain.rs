//! Looks for credentials where the AWS tools do: variables, the profiles of `~/.aws`, roles, web identities, containers, and the role of
//! the machine.

use std::fmt::Display;
use std::iter::successors;

use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;

use super::aws_http::AwsHttp;

/// What a person can do where there are none.
const NONE: &str = "there are no AWS credentials: give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws/config or \
                    ~/.aws/credentials (AWS_PROFILE, AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE say which), or \
                    AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN; neither a container nor the machine has a role. \
                    AWS_SKIP_SIGNATURE=true reads a public bucket without credentials";

/// Looks in all places, in the order of the AWS tools. Nothing is kept between two looks, so that files are read anew.
pub(super) async fn look(region: String) -> Result<Credentials, String> {
    let region = Region::new(region);
    let config = ProviderConfig::without_region().with_http_client(AwsHttp);
    let config = config.with_region(Some(region.clone()));
    if let Some(found) = of_named_profile(&config).await {
        return found;
    }
    let chain = DefaultCredentialsChain::builder().configure(config).region(region).build().await;
    chain.provide_credentials().await.map_err(|error| match &error {
        CredentialsError::CredentialsNotLoaded(_) => match std::env::var("AWS_PROFILE") {
            Ok(profile) => format!("the profile {profile} (AWS_PROFILE) gives none: {NONE}"),
            Err(_) => NONE.to_string(),
        },
        _ => {
            format!("AWS credentials: {}", causes(&error))
        }
    })
}

/// Those of the profile that AWS_PROFILE names; `None` if it names none, or one without credentials. One that does not exist is an error,
/// as it is for the AWS tools: the role of the machine would be another identity than was meant.
async fn of_named_profile(config: &ProviderConfig) -> Option<Result<Credentials, String>> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let profile = set("AWS_PROFILE").filter(|_| set("AWS_ACCESS_KEY_ID").is_none())?;
    let provider = ProfileFileCredentialsProvider::builder().configure(config).build();
    match provider.provide_credentials().await {
        Ok(found) => Some(Ok(found)),
        Err(error) if causes(&error).contains("was not defined") => Some(Err(format!(
            "AWS_PROFILE: there is no profile {profile} in ~/.aws/config and ~/.aws/credentials (AWS_CONFIG_FILE and \
             AWS_SHARED_CREDENTIALS_FILE say which files)"
        ))),
        Err(_) => None,
    }
}

/// An error with all that caused it.
fn causes(error: &CredentialsError) -> String {
    let causes = successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The region and the endpoint of the profile that the AWS tools would use, where the files say so.
pub(crate) fn profile() -> Result<(Option<String>, Option<String>), impl Display> {
    use futures::FutureExt;
    let (files, system, variables) = Default::default();
    // It reads files on this thread and waits for nothing.
    let profile =
        aws_config::profile::load(&system, &variables, &files, None).now_or_never().transpose()?;
    let of = |key| profile.as_ref().and_then(|profile| profile.get(key)).map(str::to_string);
    Ok::<_, aws_config::profile::ProfileFileLoadError>((of("region"), of("endpoint_url")))
}
