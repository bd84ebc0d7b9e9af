//! Names of the directories under certs.d.

use crate::go::net::split_host_port;

/// The directory of the `*` entry, which containerd uses when a registry has none of its own.
pub const WILDCARD_DIRECTORY: &str = "_default";

/// The directory that k3s writes on Linux for a registry key.
pub fn written_on_linux(key: &str) -> String {
    wildcard_or(key, key.to_owned())
}

/// The directory that k3s writes on Windows for a registry key; with an IPv6 host and a port it is one that
/// containerd never looks for.
pub fn written_on_windows(key: &str) -> String {
    let name = match split_host_port(key) {
        Some((host, port)) if !port.is_empty() => format!("{host}_{port}_"),
        _ => key.to_owned(),
    };
    wildcard_or(key, name)
}

/// The directories in which containerd on Linux looks for a registry, the first that exists wins.
pub fn looked_up_on_linux(registry: &str) -> Vec<String> {
    let mut names = Vec::with_capacity(3);
    let underscored = underscored(registry);
    if underscored != registry {
        names.push(underscored);
    }
    names.push(registry.to_owned());
    names.push(WILDCARD_DIRECTORY.to_owned());
    names
}

/// The same for containerd on Windows, where no name may hold a colon.
pub fn looked_up_on_windows(registry: &str) -> Vec<String> {
    looked_up_on_linux(registry)
        .into_iter()
        .map(|name| name.replace(':', ""))
        .collect()
}

fn wildcard_or(key: &str, name: String) -> String {
    if key == "*" {
        WILDCARD_DIRECTORY.to_owned()
    } else {
        name
    }
}

/// `host:port` as `host_port_`; the last colon counts, even if it is one of an IPv6 address.
fn underscored(registry: &str) -> String {
    match registry.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() => format!("{host}_{port}_"),
        _ => registry.to_owned(),
    }
}
