//! Keys of `mirrors` and `configs` that never match what they seem to name.

use super::Linter;
use super::catalog::{
    CONFIG_PORT_MISMATCH, DOCKER_HUB_ALIAS, KEY_DEFAULT_DIRECTORY, KEY_INVALID, KEY_UPPER_CASE,
    KEY_WITH_PATH, KEY_WITH_SCHEME, KEY_WITH_USERINFO, WILDCARD_KEY,
};
use crate::endpoint::normalize;
use crate::go::net::split_host_port;
use crate::host_directory::WILDCARD_DIRECTORY;
use crate::mask::redact_key;

pub(super) fn check(linter: &mut Linter<'_>) {
    let registries = linter.registries;
    for key in registries.mirrors.keys() {
        check_key(linter, "mirrors", key);
    }
    for key in registries.configs.keys() {
        check_key(linter, "configs", key);
        check_port(linter, key);
    }
}

/// The first thing that keeps a key from matching; further ones would only say the same again.
fn check_key(linter: &mut Linter<'_>, section: &str, key: &str) {
    if key == "*" {
        return;
    }
    let (rule, message, help) = if key.contains('@') || key.contains(['?', '#']) {
        (
            KEY_WITH_USERINFO,
            "a key is compared with `host` or `host:port`: with a user name, query or fragment it never matches",
            "write the host alone, and the credential as `configs.<host>.auth`",
        )
    } else if key.contains("://") {
        (
            KEY_WITH_SCHEME,
            "a key is compared with `host` or `host:port`: with a scheme it never matches",
            "remove the scheme; the scheme belongs in the endpoint",
        )
    } else if key.contains(['*', '^', '$', '|', '(', '\\']) {
        (
            WILDCARD_KEY,
            "`*` alone is the only wildcard: k3s makes a directory of this name and containerd never looks there",
            "name each registry, or use \"*\" for all that have no entry of their own",
        )
    } else if key.contains('/') {
        (
            KEY_WITH_PATH,
            "a key is compared with `host` or `host:port`: with a path it never matches, and its directory hides \"*\" from the host",
            "write the host alone, and the path as part of the endpoint or as a rewrite",
        )
    } else if key.is_empty() || normalize(key, None).is_err() {
        (
            KEY_INVALID,
            "k3s drops this entry: the key is no host",
            "write `host` or `host:port`, an IPv6 address in brackets",
        )
    } else if key == WILDCARD_DIRECTORY {
        (
            KEY_DEFAULT_DIRECTORY,
            "this is the directory of \"*\": its endpoints apply to all registries, and the fallback is a host of this name",
            "write \"*\"",
        )
    } else if is_docker_hub_alias(section, key) {
        (
            DOCKER_HUB_ALIAS,
            "images of Docker Hub are looked up as docker.io, never under this name",
            "write docker.io",
        )
    } else if key.chars().any(|c| c.is_ascii_uppercase()) {
        (
            KEY_UPPER_CASE,
            "keys are compared case by case: this one matches only image names and endpoints written so",
            "write the key in lower case",
        )
    } else {
        return;
    };
    linter.report(rule, &[section, key], message, help);
}

fn is_docker_hub_alias(section: &str, key: &str) -> bool {
    let host = split_host_port(key).map_or(key, |(host, _)| host);
    match host {
        "index.docker.io" | "hub.docker.com" | "www.docker.io" | "registry.hub.docker.com" => true,
        "registry-1.docker.io" => section == "mirrors",
        "docker.io" => host != key,
        _ => false,
    }
}

/// A host with settings for one port, used with another one.
fn check_port(linter: &mut Linter<'_>, key: &str) {
    let registries = linter.registries;
    if linter.hosts.contains(key) || registries.mirrors.contains_key(key) {
        return;
    }
    let name = split_host_port(key).map_or(key, |(host, _)| host);
    // Hosts that differ in their port only stand side by side.
    let other = linter
        .hosts
        .range(name.to_owned()..)
        .take_while(|host| host.starts_with(name))
        .find(|host| {
            split_host_port(host).map_or(host.as_str(), |(host, _)| host) == name
                && !registries.configs.contains_key(host.as_str())
        });
    if let Some(other) = other.map(|host| redact_key(host)) {
        linter.report(
            CONFIG_PORT_MISMATCH,
            &["configs", key],
            format!("the endpoint is {other}, so these settings are not used there"),
            format!("write the key exactly as in the endpoint: {other}"),
        );
    }
}
