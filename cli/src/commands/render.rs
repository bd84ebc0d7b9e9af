//! `berth render FILE --to DIR`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use registries::render::{auth_tables, certs_d, check_auth_tables};
use registries::{ContainerdConfig, redact_key};
use serde_json::json;

use super::node_options;
use crate::arguments::{Format, Render};
use crate::documents::{read_keys, read_one};
use crate::output::{Outcome, Streams};

pub(crate) fn run(arguments: &Render, streams: &mut Streams) -> Result<Outcome> {
    let keys = read_keys(arguments.keys.age_key_file.as_deref())?;
    let (label, document) = read_one(&arguments.file, &keys, false)?;
    let parsed = registries::parse(&document).with_context(|| format!("failed to read {label}"))?;
    let containerd = if arguments.config_version == 2 {
        ContainerdConfig::V2
    } else {
        ContainerdConfig::V3
    };
    let options = node_options(&arguments.node, containerd);
    if let Err(error) = check_auth_tables(&parsed, &options) {
        bail!(
            "{label}: containerd could not load the credentials ({error}): `berth lint` names the key"
        );
    }
    let rendering = certs_d(&parsed, &options);
    let mut written = Vec::new();
    for (path, text) in &rendering.files {
        written.push(write(
            &arguments.to.join("certs.d"),
            Path::new(path),
            text.as_bytes(),
        )?);
    }
    let auth = auth_tables(&parsed, &options);
    let mut config = auth.expose().to_owned();
    if !config.is_empty() {
        config.push('\n');
    }
    written.push(write(
        &arguments.to,
        Path::new("config.toml"),
        config.as_bytes(),
    )?);
    // The lines that k3s would log repeat endpoints and keys, credentials included.
    let dropped = rendering.log.len();
    if dropped > 0 {
        streams.talk(format!(
            "k3s drops {dropped} keys or endpoints: `berth lint` names them"
        ))?;
    }
    match arguments.output.output {
        Format::Json => streams.json(&json!({"files": written, "dropped": dropped}))?,
        Format::Text => {
            for path in &written {
                streams.data(path)?;
            }
        }
    }
    Ok(Outcome::Clean)
}

/// Writes one file below `root`, readable by its owner alone: tables of config.toml hold passwords.
///
/// Returns its path as it may be shown, for a key of `mirrors` may hold a password.
fn write(root: &Path, relative: &Path, content: &[u8]) -> Result<String> {
    // A registry key may hold a path; one that climbs out of the tree is nothing that k3s could use either.
    if relative
        .components()
        .any(|part| !matches!(part, std::path::Component::Normal(_)))
    {
        bail!(
            "a registry key would be written outside of {}: correct it",
            root.display()
        );
    }
    let shown = root
        .join(redact_key(&relative.to_string_lossy()))
        .display()
        .to_string();
    replace(&root.join(relative), content).with_context(|| format!("failed to write {shown}"))?;
    Ok(shown)
}

/// A new file each time: what stands there may be a link to elsewhere, or readable by others.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(content)
}
