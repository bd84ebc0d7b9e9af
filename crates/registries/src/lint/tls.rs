//! TLS settings that make every pull of a registry fail, or that nobody looks at.

use super::Linter;
use super::catalog::{TLS_HALF_PAIR, TLS_PEM, TLS_RELATIVE_PATH, TLS_SKIP_VERIFY_WITH_CA};
use crate::document::Tls;
use crate::mask::looks_like_pem;

pub(super) fn check(linter: &mut Linter<'_>) {
    let registries = linter.registries;
    for (key, config) in &registries.configs {
        let Some(tls) = config.as_ref().and_then(|config| config.tls.as_ref()) else {
            continue;
        };
        for (name, path) in [
            ("ca_file", &tls.ca_file),
            ("cert_file", &tls.cert_file),
            ("key_file", &tls.key_file),
        ] {
            check_path(linter, &["configs", key, "tls", name], path);
        }
        check_pair(linter, key, tls);
    }
}

fn check_path(linter: &mut Linter<'_>, path: &[&str], file: &str) {
    if file.is_empty() || file.starts_with('/') {
        return;
    }
    if looks_like_pem(file) || file.contains('\n') {
        linter.report(
            TLS_PEM,
            path,
            "this is a certificate or key where a path on the node belongs: every pull of the registry fails",
            "put it in a file on the node and name the file",
        );
    } else {
        linter.report(
            TLS_RELATIVE_PATH,
            path,
            "a relative path is looked up below certs.d, which k3s empties: every pull of the registry fails",
            "write the absolute path of the file on the node",
        );
    }
}

fn check_pair(linter: &mut Linter<'_>, key: &str, tls: &Tls) {
    if tls.cert_file.is_empty() != tls.key_file.is_empty() {
        let given = if tls.cert_file.is_empty() {
            "key_file"
        } else {
            "cert_file"
        };
        linter.report(
            TLS_HALF_PAIR,
            &["configs", key, "tls", given],
            "`cert_file` and `key_file` belong together: with one alone every pull of the registry fails",
            "give both; a file with certificate and key may be named twice",
        );
    }
    if tls.insecure_skip_verify && !tls.ca_file.is_empty() {
        linter.report(
            TLS_SKIP_VERIFY_WITH_CA,
            &["configs", key, "tls", "insecure_skip_verify"],
            "nothing is verified, so the CA is not looked at",
            "remove `insecure_skip_verify` to verify against the CA",
        );
    }
}
