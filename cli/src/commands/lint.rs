//! `berth lint FILE...`.

use anyhow::{Context as _, Result};
use registries::{ContainerdConfig, Finding, LintOptions, VersionRange};
use serde_json::json;

use super::node_options;
use crate::arguments::{Distribution, Format, Lint, Severity};
use crate::documents::{Documents, Manifests, Remark, compose_manifest, read_keys};
use crate::output::{Outcome, Streams};

pub(crate) fn run(arguments: &Lint, streams: &mut Streams) -> Result<Outcome> {
    let keys = read_keys(arguments.keys.age_key_file.as_deref())?;
    let k3s_versions = arguments
        .k3s_version
        .as_ref()
        .map(|range| range.parse::<VersionRange>())
        .transpose()
        .context("failed to read --k3s-version: write v1.33.3 or \">=1.28,<1.33\"")?;
    let node = node_options(&arguments.node, ContainerdConfig::V3);
    let options = LintOptions { k3s_versions, node };
    let remarks = match Documents::read(&arguments.files, &keys)? {
        Documents::Plain(sources) => sources
            .iter()
            .flat_map(|source| {
                let findings = registries::lint(&source.content, &options);
                findings
                    .into_iter()
                    .map(|finding| remark(&source.label, finding))
            })
            .collect(),
        Documents::Manifests(manifests) => of_manifests(arguments, &manifests, &keys)?,
    };
    match arguments.output.output {
        Format::Json => streams.json(&json!({"findings": remarks}))?,
        Format::Text => {
            for remark in &remarks {
                streams.data(remark.text())?;
            }
            streams.talk(summary(&remarks))?;
        }
    }
    let counts = |remark: &Remark| arguments.fail_on == Severity::Warning || remark.is_error();
    Ok(Outcome::findings_if(remarks.iter().any(counts)))
}

fn of_manifests(
    arguments: &Lint,
    manifests: &Manifests,
    keys: &sops::AgeKeys,
) -> Result<Vec<Remark>> {
    let folder = match arguments.node.distribution {
        Distribution::K3s => node_files::layout::FOLDER_K3S,
        Distribution::Rke2 => node_files::layout::FOLDER_RKE2,
    };
    if manifests.registry_configs.is_empty() {
        manifests.select(None)?;
    }
    let mut remarks = Vec::new();
    for manifest in &manifests.registry_configs {
        remarks.extend(match compose_manifest(manifests, manifest, folder, keys) {
            Ok(resolved) => resolved.remarks,
            Err(remarks) => remarks,
        });
    }
    Ok(remarks)
}

fn remark(file: &str, finding: Finding) -> Remark {
    let severity = match finding.severity {
        registries::Severity::Error => "error",
        registries::Severity::Warning => "warning",
    };
    Remark {
        file: file.to_owned(),
        code: finding.code.to_owned(),
        severity,
        path: finding.path,
        line: finding.line,
        column: finding.column,
        message: finding.message,
        help: finding.help,
    }
}

fn summary(remarks: &[Remark]) -> String {
    let errors = remarks.iter().filter(|remark| remark.is_error()).count();
    match (errors, remarks.len() - errors) {
        (0, 0) => "no findings".to_owned(),
        (errors, warnings) => format!("{errors} errors, {warnings} warnings"),
    }
}
