//! The key of the revision hashes: random, made once, kept in a Secret.
//!
//! With a key nobody can guess a password by hashing candidates and comparing object names.

use api::names::FIELD_MANAGER;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use registries::RevisionKey;
use serde_json::json;

use crate::error::{During, Error};

const ENTRY: &str = "key";
const LENGTH: usize = 32;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(transparent)]
    Api(#[from] Error),
    #[error(
        "failed to read the key of the revisions: Secret {0} has a {ENTRY} that is not {LENGTH} bytes long, delete it"
    )]
    Malformed(String),
    #[error("failed to make a key: the system has no randomness")]
    Random,
}

/// Reads the key, or makes one; of several replicas that do so at the same time the first wins.
pub(crate) async fn ensure(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<RevisionKey, KeyError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    loop {
        let found = api
            .get_opt(name)
            .await
            .during(|| format!("read Secret {name}"))?;
        let known = found
            .as_ref()
            .and_then(|secret| secret.data.as_ref()?.get(ENTRY));
        if let Some(ByteString(bytes)) = known.filter(|bytes| !bytes.0.is_empty()) {
            let key = <[u8; LENGTH]>::try_from(bytes.as_slice());
            return Ok(key
                .map_err(|_| KeyError::Malformed(name.to_owned()))?
                .into());
        }
        let written = match found {
            Some(empty) => fill(&api, &empty).await,
            None => create(&api, name).await,
        }?;
        match written {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            other => other.during(|| format!("write Secret {name}"))?,
        }
    }
}

async fn fill(api: &Api<Secret>, empty: &Secret) -> Result<Result<(), kube::Error>, KeyError> {
    let patch = json!({
        "metadata": {"resourceVersion": empty.resource_version()},
        "data": {ENTRY: ByteString(random()?)},
    });
    let parameters = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let name = empty.name_any();
    let written = api
        .patch_metadata(&name, &parameters, &Patch::Merge(patch))
        .await;
    Ok(written.map(|_| ()))
}

async fn create(api: &Api<Secret>, name: &str) -> Result<Result<(), kube::Error>, KeyError> {
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some([(ENTRY.to_owned(), ByteString(random()?))].into()),
        ..Secret::default()
    };
    Ok(api
        .create(&PostParams::default(), &secret)
        .await
        .map(|_| ()))
}

fn random() -> Result<Vec<u8>, KeyError> {
    let mut bytes = vec![0; LENGTH];
    let provider = rustls::crypto::ring::default_provider();
    provider
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| KeyError::Random)?;
    Ok(bytes)
}
