//! What kind of Engine answers.

use bollard::models::{SystemInfo, SystemInfoCgroupVersionEnum, SystemVersion};

use crate::engine::Engine;
use crate::error::{Error, Operation};

/// What an Engine says about itself; a text is empty where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Version, for example `20.10.24`.
    pub version: String,
    /// Newest API, for example `(1, 41)`.
    pub api_version: (u16, u16),
    /// Kernel family of its containers, for example `linux`.
    pub os: String,
    /// Architecture as Go and image indexes name it, for example `amd64`.
    pub arch: String,
    /// The host's name.
    pub name: String,
    /// The host's system, for example `Docker Desktop`.
    pub operating_system: String,
    /// 1 or 2.
    pub cgroup_version: Option<u8>,
    /// `cgroupfs`, `systemd` or `none`.
    pub cgroup_driver: String,
    /// For example `overlay2`.
    pub storage_driver: String,
    /// Where it keeps what it has, as it sees the host's files.
    pub data_root: String,
    /// Whether images are kept by containerd.
    pub containerd_images: bool,
    /// The socket of its containerd, which only newer Engines tell.
    pub containerd_address: String,
    /// The namespace of containerd that is its own, where it tells.
    pub containerd_namespace: String,
    /// Whether it is Podman behind Docker's API.
    pub is_podman: bool,
    /// Whether it runs without root.
    pub is_rootless: bool,
    /// Processors.
    pub processors: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// Where it was asked.
    pub endpoint: String,
}

impl Engine {
    /// Asks an Engine what it is.
    pub async fn facts(&self) -> Result<Facts, Error> {
        let ask = || Operation::new("ask the Docker Engine what it is", "");
        let (version, info) = tokio::try_join!(
            self.call(ask(), self.docker.version()),
            self.call(ask(), self.docker.info())
        )?;
        let facts = Facts::new(version, info);
        Ok(Facts {
            endpoint: self.address.to_string(),
            ..facts
        })
    }
}

impl Facts {
    fn new(version: SystemVersion, info: SystemInfo) -> Self {
        let is_podman = version
            .components
            .iter()
            .flatten()
            .any(|component| component.name.to_lowercase().contains("podman"));
        let containerd_images = info
            .driver_status
            .iter()
            .flatten()
            .any(|pair| pair.as_slice() == ["driver-type", "io.containerd.snapshotter.v1"]);
        let is_rootless = info
            .security_options
            .iter()
            .flatten()
            .any(|option| option == "name=rootless" || option.starts_with("name=rootless,"));
        let containerd = info.containerd.unwrap_or_default();
        Self {
            version: version.version.unwrap_or_default(),
            api_version: parse_api_version(&version.api_version.unwrap_or_default())
                .unwrap_or_default(),
            os: version.os.or(info.os_type).unwrap_or_default(),
            arch: version.arch.unwrap_or_default(),
            name: info.name.unwrap_or_default(),
            operating_system: info.operating_system.unwrap_or_default(),
            cgroup_version: match info.cgroup_version {
                Some(SystemInfoCgroupVersionEnum::_1) => Some(1),
                Some(SystemInfoCgroupVersionEnum::_2) => Some(2),
                _ => None,
            },
            cgroup_driver: info
                .cgroup_driver
                .map(|driver| driver.to_string())
                .unwrap_or_default(),
            storage_driver: info.driver.unwrap_or_default(),
            data_root: info.docker_root_dir.unwrap_or_default(),
            containerd_images,
            containerd_address: containerd.address.unwrap_or_default(),
            containerd_namespace: containerd
                .namespaces
                .and_then(|namespaces| namespaces.containers)
                .unwrap_or_default(),
            is_podman,
            is_rootless,
            processors: info
                .ncpu
                .and_then(|count| count.try_into().ok())
                .unwrap_or_default(),
            memory: info
                .mem_total
                .and_then(|bytes| bytes.try_into().ok())
                .unwrap_or_default(),
            endpoint: String::new(),
        }
    }
}

/// `1.41` as numbers.
pub(crate) fn parse_api_version(text: &str) -> Option<(u16, u16)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Facts, parse_api_version};

    #[test]
    fn api_versions_compare_as_numbers() {
        assert!(parse_api_version("1.9") < parse_api_version("1.41"));
        assert_eq!(parse_api_version("1"), None);
        assert_eq!(parse_api_version("1.x"), None);
    }

    #[test]
    fn podman_containerd_and_rootless_are_recognised() {
        let version = serde_json::from_str(
            r#"{"Version": "4.3.1", "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64",
                "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}]}"#,
        )
        .unwrap();
        let info = serde_json::from_str(
            r#"{"Name": "box", "OperatingSystem": "debian", "CgroupVersion": "2", "CgroupDriver": "systemd",
                "Driver": "overlayfs", "DockerRootDir": "/var/lib/docker",
                "Containerd": {"Address": "/run/containerd/containerd.sock", "Namespaces": {"Containers": "moby"}},
                "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
                "SecurityOptions": ["name=seccomp,profile=default", "name=rootless"], "NCPU": 2, "MemTotal": 1024}"#,
        )
        .unwrap();
        let facts = Facts::new(version, info);
        assert!(facts.is_podman && facts.containerd_images && facts.is_rootless);
        assert_eq!(
            (
                facts.data_root.as_str(),
                facts.containerd_address.as_str(),
                facts.containerd_namespace.as_str()
            ),
            ("/var/lib/docker", "/run/containerd/containerd.sock", "moby")
        );
        assert_eq!(
            (facts.cgroup_version, facts.cgroup_driver.as_str()),
            (Some(2), "systemd")
        );
        assert_eq!(
            (facts.api_version, facts.processors, facts.memory),
            ((1, 41), 2, 1024)
        );
    }

    #[test]
    fn an_engine_that_says_nothing_has_no_facts() {
        let (version, info) = (serde_json::from_str("{}"), serde_json::from_str("{}"));
        assert_eq!(
            Facts::new(version.unwrap(), info.unwrap()),
            Facts::default()
        );
    }
}
