//! Finds what stops a node, and what silently does nothing.
//!
//! Rules judge a document by what k3s and containerd do with it, not by their documentation. An error would stop a
//! node, or void the mirrors of a registry; a warning has no effect, or another one than it seems.

mod catalog;
mod credentials;
mod endpoints;
mod keys;
mod rewrites;
mod structure;
mod tls;
mod versions;
mod wildcards;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::decode::{Decoded, decode};
use crate::document::{Mirror, Registries};
use crate::endpoint::{DOCKER_HUB, DOCKER_HUB_HOST, Endpoint, normalize};
use crate::error::{ParseError, Place};
use crate::node::NodeOptions;
use crate::strict::show_path;
use crate::yaml::tree::Tree;

pub use catalog::catalog;
pub use versions::{VersionRange, VersionRangeError};

/// Code, severity and sentence of a rule.
type Rule = (&'static str, Severity, &'static str);

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Stops a node, or voids the mirrors of a registry.
    Error,
    /// Does nothing, does something else than it seems, or differs between releases.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong with a document. Nothing in it shows a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable name of the rule.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Path of the key or value, as in `mirrors.docker.io.endpoint[0]`; empty for the document.
    pub path: String,
    /// Line, from one.
    pub line: Option<u32>,
    /// Column, from one.
    pub column: Option<u32>,
    /// What happens.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// What of the world outside the document the findings depend on.
#[derive(Clone, Debug, Default)]
pub struct LintOptions {
    /// The k3s releases that will read the document; rules about older ones are left out without it.
    pub k3s_versions: Option<VersionRange>,
    /// The nodes that will read it.
    pub node: NodeOptions,
}

/// Everything that is wrong with a document, in the order of its lines. A document that k3s cannot read is one finding.
pub fn lint(document: &[u8], options: &LintOptions) -> Vec<Finding> {
    let decoded = match Tree::read(document).and_then(|tree| decode(&tree)) {
        Ok(decoded) => decoded,
        Err(error) => return vec![unreadable(&error)],
    };
    let endpoints = completed_endpoints(&decoded.registries);
    let mut linter = Linter {
        registries: &decoded.registries,
        decoded: &decoded,
        options,
        hosts: hosts_of(&endpoints),
        endpoints: &endpoints,
        findings: Vec::new(),
    };
    structure::check(&mut linter);
    keys::check(&mut linter);
    wildcards::check(&mut linter);
    endpoints::check(&mut linter);
    rewrites::check(&mut linter);
    credentials::check(&mut linter);
    tls::check(&mut linter);
    let mut findings = linter.findings;
    findings.sort_by(|a, b| {
        (a.line, a.column, a.code, &a.path).cmp(&(b.line, b.column, b.code, &b.path))
    });
    findings
}

/// The endpoints of each mirror as k3s completes them, `None` where it drops one.
type Endpoints<'a> = BTreeMap<&'a str, Vec<Option<Endpoint>>>;

fn completed_endpoints(registries: &Registries) -> Endpoints<'_> {
    let completed = |mirror: &Mirror| {
        let addresses = mirror.endpoint.iter();
        addresses
            .map(|address| normalize(address, None).ok())
            .collect()
    };
    let mirrors = registries.mirrors.iter();
    mirrors
        .filter_map(|(key, mirror)| Some((key.as_str(), completed(mirror.as_ref()?))))
        .collect()
}

/// Docker Hub's own endpoint counts under both of its names.
fn hosts_of(endpoints: &Endpoints<'_>) -> BTreeSet<String> {
    let mut hosts: BTreeSet<String> = endpoints
        .values()
        .flatten()
        .flatten()
        .map(|endpoint| endpoint.registry.clone())
        .collect();
    if hosts.contains(DOCKER_HUB) {
        hosts.insert(DOCKER_HUB_HOST.to_owned());
    }
    hosts
}

fn unreadable(error: &ParseError) -> Finding {
    let (code, severity, _) = catalog::UNREADABLE;
    let further = match error.also.len() {
        0 => String::new(),
        1 => "; one more value does not fit".to_owned(),
        more => format!("; {more} more values do not fit"),
    };
    Finding {
        code,
        severity,
        path: String::new(),
        line: error.line,
        column: error.column,
        message: format!(
            "{}{further}: k3s does not start kubelet and containerd with this file",
            error.kind
        ),
        help: error.help().to_owned(),
    }
}

/// What every rule sees, and where it reports.
struct Linter<'a> {
    registries: &'a Registries,
    decoded: &'a Decoded,
    options: &'a LintOptions,
    endpoints: &'a Endpoints<'a>,
    /// Hosts that endpoints name, as keys of `configs`.
    hosts: BTreeSet<String>,
    findings: Vec<Finding>,
}

impl<'a> Linter<'a> {
    /// The endpoints of a mirror in the order of its addresses.
    fn endpoints_of(&self, key: &str) -> &'a [Option<Endpoint>] {
        self.endpoints.get(key).map_or(&[], Vec::as_slice)
    }

    /// Reports at the place of a path, or of the nearest key above it.
    fn report(
        &mut self,
        rule: Rule,
        path: &[&str],
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let place = (1..=path.len())
            .rev()
            .find_map(|length| self.place(&path[..length]));
        self.report_at(rule, show_path(path.iter().copied()), place, message, help);
    }

    fn report_at(
        &mut self,
        (code, severity, _): Rule,
        path: String,
        place: Option<Place>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.findings.push(Finding {
            code,
            severity,
            path,
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            message: message.into(),
            help: help.into(),
        });
    }

    fn place(&self, path: &[&str]) -> Option<Place> {
        self.decoded.places.get(path)
    }

    fn has_release_before(&self, fixes: &[[u32; 3]]) -> bool {
        self.options
            .k3s_versions
            .as_ref()
            .is_some_and(|range| range.has_release_before(fixes))
    }
}
