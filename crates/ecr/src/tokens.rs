//! Tokens of registries: asked for once, however many want them, and kept while they last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use crate::cache::{FAILURE, Remembered};
use crate::chain::{self, Means, endpoint, provide};
use crate::environment::Environment;
use crate::error::{EcrError, Reason, in_full};
use crate::http::{Distance, Http};
use crate::profile::Profiles;
use crate::registry::Registry;
use crate::token::{self, Token};

/// The whole way to a token, whatever its steps take.
const LIMIT: Duration = Duration::from_secs(40);

/// More registries than anybody uses; names of registries come from clients.
const MOST: usize = 256;

/// Tokens of Amazon's registries, by the AWS credentials of one environment.
pub struct Tokens {
    environment: Environment,
    http: Http,
    kept: Mutex<HashMap<Registry, Arc<Slot>>>,
}

/// One registry. Who wants its token while somebody asks for it waits for the lock, and then finds it.
type Slot = tokio::sync::Mutex<Option<Remembered>>;

impl std::fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Tokens {
    /// Tokens by the credentials that this environment leads to. Nothing is read or asked yet.
    pub fn new(environment: Environment) -> Self {
        Self {
            http: Http::new(&environment),
            environment,
            kept: Mutex::default(),
        }
    }

    /// The token of the registry at `host`, as user and password; nothing when no AWS credentials are configured.
    pub async fn get(&self, host: &str) -> Result<Option<docker::Credentials>, EcrError> {
        let Some(registry) = Registry::parse(host) else {
            let host = host.to_owned();
            return Err(EcrError::NotEcr { host });
        };
        let token = self.token(&registry).await?;
        Ok(token.map(|token| docker::Credentials {
            server: registry.host().to_owned(),
            username: token.username,
            proof: docker::credentials::Proof::Password(token.password),
        }))
    }

    /// Has the next caller ask anew, because the registry did not take the token.
    pub fn forget(&self, host: &str) {
        if let Some(registry) = Registry::parse(host) {
            self.kept().remove(&registry);
        }
    }

    async fn token(&self, registry: &Registry) -> Result<Option<Token>, EcrError> {
        let slot = self.slot(registry);
        let mut slot = slot.lock().await;
        if let Some(remembered) = slot.as_ref().filter(|kept| kept.is_fresh(now())) {
            let seconds = FAILURE.as_secs();
            return (remembered.outcome.clone())
                .map_err(|message| EcrError::Recently { message, seconds });
        }
        let outcome = tokio::time::timeout(LIMIT, self.ask(registry))
            .await
            .unwrap_or_else(|_| Err(failed(registry)(Reason::Late(LIMIT.as_secs()))));
        *slot = Some(Remembered {
            outcome: outcome.as_ref().map(Clone::clone).map_err(in_full),
            asked: now(),
        });
        outcome
    }

    fn slot(&self, registry: &Registry) -> Arc<Slot> {
        let mut kept = self.kept();
        if kept.len() >= MOST && !kept.contains_key(registry) {
            kept.retain(|_, slot| is_worth_keeping(slot));
            if kept.len() >= MOST {
                // All of them are in use; this one is not kept.
                return Arc::default();
            }
        }
        Arc::clone(kept.entry(registry.clone()).or_default())
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<Registry, Arc<Slot>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, registry: &Registry) -> Result<Option<Token>, EcrError> {
        let environment = &self.environment;
        let profiles = Profiles::read(
            environment.config_file.as_deref(),
            environment.credentials_file.as_deref(),
        )?;
        let Some(chosen) = chain::choose(environment, &profiles)? else {
            return Ok(None);
        };
        let means = Means {
            http: &self.http,
            environment,
            region: chosen.region.as_deref().unwrap_or(registry.region()),
            now: system_now(),
        };
        let Some(credentials) = provide(&chosen.provider, &means).await? else {
            return Ok(None);
        };
        let asked = async {
            let own = if registry.is_public() {
                &environment.endpoint_url_ecr_public
            } else {
                &environment.endpoint_url_ecr
            };
            let url = endpoint(environment.endpoint(own.as_ref()), registry.api())?;
            let request = token::request(registry, &url, &credentials, system_now())?;
            token::read(&self.http.send(request, Distance::Far).await?)
        };
        asked.await.map(Some).map_err(failed(registry))
    }
}

/// Whether a registry's slot is in use, or holds a token.
fn is_worth_keeping(slot: &Arc<Slot>) -> bool {
    match slot.try_lock() {
        Ok(remembered) => remembered
            .as_ref()
            .is_some_and(|kept| kept.is_fresh(now()) && matches!(kept.outcome, Ok(Some(_)))),
        Err(_) => true,
    }
}

fn failed(registry: &Registry) -> impl Fn(Reason) -> EcrError {
    let host = registry.host().to_owned();
    move |reason| EcrError::Token {
        host: host.clone(),
        reason,
    }
}

fn now() -> Timestamp {
    Timestamp::try_from(system_now()).unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this crate where the clock is read"
)]
fn system_now() -> SystemTime {
    SystemTime::now()
}
