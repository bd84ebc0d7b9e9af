//! Lints the merged document and says which field each finding comes from.

use std::collections::{BTreeMap, HashMap, HashSet};

use node_files::layout;
use registries::{Distribution, Finding, LintOptions, NodeOptions, Severity};

use crate::merge::Unit;
use crate::problem::{Problem, Warning};

/// Findings of the merged document: errors stop the composition, warnings go along.
pub(crate) fn of(
    document: &[u8],
    origins: &BTreeMap<Unit, String>,
    folder: &str,
) -> (Vec<Problem>, Vec<Warning>) {
    let distribution = if folder == layout::FOLDER_RKE2 {
        Distribution::Rke2
    } else {
        Distribution::K3s
    };
    let options = LintOptions {
        k3s_versions: None,
        node: NodeOptions {
            distribution,
            ..NodeOptions::default()
        },
    };
    let origins = Origins::new(origins);
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for finding in registries::lint(document, &options) {
        let path = origins.field_of(&finding);
        match finding.severity {
            Severity::Error => problems.push(Problem {
                code: finding.code,
                ..Problem::invalid(path, finding.message, finding.help)
            }),
            Severity::Warning => {
                warnings.push(Warning::new(
                    finding.code,
                    path,
                    finding.message,
                    finding.help,
                ));
            }
        }
    }
    (problems, warnings)
}

/// Where each unit came from, by its path in the document: a large document has as many findings as units.
struct Origins<'a> {
    by_path: HashMap<String, &'a str>,
    lengths: HashSet<usize>,
}

impl<'a> Origins<'a> {
    fn new(origins: &'a BTreeMap<Unit, String>) -> Self {
        let by_path: HashMap<String, &str> = origins
            .iter()
            .map(|(unit, origin)| (unit.path(), origin.as_str()))
            .collect();
        let lengths = by_path.keys().map(String::len).collect();
        Self { by_path, lengths }
    }

    /// The field of the spec: where the unit came from, and the finding's own path below it.
    fn field_of(&self, finding: &Finding) -> String {
        let path = &finding.path;
        let borders = path.char_indices().rev().filter(|(_, c)| ".[".contains(*c));
        let origin = std::iter::once(path.len())
            .chain(borders.map(|(at, _)| at))
            .filter(|at| self.lengths.contains(at))
            .find_map(|at| self.by_path.get(&path[..at]));
        match origin {
            Some(origin) => format!("{origin}.{path}"),
            None if path.is_empty() => "spec".to_owned(),
            None => format!("spec: {path}"),
        }
    }
}
