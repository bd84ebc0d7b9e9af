//! The node-writer's pod: as few rights as its work needs, on exactly the nodes that are selected.

use std::collections::BTreeMap;

use api::names::{self, CONTROL_PLANE_LABELS, Role};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, EnvVar, EnvVarSource, ExecAction, HostPathVolumeSource,
    LocalObjectReference, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
    ObjectFieldSelector, PodSpec, PodTemplateSpec, Probe, SeccompProfile, SecretVolumeSource,
    SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::ResourceExt;

use crate::build::{Blueprint, Variant};
use crate::rollout::Template;
use crate::settings::NodeWriter;

const PROGRAM: &str = "/node-writer";
const SOURCE: &str = "/config";
const VOLUME_SOURCE: &str = "config";
const VOLUME_FOLDER: &str = "folder";
const TERMINATION_LOG: &str = "/dev/termination-log";
/// The node-writer has nothing to finish.
const GRACE_SECONDS: i64 = 5;

/// The pod template of one half of the nodes.
pub(crate) fn template(
    blueprint: &Blueprint<'_>,
    variant: &Variant<'_>,
    mut labels: BTreeMap<String, String>,
) -> PodTemplateSpec {
    labels.insert(
        names::LABEL_REVISION.to_owned(),
        variant.template.label().to_owned(),
    );
    let settings = blueprint.node_writer;
    let pull_secrets: Vec<_> = settings
        .pull_secrets
        .iter()
        .filter(|name| !name.is_empty())
        .map(|name| LocalObjectReference { name: name.clone() })
        .collect();
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            affinity: Some(affinity(
                &blueprint.config.spec.node_selector,
                variant.role,
                blueprint.elsewhere,
            )),
            automount_service_account_token: Some(false),
            containers: vec![container(blueprint, variant.template)],
            enable_service_links: Some(false),
            image_pull_secrets: (!pull_secrets.is_empty()).then_some(pull_secrets),
            priority_class_name: Some(settings.priority_class.clone())
                .filter(|name| !name.is_empty()),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            tolerations: Some(settings.tolerations.0.clone()).filter(|all| !all.is_empty()),
            volumes: Some(volumes(blueprint, variant.template)),
            ..PodSpec::default()
        }),
    }
}

fn container(blueprint: &Blueprint<'_>, template: &Template) -> Container {
    let settings = blueprint.node_writer;
    let flags = flags(template, blueprint.folder);
    Container {
        name: "node-writer".to_owned(),
        image: Some(settings.image.clone()),
        image_pull_policy: Some(settings.pull_policy.clone()),
        command: Some(vec![PROGRAM.to_owned()]),
        args: Some(with("run", &flags)),
        env: Some(environment(settings)),
        readiness_probe: Some(Probe {
            exec: Some(ExecAction {
                command: Some([vec![PROGRAM.to_owned()], with("status", &flags)].concat()),
            }),
            period_seconds: Some(5),
            timeout_seconds: Some(5),
            failure_threshold: Some(1),
            ..Probe::default()
        }),
        resources: Some(settings.resources.clone()),
        security_context: Some(security(settings.privileged)),
        termination_message_path: Some(TERMINATION_LOG.to_owned()),
        volume_mounts: Some(mounts(blueprint.folder, template)),
        ..Container::default()
    }
}

fn with(command: &str, flags: &[String]) -> Vec<String> {
    [&[command.to_owned()], flags].concat()
}

/// `run` and `status` take the same flags.
fn flags(template: &Template, folder: &str) -> Vec<String> {
    let mut flags: Vec<&str> = Vec::new();
    if let Template::Revision(_) = template {
        flags.extend(["--source", SOURCE]);
    }
    flags.extend(["--folder", folder, "--revision", template.label()]);
    match template {
        Template::Record => flags.push("--record"),
        Template::Restore => flags.push("--restore"),
        Template::Revision(_) => {}
    }
    flags.into_iter().map(str::to_owned).collect()
}

/// The folder that a template names, so that a restore goes where the revision went.
pub(crate) fn folder_of(template: Option<&PodTemplateSpec>) -> Option<&str> {
    let container = template?.spec.as_ref()?.containers.first()?;
    let arguments = container.args.as_deref()?;
    let flag = arguments
        .iter()
        .position(|argument| argument == "--folder")?;
    arguments.get(flag + 1).map(String::as_str)
}

fn environment(settings: &NodeWriter) -> Vec<EnvVar> {
    let plain = |name: &str, value: &str| EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    };
    let node_name = EnvVar {
        name: "NODE_NAME".to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: Some("v1".to_owned()),
                field_path: "spec.nodeName".to_owned(),
            }),
            ..EnvVarSource::default()
        }),
    };
    vec![
        plain("BERTH_LOG_FORMAT", &settings.log_format),
        plain("BERTH_LOG_LEVEL", &settings.log_level),
        node_name,
    ]
}

/// Root, because the folder belongs to root and the file must, but with none of root's capabilities.
fn security(privileged: bool) -> SecurityContext {
    let mut context = SecurityContext {
        run_as_user: Some(0),
        run_as_group: Some(0),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    };
    if privileged {
        context.privileged = Some(true);
        return context;
    }
    context.allow_privilege_escalation = Some(false);
    context.capabilities = Some(Capabilities {
        add: None,
        drop: Some(vec!["ALL".to_owned()]),
    });
    context.seccomp_profile = Some(SeccompProfile {
        type_: "RuntimeDefault".to_owned(),
        localhost_profile: None,
    });
    context
}

fn volumes(blueprint: &Blueprint<'_>, template: &Template) -> Vec<Volume> {
    let mut volumes = vec![Volume {
        name: VOLUME_FOLDER.to_owned(),
        host_path: Some(HostPathVolumeSource {
            path: blueprint.folder.to_owned(),
            type_: Some("DirectoryOrCreate".to_owned()),
        }),
        ..Volume::default()
    }];
    if let Template::Revision(revision) = template {
        volumes.push(Volume {
            name: VOLUME_SOURCE.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(names::revision_secret(
                    &blueprint.config.name_any(),
                    revision,
                )),
                default_mode: Some(0o400),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        });
    }
    volumes
}

fn mounts(folder: &str, template: &Template) -> Vec<VolumeMount> {
    let mut mounts = vec![VolumeMount {
        name: VOLUME_FOLDER.to_owned(),
        mount_path: folder.to_owned(),
        ..VolumeMount::default()
    }];
    if let Template::Revision(_) = template {
        mounts.push(VolumeMount {
            name: VOLUME_SOURCE.to_owned(),
            mount_path: SOURCE.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        });
    }
    mounts
}

/// The selector as node affinity, for one half of the nodes.
fn affinity(selector: &LabelSelector, role: Role, elsewhere: &[String]) -> Affinity {
    let base = requirements(selector);
    let term = |labels: &[&str], operator: &str| NodeSelectorTerm {
        match_expressions: Some(
            base.iter()
                .cloned()
                .chain(
                    labels
                        .iter()
                        .map(|label| requirement(label, operator, None)),
                )
                .collect(),
        ),
        // One requirement a node: the server takes a single value here.
        match_fields: (!elsewhere.is_empty()).then(|| {
            let nodes = elsewhere.iter();
            nodes
                .map(|node| requirement("metadata.name", "NotIn", Some(vec![node.clone()])))
                .collect()
        }),
    };
    let terms = match role {
        Role::Workers => vec![term(&CONTROL_PLANE_LABELS, "DoesNotExist")],
        Role::ControlPlane => CONTROL_PLANE_LABELS
            .map(|label| term(&[label], "Exists"))
            .into(),
    };
    Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                node_selector_terms: terms,
            }),
            preferred_during_scheduling_ignored_during_execution: None,
        }),
        ..Affinity::default()
    }
}

fn requirements(selector: &LabelSelector) -> Vec<NodeSelectorRequirement> {
    let labels = selector.match_labels.iter().flatten();
    let expressions = selector.match_expressions.iter().flatten();
    labels
        .map(|(key, value)| requirement(key, "In", Some(vec![value.clone()])))
        .chain(expressions.map(|expression| {
            requirement(
                &expression.key,
                &expression.operator,
                expression.values.clone(),
            )
        }))
        .collect()
}

fn requirement(key: &str, operator: &str, values: Option<Vec<String>>) -> NodeSelectorRequirement {
    NodeSelectorRequirement {
        key: key.to_owned(),
        operator: operator.to_owned(),
        values: values.filter(|values| !values.is_empty()),
    }
}

#[cfg(test)]
#[path = "pod_tests.rs"]
mod tests;
