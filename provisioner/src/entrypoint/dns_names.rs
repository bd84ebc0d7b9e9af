//! Names for pods: what `CoreDNS` is told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use super::error::{Error, Result};
use super::hosts::Entry;
use crate::cluster::HostAlias;

/// Seconds that pods may remember an answer.
const TTL: u32 = 60;

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

/// Addresses of one name, by the type of record.
#[derive(Default)]
struct Records {
    a: Vec<IpAddr>,
    aaaa: Vec<IpAddr>,
}

/// The ConfigMap that answers for just these names; whatever else `CoreDNS` does stays as it is.
///
/// `template` is the one way to add names that cannot stand in somebody else's: `hosts` may stand only once in a server
/// block, and a server block of a name that the user serves, too, keeps `CoreDNS` from starting.
pub(super) fn manifest(entries: &[Entry]) -> String {
    let mut names: BTreeMap<String, Records> = BTreeMap::new();
    for (ip, known) in entries {
        for name in known {
            let records = names.entry(name.to_ascii_lowercase()).or_default();
            match ip {
                IpAddr::V4(_) => records.a.push(*ip),
                IpAddr::V6(_) => records.aaaa.push(*ip),
            }
        }
    }
    let mut templates = String::new();
    for (name, records) in &names {
        for (kind, addresses) in [("A", &records.a), ("AAAA", &records.aaaa)] {
            let answers = addresses.iter();
            let answers = answers.map(|ip| format!("answer \"{name}. {TTL} IN {kind} {ip}\""));
            if !addresses.is_empty() {
                template(&mut templates, name, kind, answers);
            }
        }
        // A name that exists has no other records. Were they looked for elsewhere, the name would be said not to exist,
        // which some resolvers take to be true of its addresses as well.
        let nothing = format!("authority \"{name}. {TTL} IN SOA {name}. {name}. 1 60 60 60 60\"");
        template(&mut templates, name, "ANY", std::iter::once(nothing));
    }
    format!(
        "# The names of /etc/k3d/hosts for pods. Put here at every start of this node by /bin/k3d-entrypoint-hosts.sh.
apiVersion: v1
kind: ConfigMap
metadata:
  name: coredns-custom
  namespace: kube-system
data:
  k3d-hosts.override: |
{templates}"
    )
}

fn template(text: &mut String, name: &str, kind: &str, lines: impl Iterator<Item = String>) {
    let pattern = name.replace('.', "[.]");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "    template IN {kind} {name} {{");
    let _ = writeln!(text, "      match \"^{pattern}[.]$\"");
    for line in lines {
        let _ = writeln!(text, "      {line}");
    }
    let _ = writeln!(text, "      fallthrough\n    }}");
}
