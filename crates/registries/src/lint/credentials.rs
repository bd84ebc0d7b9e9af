//! Credentials that containerd does not use, cannot use, or cannot even load.

use base64::Engine as _;
use secrecy::zeroize::Zeroizing;

use super::Linter;
use super::catalog::{
    AUTH_NOT_BASE64, AUTH_SEVERAL, AUTH_WITHOUT_COLON, CONFIG_KEY_QUOTE,
    CREDENTIAL_CONTROL_CHARACTER, DOCKER_HUB_CREDENTIAL, EMPTY_AUTH, PASSWORD_WITHOUT_USERNAME,
    USERNAME_WITHOUT_PASSWORD,
};
use crate::document::{Auth, HostConfig, Registries};
use crate::endpoint::{DOCKER_HUB, DOCKER_HUB_HOST};
use crate::node::{Distribution, NodeOptions};
use crate::render::check_auth_tables;
use crate::yaml::scalar::GO_BASE64;

pub(super) fn check(linter: &mut Linter<'_>) {
    let registries = linter.registries;
    for (key, config) in &registries.configs {
        let Some(auth) = config.as_ref().and_then(|config| config.auth.as_ref()) else {
            continue;
        };
        let loads = loadable(linter, key, auth);
        if loads && key != "*" {
            fields(linter, key, auth);
        }
    }
    docker_hub(linter);
}

/// Whether the rendered table can be loaded by containerd. If not, nothing else about it matters.
fn loadable(linter: &mut Linter<'_>, key: &str, auth: &Auth) -> bool {
    let node = &linter.options.node;
    if !loads(key, &Auth::default(), node) {
        linter.report(
            CONFIG_KEY_QUOTE,
            &["configs", key],
            "the key does not fit into config.toml: containerd does not start, and the node stays down",
            "write the key as `host` or `host:port`, without quotes and control characters",
        );
        return false;
    }
    // The lines of a table stand for themselves, so one look at all of them clears each.
    if loads(key, auth, node) {
        return true;
    }
    let mut all_load = true;
    for (name, only) in each_field(auth) {
        if !loads(key, &only, node) {
            linter.report(
                CREDENTIAL_CONTROL_CHARACTER,
                &["configs", key, "auth", name],
                "a control character in it does not fit into config.toml: containerd does not start, and the node stays down",
                "remove it; mostly it was pasted along with the value",
            );
            all_load = false;
        }
    }
    all_load
}

fn loads(key: &str, auth: &Auth, node: &NodeOptions) -> bool {
    let config = HostConfig {
        auth: Some(auth.clone()),
        tls: None,
    };
    let registries = Registries {
        configs: [(key.to_owned(), Some(config))].into(),
        ..Registries::default()
    };
    check_auth_tables(&registries, node).is_ok()
}

fn each_field(auth: &Auth) -> [(&'static str, Auth); 4] {
    let empty = Auth::default;
    [
        (
            "username",
            Auth {
                username: auth.username.clone(),
                ..empty()
            },
        ),
        (
            "password",
            Auth {
                password: auth.password.clone(),
                ..empty()
            },
        ),
        (
            "auth",
            Auth {
                auth: auth.auth.clone(),
                ..empty()
            },
        ),
        (
            "identity_token",
            Auth {
                identity_token: auth.identity_token.clone(),
                ..empty()
            },
        ),
    ]
}

fn fields(linter: &mut Linter<'_>, key: &str, auth: &Auth) {
    let path = ["configs", key, "auth"];
    let kinds = [
        !auth.username.is_empty(),
        !auth.identity_token.is_empty(),
        !auth.auth.is_empty(),
    ];
    match kinds.iter().filter(|is_given| **is_given).count() {
        0 if auth.password.is_empty() => linter.report(
            EMPTY_AUTH,
            &path,
            "there is no credential in it: an empty table is rendered, and pulls go out anonymously",
            "give `username` and `password`, or remove `auth`",
        ),
        0 => linter.report(
            PASSWORD_WITHOUT_USERNAME,
            &path,
            "a password without a user name is not used: pulls go out anonymously",
            "give `username`; registries that take any name accept `token`",
        ),
        1 => {}
        _ => linter.report(
            AUTH_SEVERAL,
            &path,
            "only one of these credentials is used: user name and password, then `identity_token`, then `auth`",
            "keep the one that is meant",
        ),
    }
    if !auth.username.is_empty() && auth.password.is_empty() {
        linter.report(
            USERNAME_WITHOUT_PASSWORD,
            &path,
            "the user name is sent with an empty password, and other credentials beside it are not used",
            "give `password`, or remove `username`",
        );
    }
    if auth.username.is_empty() && auth.identity_token.is_empty() && !auth.auth.is_empty() {
        encoded(linter, key, auth.auth.expose());
    }
}

fn encoded(linter: &mut Linter<'_>, key: &str, text: &str) {
    let path = ["configs", key, "auth", "auth"];
    let help = "write `username` and `password`, or the base64 of `user:password`";
    let packed: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect());
    match GO_BASE64.decode(packed.as_bytes()).map(Zeroizing::new) {
        Err(_) => linter.report(
            AUTH_NOT_BASE64,
            &path,
            "it is not base64: every pull from the host fails",
            help,
        ),
        Ok(decoded) if !decoded.contains(&b':') => linter.report(
            AUTH_WITHOUT_COLON,
            &path,
            "decoded it has no colon: every pull from the host fails, and containerd logs the decoded text",
            help,
        ),
        Ok(_) => {}
    }
}

/// `docker.io` counts for the host that is really asked only since July 2025, and never for RKE2's own pull.
fn docker_hub(linter: &mut Linter<'_>) {
    let has_auth = |key: &str| matches!(linter.registries.configs.get(key), Some(Some(config)) if config.auth.is_some());
    let (name, host) = (has_auth(DOCKER_HUB), has_auth(DOCKER_HUB_HOST));
    let is_rke2 = linter.options.node.distribution == Distribution::Rke2;
    if name && !host && linter.has_release_before(&[[1, 31, 11], [1, 32, 7], [1, 33, 3]]) {
        linter.report(
            DOCKER_HUB_CREDENTIAL,
            &["configs", DOCKER_HUB, "auth"],
            "releases before v1.31.11, v1.32.7 and v1.33.3 never use a credential under docker.io",
            "give the same credential under registry-1.docker.io too",
        );
    } else if host && !name && is_rke2 {
        linter.report(
            DOCKER_HUB_CREDENTIAL,
            &["configs", DOCKER_HUB_HOST, "auth"],
            "RKE2 pulls its own images with a credential under docker.io only",
            "give the same credential under docker.io too",
        );
    }
}
