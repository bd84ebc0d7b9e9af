//! Command line and `BERTH_*` environment, read and checked before anything starts.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use daemon::logs;
use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use serde::de::DeserializeOwned;

/// Turns `RegistryConfigs` into registries.yaml on every node.
#[derive(Clone, Debug, Parser)]
#[command(name = "berth-operator", version)]
pub(crate) struct Settings {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) shared: Shared,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Reconcile until told to stop.
    Run(Box<Run>),
    /// Delete RegistryConfigs and wait until their nodes have their files back.
    Uninstall(Uninstall),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Shared {
    /// Namespace of the operator, its Secrets and its DaemonSets.
    #[arg(long, env = "BERTH_NAMESPACE", global = true, default_value = "berth-system", value_parser = check_name)]
    pub(crate) namespace: String,
    /// ConfigMap in which the chart hands over RegistryConfig manifests.
    #[arg(long, env = "BERTH_CHART_MANIFESTS", global = true, value_parser = check_name)]
    pub(crate) chart_manifests: Option<String>,
    /// text or json.
    #[arg(long, env = "BERTH_LOG_FORMAT", global = true, default_value = "text")]
    pub(crate) log_format: logs::Format,
    /// error, warn, info, debug or trace, or target=level pairs.
    #[arg(long, env = "BERTH_LOG_LEVEL", global = true, default_value = "info")]
    pub(crate) log_level: logs::Filter,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) node_writer: NodeWriter,
    #[command(flatten)]
    pub(crate) lease: Lease,
    /// Which file the nodes read; auto takes it from their kubeletVersion.
    #[arg(long, env = "BERTH_DISTRIBUTION", value_enum, default_value = "auto")]
    pub(crate) distribution: DistributionSetting,
    /// Where /healthz, /readyz and /metrics answer.
    #[arg(long, env = "BERTH_HTTP_ADDRESS", default_value = "0.0.0.0:8080")]
    pub(crate) http_address: SocketAddr,
    /// Secret that holds the key of the revision hashes; filled once when it is empty.
    #[arg(long, env = "BERTH_KEY_SECRET", default_value = "berth-revision-key", value_parser = check_name)]
    pub(crate) key_secret: String,
    /// Seconds after which every RegistryConfig is looked at again although nothing happened.
    #[arg(long, env = "BERTH_RESYNC_SECONDS", default_value = "600", value_parser = check_seconds)]
    pub(crate) resync_seconds: u64,
    /// How many RegistryConfigs are reconciled at a time.
    #[arg(long, env = "BERTH_CONCURRENCY", default_value = "8", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) concurrency: u16,
}

/// The pods that write to nodes.
#[derive(Clone, Debug, Args)]
pub(crate) struct NodeWriter {
    /// Image of the node-writer.
    #[arg(long = "node-writer-image", env = "BERTH_NODE_WRITER_IMAGE", value_parser = check_image)]
    pub(crate) image: String,
    /// `Always`, `IfNotPresent` or `Never`.
    #[arg(long = "node-writer-pull-policy", env = "BERTH_NODE_WRITER_PULL_POLICY", default_value = "IfNotPresent",
          value_parser = ["Always", "IfNotPresent", "Never"])]
    pub(crate) pull_policy: String,
    /// Secrets with credentials for the image, separated by commas.
    #[arg(
        long = "node-writer-pull-secrets",
        env = "BERTH_NODE_WRITER_PULL_SECRETS",
        value_delimiter = ','
    )]
    pub(crate) pull_secrets: Vec<String>,
    /// Run privileged, for hosts that refuse an unprivileged container the folder.
    #[arg(long = "node-writer-privileged", env = "BERTH_NODE_WRITER_PRIVILEGED", default_value = "false",
          action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub(crate) privileged: bool,
    /// Resources of the container, as JSON.
    #[arg(long = "node-writer-resources", env = "BERTH_NODE_WRITER_RESOURCES", value_parser = json::<ResourceRequirements>,
          default_value = r#"{"requests":{"cpu":"5m","memory":"8Mi"},"limits":{"memory":"128Mi"}}"#)]
    pub(crate) resources: ResourceRequirements,
    /// Tolerations, as a JSON list.
    #[arg(long = "node-writer-tolerations", env = "BERTH_NODE_WRITER_TOLERATIONS", value_parser = json::<Tolerations>,
          default_value = r#"[{"operator":"Exists"}]"#)]
    pub(crate) tolerations: Tolerations,
    /// Priority class; empty for none.
    #[arg(
        long = "node-writer-priority-class",
        env = "BERTH_NODE_WRITER_PRIORITY_CLASS",
        default_value = "system-node-critical"
    )]
    pub(crate) priority_class: String,
    /// text or json.
    #[arg(id = "node-writer-log-format", long = "node-writer-log-format", env = "BERTH_NODE_WRITER_LOG_FORMAT", default_value = "text",
          value_parser = ["text", "json"])]
    pub(crate) log_format: String,
    /// error, warn, info, debug or trace.
    #[arg(
        id = "node-writer-log-level",
        long = "node-writer-log-level",
        env = "BERTH_NODE_WRITER_LOG_LEVEL",
        default_value = "info"
    )]
    pub(crate) log_level: String,
}

/// A list of tolerations; clap would take a bare `Vec` for a repeated flag.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
pub(crate) struct Tolerations(pub(crate) Vec<Toleration>);

/// One of several replicas works at a time.
#[derive(Clone, Debug, Args)]
pub(crate) struct Lease {
    /// Work only while holding the Lease.
    #[arg(long = "leader-election", env = "BERTH_LEADER_ELECTION", default_value = "true",
          action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub(crate) enabled: bool,
    /// Name of the Lease.
    #[arg(long = "lease-name", env = "BERTH_LEASE_NAME", default_value = "berth", value_parser = check_name)]
    pub(crate) name: String,
    /// Seconds after which a Lease that nobody renews is free.
    #[arg(long = "lease-seconds", env = "BERTH_LEASE_SECONDS", default_value = "15",
          value_parser = clap::value_parser!(u64).range(5..=300))]
    pub(crate) seconds: u64,
    /// Who holds the Lease: the name of this pod.
    #[arg(long, env = "BERTH_IDENTITY", default_value = "berth-operator", value_parser = check_name)]
    pub(crate) identity: String,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Uninstall {
    /// Seconds to wait for the nodes.
    #[arg(long, env = "BERTH_UNINSTALL_TIMEOUT_SECONDS", default_value = "600", value_parser = check_seconds)]
    pub(crate) timeout_seconds: u64,
    /// Delete only what the chart made, and let the nodes of the others keep their files.
    #[arg(long, env = "BERTH_KEEP_FOREIGN")]
    pub(crate) keep_foreign: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DistributionSetting {
    #[default]
    Auto,
    K3s,
    Rke2,
}

impl Run {
    pub(crate) fn resync(&self) -> Duration {
        Duration::from_secs(self.resync_seconds)
    }
}

fn check_name(text: &str) -> Result<String, String> {
    let fits = (1..=253).contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        && !text.starts_with(['-', '.'])
        && !text.ends_with(['-', '.']);
    if fits {
        Ok(text.to_owned())
    } else {
        Err(
            "is not a name that Kubernetes takes: lower-case letters, digits, '-' and '.'"
                .to_owned(),
        )
    }
}

fn check_image(text: &str) -> Result<String, String> {
    if text.is_empty() || text.chars().any(char::is_whitespace) {
        return Err("is not an image name".to_owned());
    }
    Ok(text.to_owned())
}

fn check_seconds(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(seconds),
        _ => Err("is not a number of seconds from 1 to 86400".to_owned()),
    }
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("is not the JSON that is expected here: {error}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn settings(arguments: &[&str]) -> Result<Settings, clap::Error> {
        Settings::try_parse_from([&["berth-operator"], arguments].concat())
    }

    pub(crate) fn run_settings() -> Run {
        match settings(&["run", "--node-writer-image", "node-writer:1"])
            .unwrap()
            .command
        {
            Command::Run(run) => *run,
            Command::Uninstall(_) => panic!("asked for run"),
        }
    }

    #[test]
    fn defaults_serve_every_node_and_keep_to_one_leader() {
        let run = run_settings();
        assert_eq!(run.node_writer.tolerations.0.len(), 1);
        assert!(run.lease.enabled);
        assert!(!run.node_writer.privileged);
        assert_eq!(run.distribution, DistributionSetting::Auto);
    }

    #[test]
    fn what_cannot_work_is_refused_before_the_start() {
        let image = ["run", "--node-writer-image", "x"];
        for wrong in [
            &["--namespace", "Upper"][..],
            &["--http-address", "8080"],
            &["--distribution", "k8s"],
            &["--node-writer-resources", "{"],
            &["--node-writer-tolerations", "{}"],
            &["--lease-seconds", "1"],
            &["--resync-seconds", "0"],
            &["--log-format", "xml"],
        ] {
            assert!(
                settings(&[&image[..], wrong].concat()).is_err(),
                "{wrong:?}"
            );
        }
        assert!(settings(&["run"]).is_err(), "an image is needed");
        assert!(settings(&[&image[..], &["--leader-election", "false"]].concat()).is_ok());
        assert!(settings(&["uninstall", "--timeout-seconds=5", "--keep-foreign"]).is_ok());
    }
}
