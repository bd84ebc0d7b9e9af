//! Contexts of the `docker` command line: named endpoints, kept in files below its configuration.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::endpoint::{Address, Endpoint, EndpointError, Origin, Tls, read_if_there};
use crate::environment::Environment;

/// The context that stands for having none.
const DEFAULT: &str = "default";

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(rename = "currentContext", default)]
    current_context: String,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "Endpoints", default)]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
struct Endpoints {
    docker: Option<DockerEndpoint>,
}

#[derive(Deserialize)]
struct DockerEndpoint {
    #[serde(rename = "Host", default)]
    host: String,
    #[serde(rename = "SkipTLSVerify", default)]
    skip_tls_verify: bool,
}

/// The name of the context in use, if there is one.
pub(crate) fn chosen(environment: &Environment) -> Result<Option<String>, EndpointError> {
    let name = match &environment.docker_context {
        Some(name) => name.clone(),
        None => read_json::<ConfigFile>(&environment.docker_config.join("config.json"))?
            .map(|config| config.current_context)
            .unwrap_or_default(),
    };
    Ok((!name.is_empty() && name != DEFAULT).then_some(name))
}

/// What the files of a context say.
pub(crate) fn endpoint(name: &str, environment: &Environment) -> Result<Endpoint, EndpointError> {
    let contexts = environment.docker_config.join("contexts");
    let folder = folder_name(name);
    let meta = contexts.join("meta").join(&folder).join("meta.json");
    let Some(meta) = read_json::<Meta>(&meta)? else {
        return Err(EndpointError::NoContext {
            name: name.to_owned(),
            folder: contexts,
        });
    };
    let Some(docker) = meta.endpoints.docker else {
        return Err(EndpointError::NoDockerEndpoint {
            name: name.to_owned(),
        });
    };
    let tls = Tls::of_folder(
        &contexts.join("tls").join(folder).join("docker"),
        !docker.skip_tls_verify,
    )?;
    let tls = (!tls.is_empty() || docker.skip_tls_verify).then_some(tls);
    let origin = Origin::Context(name.to_owned());
    let address = Address::parse(&docker.host, tls.is_some(), &origin)?;
    Ok(Endpoint::new(address, tls, origin))
}

fn folder_name(context: &str) -> PathBuf {
    let digest = Sha256::digest(context.as_bytes());
    PathBuf::from(crate::digest::hex(&digest))
}

/// Errors name the line only: the file may hold credentials.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, EndpointError> {
    let Some(content) = read_if_there(path)? else {
        return Ok(None);
    };
    match serde_json::from_slice(&content) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(EndpointError::Json {
            path: path.to_owned(),
            line: error.line(),
        }),
    }
}
