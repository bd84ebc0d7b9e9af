//! One document out of whatever the caller gave, with what is to be said about it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use api::{
    ApplyMode, DeletionPolicy, RegistriesSource, RegistryConfigSpec, SecretKeyReference,
    UpdateStrategy,
};
use compose::{Composed, Inputs, SecretContent};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Serialize;

use super::manifests::{Manifest, Manifests};
use super::{Documents, Source};

/// A finding of `lint`, or what composing a RegistryConfig brought up.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Remark {
    pub file: String,
    pub code: String,
    pub severity: &'static str,
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    pub message: String,
    pub help: String,
}

impl Remark {
    pub(crate) fn is_error(&self) -> bool {
        self.severity == "error"
    }

    /// For people: place first, as compilers have it.
    pub(crate) fn text(&self) -> String {
        let place = match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", self.file),
            (Some(line), None) => format!("{}:{line}", self.file),
            _ => self.file.clone(),
        };
        let path = if self.path.is_empty() {
            String::new()
        } else {
            format!("{}: ", self.path)
        };
        format!(
            "{place}: {}[{}]: {path}{}\n  help: {}",
            self.severity, self.code, self.message, self.help
        )
    }
}

/// The document of a command and the files that belong to it.
pub(crate) struct Resolved {
    pub label: String,
    pub document: Vec<u8>,
    /// By key of the rendered Secret; the document among them.
    pub files: BTreeMap<String, Vec<u8>>,
    pub remarks: Vec<Remark>,
}

/// Composes what the operator would render, from manifests and plain files alike.
///
/// The remarks are in the error's place when nothing can be composed.
pub(crate) fn resolve(
    documents: &Documents,
    name: Option<&str>,
    folder: &str,
    keys: &sops::AgeKeys,
) -> Result<Result<Resolved, Vec<Remark>>> {
    match documents {
        Documents::Manifests(manifests) => {
            let manifest = manifests.select(name)?;
            Ok(compose_manifest(manifests, manifest, folder, keys))
        }
        Documents::Plain(sources) => match sources.as_slice() {
            [source] => Ok(label(
                compose::compose(&spec_of(), &inputs_of(source), folder),
                &source.label,
                Some(PLAIN),
            )),
            [] => bail!("nothing to read: give a file"),
            several => bail!(
                "{} plain files were given: one node has one registries.yaml",
                several.len()
            ),
        },
    }
}

/// Composes one RegistryConfig with what stands beside it.
pub(crate) fn compose_manifest(
    manifests: &Manifests,
    manifest: &Manifest,
    folder: &str,
    keys: &sops::AgeKeys,
) -> Result<Resolved, Vec<Remark>> {
    let inputs = Inputs {
        secrets: manifests.secrets.clone(),
        config_maps: manifests.config_maps.clone(),
    };
    let composed = compose::compose_with_keys(&manifest.resource.spec, &inputs, folder, keys);
    let mut composed = label(composed, &manifest.label, None);
    let unknown = manifest
        .unknown_fields
        .iter()
        .map(|path| unknown_field(&manifest.label, path));
    match &mut composed {
        Ok(resolved) => resolved.remarks.extend(unknown),
        Err(remarks) => remarks.extend(unknown),
    }
    composed
}

const PLAIN_NAME: &str = "registries";
/// How composing speaks of a plain file; its place is told by the file's name instead.
const PLAIN: &str = "spec.registriesFrom[0]";

fn spec_of() -> RegistryConfigSpec {
    RegistryConfigSpec {
        node_selector: LabelSelector::default(),
        registries: None,
        decryption: None,
        apply_mode: ApplyMode::default(),
        update_strategy: UpdateStrategy::default(),
        deletion_policy: DeletionPolicy::default(),
        paused: false,
        registries_from: vec![RegistriesSource {
            secret_ref: Some(SecretKeyReference {
                name: PLAIN_NAME.to_owned(),
                key: PLAIN_NAME.to_owned(),
            }),
            sops: None,
        }],
    }
}

fn inputs_of(source: &Source) -> Inputs {
    let content = SecretContent {
        type_: "Opaque".to_owned(),
        data: BTreeMap::from([(PLAIN_NAME.to_owned(), source.content.clone())]),
    };
    Inputs {
        secrets: BTreeMap::from([(PLAIN_NAME.to_owned(), content)]),
        ..Inputs::default()
    }
}

fn label(
    composed: Result<Composed, Vec<compose::Problem>>,
    file: &str,
    prefix: Option<&str>,
) -> Result<Resolved, Vec<Remark>> {
    let remark = |code: &str, severity, path: &str, message: &str, help: &str| Remark {
        file: file.to_owned(),
        code: code.to_owned(),
        severity,
        path: shortened(path, prefix),
        line: None,
        column: None,
        message: message.to_owned(),
        help: help.to_owned(),
    };
    match composed {
        Ok(composed) => Ok(Resolved {
            label: file.to_owned(),
            document: composed
                .files
                .get(node_files::layout::DOCUMENT)
                .cloned()
                .unwrap_or_default(),
            files: composed.files,
            remarks: composed
                .warnings
                .iter()
                .map(|warning| {
                    remark(
                        warning.code,
                        "warning",
                        &warning.path,
                        &warning.message,
                        &warning.help,
                    )
                })
                .collect(),
        }),
        Err(problems) => Err(problems
            .iter()
            .map(|problem| {
                remark(
                    problem.code,
                    "error",
                    &problem.path,
                    &problem.message,
                    &problem.help,
                )
            })
            .collect()),
    }
}

fn shortened(path: &str, prefix: Option<&str>) -> String {
    let Some(rest) = prefix.and_then(|prefix| path.strip_prefix(prefix)) else {
        return path.to_owned();
    };
    rest.trim_start_matches(".secretRef")
        .trim_start_matches('.')
        .to_owned()
}

fn unknown_field(file: &str, path: &str) -> Remark {
    Remark {
        file: file.to_owned(),
        code: "unknown-field".to_owned(),
        severity: "warning",
        path: path.to_owned(),
        line: None,
        column: None,
        message: "is no field of a RegistryConfig: the API server drops it".to_owned(),
        help: "correct its name, or remove it".to_owned(),
    }
}

/// Reads one file for a command that compares or explains: a missing one is empty when `missing_is_empty`.
pub(crate) fn read_one(
    path: &PathBuf,
    keys: &sops::AgeKeys,
    missing_is_empty: bool,
) -> Result<(String, Vec<u8>)> {
    if missing_is_empty && path.to_str() != Some("-") && !path.exists() {
        return Ok((path.display().to_string(), Vec::new()));
    }
    let documents = Documents::read(std::slice::from_ref(path), keys)?;
    if let Documents::Plain(mut sources) = documents {
        if sources.len() != 1 {
            bail!(
                "{} holds {} plain files: name one",
                path.display(),
                sources.len()
            );
        }
        let source = sources.remove(0);
        return Ok((source.label, source.content));
    }
    match resolve(&documents, None, node_files::layout::FOLDER_K3S, keys)? {
        Ok(resolved) => Ok((resolved.label, resolved.document)),
        Err(remarks) => {
            let text: Vec<String> = remarks.iter().map(Remark::text).collect();
            bail!(
                "{} cannot be composed:\n{}",
                path.display(),
                text.join("\n")
            )
        }
    }
}
