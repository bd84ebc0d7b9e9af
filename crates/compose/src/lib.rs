//! From a `RegistryConfig` and what it names to the files of a node. Pure: the operator and `berth apply` share it.
//!
//! ```text
//! RegistryConfigSpec ── references ──► names to look up ──► Inputs
//!        │                                                   │
//!        ├── rules        the schema's rules, once more      │
//!        ├── inline       spec.registries ───────────────────┤──► Layer ─┐
//!        └── sources      spec.registriesFrom[i] ────────────┘──► Layer ─┤
//!                                                                        ▼
//!                                     Composed ◄── findings ◄── merge, later layers win
//! ```

mod certificates;
mod credentials;
mod findings;
mod inline;
mod inputs;
mod merge;
mod problem;
mod references;
mod rules;
mod sources;

pub use inputs::{ConfigMapContent, Inputs, SecretContent};
pub use problem::{Problem, Warning};
pub use references::{References, references};

use std::collections::BTreeMap;
use std::fmt;

use api::{Reason, RegistryConfigSpec};
use merge::Merged;
use node_files::layout;
use registries::Registries;

/// What a Secret can hold.
pub const LARGEST: usize = 1_048_576;

/// The files of a node, and what a person should know about them.
#[derive(Clone, Default, PartialEq)]
pub struct Composed {
    /// The merged document.
    pub document: Registries,
    /// Keys and content of the rendered Secret: the document and the certificates.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What has no effect, or another one than it seems.
    pub warnings: Vec<Warning>,
}

impl fmt::Debug for Composed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Composed")
            .field("document", &self.document)
            .field("files", &self.files.keys())
            .field("warnings", &self.warnings)
            .finish()
    }
}

/// Composes the files that the selected nodes shall have in `folder`.
///
/// Every problem is reported, not just the first one.
pub fn compose(
    spec: &RegistryConfigSpec,
    inputs: &Inputs,
    folder: &str,
) -> Result<Composed, Vec<Problem>> {
    compose_with_keys(spec, inputs, folder, &sops::AgeKeys::default())
}

/// The same, with keys at hand: when there are any they stand in for the Secret that `spec.decryption` names.
pub fn compose_with_keys(
    spec: &RegistryConfigSpec,
    inputs: &Inputs,
    folder: &str,
    keys: &sops::AgeKeys,
) -> Result<Composed, Vec<Problem>> {
    let mut problems = rules::check(spec);
    if let Some(problem) = sources::too_large(spec, inputs) {
        problems.push(problem);
        return Err(problems);
    }
    let mut merged = Merged::default();
    if let Some(registries) = &spec.registries {
        merged.add(inline::read(registries, inputs, folder, &mut problems));
    }
    for (index, source) in spec.registries_from.iter().enumerate() {
        if let Some(layer) = sources::read(
            index,
            source,
            &sources::Keys {
                given: keys,
                decryption: spec.decryption.as_ref(),
            },
            inputs,
            &mut problems,
        ) {
            merged.add(layer);
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let text = registries::to_yaml(&merged.document);
    let mut files = merged.certificates;
    files.insert(layout::DOCUMENT.to_owned(), text.clone().into_bytes());
    let size: usize = files.values().map(Vec::len).sum();
    if size > LARGEST {
        return Err(vec![Problem::new(
            Reason::ConfigTooLarge,
            "spec",
            format!("the files of a node take {size} bytes, a Secret holds {LARGEST}"),
            "remove registries or certificates that are not needed, or split the nodes between two RegistryConfigs",
        )]);
    }
    let (lint_problems, lint_warnings) = findings::of(text.as_bytes(), &merged.origins, folder);
    if !lint_problems.is_empty() {
        return Err(lint_problems);
    }
    merged.warnings.extend(lint_warnings);
    problem::shorten(&mut merged.warnings);
    Ok(Composed {
        document: merged.document,
        files,
        warnings: merged.warnings,
    })
}
