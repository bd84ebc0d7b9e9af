//! Command line, `BERTH_TRACER_*`, and the variables of the program whose place this one can take; all read and checked
//! before anything starts.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use daemon::logs;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::discover::Distribution;
use crate::post::{Target, Token};

/// Reports what every image pull of this node does.
#[derive(Clone, Debug, Parser)]
#[command(name = "berth-tracer-agent", version)]
pub struct Settings {
    /// Kubernetes node, 1 to 253 bytes.
    #[arg(long, env = "BERTH_TRACER_NODE_NAME", value_parser = check_node)]
    pub node_name: String,
    /// Root of the server, or several separated by commas, each of which hears everything; none: only logs.
    #[arg(long = "server-url", env = "BERTH_TRACER_SERVER_URL", value_delimiter = ',', value_parser = check_server)]
    pub servers: Vec<Server>,
    /// Authorities that the server's certificate must come from, in place of the system's.
    #[arg(long, env = "BERTH_TRACER_CA_FILE")]
    pub ca_file: Option<PathBuf>,
    /// File with the bearer token, read anew for each report.
    #[arg(long, env = "BERTH_TRACER_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// The bearer token itself.
    #[arg(
        long,
        env = "BERTH_TRACER_TOKEN",
        hide_env_values = true,
        conflicts_with = "token_file"
    )]
    pub token: Option<SecretString>,
    /// Where the container runtime is looked for.
    #[arg(long, env = "BERTH_TRACER_RUNTIME", value_enum, default_value = "auto")]
    pub runtime: Distribution,
    /// Socket of the container runtime on the host.
    #[arg(long, env = "BERTH_TRACER_SOCKET")]
    pub socket: Option<PathBuf>,
    /// Where the host's folders are mounted.
    #[arg(long, env = "BERTH_TRACER_HOST_PREFIX", default_value = "/")]
    pub host_prefix: PathBuf,
    /// Folder on the host with the runtime's hosts.toml files, in place of the usual one.
    #[arg(long, env = "BERTH_TRACER_CERTS_D")]
    pub certs_d: Option<PathBuf>,
    /// Namespaces of containerd, separated by commas.
    #[arg(long, env = "BERTH_TRACER_NAMESPACES", value_delimiter = ',', default_value = "k8s.io", value_parser = check_namespace)]
    pub namespaces: Vec<String>,
    /// Between two reports while pulls move, as in 1s or 500ms.
    #[arg(long, env = "BERTH_TRACER_REPORT_INTERVAL", default_value = "1s", value_parser = check_interval)]
    pub report_interval: Duration,
    /// Where /healthz, /readyz and /metrics answer; off for nowhere.
    #[arg(long, env = "BERTH_TRACER_HTTP_ADDRESS", default_value = "0.0.0.0:9091", value_parser = check_address)]
    pub http_address: HttpAddress,
    /// text or json.
    #[arg(long, env = "BERTH_LOG_FORMAT", default_value = "text")]
    pub log_format: logs::Format,
    /// error, warn, info, debug or trace, or target=level pairs.
    #[arg(long, env = "BERTH_LOG_LEVEL", default_value = "info")]
    pub log_level: logs::Filter,
}

/// Root of a server.
#[derive(Clone, Debug)]
pub struct Server(Option<Url>);

/// Where probes are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpAddress(pub Option<SocketAddr>);

/// Variables of the earlier program, where ours are not set: flag, our variable, theirs.
const FALLBACKS: &[(&str, &str, &str)] = &[
    (
        "--node-name",
        "BERTH_TRACER_NODE_NAME",
        "PULLTRACE_NODE_NAME",
    ),
    (
        "--server-url",
        "BERTH_TRACER_SERVER_URL",
        "PULLTRACE_SERVER_URL",
    ),
    (
        "--socket",
        "BERTH_TRACER_SOCKET",
        "PULLTRACE_CONTAINERD_SOCKET",
    ),
    ("--token", "BERTH_TRACER_TOKEN", "PULLTRACE_AGENT_TOKEN"),
    (
        "--report-interval",
        "BERTH_TRACER_REPORT_INTERVAL",
        "PULLTRACE_REPORT_INTERVAL",
    ),
    ("--log-level", "BERTH_LOG_LEVEL", "PULLTRACE_LOG_LEVEL"),
];

impl Settings {
    /// Reads them, or ends with what is wrong.
    pub fn from_command_line() -> Result<Self, clap::Error> {
        let arguments = std::env::args_os().collect();
        #[expect(
            clippy::disallowed_methods,
            reason = "settings are read here and nowhere else"
        )]
        let arguments = with_fallbacks(arguments, |name| std::env::var(name).ok());
        Self::try_parse_from(arguments)
    }

    /// Where reports go.
    pub fn targets(&self) -> Vec<Target> {
        let token = match (&self.token_file, &self.token) {
            (Some(path), _) => Token::File(path.clone()),
            (None, Some(word)) if !word.expose_secret().is_empty() => Token::Word(word.clone()),
            (None, _) => Token::None,
        };
        let urls = self.servers.iter().filter_map(|Server(url)| url.clone());
        urls.map(|url| Target {
            url,
            ca_file: self.ca_file.clone(),
            token: token.clone(),
        })
        .collect()
    }
}

/// Adds what the earlier program's variables say where nothing else does.
pub fn with_fallbacks(
    mut arguments: Vec<OsString>,
    variable: impl Fn(&str) -> Option<String>,
) -> Vec<OsString> {
    let is_given = |arguments: &[OsString], flag: &str| {
        arguments.iter().any(|argument| {
            let argument = argument.to_string_lossy();
            argument == flag
                || argument
                    .strip_prefix(flag)
                    .is_some_and(|rest| rest.starts_with('='))
        })
    };
    for (flag, ours, theirs) in FALLBACKS {
        let value = variable(theirs).filter(|value| !value.is_empty());
        let is_token_file = *flag == "--token"
            && (is_given(&arguments, "--token-file")
                || variable("BERTH_TRACER_TOKEN_FILE").is_some());
        let Some(value) = value.filter(|_| variable(ours).is_none() && !is_token_file) else {
            continue;
        };
        if is_given(&arguments, flag) {
            continue;
        }
        // The earlier program took what it could not read for its default.
        if *flag == "--report-interval" && check_interval(&value).is_err() {
            continue;
        }
        arguments.push(format!("{flag}={value}").into());
    }
    arguments
}

fn check_node(text: &str) -> Result<String, String> {
    if (1..=253).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("a node's name has 1 to 253 bytes".to_owned())
    }
}

fn check_server(text: &str) -> Result<Server, String> {
    if text.is_empty() {
        return Ok(Server(None));
    }
    let wrong =
        || "expected http://HOST[:PORT] or https://HOST[:PORT], without user and query".to_owned();
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_good = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none();
    if is_good {
        Ok(Server(Some(url)))
    } else {
        Err(wrong())
    }
}

fn check_namespace(text: &str) -> Result<String, String> {
    let is_good = !text.is_empty()
        && text.len() <= 76
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if is_good {
        Ok(text.to_owned())
    } else {
        Err("expected a containerd namespace such as k8s.io".to_owned())
    }
}

fn check_interval(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a duration of 100ms to 1h, as in 500ms, 1s or 1m30s".to_owned();
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    let duration = Duration::try_from(span).map_err(|_| wrong())?;
    if (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&duration) {
        Ok(duration)
    } else {
        Err(wrong())
    }
}

fn check_address(text: &str) -> Result<HttpAddress, String> {
    if text == "off" || text.is_empty() {
        return Ok(HttpAddress(None));
    }
    let address = text
        .parse()
        .map_err(|_| "expected ADDRESS:PORT, or off".to_owned())?;
    Ok(HttpAddress(Some(address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings, clap::Error> {
        let mut given = vec![OsString::from("agent")];
        given.extend(arguments.iter().map(OsString::from));
        let found = |name: &str| {
            let mut all = variables.iter();
            all.find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Settings::try_parse_from(with_fallbacks(given, found))
    }

    #[test]
    fn the_earlier_programs_variables_are_taken_where_ours_are_missing() {
        let theirs = [
            ("PULLTRACE_NODE_NAME", "worker-3"),
            ("PULLTRACE_SERVER_URL", "http://server:8080"),
            ("PULLTRACE_CONTAINERD_SOCKET", "/run/x.sock"),
            ("PULLTRACE_AGENT_TOKEN", "word"),
            ("PULLTRACE_REPORT_INTERVAL", "never"),
        ];
        let settings = read(&[], &theirs).unwrap();
        assert_eq!(settings.node_name, "worker-3");
        assert_eq!(settings.targets()[0].url.as_str(), "http://server:8080/");
        assert_eq!(settings.socket, Some(PathBuf::from("/run/x.sock")));
        assert_eq!(settings.report_interval, Duration::from_secs(1));
        let settings = read(&["--node-name=other", "--report-interval", "2s"], &theirs).unwrap();
        assert_eq!(settings.node_name, "other");
        assert_eq!(settings.report_interval, Duration::from_secs(2));
    }

    #[test]
    fn what_cannot_be_is_refused_before_anything_starts() {
        for wrong in [
            vec![],
            vec!["--node-name="],
            vec!["--node-name=n", "--server-url=ftp://x"],
            vec!["--node-name=n", "--server-url=http://user:word@x"],
            vec!["--node-name=n", "--report-interval=0s"],
            vec!["--node-name=n", "--namespaces=a b"],
            vec!["--node-name=n", "--runtime=crio"],
            vec!["--node-name=n", "--http-address=somewhere"],
        ] {
            assert!(read(&wrong, &[]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn several_servers_hear_everything_and_no_token_is_shown() {
        let arguments = [
            "--node-name=n",
            "--server-url=http://a,https://b:8443/x",
            "--token=hunter2",
        ];
        let settings = read(&arguments, &[]).unwrap();
        assert_eq!(settings.targets().len(), 2);
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
