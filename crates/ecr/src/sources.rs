//! Whose credentials a registry is shown: the order is decided first, then one after another is asked.

use std::time::Duration;

use docker::Credentials;
use docker::credentials::CredentialsError;

use crate::environment::Environment;
use crate::error::{EcrError, in_full};
use crate::registry::Registry;
use crate::tokens::Tokens;

/// How long a program that keeps credentials may take: nobody is there to answer its questions.
const PROGRAM: Duration = Duration::from_secs(15);

/// Amazon's own program, without the prefix that all of them share.
const ECR_LOGIN: &str = "ecr-login";

/// Somebody who may have credentials for a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Who asked for the image sent them.
    Caller,
    /// AWS credentials lead to a token of Amazon ECR.
    Ecr,
    /// `docker-credential-ecr-login` has them, where it is on `PATH`.
    EcrLogin,
    /// `docker login` left them in `config.json`, or with the program that it names.
    Docker,
    /// Nobody: the registry is asked without.
    Anonymous,
}

impl Source {
    /// As logs and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Ecr => "ecr",
            Self::EcrLogin => "ecr-login",
            Self::Docker => "docker",
            Self::Anonymous => "anonymous",
        }
    }
}

/// What decides about the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The caller sent credentials.
    pub caller: bool,
    /// The registry is one of Amazon's.
    pub ecr: bool,
}

/// Who is asked, first to last.
///
/// A caller who says who he is gets what he may see, and nobody else's credentials, even if his are refused.
pub fn order(known: Known) -> Vec<Source> {
    if known.caller {
        return vec![Source::Caller];
    }
    let mut order = Vec::new();
    if known.ecr {
        order.extend([Source::Ecr, Source::EcrLogin]);
    }
    order.extend([Source::Docker, Source::Anonymous]);
    order
}

/// Credentials for one registry, and whose they are. Prints no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What the registry is shown; nothing when [`Source::Anonymous`].
    pub credentials: Option<Credentials>,
    /// Whose they are.
    pub source: Source,
}

/// Everybody who may have credentials.
#[derive(Debug)]
pub struct Sources {
    tokens: Tokens,
    docker: docker::Environment,
}

/// Why one source was passed over.
#[derive(Debug, thiserror::Error)]
enum PassedOver {
    #[error(transparent)]
    Ecr(#[from] EcrError),
    #[error(transparent)]
    Docker(#[from] CredentialsError),
    #[error("failed to get credentials: the program that keeps them did not answer within {0} s")]
    Late(u64),
}

impl Sources {
    /// The sources of two environments. Nothing is read or asked yet.
    pub fn new(aws: Environment, docker: docker::Environment) -> Self {
        let tokens = Tokens::new(aws);
        Self { tokens, docker }
    }

    /// Those of this process.
    pub fn of_process() -> Self {
        Self::new(Environment::of_process(), docker::Environment::of_process())
    }

    /// The credentials for the registry at `registry` (host and port), whose name may be an alias of Docker Hub.
    ///
    /// A source that fails is passed over and the reason is logged, so that this cannot fail: what is left in the end
    /// is to ask without.
    pub async fn credentials_for(&self, registry: &str, caller: Option<Credentials>) -> Found {
        let order = order(Known {
            caller: caller.is_some(),
            ecr: Registry::parse(registry).is_some(),
        });
        for source in order {
            let asked = match source {
                Source::Caller => Ok(caller.clone()),
                Source::Anonymous => Ok(None),
                Source::Ecr | Source::EcrLogin | Source::Docker => self.ask(source, registry).await,
            };
            match asked {
                Ok(Some(credentials)) => {
                    tracing::debug!(
                        registry.host = registry,
                        source = source.as_str(),
                        "credentials found"
                    );
                    let credentials = Some(credentials);
                    return Found {
                        credentials,
                        source,
                    };
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(
                    registry.host = registry,
                    source = source.as_str(),
                    error = in_full(&error),
                    "credentials passed over"
                ),
            }
        }
        Found {
            credentials: None,
            source: Source::Anonymous,
        }
    }

    /// Has the next caller ask anew, because the registry did not take what it was shown.
    pub fn forget(&self, registry: &str) {
        self.tokens.forget(registry);
    }

    async fn ask(&self, source: Source, registry: &str) -> Result<Option<Credentials>, PassedOver> {
        let asked = async {
            Ok(match source {
                Source::Ecr => self.tokens.get(registry).await?,
                Source::EcrLogin => {
                    docker::credentials::of_helper(ECR_LOGIN, registry, &self.docker).await?
                }
                _ => docker::credentials::for_registry(registry, &self.docker).await?,
            })
        };
        if source == Source::Ecr {
            // It has bounds of its own.
            return asked.await;
        }
        // A program that is late is ended with the question.
        tokio::time::timeout(PROGRAM, asked)
            .await
            .unwrap_or(Err(PassedOver::Late(PROGRAM.as_secs())))
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, Source, order};

    #[test]
    fn the_caller_goes_first_then_ecr_then_docker_then_nobody() {
        use Source::{Anonymous, Caller, Docker, Ecr, EcrLogin};
        let table: [(bool, bool, &[Source]); 4] = [
            (false, false, &[Docker, Anonymous]),
            (false, true, &[Ecr, EcrLogin, Docker, Anonymous]),
            (true, false, &[Caller]),
            (true, true, &[Caller]),
        ];
        for (caller, ecr, expected) in table {
            let known = Known { caller, ecr };
            assert_eq!(order(known), expected, "{known:?}");
        }
    }
}
