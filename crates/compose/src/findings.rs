//! Lints the merged document and says which field each finding comes from.

use std::collections::BTreeMap;

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
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for finding in registries::lint(document, &options) {
        let path = field_of(&finding, origins);
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

/// The field of the spec: where the unit came from, and the finding's own path below it.
fn field_of(finding: &Finding, origins: &BTreeMap<Unit, String>) -> String {
    let is_below = |unit: &str| {
        finding
            .path
            .strip_prefix(unit)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let origin = origins
        .iter()
        .map(|(unit, origin)| (unit.path(), origin))
        .filter(|(unit, _)| is_below(unit))
        .max_by_key(|(unit, _)| unit.len());
    match origin {
        Some((_, origin)) => format!("{origin}.{}", finding.path),
        None if finding.path.is_empty() => "spec".to_owned(),
        None => format!("spec: {}", finding.path),
    }
}
