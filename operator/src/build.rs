//! The objects that carry a plan out, built whole. Pure, and the same bytes for the same plan.

use std::collections::BTreeMap;

use api::names::{self, Role};
use api::{RegistryConfig, UpdateStrategy};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::{
    DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet,
};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{Resource, ResourceExt};

use crate::pod;
use crate::rollout::Template;
use crate::settings::NodeWriter;

/// Annotation: a hash of what we last applied, so that a field that we no longer set is noticed.
pub(crate) const ANNOTATION_APPLIED: &str = "berth.dev/applied";
/// Annotation: when the template last got another revision.
pub(crate) const ANNOTATION_SINCE: &str = "berth.dev/revision-since";
/// How many old pod templates the server keeps.
const HISTORY: i32 = 3;

/// Everything that the objects of one `RegistryConfig` have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blueprint<'a> {
    pub(crate) config: &'a RegistryConfig,
    pub(crate) namespace: &'a str,
    pub(crate) node_writer: &'a NodeWriter,
    /// Folder of the nodes.
    pub(crate) folder: &'a str,
    /// Names of nodes that are not to be written.
    pub(crate) elsewhere: &'a [String],
}

/// What is particular to one `DaemonSet`.
#[derive(Clone, Debug)]
pub(crate) struct Variant<'a> {
    pub(crate) role: Role,
    pub(crate) template: &'a Template,
    /// When the template got its revision.
    pub(crate) since: Timestamp,
    /// How many selected nodes the half has, and how many of them are away for reasons of their own.
    pub(crate) selected: usize,
    pub(crate) absent: usize,
}

impl Blueprint<'_> {
    /// The Secret with the files of one revision.
    pub(crate) fn secret(&self, revision: &str, files: &BTreeMap<String, Vec<u8>>) -> Secret {
        let mut labels = self.labels();
        labels.insert(names::LABEL_REVISION.to_owned(), revision.to_owned());
        let data = files
            .iter()
            .map(|(key, content)| (key.clone(), ByteString(content.clone())));
        Secret {
            metadata: self.metadata(
                names::revision_secret(&self.config.name_any(), revision),
                labels,
            ),
            type_: Some("Opaque".to_owned()),
            immutable: Some(true),
            data: Some(data.collect()),
            ..Secret::default()
        }
    }

    /// The `DaemonSet` of one half of the nodes.
    pub(crate) fn daemon_set(&self, variant: &Variant<'_>) -> DaemonSet {
        let role = variant.role;
        let mut labels = self.labels();
        labels.insert(names::LABEL_ROLE.to_owned(), role.to_string());
        let update = &self.config.spec.update_strategy;
        let mut metadata = self.metadata(
            names::daemon_set(&self.config.name_any(), role),
            labels.clone(),
        );
        metadata.annotations =
            Some([(ANNOTATION_SINCE.to_owned(), variant.since.to_string())].into());
        let selector = [names::LABEL_REGISTRY_CONFIG, names::LABEL_ROLE]
            .into_iter()
            .filter_map(|label| Some((label.to_owned(), labels.get(label)?.clone())));
        DaemonSet {
            metadata,
            spec: Some(DaemonSetSpec {
                selector: LabelSelector {
                    match_labels: Some(selector.collect()),
                    match_expressions: None,
                },
                min_ready_seconds: Some(update.rolling_update.min_ready_seconds),
                revision_history_limit: Some(HISTORY),
                update_strategy: Some(DaemonSetUpdateStrategy {
                    type_: Some("RollingUpdate".to_owned()),
                    rolling_update: Some(RollingUpdateDaemonSet {
                        max_unavailable: Some(max_unavailable(update, variant)),
                        max_surge: None,
                    }),
                }),
                template: pod::template(self, variant, labels),
            }),
            status: None,
        }
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let name = self.config.name_any();
        [
            (names::LABEL_APP_NAME, "berth"),
            (names::LABEL_APP_INSTANCE, name.as_str()),
            (names::LABEL_APP_COMPONENT, "node-writer"),
            (names::LABEL_APP_PART_OF, "berth"),
            (names::LABEL_APP_MANAGED_BY, names::OPERATOR),
            (names::LABEL_REGISTRY_CONFIG, name.as_str()),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    fn metadata(&self, name: String, labels: BTreeMap<String, String>) -> ObjectMeta {
        ObjectMeta {
            name: Some(name),
            namespace: Some(self.namespace.to_owned()),
            labels: Some(labels),
            owner_references: Some(vec![OwnerReference {
                api_version: RegistryConfig::api_version(&()).into_owned(),
                kind: RegistryConfig::kind(&()).into_owned(),
                name: self.config.name_any(),
                uid: self.config.uid().unwrap_or_default(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            }]),
            ..ObjectMeta::default()
        }
    }
}

fn max_unavailable(update: &UpdateStrategy, variant: &Variant<'_>) -> IntOrString {
    let limit = match variant.role {
        Role::Workers => update.rolling_update.max_unavailable.clone(),
        Role::ControlPlane => IntOrString::Int(1),
    };
    if variant.absent == 0 {
        return limit;
    }
    let count = match &limit {
        IntOrString::Int(count) => usize::try_from(*count).unwrap_or(1),
        IntOrString::String(percent) => {
            let percent = percent.trim_end_matches('%').parse().unwrap_or(0);
            (variant.selected * percent).div_ceil(100)
        }
    };
    IntOrString::Int(i32::try_from(count + variant.absent).unwrap_or(i32::MAX))
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
