//! Endpoints that are dropped, fail at every attempt, or mean something else than they seem.

use std::collections::BTreeSet;

use super::Linter;
use super::catalog::{
    CREDENTIAL_OVER_HTTP, DEFAULT_ENDPOINT_REWRITE, DEFAULT_ENDPOINT_TWICE, ENDPOINT_DUPLICATE,
    ENDPOINT_EMPTY, ENDPOINT_HTTP_TLS, ENDPOINT_INVALID, ENDPOINT_IPV6_BRACKETS, ENDPOINT_PATH,
    ENDPOINT_PORT_80, ENDPOINT_QUERY, ENDPOINT_SCHEME, ENDPOINT_USERINFO, VERSION_DEFAULT_ENDPOINT,
    VERSION_SCHEME,
};
use crate::document::{Auth, HostConfig, Mirror, Registries};
use crate::endpoint::{Endpoint, normalize};
use crate::explain::{Explanation, explain};
use crate::go::net::is_localhost;
use crate::node::NodeOptions;

pub(super) fn check(linter: &mut Linter<'_>) {
    let registries = linter.registries;
    for (key, mirror) in &registries.mirrors {
        let Some(mirror) = mirror else { continue };
        let completed = linter.endpoints_of(key);
        let mut seen = BTreeSet::new();
        for (index, (address, endpoint)) in mirror.endpoint.iter().zip(completed).enumerate() {
            let index = index.to_string();
            let path = ["mirrors", key, "endpoint", &index];
            if let Some(endpoint) = usable(linter, &path, address, endpoint.as_ref()) {
                if !seen.insert(endpoint.url.as_str()) {
                    linter.report(
                        ENDPOINT_DUPLICATE,
                        &path,
                        "an endpoint above is the same once k3s has completed it; the first one counts",
                        "remove it",
                    );
                    continue;
                }
                check_form(linter, &path, address, endpoint);
                check_host(linter, &path, endpoint);
            }
        }
        check_default(linter, key, mirror, completed);
    }
}

/// The endpoint as k3s completes it, unless it fails at every attempt.
fn usable<'a>(
    linter: &mut Linter<'_>,
    path: &[&str],
    address: &str,
    endpoint: Option<&'a Endpoint>,
) -> Option<&'a Endpoint> {
    let Some(endpoint) = endpoint else {
        linter.report(
            ENDPOINT_INVALID,
            path,
            "k3s drops this endpoint: it is no URL",
            "write https://host[:port][/path], an IPv6 address in brackets, without spaces",
        );
        return None;
    };
    if endpoint.host.is_empty() || endpoint.host.starts_with(':') {
        linter.report(
            ENDPOINT_EMPTY,
            path,
            "there is no host in it: every attempt fails",
            "write https://host[:port][/path]",
        );
        return None;
    }
    if let Some((scheme, _)) = address.split_once("://")
        && !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https")
    {
        linter.report(
            ENDPOINT_SCHEME,
            path,
            "only http and https are known: every attempt fails",
            "write https:// or http://",
        );
        return None;
    }
    let is_unreadable = !is_read_as_written(endpoint)
        && explain_alone(address, None).is_some_and(|explanation| explanation.unreadable.is_some());
    if is_unreadable {
        linter.report(
            ENDPOINT_IPV6_BRACKETS,
            path,
            "containerd refuses the whole hosts.toml over this address: all mirrors of the registry are void",
            "put the IPv6 address in brackets, as in https://[fd00::1]:5000",
        );
        return None;
    }
    Some(endpoint)
}

/// Whether nothing in an endpoint means something to TOML or to containerd's stricter URLs, so that pasting it into
/// hosts.toml cannot break the file.
fn is_read_as_written(endpoint: &Endpoint) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'/' | b':');
    endpoint.url.bytes().all(is_plain) && endpoint.host.matches(':').count() <= 1
}

fn check_form(linter: &mut Linter<'_>, path: &[&str], address: &str, endpoint: &Endpoint) {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if rest[..end].contains('@') {
        linter.report(
            ENDPOINT_USERINFO,
            path,
            "user name and password in it are ignored, and everyone on the node can read them in certs.d",
            "write the credential as `configs.<host>.auth`",
        );
    }
    if rest.contains(['?', '#']) {
        linter.report(
            ENDPOINT_QUERY,
            path,
            "query and fragment are ignored",
            "remove them",
        );
    }
    let location = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
    if endpoint.override_path && !location.split('/').skip(1).any(|segment| segment == "v2") {
        linter.report(
            ENDPOINT_PATH,
            path,
            "the path is the root of the API as it stands, without /v2: most registries answer 404",
            "write /v2 in front of the path, as in https://harbor.example.com/v2/project, or use a rewrite",
        );
    }
    if address.contains("://") {
        return;
    }
    if endpoint.host.ends_with(":80") && !is_localhost(&endpoint.host) {
        linter.report(
            ENDPOINT_PORT_80,
            path,
            "without a scheme it is asked with https, on port 80 too",
            "write http://",
        );
    }
    let versions = linter.options.k3s_versions.as_ref();
    if versions.is_some_and(|range| {
        range.has_any(&[[1, 26, 13], [1, 27, 10], [1, 28, 6], [1, 29, 1]], Some(1))
    }) {
        linter.report(
            VERSION_SCHEME,
            path,
            "v1.26.13, v1.27.10, v1.28.6 and v1.29.1 with +k3s1 do not complete an endpoint without a scheme",
            "write https:// in front of it",
        );
    }
}

/// What `configs` says about the host of an http endpoint.
fn check_host(linter: &mut Linter<'_>, path: &[&str], endpoint: &Endpoint) {
    let config = linter
        .registries
        .configs
        .get(&endpoint.registry)
        .and_then(Option::as_ref);
    let (Some(config), true) = (config, endpoint.url.starts_with("http://")) else {
        return;
    };
    let tries_https = explain_alone(&endpoint.url, Some((&endpoint.registry, config)))
        .and_then(|explanation| explanation.attempts.ok())
        .is_some_and(|attempts| {
            attempts
                .first()
                .is_some_and(|attempt| attempt.https_then_http)
        });
    if tries_https {
        linter.report(
            ENDPOINT_HTTP_TLS,
            path,
            "the host has TLS settings, so it is tried with https first, and with http after a TLS error only",
            "write https://, or remove `tls` of the host",
        );
    }
    let has_credential = config
        .auth
        .as_ref()
        .is_some_and(|auth| *auth != Auth::default());
    if has_credential && !is_localhost(&endpoint.host) {
        linter.report(
            CREDENTIAL_OVER_HTTP,
            path,
            "the credential of the host is sent in clear text",
            "write https://",
        );
    }
}

/// The registry's own address among its endpoints.
fn check_default(
    linter: &mut Linter<'_>,
    key: &str,
    mirror: &Mirror,
    completed: &[Option<Endpoint>],
) {
    let node = &linter.options.node;
    let Some(default) = normalize(key, None).ok().filter(|_| key != "*") else {
        return;
    };
    let is_default = |endpoint: &Endpoint| endpoint.url == default.url;
    let Some(position) = completed
        .iter()
        .position(|endpoint| endpoint.as_ref().is_some_and(is_default))
    else {
        return;
    };
    let index = position.to_string();
    let path = ["mirrors", key, "endpoint", &index];
    let is_last = completed[position + 1..].iter().flatten().all(is_default);
    if linter.has_release_before(&[[1, 29, 2]]) {
        linter.report(
            VERSION_DEFAULT_ENDPOINT,
            &path,
            "this is the registry's own address, which releases before v1.29.2 treat differently",
            "remove it: it is tried last anyway",
        );
    }
    if node.disable_default_registry_endpoint {
        return;
    }
    if !is_last {
        linter.report(
            DEFAULT_ENDPOINT_TWICE,
            &path,
            "this is the registry's own address, which is tried last anyway, and so twice",
            "remove it, unless it shall be tried before the ones below",
        );
    } else if !mirror.rewrite.is_empty() {
        linter.report(
            DEFAULT_ENDPOINT_REWRITE,
            &path,
            "this is the registry's own address: at the end of the list the rewrites do not apply to it",
            "name another host for the rewritten names",
        );
    }
}

/// What becomes of one endpoint when it is the only one.
fn explain_alone(address: &str, config: Option<(&str, &HostConfig)>) -> Option<Explanation> {
    let mirror = Mirror {
        endpoint: vec![address.to_owned()],
        ..Mirror::default()
    };
    let config = config.map(|(key, config)| {
        (
            key.to_owned(),
            Some(HostConfig {
                auth: None,
                tls: config.tls.clone(),
            }),
        )
    });
    let registries = Registries {
        mirrors: [("registry.invalid".to_owned(), Some(mirror))].into(),
        configs: config.into_iter().collect(),
        ..Registries::default()
    };
    explain(
        &registries,
        "registry.invalid/repository",
        &NodeOptions::default(),
    )
    .ok()
}
