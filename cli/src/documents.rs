//! From files to what commands work on: a plain registries.yaml, or a RegistryConfig composed with the Secrets and
//! ConfigMaps that stand beside it.

mod composed;
mod keys;
mod manifests;
mod source;

pub(crate) use composed::{Remark, Resolved, compose_manifest, read_one, resolve};
pub(crate) use keys::read_keys;
pub(crate) use manifests::Manifests;
pub(crate) use source::{Source, read_sources};

use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;

/// What the files of a command hold.
pub(crate) enum Documents {
    /// Plain registries.yaml files, decrypted when they were SOPS documents.
    Plain(Vec<Source>),
    /// Manifests for the API server.
    Manifests(Box<Manifests>),
}

impl Documents {
    /// Reads files and folders; either all are manifests or all are plain.
    pub(crate) fn read(paths: &[PathBuf], keys: &sops::AgeKeys) -> Result<Self> {
        let mut plain = Vec::new();
        let mut manifests = Manifests::default();
        let mut any_manifest = false;
        for source in read_sources(paths)? {
            if manifests::looks_like_manifest(&source.content) {
                any_manifest = true;
                manifests.add(&source)?;
            } else {
                plain.push(decrypted(source, keys)?);
            }
        }
        match (any_manifest, plain.first()) {
            (true, Some(first)) => bail!(
                "{} is a plain registries.yaml beside manifests: give one kind at a time",
                first.label
            ),
            (true, None) => Ok(Self::Manifests(Box::new(manifests))),
            (false, _) => Ok(Self::Plain(plain)),
        }
    }
}

fn decrypted(source: Source, keys: &sops::AgeKeys) -> Result<Source> {
    if !sops::is_sops(&source.content) {
        return Ok(source);
    }
    if keys.is_empty() {
        bail!(
            "{} is encrypted with SOPS: give --age-key-file, SOPS_AGE_KEY or SOPS_AGE_KEY_FILE",
            source.label
        );
    }
    let format = if source.content.trim_ascii_start().starts_with(b"{") {
        sops::Format::Json
    } else {
        sops::Format::Yaml
    };
    let content = sops::decrypt(&source.content, format, keys)
        .with_context(|| format!("failed to decrypt {}", source.label))?;
    Ok(Source {
        label: source.label,
        content: content.to_vec(),
    })
}
