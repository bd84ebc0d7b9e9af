//! The scripts that run in a node before k3s, and the files they read.
//!
//! ```text
//! environment, Engine  --fixes-->  Fixes
//! Fixes, node, names   --files-->  scripts in /bin, what they read in /etc/k3d
//! ```
//!
//! They are written before every start that we do, and stay in the node for every start that we do not: a restart of
//! the Engine or of the machine, or k3d, which brings its own scripts but runs whatever `/bin/k3d-entrypoint-*.sh`
//! finds. Script text never changes with what a user says: that goes into data files.
//!
//! # Names that survive
//!
//! Docker writes `/etc/hosts` anew at each start, and k3s rewrites the manifest in which k3d puts names for pods. Our
//! own script puts the names back at each start. Pods get them from `CoreDNS` by the ConfigMap `coredns-custom`, which
//! k3s leaves to its users: it answers for just these names, and the rest of the configuration stays as it is. A
//! ConfigMap of this name that the user brings is added to, not replaced.

mod dns_names;
mod error;
mod fixes;
mod hosts;
mod k3s_flags;

use std::net::IpAddr;

pub use error::{Error, Result};
pub use fixes::{EngineFacts, Fixes, fixes};
pub use hosts::merge_hosts;
pub use k3s_flags::{disables_coredns, manifests_folder};

use crate::cluster::{HostAlias, NodeFile, Role};
use crate::names;

/// Where the gateway's address stands for the DNS script.
pub const GATEWAY_PATH: &str = "/etc/k3d/gateway";
/// Where the names stand for the hosts script.
pub const HOSTS_PATH: &str = "/etc/k3d/hosts";
/// Where the memory that a node shows stands for the memory script.
pub const MEMINFO_PATH: &str = "/etc/k3d/meminfo";
/// Where the names for pods stand; on servers that run `CoreDNS`.
pub const COREDNS_PATH: &str = "/etc/k3d/coredns-custom.yaml";
const MANIFESTS_PATH: &str = "/etc/k3d/manifests";

const SCRIPT_MODE: u32 = 0o744;
const DATA_MODE: u32 = 0o644;

/// What of a node decides its scripts.
#[derive(Clone, Copy, Debug)]
pub struct NodeFacts<'a> {
    pub role: Role,
    /// Arguments of k3s.
    pub command: &'a [String],
    /// `KEY=VALUE`.
    pub env: &'a [String],
    /// Binds as Docker writes them.
    pub volumes: &'a [String],
    pub host_network: bool,
}

/// Who is to be found by name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'a> {
    /// The host, as the nodes reach it.
    pub gateway: Option<IpAddr>,
    pub aliases: &'a [HostAlias],
    /// Further containers of the network, for pods only. With the DNS fix pods can ask Docker for these, whose
    /// addresses change at restarts: give none then.
    pub members: &'a [HostAlias],
}

/// Everything to be written into a node before its start; nothing when no fix is on.
pub fn files(fixes: Fixes, node: &NodeFacts<'_>, names: &Names<'_>) -> Result<Vec<NodeFile>> {
    if !fixes.any() || !node.role.runs_k3s() {
        return Ok(Vec::new());
    }
    let mut written = vec![
        script("", include_str!("scripts/main.sh")),
        script("-memory", include_str!("scripts/memory.sh")),
    ];
    if fixes.cgroup_v2 {
        written.push(script("-cgroupv2", include_str!("scripts/cgroupv2.sh")));
    }
    if fixes.dns {
        let gateway = fixes.gateway_for_dns(names.gateway, node.volumes)?;
        written.push(script("-dns", include_str!("scripts/dns.sh")));
        written.push(data(GATEWAY_PATH, format!("{gateway}\n")));
    }
    if fixes.mounts {
        written.push(script("-mounts", include_str!("scripts/mounts.sh")));
    }
    if !node.host_network {
        written.extend(name_files(node, names)?);
    }
    Ok(written)
}

/// What the kubelet is shown as `/proc/meminfo` on a node with a memory limit.
pub fn meminfo(bytes: i64) -> Vec<u8> {
    format!("MemTotal: {} kB\nSwapTotal: 0 kB\n", bytes / 1000).into_bytes()
}

fn name_files(node: &NodeFacts<'_>, names: &Names<'_>) -> Result<Vec<NodeFile>> {
    let mut known = dns_names::checked(names.aliases)?;
    if let Some(gateway) = names.gateway {
        known.push((gateway, vec![names::HOST_ALIAS.to_owned()]));
    }
    let mut files = vec![
        script("-hosts", include_str!("scripts/hosts.sh")),
        data(HOSTS_PATH, hosts::lines(&known)),
    ];
    if node.role == Role::Server && !disables_coredns(node.command) {
        known.extend(dns_names::checked(names.members)?);
        if !known.is_empty() {
            files.push(data(COREDNS_PATH, dns_names::manifest(&known)));
            let folder = manifests_folder(node.command, node.env);
            files.push(data(MANIFESTS_PATH, format!("{folder}\n")));
        }
    }
    Ok(files)
}

fn script(name: &str, text: &str) -> NodeFile {
    NodeFile {
        path: format!("/bin/k3d-entrypoint{name}.sh"),
        mode: SCRIPT_MODE,
        content: text.as_bytes().to_vec(),
    }
}

fn data(path: &str, text: String) -> NodeFile {
    NodeFile {
        path: path.to_owned(),
        mode: DATA_MODE,
        content: text.into_bytes(),
    }
}
