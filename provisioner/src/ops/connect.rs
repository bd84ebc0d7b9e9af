//! From the environment of the process to an Engine that can be worked with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use docker::{Endpoint, Engine, Environment};
use tokio_util::sync::CancellationToken;

use super::{Error, Provisioner};
use crate::container::Habits;
use crate::entrypoint::{EngineFacts, fixes};
use crate::kubeconfig::{Folders, Store, default_files};
use crate::plan::Surroundings;
use crate::run::{Reporter, RunSettings};

/// Steps at the same time: Engines do most of their work for one container after the other, so more brings little.
const PARALLEL: usize = 8;
/// So often a node may end while it is waited for.
const RESTARTS: usize = 10;
/// What Engine 20.10 speaks; Podman calls itself 1.40.
const OLDEST_API: (u16, u16) = (1, 40);
/// Where the kernel tells of memory banks.
const EDAC: &str = "/sys/devices/system/edac";

impl Provisioner {
    /// `variable` answers for the environment; what it does not know is not set.
    pub async fn connect(
        variable: impl Fn(&str) -> Option<String>,
        reporter: Arc<dyn Reporter>,
        cancel: CancellationToken,
    ) -> Result<Self, Error> {
        let environment = Environment::of_process();
        let endpoint = Endpoint::resolve(&environment);
        let endpoint = endpoint.map_err(|error| Error::Other(error.to_string()))?;
        let engine = Engine::connect(endpoint).await?;
        let facts = Arc::new(engine.facts().await?);
        if facts.api_version < OLDEST_API {
            let version = &facts.version;
            return Err(Error::Other(format!(
                "Docker Engine {version} is too old to run clusters; install 20.10 or newer"
            )));
        }
        let (folders, kubeconfigs) = user_files(&variable)?;
        let local = engine.endpoint().is_local();
        let cgroup_version = facts
            .cgroup_version
            .map_or_else(String::new, |it| it.to_string());
        let told = EngineFacts {
            cgroup_version: &cgroup_version,
            name: &facts.name,
        };
        let fixes = fixes(&variable, told, false);
        let around = Surroundings {
            habits: Habits {
                init: !is_set(&variable, "K3D_DEBUG_DISABLE_DOCKER_INIT"),
                entrypoint: fixes.any(),
            },
            node_folder: local.then(|| folders.of_k3d.clone()),
            has_edac: local && Path::new(EDAC).is_dir(),
        };
        let restarts = variable("K3D_DEBUG_NODE_WAIT_BACKOFF_LIMIT");
        let settings = RunSettings {
            parallel: PARALLEL,
            fixes,
            folders,
            kubeconfigs,
            program: std::env::current_exe().unwrap_or_default(),
            restarts: restarts
                .and_then(|text| text.parse().ok())
                .unwrap_or(RESTARTS),
            timeout: None,
            environment,
        };
        Ok(Self {
            engine,
            facts,
            settings,
            around,
            reporter,
            cancel,
        })
    }
}

/// Our folder, and the kubeconfigs that kubectl would use.
pub fn user_files(variable: &impl Fn(&str) -> Option<String>) -> Result<(Folders, Store), Error> {
    let home = variable("HOME").map(PathBuf::from);
    let os = |name: &str| variable(name).map(OsString::from);
    let failed = |error: crate::kubeconfig::Error| Error::Other(error.to_string());
    let folders =
        Folders::new(os("XDG_CONFIG_HOME").as_deref(), home.as_deref()).map_err(failed)?;
    let files = default_files(os("KUBECONFIG").as_deref(), home.as_deref()).map_err(failed)?;
    Ok((folders, Store::new(files)))
}

/// As Go reads switches.
fn is_set(variable: &impl Fn(&str) -> Option<String>, name: &str) -> bool {
    variable(name)
        .is_some_and(|text| matches!(text.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"))
}
