//! Who reports: which node a token speaks for.

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, Client};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::reviews::Reviews;

/// What the agents' tokens are made for.
pub const AUDIENCE: &str = "berth-tracer";

/// For whom a sender speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody asks for tokens.
    Anyone,
    /// Any node: the token is shared.
    Shared,
    /// The pod of an agent; where it runs is known from the watch.
    Pod {
        namespace: String,
        name: String,
        uid: String,
        /// Newer API servers say it themselves.
        node: Option<String>,
    },
    /// This node.
    Node(String),
}

/// Why a sender is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("unauthorized")]
    Unauthorized,
    #[error("the API server does not answer, so the token cannot be reviewed; try again")]
    Unavailable,
    #[error("too many tokens are under review; try again")]
    Busy,
}

/// Tokens and where to ask about them.
#[derive(Default)]
pub struct Identities {
    /// One token for every agent.
    pub shared: Option<SecretString>,
    /// The node of each token, by the digest of the token: what is looked up tells nothing of a token by its time.
    pub nodes: HashMap<[u8; 32], String>,
    /// Who reviews projected tokens.
    pub reviewer: Option<Client>,
    /// The service account that agents run as, `namespace/name`.
    pub agent_account: String,
    reviews: Reviews,
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Identities").finish_non_exhaustive()
    }
}

impl Identities {
    /// Whether there is a way to tell nodes apart, so that a shared token is not enough for our agents.
    pub fn tell_nodes_apart(&self) -> bool {
        self.reviewer.is_some() || !self.nodes.is_empty()
    }

    /// Who sends a request with this header.
    pub async fn identify(
        &self,
        authorization: Option<&str>,
        now: Timestamp,
    ) -> Result<Caller, Denied> {
        if self.shared.is_none() && !self.tell_nodes_apart() {
            return Ok(Caller::Anyone);
        }
        let token = authorization.and_then(bearer).ok_or(Denied::Unauthorized)?;
        if let Some(caller) = self.known(token) {
            return Ok(caller);
        }
        let Some(client) = &self.reviewer else {
            return Err(Denied::Unauthorized);
        };
        let review = async {
            let status = review(client, token).await?;
            Ok(pod_of(&status, &self.agent_account))
        };
        let key = digest(token);
        self.reviews.of(key, now, review).await
    }

    fn known(&self, token: &str) -> Option<Caller> {
        let found = self.nodes.get(&digest(token)).cloned().map(Caller::Node);
        if self
            .shared
            .as_ref()
            .is_some_and(|shared| same(shared.expose_secret(), token))
        {
            return found.or(Some(Caller::Shared));
        }
        found
    }
}

/// The token of `Bearer TOKEN`; the scheme is required.
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Lines of `node token`, `#` comments; nothing keeps the tokens themselves.
pub fn read_tokens(text: &str) -> Result<HashMap<[u8; 32], String>, usize> {
    let mut tokens = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(node), Some(token), None) => {
                tokens.insert(digest(token), node.to_owned());
            }
            _ => return Err(number + 1),
        }
    }
    Ok(tokens)
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn same(known: &str, given: &str) -> bool {
    // Digests have one length, so that not even the length of the token shows.
    digest(known).ct_eq(&digest(given)).into()
}

async fn review(client: &Client, token: &str) -> Result<TokenReviewStatus, Denied> {
    let review = TokenReview {
        spec: TokenReviewSpec {
            audiences: Some(vec![AUDIENCE.to_owned()]),
            token: Some(token.to_owned()),
        },
        ..TokenReview::default()
    };
    match Api::<TokenReview>::all(client.clone())
        .create(&PostParams::default(), &review)
        .await
    {
        Ok(answer) => Ok(answer.status.unwrap_or_default()),
        Err(kube::Error::Api(status)) => {
            tracing::warn!(code = status.code, reason = %status.reason, "failed to review a token; may this service account create tokenreviews?");
            Err(Denied::Unavailable)
        }
        Err(_) => Err(Denied::Unavailable),
    }
}

/// Whether a service account is the wanted one, `namespace/name`. A name alone is one of any namespace: where people make
/// service accounts in namespaces of their own, they can make one of that name.
pub(crate) fn is_account(wanted: &str, namespace: &str, name: &str) -> bool {
    match wanted.split_once('/') {
        Some(wanted) => wanted == (namespace, name),
        None => wanted == name,
    }
}

/// The pod that a reviewed token belongs to.
fn pod_of(status: &TokenReviewStatus, agent_account: &str) -> Option<Caller> {
    if status.authenticated != Some(true) {
        return None;
    }
    let for_us = |audiences: &Vec<String>| audiences.iter().any(|audience| audience == AUDIENCE);
    if !status.audiences.as_ref().is_some_and(for_us) {
        return None;
    }
    let user = status.user.as_ref()?;
    let account = user
        .username
        .as_deref()?
        .strip_prefix("system:serviceaccount:")?;
    let (namespace, account) = account.split_once(':')?;
    if !is_account(agent_account, namespace, account) {
        return None;
    }
    let extra = |name: &str| {
        let values = user
            .extra
            .as_ref()?
            .get(&format!("authentication.kubernetes.io/{name}"))?;
        values.first().cloned()
    };
    Some(Caller::Pod {
        namespace: namespace.to_owned(),
        name: extra("pod-name")?,
        uid: extra("pod-uid")?,
        node: extra("node-name"),
    })
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
