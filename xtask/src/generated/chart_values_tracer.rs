//! The values below `tracer:`.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::{AnyMap, CountOrPercent, Image, LogFormat, PodDisruptionBudget, PrometheusRule};

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Tracer {
    /// Deploy an agent on each node and the server.
    enabled: bool,
    /// Where the nodes' container runtime stands: `auto` takes it from `distribution` or the API server's version, else looks at every usual place but MicroK8s'.
    runtime: Runtime,
    /// Shape of the logs.
    log_format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace` or a filter.
    log_level: String,
    /// The agents.
    agent: Agent,
    /// The server.
    server: Server,
    /// Finished pulls.
    history: History,
    /// Namespaces whose pods and Events name pulls; empty: all.
    watch_namespaces: Vec<String>,
    /// TLS between agents, readers and the server.
    tls: Tls,
    /// Agents of the earlier program.
    legacy_agents: LegacyAgents,
    /// Spans of finished pulls.
    otlp: Otlp,
    /// Ingress for the web page.
    ingress: Ingress,
    /// NetworkPolicies for agents and server.
    network_policy: NetworkPolicy,
    /// PodDisruptionBudget of the server.
    pod_disruption_budget: PodDisruptionBudget,
    /// ServiceMonitor of the server and PodMonitor of the agents.
    service_monitor: Monitors,
    /// Alerts about failed pulls and blind agents.
    prometheus_rule: PrometheusRule,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Runtime {
    Auto,
    K3s,
    Rke2,
    Containerd,
    K0s,
    Microk8s,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Agent {
    /// Image of the agents.
    image: Image,
    /// The runtime's socket on the nodes, where it is not the usual one; its folder is mounted.
    #[schemars(regex(pattern = r"^(/.+/.+)?$"))]
    socket: String,
    /// The runtime's folder of hosts.toml files on the nodes, where it is not the usual one.
    #[schemars(regex(pattern = r"^(/.+)?$"))]
    certs_d: String,
    /// Namespaces of containerd that are watched.
    #[schemars(length(min = 1))]
    namespaces: Vec<String>,
    /// Between two reports while pulls move, as in `1s` or `500ms`.
    report_interval: String,
    /// Agents that an update takes down at once.
    max_unavailable: CountOrPercent,
    /// Further labels of their pods.
    pod_labels: BTreeMap<String, String>,
    /// Further annotations of their pods.
    pod_annotations: BTreeMap<String, String>,
    /// nodeSelector of their pods.
    node_selector: BTreeMap<String, String>,
    /// Tolerations of their pods: by default every node, whatever its taints.
    tolerations: Vec<AnyMap>,
    /// Affinity of their pods.
    affinity: AnyMap,
    /// priorityClassName of their pods; empty for none.
    priority_class_name: String,
    /// Resources of their container.
    resources: AnyMap,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Server {
    /// Image of the server.
    image: Image,
    /// Number of servers; every agent reports to each, so all give the same answers.
    #[schemars(range(min = 1, max = 5))]
    replicas: i32,
    /// Readers of the event stream at once.
    #[schemars(range(min = 1, max = 100_000))]
    stream_readers: i32,
    /// Service for readers.
    service: Service,
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
    /// Resources of its container.
    resources: AnyMap,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Service {
    /// Everybody who reaches it may read: ClusterIP keeps that inside the cluster.
    r#type: ServiceType,
    /// Its port.
    #[schemars(range(min = 1, max = 65535))]
    port: i32,
    /// Its annotations.
    annotations: BTreeMap<String, String>,
}

#[derive(JsonSchema)]
enum ServiceType {
    ClusterIP,
    NodePort,
    LoadBalancer,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct History {
    /// How long finished pulls are kept, as in `168h`.
    ttl: String,
    /// How many are kept.
    #[schemars(range(min = 1, max = 1_000_000))]
    pulls: i32,
    /// Of those, how many of one node.
    #[schemars(range(min = 1, max = 1_000_000))]
    pulls_per_node: i32,
    /// What they may take, in MiB.
    #[schemars(range(min = 1, max = 100_000))]
    mib: i32,
    /// Where the history lies.
    persistence: Persistence,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Persistence {
    /// A volume for each server; without it the history ends with the pod.
    enabled: bool,
    /// Size of the volume, and limit of what lies in the pod without one.
    size: String,
    /// storageClassName of the volume; empty: the cluster's default.
    storage_class_name: String,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Tls {
    /// Secret with `tls.crt` and `tls.key` for the server, and `ca.crt` for the agents; empty: no TLS.
    secret_name: String,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct LegacyAgents {
    /// Secret with the token that agents of the earlier program share; empty: they are refused.
    secret_name: String,
    /// Its key.
    #[schemars(length(min = 1))]
    key: String,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Otlp {
    /// Where finished pulls go as spans, such as `http://collector:4317`; empty: nowhere.
    endpoint: String,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Ingress {
    /// Make the Ingress. Everybody who reaches it may read.
    enabled: bool,
    /// Its ingressClassName.
    class_name: String,
    /// Its annotations.
    annotations: BTreeMap<String, String>,
    /// Its hosts.
    hosts: Vec<String>,
    /// Its tls, as an Ingress has it.
    tls: Vec<AnyMap>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct NetworkPolicy {
    /// Make the NetworkPolicies.
    enabled: bool,
    /// Peers that may read; empty: everybody, since the API server that `berth pulls` asks through is no pod.
    readers_from: Vec<AnyMap>,
    /// Peers that may scrape /metrics; empty: all pods of the cluster.
    metrics_from: Vec<AnyMap>,
    /// Egress rules of the server besides DNS: the API server, and where spans go.
    server_egress: Vec<AnyMap>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct Monitors {
    /// Make them; needs the Prometheus operator's CRDs.
    enabled: bool,
    /// Further labels, for the Prometheus that selects by them.
    labels: BTreeMap<String, String>,
    /// Time between scrapes.
    interval: String,
}
