//! From what was read to a plan that cannot be wrong, or to the problems that stand in the way.

use std::collections::BTreeMap;
use std::fmt;

use api::names::{self, NAME_MAX};
use api::{Reason, RegistryConfig};
use compose::{Inputs, Problem, Warning};
use kube::ResourceExt;
use registries::{Distribution, RevisionKey};

use crate::facts;
use crate::selection::Unclear;

/// Code of the problems that are found here and not in the documents.
const CODE: &str = "invalid-spec";
/// At most this many nodes are named in a message.
pub(crate) const NAMED_NODES: usize = 5;

/// What the nodes are to have.
#[derive(Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) revision: String,
    /// Folder of the nodes.
    pub(crate) folder: &'static str,
    /// Keys and content of the rendered Secret.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) warnings: Vec<Warning>,
}

impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Plan")
            .field("revision", &self.revision)
            .field("folder", &self.folder)
            .field("files", &self.files.len())
            .field("warnings", &self.warnings.len())
            .finish()
    }
}

/// Checks everything, and reports every problem.
pub(crate) fn validate(
    config: &RegistryConfig,
    inputs: &Inputs,
    distribution: Result<Distribution, Unclear>,
    key: &RevisionKey,
) -> Result<Plan, Vec<Problem>> {
    let mut problems = Vec::new();
    problems.extend(check_name(&config.name_any()));
    let folder = distribution
        .map(facts::folder)
        .map_err(|unclear| problems.push(explain(&unclear)))
        .unwrap_or(node_files::layout::FOLDER_K3S);
    match compose::compose(&config.spec, inputs, folder) {
        Ok(composed) if problems.is_empty() => Ok(Plan {
            revision: revision(key, &composed.files),
            folder,
            files: composed.files,
            warnings: composed.warnings,
        }),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

fn revision(key: &RevisionKey, files: &BTreeMap<String, Vec<u8>>) -> String {
    let files = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_slice()));
    registries::revision(key, files)
}

fn check_name(name: &str) -> Option<Problem> {
    (!names::name_fits(name)).then(|| Problem {
        reason: Reason::InvalidSpec,
        code: CODE,
        path: "metadata.name".to_owned(),
        message: format!("has {} characters, {NAME_MAX} are taken", name.len()),
        help: "create it anew under a shorter name".to_owned(),
    })
}

fn explain(unclear: &Unclear) -> Problem {
    let (message, help) = match unclear {
        Unclear::Unknown(names) => (
            format!(
                "selects nodes that run neither k3s nor RKE2: {}",
                some(names)
            ),
            "select other nodes, or start the operator with --distribution",
        ),
        Unclear::Mixed { k3s, rke2 } => (
            format!(
                "selects nodes of k3s ({}) and of RKE2 ({})",
                some(k3s),
                some(rke2)
            ),
            "make one RegistryConfig for each",
        ),
    };
    Problem {
        reason: Reason::InvalidSpec,
        code: CODE,
        path: "spec.nodeSelector".to_owned(),
        message,
        help: help.to_owned(),
    }
}

/// The first names of a list, and how many more there are.
pub(crate) fn some(names: &[String]) -> String {
    let first: Vec<&str> = names.iter().take(NAMED_NODES).map(String::as_str).collect();
    let mut text = first.join(", ");
    if let Some(more @ 1..) = names.len().checked_sub(NAMED_NODES) {
        text.push_str(" and ");
        text.push_str(&more.to_string());
        text.push_str(" more");
    }
    text
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
