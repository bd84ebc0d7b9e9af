//! The values of charts/berth as types: the schema and the chart's README are generated from them.

#![expect(dead_code, reason = "only their schema is used")]
#![expect(
    clippy::struct_field_names,
    reason = "values keep the names that users have"
)]

#[path = "chart_values_tracer.rs"]
mod tracer;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::{Map, Value};

/// Text that Kubernetes takes apart itself: labels, selectors, affinities, resources.
type AnyMap = Map<String, Value>;

/// Values of charts/berth.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Values {
    /// Overrides the chart's name in object names.
    name_override: String,
    /// Overrides the whole prefix of object names.
    fullname_override: String,
    /// Values that Helm hands to every chart.
    global: Option<AnyMap>,
    /// Secrets of the release's namespace with credentials for pulling Berth's own images.
    image_pull_secrets: Vec<AnyMap>,
    /// Which file the nodes read: `auto` takes it from their kubeletVersion.
    distribution: Distribution,
    /// The operator.
    operator: Operator,
    /// The agent on every node.
    node_writer: NodeWriter,
    /// The RegistryConfig CRD.
    crds: Crds,
    /// A k3s registries.yaml, credentials included: as a map, or as text to be taken as it is.
    registries: Registries,
    /// The place where earlier charts had `registries`.
    application: Option<Application>,
    /// The RegistryConfig made from `registries`.
    registry_config: RegistryConfig,
    /// The operator's ServiceAccount.
    service_account: ServiceAccount,
    /// What happens before the chart is deleted.
    uninstall: Uninstall,
    /// NetworkPolicies for operator and node-writer.
    network_policy: NetworkPolicy,
    /// PodDisruptionBudget of the operator.
    pod_disruption_budget: PodDisruptionBudget,
    /// ServiceMonitor of the Prometheus operator.
    service_monitor: ServiceMonitor,
    /// Alerts for the Prometheus operator.
    prometheus_rule: PrometheusRule,
    /// What every image pull does, live.
    tracer: tracer::Tracer,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Distribution {
    Auto,
    K3s,
    Rke2,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Image {
    /// Registry host, with port, that holds the image; empty for images loaded into the nodes.
    registry: String,
    /// Repository of the image.
    repository: String,
    /// Tag; empty: the chart's appVersion.
    tag: String,
    /// Digest such as `sha256:...`; wins over the tag.
    digest: String,
    /// imagePullPolicy of the container.
    pull_policy: PullPolicy,
}

#[derive(JsonSchema)]
enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum LogFormat {
    Json,
    Text,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Operator {
    /// Image of the operator.
    image: Image,
    /// Number of operators; all but one stand by through a Lease.
    #[schemars(range(min = 0, max = 10))]
    replicas: i32,
    /// Shape of its log.
    log_format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace` or a filter such as `info,kube=warn`.
    log_level: String,
    /// Resources of its container.
    resources: AnyMap,
    /// Further labels of its pods.
    pod_labels: BTreeMap<String, String>,
    /// Further annotations of its pods.
    pod_annotations: BTreeMap<String, String>,
    /// nodeSelector of its pods.
    node_selector: BTreeMap<String, String>,
    /// Tolerations of its pods.
    tolerations: Vec<AnyMap>,
    /// Affinity of its pods.
    affinity: AnyMap,
    /// priorityClassName of its pods.
    priority_class_name: String,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct NodeWriter {
    /// Image of the node-writer.
    image: Image,
    /// Shape of its log; text shows the redacted diff as people read it.
    log_format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace` or a filter.
    log_level: String,
    /// Only for hosts whose security module refuses an unprivileged container the folder.
    privileged: bool,
    /// Tolerations of its pods: by default every node that a RegistryConfig selects, whatever its taints.
    tolerations: Vec<AnyMap>,
    /// priorityClassName of its pods; empty for none.
    priority_class_name: String,
    /// Resources of its container.
    resources: AnyMap,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Crds {
    /// Install the CRD with the chart.
    enabled: bool,
    /// Keep the CRD, and with it every RegistryConfig, when the chart is uninstalled.
    keep: bool,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum Registries {
    Map(RegistriesMap),
    Text(String),
}

/// Further keys are taken as they are. Credentials must be text: YAML reads digits as a number, and Helm writes long
/// numbers as floating point, which is another password.
#[derive(JsonSchema)]
struct RegistriesMap {
    configs: Option<BTreeMap<String, Option<HostConfig>>>,
}

#[derive(JsonSchema)]
struct HostConfig {
    auth: Option<Auth>,
}

#[derive(JsonSchema)]
struct Auth {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
    identity_token: Option<String>,
}

#[derive(JsonSchema)]
struct Application {
    registries: Registries,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct RegistryConfig {
    /// Its name.
    #[schemars(length(min = 1, max = 45))]
    name: String,
    /// Further fields of its spec: nodeSelector, registriesFrom, decryption, updateStrategy, deletionPolicy, paused.
    spec: AnyMap,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct ServiceAccount {
    /// Annotations of the operator's ServiceAccount.
    annotations: BTreeMap<String, String>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Uninstall {
    /// Delete the chart's RegistryConfigs first and wait until the nodes have their files back.
    enabled: bool,
    /// Seconds to wait for the nodes.
    #[schemars(range(min = 10, max = 86400))]
    timeout_seconds: i32,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct NetworkPolicy {
    /// Make the NetworkPolicies.
    enabled: bool,
    /// Peers that may reach /metrics and the probes; empty: all pods of the cluster.
    metrics_from: Vec<AnyMap>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct PodDisruptionBudget {
    /// Make the PodDisruptionBudget.
    enabled: bool,
    /// Operators that an eviction may take down at once.
    max_unavailable: CountOrPercent,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum CountOrPercent {
    Count(i32),
    Percent(String),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct ServiceMonitor {
    /// Make the ServiceMonitor; needs the Prometheus operator's CRDs.
    enabled: bool,
    /// Further labels, for the Prometheus that selects by them.
    labels: BTreeMap<String, String>,
    /// Time between scrapes.
    interval: String,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct PrometheusRule {
    /// Make the PrometheusRule; needs the Prometheus operator's CRDs.
    enabled: bool,
    /// Further labels, for the Prometheus that selects by them.
    labels: BTreeMap<String, String>,
}
