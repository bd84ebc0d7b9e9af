//! Which repairs a node needs to run k3s in a container.

use std::net::{IpAddr, Ipv4Addr};

use super::error::{Error, Result};

/// The switches of k3d.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixes {
    pub cgroup_v2: bool,
    pub dns: bool,
    pub mounts: bool,
}

/// What the Engine says about itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineFacts<'a> {
    /// `1` or `2`.
    pub cgroup_version: &'a str,
    /// The machine's name.
    pub name: &'a str,
}

/// The repairs for nodes of this Engine, unless `K3D_FIX_CGROUPV2`, `K3D_FIX_DNS` or `K3D_FIX_MOUNTS` say otherwise.
pub fn fixes(
    variable: impl Fn(&str) -> Option<String>,
    engine: EngineFacts<'_>,
    host_network: bool,
) -> Fixes {
    let asked =
        |name: &str, otherwise: bool| variable(name).map_or(otherwise, |value| is_true(&value));
    Fixes {
        cgroup_v2: asked("K3D_FIX_CGROUPV2", engine.cgroup_version == "2"),
        // The network of the host has no DNS server of the Engine; Colima brings one that pods can reach.
        dns: asked("K3D_FIX_DNS", engine.name != "colima") && !host_network,
        mounts: asked("K3D_FIX_MOUNTS", true),
    }
}

impl Fixes {
    /// Whether nodes start by our entrypoint at all.
    pub fn any(self) -> bool {
        self.cgroup_v2 || self.dns || self.mounts
    }

    /// For nodes without a network of their own, such as those that join a cluster elsewhere.
    #[must_use]
    pub fn without_dns(self) -> Self {
        Self { dns: false, ..self }
    }

    /// Whether the DNS fix can be applied; with it, where the Engine's DNS server is to answer.
    pub fn gateway_for_dns(self, gateway: Option<IpAddr>, volumes: &[String]) -> Result<Ipv4Addr> {
        let covers = |volume: &&String| {
            volume
                .split(':')
                .skip(1)
                .any(|part| part == "/etc/resolv.conf")
        };
        if let Some(volume) = volumes.iter().find(covers) {
            return Err(Error::ResolvConfMounted {
                volume: volume.clone(),
            });
        }
        match gateway {
            Some(IpAddr::V4(gateway)) => Ok(gateway),
            _ => Err(Error::NoGateway),
        }
    }
}

/// As Go reads a bool; what it cannot read is off.
fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}
