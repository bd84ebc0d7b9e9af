//! Who gives AWS credentials: the order of AWS's own tools, decided without asking anybody.
//!
//! ```text
//!  Environment, Profiles --choose--> Provider --provide--> AwsCredentials
//!  (values)                          (a value)  (calls)
//! ```

mod container;
mod profile;
mod provide;
mod sts;

use std::path::PathBuf;

use registries::Secret;

use crate::environment::Environment;
use crate::error::ChainError;
use crate::profile::Profiles;

pub(crate) use container::Container;
pub(crate) use provide::{Means, endpoint, provide};

/// What requests are signed with. When they expire is not kept: they are used at once, and asked for anew with the next token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AwsCredentials {
    pub(crate) key_id: Secret,
    pub(crate) key: Secret,
    pub(crate) session_token: Option<Secret>,
}

/// Somebody who gives credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    /// They are known.
    Static(AwsCredentials),
    /// A program prints them. The command may hold a password.
    Process { profile: String, command: Secret },
    /// STS gives those of a role for a token of somebody else.
    WebIdentity { role: Role, token_file: PathBuf },
    /// STS gives those of a role for other credentials.
    Role { role: Role, base: Box<Provider> },
    /// A service beside the container.
    Container(Container),
    /// The machine's own service, which need not be there.
    Instance { endpoint: String },
}

/// A role, and how to take it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) session_name: String,
    pub(crate) external_id: Option<Secret>,
}

/// Who gives credentials, and the region of the services that have a part in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) provider: Provider,
    pub(crate) region: Option<String>,
}

/// What AWS's logs call a session that nobody named.
const SESSION_NAME: &str = "berth";

/// The first that is configured; nothing when none is and the machine may not be asked.
///
/// What is configured and wrong ends the search: credentials of somebody else would only hide it.
pub(crate) fn choose(
    environment: &Environment,
    profiles: &Profiles,
) -> Result<Option<Chosen>, ChainError> {
    let provider = if let Some(credentials) = of_variables(environment)? {
        Some(Provider::Static(credentials))
    } else if let Some(provider) = profile::chosen(environment, profiles)? {
        Some(provider)
    } else if let Some(provider) = web_identity(environment)? {
        Some(provider)
    } else if let Some(container) = Container::of(environment)? {
        Some(Provider::Container(container))
    } else {
        instance(environment)
    };
    let region = profile::region(environment, profiles);
    Ok(provider.map(|provider| Chosen { provider, region }))
}

fn of_variables(environment: &Environment) -> Result<Option<AwsCredentials>, ChainError> {
    let half = |set, missing| Err(ChainError::Half { set, missing });
    match (&environment.access_key_id, &environment.secret_access_key) {
        (None, None) => Ok(None),
        (Some(_), None) => half("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        (None, Some(_)) => half("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
        (Some(key_id), Some(key)) => Ok(Some(AwsCredentials {
            key_id: Secret::from(key_id.as_str()),
            key: key.clone(),
            session_token: environment.session_token.clone(),
        })),
    }
}

fn web_identity(environment: &Environment) -> Result<Option<Provider>, ChainError> {
    let Some(token_file) = environment.web_identity_token_file.clone() else {
        // A role alone is what profiles and other programs use, too.
        return Ok(None);
    };
    let Some(arn) = environment.role_arn.clone() else {
        return Err(ChainError::Half {
            set: "AWS_WEB_IDENTITY_TOKEN_FILE",
            missing: "AWS_ROLE_ARN",
        });
    };
    let session_name = environment.role_session_name.clone();
    let role = Role {
        arn,
        session_name: session_name.unwrap_or_else(|| SESSION_NAME.to_owned()),
        external_id: None,
    };
    Ok(Some(Provider::WebIdentity { role, token_file }))
}

fn instance(environment: &Environment) -> Option<Provider> {
    if environment.metadata_disabled {
        return None;
    }
    let default = if environment.metadata_ipv6 {
        "http://[fd00:ec2::254]"
    } else {
        "http://169.254.169.254"
    };
    let endpoint = environment.metadata_endpoint.as_deref().unwrap_or(default);
    Some(Provider::Instance {
        endpoint: endpoint.trim_end_matches('/').to_owned(),
    })
}

#[cfg(test)]
mod tests;
