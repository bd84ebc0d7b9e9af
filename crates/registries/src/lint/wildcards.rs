//! What `*` does not do, and what it does not reach.

use super::Linter;
use super::catalog::{
    CONFIG_EMPTY, CONFIG_SHADOWS_WILDCARD, DEFAULT_ENDPOINT_KEPT, MIRROR_WITHOUT_ENDPOINTS,
    VERSION_DEFAULT_TLS, VERSION_WILDCARD, WILDCARD_AUTH, WILDCARD_TLS,
};
use crate::document::HostConfig;
use crate::endpoint::{DOCKER_HUB, DOCKER_HUB_HOST};

pub(super) fn check(linter: &mut Linter<'_>) {
    let registries = linter.registries;
    if let Some(Some(config)) = registries.configs.get("*") {
        wildcard_config(linter, config);
    }
    for (key, config) in &registries.configs {
        if key != "*" {
            config_entry(linter, key, config.as_ref());
        }
    }
    for (key, mirror) in &registries.mirrors {
        if mirror
            .as_ref()
            .is_none_or(|mirror| mirror.endpoint.is_empty())
        {
            without_endpoints(linter, key);
        }
    }
    if linter.options.node.disable_default_registry_endpoint {
        kept_by_config(linter);
    }
    wildcard_fallback(linter);
}

fn wildcard_config(linter: &mut Linter<'_>, config: &HostConfig) {
    if config.auth.is_some() {
        linter.report(
            WILDCARD_AUTH,
            &["configs", "*", "auth"],
            "containerd looks credentials up by exact host: this one is never used for pulls",
            "name each host that needs the credential",
        );
    }
    if config.tls.is_some() {
        let message = if has_wildcard_endpoints(linter) {
            "the endpoints of mirrors.\"*\" take the place of these settings: TLS verification stays as it was everywhere"
        } else {
            "whether these settings reach a registry depends on the release of containerd"
        };
        linter.report(
            WILDCARD_TLS,
            &["configs", "*", "tls"],
            message,
            "name each host that needs TLS settings",
        );
    }
}

fn config_entry(linter: &mut Linter<'_>, key: &str, config: Option<&HostConfig>) {
    let path = ["configs", key];
    let is_empty = config.is_none_or(|config| config.auth.is_none() && config.tls.is_none());
    if is_empty {
        linter.report(
            CONFIG_EMPTY,
            &path,
            "without `auth` and `tls` the entry is dropped; it does not override \"*\"",
            "remove it, or write `tls: {insecure_skip_verify: false}` to keep \"*\" from the host",
        );
    } else if has_wildcard_endpoints(linter)
        && !has_mirror(linter, key)
        && !linter.hosts.contains(key)
    {
        linter.report(
            CONFIG_SHADOWS_WILDCARD,
            &path,
            "with own settings the host gets an own hosts.toml, and the endpoints of mirrors.\"*\" no longer apply to it",
            "repeat the endpoints in a mirror of this name, if they shall apply",
        );
    }
    let has_tls = config.is_some_and(|config| config.tls.is_some());
    if has_tls && !linter.hosts.contains(key) && linter.has_release_before(&[[1, 29, 4]]) {
        linter.report(
            VERSION_DEFAULT_TLS,
            &path,
            "releases before v1.29.4 do not use TLS settings for a registry's own endpoint",
            "name the registry as an endpoint of its own mirror, or upgrade",
        );
    }
}

fn without_endpoints(linter: &mut Linter<'_>, key: &str) {
    let node = &linter.options.node;
    if node.disable_default_registry_endpoint && node.embedded_registry.is_none() {
        linter.report(
            DEFAULT_ENDPOINT_KEPT,
            &["mirrors", key],
            "without endpoints and without the embedded registry the entry is dropped, and pulls go to the registry itself",
            "give it an endpoint, or switch the embedded registry on",
        );
    } else if node.embedded_registry.is_none() {
        linter.report(
            MIRROR_WITHOUT_ENDPOINTS,
            &["mirrors", key],
            "without endpoints the entry does nothing, unless the embedded registry is switched on",
            "give it an endpoint, or remove it if `embedded-registry` is not set",
        );
    }
}

/// A mirror key that stands under `configs` too keeps its `server` line.
fn kept_by_config(linter: &mut Linter<'_>) {
    let registries = linter.registries;
    for (key, mirror) in &registries.mirrors {
        let has_endpoints = mirror
            .as_ref()
            .is_some_and(|mirror| !mirror.endpoint.is_empty());
        if key != "*" && has_endpoints && registries.configs.contains_key(key) {
            linter.report(
                DEFAULT_ENDPOINT_KEPT,
                &["configs", key],
                "as the key of a mirror too, this keeps the default endpoint open in spite of --disable-default-registry-endpoint",
                "remove the entry, or write the settings under the host of the endpoint",
            );
        }
    }
}

fn wildcard_fallback(linter: &mut Linter<'_>) {
    let versions = linter.options.k3s_versions.as_ref();
    let is_broken = versions.is_some_and(|range| {
        range.has_release_before(&[[1, 29, 3]]) || range.has_any(&[[1, 31, 6], [1, 32, 2]], None)
    });
    if is_broken && has_wildcard_endpoints(linter) {
        linter.report(
            VERSION_WILDCARD,
            &["mirrors", "*"],
            "v1.31.6, v1.32.2 and releases before v1.29.3 do not fall back to the registry itself behind \"*\"",
            "name the registries, or upgrade",
        );
    }
}

fn has_wildcard_endpoints(linter: &Linter<'_>) -> bool {
    matches!(linter.registries.mirrors.get("*"), Some(Some(mirror)) if !mirror.endpoint.is_empty())
}

fn has_mirror(linter: &Linter<'_>, key: &str) -> bool {
    linter.registries.mirrors.contains_key(key)
        || (key == DOCKER_HUB_HOST && linter.registries.mirrors.contains_key(DOCKER_HUB))
}
