//! What a profile says about who gives credentials.

use registries::Secret;

use super::{AwsCredentials, Container, Provider, Role, SESSION_NAME, instance, of_variables};
use crate::environment::Environment;
use crate::error::ChainError;
use crate::profile::{Profile, Profiles};

const DEFAULT: &str = "default";

/// Who the profile in use names, if it names anybody.
pub(super) fn chosen(
    environment: &Environment,
    profiles: &Profiles,
) -> Result<Option<Provider>, ChainError> {
    let name = environment.profile.as_deref().unwrap_or(DEFAULT);
    let reader = Reader {
        environment,
        profiles,
    };
    match profiles.get(name) {
        Some(profile) => reader.provider(name, profile, &mut Vec::new()),
        None if environment.profile.is_some() => Err(wrong(
            name,
            "no file has it; write it to ~/.aws/config as [profile NAME], or unset AWS_PROFILE",
        )),
        None => Ok(None),
    }
}

/// The region of the environment, else of the profile in use.
pub(super) fn region(environment: &Environment, profiles: &Profiles) -> Option<String> {
    let name = environment.profile.as_deref().unwrap_or(DEFAULT);
    let of_profile = || setting(profiles.get(name)?, "region");
    environment.region.clone().or_else(of_profile)
}

struct Reader<'a> {
    environment: &'a Environment,
    profiles: &'a Profiles,
}

impl Reader<'_> {
    /// `path` holds the profiles that led here.
    fn provider(
        &self,
        name: &str,
        profile: &Profile,
        path: &mut Vec<String>,
    ) -> Result<Option<Provider>, ChainError> {
        if profile.contains_key("role_arn") {
            return self.role(name, profile, path).map(Some);
        }
        if let Some(credentials) = keys(name, profile)? {
            return Ok(Some(Provider::Static(credentials)));
        }
        if let Some(command) = profile.get("credential_process") {
            return Ok(Some(Provider::Process {
                profile: name.to_owned(),
                command: command.clone(),
            }));
        }
        if profile.contains_key("sso_session") || profile.contains_key("sso_start_url") {
            return Err(wrong(
                name,
                "single sign-on is left to AWS's own tool; write a profile with credential_process = aws configure export-credentials --profile NAME, and name that one in AWS_PROFILE",
            ));
        }
        Ok(None)
    }

    fn role(
        &self,
        name: &str,
        profile: &Profile,
        path: &mut Vec<String>,
    ) -> Result<Provider, ChainError> {
        if profile.contains_key("mfa_serial") {
            return Err(wrong(
                name,
                "mfa_serial asks for a code that nobody is there to type; use a profile with credential_process",
            ));
        }
        let role = Role {
            arn: setting(profile, "role_arn").unwrap_or_default(),
            session_name: setting(profile, "role_session_name")
                .unwrap_or_else(|| SESSION_NAME.to_owned()),
            external_id: profile.get("external_id").cloned(),
        };
        if let Some(token_file) = setting(profile, "web_identity_token_file") {
            let token_file = token_file.into();
            return Ok(Provider::WebIdentity { role, token_file });
        }
        let base = match (
            setting(profile, "source_profile"),
            setting(profile, "credential_source"),
        ) {
            (Some(source), None) => self.source_profile(name, &source, profile, path)?,
            (None, Some(source)) => self.credential_source(name, &source)?,
            _ => {
                return Err(wrong(
                    name,
                    "role_arn needs one of source_profile, credential_source and web_identity_token_file",
                ));
            }
        };
        let base = Box::new(base);
        Ok(Provider::Role { role, base })
    }

    fn source_profile(
        &self,
        name: &str,
        source: &str,
        profile: &Profile,
        path: &mut Vec<String>,
    ) -> Result<Provider, ChainError> {
        let none = || {
            wrong(
                name,
                &format!("its source_profile {source} gives no credentials"),
            )
        };
        if source == name {
            // A profile may be its own source: its keys are asked for its role.
            return keys(name, profile)?.map(Provider::Static).ok_or_else(none);
        }
        path.push(name.to_owned());
        if path.iter().any(|seen| seen == source) {
            return Err(wrong(name, "its source_profile leads back to itself"));
        }
        let profile = self.profiles.get(source).ok_or_else(none)?;
        self.provider(source, profile, path)?.ok_or_else(none)
    }

    fn credential_source(&self, name: &str, source: &str) -> Result<Provider, ChainError> {
        let found = match source {
            "Environment" => of_variables(self.environment)?.map(Provider::Static),
            "EcsContainer" => Container::of(self.environment)?.map(Provider::Container),
            "Ec2InstanceMetadata" => instance(self.environment),
            _ => {
                return Err(wrong(
                    name,
                    "credential_source is Environment, EcsContainer or Ec2InstanceMetadata",
                ));
            }
        };
        found.ok_or_else(|| {
            wrong(
                name,
                &format!("its credential_source {source} gives no credentials"),
            )
        })
    }
}

/// The keys that stand in a profile.
fn keys(name: &str, profile: &Profile) -> Result<Option<AwsCredentials>, ChainError> {
    let get = |key: &str| profile.get(key).filter(|value| !value.is_empty()).cloned();
    match (get("aws_access_key_id"), get("aws_secret_access_key")) {
        (None, None) => Ok(None),
        (Some(key_id), Some(key)) => Ok(Some(AwsCredentials {
            key_id,
            key,
            session_token: get("aws_session_token"),
        })),
        _ => Err(wrong(
            name,
            "it has one of aws_access_key_id and aws_secret_access_key and lacks the other",
        )),
    }
}

/// A setting that is no secret.
fn setting(profile: &Profile, key: &str) -> Option<String> {
    let value = profile.get(key).map(Secret::expose)?;
    (!value.is_empty()).then(|| value.to_owned())
}

fn wrong(profile: &str, problem: &str) -> ChainError {
    ChainError::Profile {
        profile: profile.to_owned(),
        problem: problem.to_owned(),
    }
}
