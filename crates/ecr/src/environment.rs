//! What of a process's environment decides about credentials of AWS, as plain values.

use std::path::PathBuf;

use registries::Secret;

/// The variables that AWS's own tools read, as far as credentials, endpoints and connections go. Prints no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: Option<String>,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Option<Secret>,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<Secret>,
    /// `AWS_PROFILE`: a profile other than `default`.
    pub profile: Option<String>,
    /// `AWS_SHARED_CREDENTIALS_FILE`, else `~/.aws/credentials`.
    pub credentials_file: Option<PathBuf>,
    /// `AWS_CONFIG_FILE`, else `~/.aws/config`.
    pub config_file: Option<PathBuf>,
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`: where credentials of roles are asked for.
    pub region: Option<String>,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`: the token of a Kubernetes service account.
    pub web_identity_token_file: Option<PathBuf>,
    /// `AWS_ROLE_ARN`: the role that the token is for.
    pub role_arn: Option<String>,
    /// `AWS_ROLE_SESSION_NAME`.
    pub role_session_name: Option<String>,
    /// `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`: set by ECS.
    pub container_relative_uri: Option<String>,
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`: set by EKS Pod Identity.
    pub container_full_uri: Option<String>,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN`.
    pub container_token: Option<Secret>,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`: goes before the token itself.
    pub container_token_file: Option<PathBuf>,
    /// `AWS_EC2_METADATA_DISABLED`: do not ask the machine for its role.
    pub metadata_disabled: bool,
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
    pub metadata_endpoint: Option<String>,
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6`.
    pub metadata_ipv6: bool,
    /// `AWS_ENDPOINT_URL`: takes the place of every service.
    pub endpoint_url: Option<String>,
    /// `AWS_ENDPOINT_URL_ECR`.
    pub endpoint_url_ecr: Option<String>,
    /// `AWS_ENDPOINT_URL_ECR_PUBLIC`.
    pub endpoint_url_ecr_public: Option<String>,
    /// `AWS_ENDPOINT_URL_STS`.
    pub endpoint_url_sts: Option<String>,
    /// `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`: the four above do not count.
    pub ignore_endpoint_urls: bool,
    /// `AWS_CA_BUNDLE`: authorities that are trusted besides the system's.
    pub ca_bundle: Option<PathBuf>,
    /// `HTTPS_PROXY`, in either case; it may hold a password.
    pub https_proxy: Option<Secret>,
    /// `NO_PROXY`, in either case.
    pub no_proxy: Option<String>,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self::from_variables(variable)
    }

    /// The same out of any variables. One that is empty counts as not set.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| variable(name).filter(|value| !value.is_empty());
        let secret = |name: &str| text(name).map(Secret::from);
        let path = |name: &str| text(name).map(PathBuf::from);
        let yes = |name: &str| text(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let either = |upper: &str| text(&upper.to_lowercase()).or_else(|| text(upper));
        let home = path("HOME").or_else(|| path("USERPROFILE"));
        let at_home = |name: &str| Some(home.as_ref()?.join(".aws").join(name));
        Self {
            access_key_id: text("AWS_ACCESS_KEY_ID"),
            secret_access_key: secret("AWS_SECRET_ACCESS_KEY"),
            session_token: secret("AWS_SESSION_TOKEN"),
            profile: text("AWS_PROFILE"),
            credentials_file: path("AWS_SHARED_CREDENTIALS_FILE")
                .or_else(|| at_home("credentials")),
            config_file: path("AWS_CONFIG_FILE").or_else(|| at_home("config")),
            region: text("AWS_REGION").or_else(|| text("AWS_DEFAULT_REGION")),
            web_identity_token_file: path("AWS_WEB_IDENTITY_TOKEN_FILE"),
            role_arn: text("AWS_ROLE_ARN"),
            role_session_name: text("AWS_ROLE_SESSION_NAME"),
            container_relative_uri: text("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
            container_full_uri: text("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
            container_token: secret("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
            container_token_file: path("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
            metadata_disabled: yes("AWS_EC2_METADATA_DISABLED"),
            metadata_endpoint: text("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
            metadata_ipv6: text("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
                .is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6")),
            endpoint_url: text("AWS_ENDPOINT_URL"),
            endpoint_url_ecr: text("AWS_ENDPOINT_URL_ECR"),
            endpoint_url_ecr_public: text("AWS_ENDPOINT_URL_ECR_PUBLIC"),
            endpoint_url_sts: text("AWS_ENDPOINT_URL_STS"),
            ignore_endpoint_urls: yes("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"),
            ca_bundle: path("AWS_CA_BUNDLE"),
            https_proxy: either("HTTPS_PROXY").map(Secret::from),
            no_proxy: either("NO_PROXY"),
        }
    }

    /// What takes the place of a service, if anything does.
    pub(crate) fn endpoint<'a>(&'a self, own: Option<&'a String>) -> Option<&'a str> {
        own.or(self.endpoint_url.as_ref())
            .filter(|_| !self.ignore_endpoint_urls)
            .map(String::as_str)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this crate where the environment is read"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::Environment;

    #[test]
    fn an_empty_variable_is_not_set_and_the_files_are_at_home() {
        let environment = Environment::from_variables(|name| match name {
            "AWS_PROFILE" | "AWS_CONFIG_FILE" => Some(String::new()),
            "HOME" => Some("/home/ada".to_owned()),
            _ => None,
        });
        let expected = Environment {
            credentials_file: Some("/home/ada/.aws/credentials".into()),
            config_file: Some("/home/ada/.aws/config".into()),
            ..Environment::default()
        };
        assert_eq!(environment, expected);
    }

    #[test]
    fn the_endpoint_of_a_service_goes_before_the_one_of_all() {
        let environment = Environment {
            endpoint_url: Some("http://all".into()),
            endpoint_url_sts: Some("http://sts".into()),
            ..Environment::default()
        };
        let endpoint = |environment: &Environment, own: Option<&String>| {
            environment.endpoint(own).map(str::to_owned)
        };
        let sts = environment.endpoint_url_sts.as_ref();
        assert_eq!(endpoint(&environment, sts), Some("http://sts".into()));
        assert_eq!(endpoint(&environment, None), Some("http://all".into()));
        let ignoring = Environment {
            ignore_endpoint_urls: true,
            ..environment.clone()
        };
        assert_eq!(endpoint(&ignoring, sts), None);
    }
}
