//! What the environment says about the components; `tests/env/up` prepares them.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Where the programs are and what to do with a finished cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of kube-apiserver, kube-controller-manager, kube-scheduler, kubectl and helm.
    pub programs: PathBuf,
    /// Folder of the static binaries that images hold.
    pub binaries: PathBuf,
    /// Keep clusters and their logs.
    pub keep: bool,
    /// A newer API server for what old ones do not check, when `KUBEBUILDER_ASSETS` names one.
    pub newer_programs: Option<PathBuf>,
    /// The Docker Engine and the images that its containers run; none when Docker is left out by name.
    pub docker: Option<DockerSettings>,
    /// The same for podman's socket.
    pub podman: Option<DockerSettings>,
    /// The same for a newer engine that keeps images in overlay2.
    pub newer_docker_graph: Option<DockerSettings>,
    /// The same for a newer engine with containerd's image store.
    pub newer_docker_containerd: Option<DockerSettings>,
    /// Write the guide's pictures of the tracer's page anew.
    pub screenshots: bool,
    skip: String,
}

/// What the environment says about Docker.
#[derive(Clone, Debug)]
pub struct DockerSettings {
    /// Docker's client.
    pub program: PathBuf,
    /// `DOCKER_HOST`, when the engine is not at the default socket.
    pub host: Option<String>,
    /// The network namespace that the engine is in, when it is not the one of the tests: what it publishes is found there.
    pub namespace: Option<PathBuf>,
    /// What nodes run: `K3S_IMAGE`, else the image that plays k3s.
    pub node_image: String,
    pub registry_image: String,
}

impl Settings {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place where the environment is read"
    )]
    pub fn from_env() -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let cache = var("BERTH_CACHE").map_or_else(
            || PathBuf::from(var("HOME").unwrap_or_else(|| "/root".into())).join(".cache/berth"),
            PathBuf::from,
        );
        let target =
            var("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
        let skip = var("BERTH_SKIP").unwrap_or_default();
        let docker = (!names(&skip, "docker")).then(|| DockerSettings {
            program: var("DOCKER").map_or_else(|| PathBuf::from("docker"), PathBuf::from),
            host: var("DOCKER_HOST"),
            namespace: None,
            node_image: var("K3S_IMAGE")
                .or_else(|| var("BERTH_K3S_IMAGE"))
                .unwrap_or_else(|| "berth-test/k3s:v1.20.2-k3s1".into()),
            registry_image: var("BERTH_REGISTRY_IMAGE")
                .unwrap_or_else(|| "berth-test/registry:2".into()),
        });
        let engine_at = |socket: &str, namespace: Option<PathBuf>| {
            Some(DockerSettings {
                host: Some(var(socket)?),
                namespace,
                ..docker.clone()?
            })
        };
        let newer_docker = |name: &str| {
            let namespace = var(&format!("{name}_NETNS")).map(PathBuf::from);
            engine_at(name, namespace)
        };
        Self {
            programs: cache.join("bin"),
            binaries: var("BERTH_BINARIES").map_or_else(
                || target.join("x86_64-unknown-linux-gnu/release"),
                PathBuf::from,
            ),
            keep: var("KEEP").is_some(),
            newer_programs: var("KUBEBUILDER_ASSETS").map(PathBuf::from),
            podman: engine_at("BERTH_PODMAN_HOST", None),
            newer_docker_graph: newer_docker("BERTH_NEWER_DOCKER_GRAPH"),
            newer_docker_containerd: newer_docker("BERTH_NEWER_DOCKER_CONTAINERD"),
            screenshots: var("BERTH_SCREENSHOTS").is_some(),
            docker,
            skip,
        }
    }

    /// Whether `BERTH_SKIP` names a component, or one that it stands on.
    pub fn left_out(&self, component: &str) -> bool {
        names(&self.skip, component) || names(&self.skip, "docker")
    }

    /// A program of the environment, else the one of the machine.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        let mut candidates = vec![self.programs.join(name)];
        candidates.extend(
            ["/usr/local/bin", "/usr/bin", "/usr/sbin"]
                .iter()
                .map(|folder| Path::new(folder).join(name)),
        );
        match candidates.iter().find(|path| path.is_file()) {
            Some(path) => Ok(path.clone()),
            None => bail!("{name} is missing; run tests/env/up, which installs it"),
        }
    }

    /// A static binary of this repository.
    pub fn binary(&self, name: &str) -> Result<PathBuf> {
        let path = self.binaries.join(name);
        if path.is_file() {
            return Ok(path);
        }
        bail!(
            "{} is missing; tests/run builds it, or name the folder in BERTH_BINARIES",
            path.display()
        )
    }
}

fn names(list: &str, component: &str) -> bool {
    list.split(',').any(|name| name == component)
}

/// The root of the working tree.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("/"))
        .to_path_buf()
}
