//! Names for pods: what `CoreDNS` is told.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use super::error::{Error, Result};
use super::hosts::Entry;
use crate::cluster::HostAlias;

/// Aliases whose addresses are addresses and whose names are names: they can stand in any file as they are.
pub(super) fn checked(aliases: &[HostAlias]) -> Result<Vec<Entry>> {
    aliases.iter().map(checked_one).collect()
}

fn checked_one(alias: &HostAlias) -> Result<Entry> {
    let ip: IpAddr = alias.ip.trim().parse().map_err(|_| Error::AliasAddress {
        ip: alias.ip.clone(),
    })?;
    if alias.hostnames.is_empty() {
        return Err(Error::AliasWithoutNames {
            ip: alias.ip.clone(),
        });
    }
    for name in &alias.hostnames {
        if !is_host_name(name) {
            return Err(Error::AliasName {
                ip: alias.ip.clone(),
                name: name.clone(),
            });
        }
    }
    Ok((ip, alias.hostnames.clone()))
}

fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// The ConfigMap that adds a server block for just these names. What `CoreDNS` does with all others is not touched, and
/// what the block does not know (names below these, other kinds of records) it asks the node's own servers.
pub(super) fn manifest(entries: &[Entry]) -> String {
    let zones: BTreeSet<String> = entries
        .iter()
        .flat_map(|(_, names)| names)
        .map(|name| format!("{}:53", name.to_ascii_lowercase()))
        .collect();
    let zones: Vec<String> = zones.into_iter().collect();
    let mut hosts = String::new();
    for (ip, names) in entries {
        // Writing to a String cannot fail.
        let _ = writeln!(hosts, "        {ip} {}", names.join(" "));
    }
    format!(
        "# The names of /etc/k3d/hosts for pods. Put here at every start of this node by /bin/k3d-entrypoint-hosts.sh.
apiVersion: v1
kind: ConfigMap
metadata:
  name: coredns-custom
  namespace: kube-system
data:
  k3d-hosts.server: |
    {} {{
      errors
      hosts {{
{hosts}        ttl 60
        fallthrough
      }}
      forward . /etc/resolv.conf
    }}
",
        zones.join(" ")
    )
}
