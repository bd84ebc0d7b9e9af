//! `berth explain IMAGE`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use registries::explain::{Attempt, Credential, Explanation, explain};
use registries::{ContainerdConfig, redact_key};
use serde_json::{Value, json};

use super::node_options;
use crate::arguments::{Distribution, Explain, Format};
use crate::documents::{read_keys, read_one};
use crate::output::{Outcome, Streams};

pub(crate) fn run(arguments: &Explain, streams: &mut Streams) -> Result<Outcome> {
    let keys = read_keys(arguments.keys.age_key_file.as_deref())?;
    let file = arguments
        .file
        .clone()
        .unwrap_or_else(|| own_file(arguments.node.distribution));
    // k3s takes a missing file for an empty one; a file that was asked for by name must be there.
    let (label, document) = read_one(&file, &keys, arguments.file.is_none())?;
    let parsed = registries::parse(&document).with_context(|| format!("failed to read {label}"))?;
    let options = node_options(&arguments.node, ContainerdConfig::V3);
    let explanation = explain(&parsed, &arguments.image, &options)
        .context("failed to read the image name: write it as a pod does, such as nginx:1.27")?;
    match arguments.output.output {
        Format::Json => streams.json(&as_json(&explanation))?,
        Format::Text => as_text(&explanation, &label, streams)?,
    }
    Ok(Outcome::findings_if(
        explanation.attempts.is_err() || explanation.unreadable.is_some(),
    ))
}

fn own_file(distribution: Distribution) -> PathBuf {
    let folder = match distribution {
        Distribution::K3s => node_files::layout::FOLDER_K3S,
        Distribution::Rke2 => node_files::layout::FOLDER_RKE2,
    };
    PathBuf::from(folder).join(node_files::layout::DOCUMENT)
}

fn as_text(explanation: &Explanation, label: &str, streams: &mut Streams) -> Result<()> {
    streams.data(format!("{} with {label}", explanation.image.normalized()))?;
    match &explanation.hosts_dir {
        Some(folder) => streams.data(format!(
            "decided by certs.d/{}/hosts.toml",
            redact_key(folder)
        ))?,
        None => streams.data("no entry for this registry: containerd asks it directly")?,
    }
    if let Some(error) = &explanation.unreadable {
        streams.data(format!(
            "void: {error}; all mirrors and TLS settings of this registry are ignored"
        ))?;
    }
    let attempts = match &explanation.attempts {
        Ok(attempts) => attempts,
        Err(error) => {
            streams.data(format!("fails before any request: {error}"))?;
            return Ok(());
        }
    };
    for (index, attempt) in attempts.iter().map(Attempt::redacted).enumerate() {
        let scheme = if attempt.https_then_http {
            "https, then http"
        } else {
            &attempt.scheme
        };
        streams.data(format!(
            "{}. {}://{}{}",
            index + 1,
            attempt.scheme,
            attempt.host,
            attempt.path
        ))?;
        streams.data(format!(
            "   repository  {}",
            attempt.repositories.join(", or by chance ")
        ))?;
        streams.data(format!(
            "   credential  {}",
            credential(&attempt.credential)
        ))?;
        streams.data(format!("   connection  {scheme}{}", tls(&attempt)))?;
        for pattern in &attempt.uncompilable_rewrites {
            streams.data(format!(
                "   skipped     rewrite {}",
                registries::redact_rewrite(pattern)
            ))?;
        }
        if attempt.is_partial {
            streams.data("   unknown     a rewrite could not be tried out: see `berth lint`")?;
        }
    }
    if attempts.is_empty() {
        streams.data("nobody is asked: the pull fails")?;
    }
    Ok(())
}

fn credential(credential: &Credential) -> String {
    let from = |key: &str| format!("from configs.{}", redact_key(key));
    match credential {
        Credential::None => "none".to_owned(),
        Credential::Empty { config_key } => {
            format!("none: the entry {} is empty", from(config_key))
        }
        Credential::Basic { config_key, .. } => {
            format!("user name and password {}", from(config_key))
        }
        Credential::IdentityToken { config_key, .. } => {
            format!("identity token {}", from(config_key))
        }
        Credential::Unusable { config_key, error } => {
            format!("unusable {}: {error}", from(config_key))
        }
    }
}

fn tls(attempt: &Attempt) -> String {
    let mut parts = String::new();
    if attempt.skip_verify {
        parts.push_str(", certificate not verified");
    }
    if attempt.custom_ca {
        parts.push_str(", own certificate authority");
    }
    if attempt.client_certificates > 0 {
        parts.push_str(", client certificate");
    }
    parts
}

fn as_json(explanation: &Explanation) -> Value {
    let attempts = explanation.attempts.as_ref().map(|attempts| {
        attempts
            .iter()
            .map(|attempt| attempt_as_json(&attempt.redacted()))
            .collect::<Vec<_>>()
    });
    json!({
        "image": explanation.image.normalized(),
        "hostsDirectory": explanation.hosts_dir.as_deref().map(redact_key),
        "void": explanation.unreadable.as_ref().map(ToString::to_string),
        "error": attempts.as_ref().err().map(ToString::to_string),
        "attempts": attempts.unwrap_or_default(),
    })
}

fn attempt_as_json(attempt: &Attempt) -> Value {
    let (kind, key) = match &attempt.credential {
        Credential::None => ("none", None),
        Credential::Empty { config_key } => ("empty", Some(config_key)),
        Credential::Basic { config_key, .. } => ("basic", Some(config_key)),
        Credential::IdentityToken { config_key, .. } => ("identityToken", Some(config_key)),
        Credential::Unusable { config_key, .. } => ("unusable", Some(config_key)),
    };
    json!({
        "scheme": attempt.scheme,
        "host": attempt.host,
        "path": attempt.path,
        "repositories": attempt.repositories,
        "credential": {"kind": kind, "config": key.map(|key| redact_key(key))},
        "skipVerify": attempt.skip_verify,
        "customCertificateAuthority": attempt.custom_ca,
        "clientCertificates": attempt.client_certificates,
        "httpsThenHttp": attempt.https_then_http,
        "capabilities": attempt.capabilities,
        "partial": attempt.is_partial,
        "skippedRewrites": attempt.uncompilable_rewrites.iter().map(|p| registries::redact_rewrite(p)).collect::<Vec<_>>(),
    })
}
