//! Flags, `BERTH_TRACER_*`, and the names of the earlier program where neither is given.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use daemon::logs;
use secrecy::SecretString;

/// Shows what every image pull of a cluster does.
#[derive(Clone, Debug, Parser)]
#[command(name = "berth-tracer-server", version, args_override_self = true)]
pub struct Settings {
    /// Where agents, readers and the web page are answered.
    #[arg(long, env = "BERTH_TRACER_HTTP_ADDRESS", default_value = "0.0.0.0:8080", value_parser = address)]
    pub http_address: SocketAddr,
    /// Where /metrics, /healthz and /readyz answer.
    #[arg(long, env = "BERTH_TRACER_METRICS_ADDRESS", default_value = "0.0.0.0:9090", value_parser = address)]
    pub metrics_address: SocketAddr,
    /// Certificate chain in PEM for the first address; it is read again when it changes.
    #[arg(long, env = "BERTH_TRACER_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Key in PEM.
    #[arg(long, env = "BERTH_TRACER_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Token that agents share: for agents of the earlier program, and for others when nothing tells nodes apart.
    #[arg(long, env = "BERTH_TRACER_AGENT_TOKEN", hide_env_values = true)]
    pub agent_token: Option<SecretString>,
    /// File with a line `node token` for each node.
    #[arg(long, env = "BERTH_TRACER_NODE_TOKENS")]
    pub node_tokens: Option<PathBuf>,
    /// Let the API server review the agents' tokens (audience berth-tracer), and take each for its own node only.
    #[arg(long, env = "BERTH_TRACER_TOKEN_REVIEW", default_value = "false", action = clap::ArgAction::Set,
          num_args = 0..=1, default_missing_value = "true")]
    pub token_review: bool,
    /// The service account that agents run as, NAMESPACE/NAME; a name alone is taken in any namespace.
    #[arg(
        long,
        env = "BERTH_TRACER_AGENT_ACCOUNT",
        default_value = "berth-tracer-agent"
    )]
    pub agent_account: String,
    /// Namespace of the node-writers, whose labels say which RegistryConfig a node has; without one any namespace is believed.
    #[arg(long, env = "BERTH_TRACER_WRITER_NAMESPACE", value_parser = namespace)]
    pub writer_namespace: Option<String>,
    /// Take reports of agents of the earlier program, too.
    #[arg(long, env = "BERTH_TRACER_LEGACY_AGENTS", default_value = "false", action = clap::ArgAction::Set,
          num_args = 0..=1, default_missing_value = "true")]
    pub legacy_agents: bool,
    /// Watch pods and Events: auto does so inside a cluster or where KUBECONFIG names one.
    #[arg(long, env = "BERTH_TRACER_KUBERNETES", default_value = "auto", value_parser = ["auto", "true", "false"])]
    pub kubernetes: String,
    /// Namespaces whose pods and Events are watched, separated by commas; none means all.
    #[arg(long, env = "BERTH_TRACER_WATCH_NAMESPACES", default_value = "", value_parser = namespaces)]
    pub watch_namespaces: Namespaces,
    /// Folder of the history; without one it ends with the process.
    #[arg(long, env = "BERTH_TRACER_HISTORY_FOLDER")]
    pub history_folder: Option<PathBuf>,
    /// How long finished pulls are kept: 30m, 24h.
    #[arg(long, env = "BERTH_TRACER_HISTORY_TTL", default_value = "168h", value_parser = duration)]
    pub history_ttl: Duration,
    /// How many finished pulls are kept.
    #[arg(long, env = "BERTH_TRACER_HISTORY_PULLS", default_value = "20000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub history_pulls: u32,
    /// Of those, how many of one node.
    #[arg(long, env = "BERTH_TRACER_HISTORY_PULLS_PER_NODE", default_value = "2000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub history_pulls_per_node: u32,
    /// MiB of finished pulls; 256 with a folder, 24 without one.
    #[arg(long, env = "BERTH_TRACER_HISTORY_MIB", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub history_mib: Option<u32>,
    /// Connections at once: beyond them the one that has been idle for longest gives way, and without one that is idle new ones get 503.
    #[arg(long, env = "BERTH_TRACER_CONNECTIONS", default_value = "5000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections: u32,
    /// How long the whole body of a report may take to arrive.
    #[arg(long, env = "BERTH_TRACER_BODY_DEADLINE", default_value = "30s", value_parser = duration)]
    pub body_deadline: Duration,
    /// Readers of the event stream at once.
    #[arg(long, env = "BERTH_TRACER_STREAM_READERS", default_value = "256", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub stream_readers: u32,
    /// Between two batches of events.
    #[arg(long, env = "BERTH_TRACER_STREAM_INTERVAL", default_value = "1s", value_parser = duration)]
    pub stream_interval: Duration,
    /// OTLP collector (gRPC) that gets finished pulls as spans, as `http://collector:4317`.
    #[arg(long, env = "BERTH_TRACER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// text or json.
    #[arg(long, env = "BERTH_TRACER_LOG_FORMAT", default_value = "text")]
    pub log_format: logs::Format,
    /// error, warn, info, debug or trace, or target=level pairs.
    #[arg(long, env = "BERTH_TRACER_LOG_LEVEL", default_value = "info")]
    pub log_level: logs::Filter,
}

/// A list of namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces(pub Vec<String>);

/// Of the earlier program: its variable, our flag, our variable.
const EARLIER: [(&str, &str, &str); 6] = [
    (
        "PULLTRACE_HTTP_ADDR",
        "--http-address",
        "BERTH_TRACER_HTTP_ADDRESS",
    ),
    (
        "PULLTRACE_METRICS_ADDR",
        "--metrics-address",
        "BERTH_TRACER_METRICS_ADDRESS",
    ),
    (
        "PULLTRACE_LOG_LEVEL",
        "--log-level",
        "BERTH_TRACER_LOG_LEVEL",
    ),
    (
        "PULLTRACE_AGENT_TOKEN",
        "--agent-token",
        "BERTH_TRACER_AGENT_TOKEN",
    ),
    (
        "PULLTRACE_WATCH_NAMESPACES",
        "--watch-namespaces",
        "BERTH_TRACER_WATCH_NAMESPACES",
    ),
    (
        "PULLTRACE_HISTORY_TTL",
        "--history-ttl",
        "BERTH_TRACER_HISTORY_TTL",
    ),
];

impl Settings {
    /// Reads command line and environment; ends the process when they cannot be used.
    #[expect(
        clippy::disallowed_methods,
        reason = "configuration is read here, once"
    )]
    pub fn read() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        Self::parse_from(with_earlier(std::env::args_os(), &variable))
    }
}

/// The command line, with variables of the earlier program as if they were its first flags.
fn with_earlier(
    mut arguments: impl Iterator<Item = OsString>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Vec<OsString> {
    let mut all: Vec<OsString> = arguments.next().into_iter().collect();
    for (earlier, flag, ours) in EARLIER {
        let value = variable(earlier).filter(|value| !value.is_empty());
        if let Some(value) = value.filter(|_| variable(ours).is_none()) {
            // It took a span that it could not read, or none, for its default.
            if flag == "--history-ttl" && duration(&value).is_err() {
                continue;
            }
            all.push(format!("{flag}={value}").into());
        }
    }
    all.extend(arguments);
    all
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') {
        format!("0.0.0.0{text}")
    } else {
        text.to_owned()
    };
    whole
        .parse()
        .map_err(|_| "is not an address: expected 0.0.0.0:8080 or :8080".to_owned())
}

fn namespaces(text: &str) -> Result<Namespaces, String> {
    let names: Vec<String> = text
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    if names.iter().all(|name| is_namespace(name)) {
        Ok(Namespaces(names))
    } else {
        Err("is not a list of namespaces, separated by commas".to_owned())
    }
}

fn namespace(text: &str) -> Result<String, String> {
    if !text.is_empty() && is_namespace(text) {
        Ok(text.to_owned())
    } else {
        Err("is not a namespace".to_owned())
    }
}

fn is_namespace(name: &str) -> bool {
    name.len() <= 63
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::correlate::texts::go_seconds(text)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "is not a span of time: expected 500ms, 30s, 10m or 168h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings, clap::Error> {
        let arguments = std::iter::once("berth-tracer-server").chain(arguments.iter().copied());
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::try_parse_from(with_earlier(arguments.map(OsString::from), &variable))
    }

    #[test]
    fn variables_of_the_earlier_program_serve_where_ours_are_not_given() {
        let earlier = [
            ("PULLTRACE_HTTP_ADDR", ":7070"),
            ("PULLTRACE_WATCH_NAMESPACES", "a, b"),
            ("PULLTRACE_HISTORY_TTL", "0"),
            ("PULLTRACE_LOG_LEVEL", ""),
        ];
        let settings = parsed(&[], &earlier).unwrap();
        assert_eq!(settings.http_address.to_string(), "0.0.0.0:7070");
        assert_eq!(settings.watch_namespaces.0, ["a", "b"]);
        assert_eq!(settings.history_ttl, Duration::from_secs(168 * 3600));
        let settings = parsed(&["--http-address", "127.0.0.1:1"], &earlier).unwrap();
        assert_eq!(settings.http_address.to_string(), "127.0.0.1:1");
        let both = [
            ("PULLTRACE_HTTP_ADDR", ":7070"),
            ("BERTH_TRACER_HTTP_ADDRESS", ":1"),
        ];
        assert_eq!(
            parsed(&[], &both).unwrap().http_address.port(),
            8080,
            "ours is read by the parser"
        );
    }

    #[test]
    fn what_cannot_work_is_refused_before_the_start() {
        for wrong in [
            &["--http-address", "8080"][..],
            &["--tls-cert", "a.pem"],
            &["--history-ttl", "0s"],
            &["--history-ttl", "soon"],
            &["--watch-namespaces", "A b"],
            &["--writer-namespace", ""],
            &["--stream-readers", "0"],
            &["--kubernetes", "maybe"],
            &["--log-level", "info,x=loud"],
        ] {
            assert!(parsed(wrong, &[]).is_err(), "{wrong:?}");
        }
        assert!(
            parsed(&["--legacy-agents", "--token-review=true"], &[])
                .unwrap()
                .legacy_agents
        );
    }
}
