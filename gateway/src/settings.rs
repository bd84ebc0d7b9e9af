//! Command line and environment, read and checked before anything starts.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use daemon::logs;

use crate::http;
use crate::mirror::{LocalImages, MirrorSettings, UpstreamPolicy};
use crate::names::Host;
use crate::serve::Patience;
use crate::sources;
use crate::store;
use crate::target::Registries;

/// An OCI registry that answers from the host's Docker Engine.
#[derive(Clone, Debug, Parser)]
#[command(name = "berth-gateway", version)]
pub struct Settings {
    /// Where the registry listens: `[HOST]:PORT`, or a port [default: :5000].
    #[arg(
        long,
        alias = "addr",
        env = "REGISTRY_HTTP_ADDR",
        value_name = "ADDRESS"
    )]
    address: Option<Listen>,
    /// The same; `--address` and `REGISTRY_HTTP_ADDR`, which k3d sets, come first.
    #[arg(
        long,
        env = "BERTH_GATEWAY_ADDRESS",
        hide = true,
        value_name = "ADDRESS"
    )]
    fallback_address: Option<Listen>,
    /// Folder of what is pushed and kept.
    #[arg(
        long,
        env = "BERTH_GATEWAY_STORE",
        default_value = "/var/lib/berth-gateway",
        value_name = "FOLDER"
    )]
    pub store: PathBuf,
    /// The most bytes of all blobs; what is kept of the Engine's images makes room, what was pushed stays. 0 is no limit.
    #[arg(
        long,
        env = "BERTH_GATEWAY_STORE_SIZE",
        default_value = "20GiB",
        value_name = "SIZE"
    )]
    store_size: Size,
    /// Who may push and delete: peers in the gateway's own networks, nobody, or the users of the htpasswd file.
    #[arg(long, env = "BERTH_GATEWAY_PUSH", value_enum, default_value = "local")]
    pub push: PushMode,
    /// Users for `--push htpasswd`, with bcrypt (`htpasswd -B`).
    #[arg(
        long,
        env = "BERTH_GATEWAY_HTPASSWD",
        value_name = "FILE",
        required_if_eq("push", "htpasswd")
    )]
    pub htpasswd: Option<PathBuf>,
    /// Who may ask anything at all: everybody, or peers in the gateway's own networks.
    #[arg(long, env = "BERTH_GATEWAY_CLIENTS", value_enum, default_value = "any")]
    pub clients: Clients,
    /// Registries that `ns` may name, such as docker.io and *.example.com, separated by commas [default: every one].
    #[arg(
        long,
        env = "BERTH_GATEWAY_REGISTRIES",
        value_delimiter = ',',
        value_name = "HOST"
    )]
    registries: Vec<String>,
    /// Registries that are talked to without encryption, separated by commas; those on this machine always may.
    #[arg(long, env = "BERTH_GATEWAY_INSECURE_REGISTRIES", value_delimiter = ',', value_parser = host, value_name = "HOST")]
    insecure_registries: Vec<Host>,
    /// PEM files with authorities of registries, besides the system's, separated by commas.
    #[arg(
        long,
        env = "BERTH_GATEWAY_REGISTRY_CA",
        value_delimiter = ',',
        value_name = "FILE"
    )]
    registry_ca: Vec<PathBuf>,
    /// Folder with a folder for each registry with its authorities (*.crt).
    #[arg(
        long,
        env = "BERTH_GATEWAY_REGISTRY_CERTS",
        default_value = "/etc/docker/certs.d",
        value_name = "FOLDER"
    )]
    registry_certs: PathBuf,
    /// Images that the Engine had by itself: served to every client, or only to those that their registry lets pull.
    #[arg(
        long,
        env = "BERTH_GATEWAY_LOCAL_IMAGES",
        value_enum,
        default_value = "serve"
    )]
    local_images: LocalImagesSetting,
    /// When the registry behind is asked for a tag that the Engine has: missing (never), always, or always:TIME.
    #[arg(
        long,
        env = "BERTH_GATEWAY_UPSTREAM",
        default_value = "missing",
        value_name = "POLICY"
    )]
    upstream: UpstreamPolicy,
    /// The Engine's data root as the gateway sees it [default: where the Engine says].
    #[arg(long, env = "BERTH_GATEWAY_DATA_ROOT", value_name = "FOLDER")]
    data_root: Option<PathBuf>,
    /// containerd's socket as the gateway sees it [default: where the Engine says].
    #[arg(long, env = "BERTH_GATEWAY_CONTAINERD", value_name = "SOCKET")]
    containerd: Option<PathBuf>,
    /// How many images are exported at a time.
    #[arg(long, env = "BERTH_GATEWAY_EXPORTS", default_value = "2", value_parser = clap::value_parser!(u8).range(1..=64), value_name = "COUNT")]
    exports: u8,
    /// How many images the Engine is asked to pull at a time; eight times as many wait, and more are told to come again.
    #[arg(long, env = "BERTH_GATEWAY_PULLS", default_value = "8", value_parser = clap::value_parser!(u8).range(1..=64), value_name = "COUNT")]
    pulls: u8,
    /// Certificates for HTTPS, PEM, ours first.
    #[arg(
        long,
        env = "BERTH_GATEWAY_TLS_CERT",
        requires = "tls_key",
        value_name = "FILE"
    )]
    pub tls_cert: Option<PathBuf>,
    /// Key for HTTPS, PEM.
    #[arg(
        long,
        env = "BERTH_GATEWAY_TLS_KEY",
        requires = "tls_cert",
        value_name = "FILE"
    )]
    pub tls_key: Option<PathBuf>,
    /// The most bytes of a pushed manifest.
    #[arg(long, env = "BERTH_GATEWAY_MAX_MANIFEST_SIZE", default_value = "8MiB", value_parser = manifest_size, value_name = "SIZE")]
    max_manifest_size: usize,
    /// The most bytes of a blob that is pushed, or fetched from a registry.
    #[arg(
        long,
        env = "BERTH_GATEWAY_MAX_BLOB_SIZE",
        default_value = "64GiB",
        value_name = "SIZE"
    )]
    max_blob_size: Size,
    /// Manifests may name blobs and manifests that were not pushed.
    #[arg(long, env = "BERTH_GATEWAY_SPARSE_MANIFESTS")]
    sparse_manifests: bool,
    /// Open connections at a time.
    #[arg(long, env = "BERTH_GATEWAY_CONNECTIONS", default_value = "1024", value_parser = clap::value_parser!(u16).range(1..), value_name = "COUNT")]
    connections: u16,
    /// Seconds that a client may take for headers, for the next bytes of a body, and to take bytes of an answer.
    #[arg(long, env = "BERTH_GATEWAY_CLIENT_TIMEOUT", default_value = "60", value_parser = clap::value_parser!(u16).range(1..=3600), value_name = "SECONDS")]
    client_timeout: u16,
    /// Seconds that answers may go on after the request to stop.
    #[arg(long, env = "BERTH_GATEWAY_DRAIN", default_value = "30", value_parser = clap::value_parser!(u16).range(0..=3600), value_name = "SECONDS")]
    drain: u16,
    /// Hours after which an upload that nobody goes on with is dropped.
    #[arg(long, env = "BERTH_GATEWAY_UPLOAD_HOURS", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=720), value_name = "HOURS")]
    upload_hours: u16,
    /// text or json.
    #[arg(long, env = "BERTH_GATEWAY_LOG_FORMAT", default_value = "text")]
    pub log_format: logs::Format,
    /// error, warn, info, debug or trace, or target=level pairs.
    #[arg(long, env = "BERTH_GATEWAY_LOG_LEVEL", default_value = "info")]
    pub log_level: logs::Filter,
}

/// Who may push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PushMode {
    /// Nobody.
    Off,
    /// Peers in the gateway's own networks.
    Local,
    /// Users of a file.
    Htpasswd,
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Clients {
    /// Everybody.
    Any,
    /// Peers in the gateway's own networks.
    Local,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LocalImagesSetting {
    Serve,
    Ask,
}

/// An address to listen at, as registries are told theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listen(SocketAddr);

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size(u64);

impl Settings {
    /// Reads the arguments of a process. `-addr`, as other registries for k3d have it, is taken too.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, clap::Error> {
        let arguments =
            arguments
                .into_iter()
                .map(|argument| match argument.strip_prefix("-addr") {
                    Some(rest) if rest.is_empty() || rest.starts_with('=') => {
                        format!("--address{rest}")
                    }
                    _ => argument,
                });
        Self::try_parse_from(arguments)
    }

    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 5000));
        self.address
            .or(self.fallback_address)
            .map_or(everywhere, |listen| listen.0)
    }

    /// Which registries are served.
    pub fn registries(&self) -> Result<Registries, String> {
        let patterns = self.registries.iter().map(|pattern| pattern.trim());
        Registries::parse(patterns.filter(|pattern| !pattern.is_empty()))
            .map_err(|error| format!("--registries: {error}"))
    }

    /// How much the store holds.
    pub fn store_limits(&self) -> store::Limits {
        store::Limits {
            capacity: (self.store_size.0 > 0).then_some(self.store_size.0),
            upload_rest: Duration::from_secs(u64::from(self.upload_hours) * 3600),
            ..store::Limits::default()
        }
    }

    /// How much a request may bring.
    pub fn limits(&self) -> http::Limits {
        http::Limits {
            manifest: self.max_manifest_size,
            blob: self.max_blob_size.0,
            body_rest: self.client_timeout(),
            sparse: self.sparse_manifests,
        }
    }

    /// What connections may take.
    pub fn patience(&self) -> Patience {
        Patience {
            connections: usize::from(self.connections),
            headers: self.client_timeout(),
            stall: self.client_timeout(),
            drain: Duration::from_secs(u64::from(self.drain)),
        }
    }

    /// How images of others are served.
    pub fn mirror(&self) -> MirrorSettings {
        MirrorSettings {
            sources: sources::Settings {
                data_root: self.data_root.clone(),
                containerd: self.containerd.clone(),
            },
            local_images: match self.local_images {
                LocalImagesSetting::Serve => LocalImages::Serve,
                LocalImagesSetting::Ask => LocalImages::Ask,
            },
            upstream: self.upstream,
            insecure: self.insecure_registries.iter().cloned().collect(),
            authorities: self.registry_ca.clone(),
            certificates: self.registry_certs.clone(),
            exports: usize::from(self.exports),
            pulls: usize::from(self.pulls),
            largest_blob: self.max_blob_size.0,
            ..MirrorSettings::default()
        }
    }

    fn client_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.client_timeout))
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not [HOST]:PORT, as in :5000 or 0.0.0.0:5000");
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let port: u16 = port.parse().map_err(|_| wrong())?;
        if host.is_empty() {
            return Ok(Self((Ipv6Addr::UNSPECIFIED, port).into()));
        }
        let host = if host == "localhost" {
            "127.0.0.1"
        } else {
            host.trim_matches(['[', ']'])
        };
        Ok(Self(
            (host.parse::<std::net::IpAddr>().map_err(|_| wrong())?, port).into(),
        ))
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("", 0)];
        let (number, shift) = units
            .iter()
            .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))
            .unwrap_or((text, 0));
        let number: u64 = number
            .trim()
            .parse()
            .map_err(|_| format!("{text:?} is not a size, as in 512MiB or 20GiB"))?;
        number
            .checked_mul(1 << shift)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is more than any disk has"))
    }
}

fn host(text: &str) -> Result<Host, String> {
    Host::parse(text.trim()).map_err(|error| error.to_string())
}

fn manifest_size(text: &str) -> Result<usize, String> {
    match text.parse::<Size>()?.0 {
        // Manifests are read whole.
        bytes @ 1..=0x0400_0000 => usize::try_from(bytes).map_err(|error| error.to_string()),
        _ => Err("a manifest may have from 1 byte to 64MiB".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn settings(arguments: &[&str]) -> Result<Settings, clap::Error> {
        Settings::read(
            [&["berth-gateway"], arguments]
                .concat()
                .into_iter()
                .map(str::to_owned),
        )
    }

    #[test]
    fn addresses_are_taken_as_other_registries_take_them() {
        for (arguments, address) in [
            (&["--address", ":5001"][..], "[::]:5001"),
            (&["--addr", "0.0.0.0:5002"], "0.0.0.0:5002"),
            (&["-addr", "127.0.0.1:1"], "127.0.0.1:1"),
            (&["-addr=localhost:2"], "127.0.0.1:2"),
            (&["--address", "[::1]:3"], "[::1]:3"),
            (&["--address", "4"], "[::]:4"),
            (&["--fallback-address", ":5"], "[::]:5"),
            (&["--fallback-address", ":5", "--address", ":6"], "[::]:6"),
        ] {
            assert_eq!(
                settings(arguments).unwrap().address().to_string(),
                address,
                "{arguments:?}"
            );
        }
        for wrong in ["", ":", "x", "host:5000", ":65536", "1.2.3.4"] {
            assert!(settings(&["--address", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_environment_s_order_is_k3d_s_variable_and_then_ours() {
        let command = Settings::command();
        let variable = |id: &str| {
            let argument = command
                .get_arguments()
                .find(|argument| argument.get_id() == id)
                .unwrap();
            argument.get_env().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(variable("address"), "REGISTRY_HTTP_ADDR");
        assert_eq!(variable("fallback_address"), "BERTH_GATEWAY_ADDRESS");
        let ours = command
            .get_arguments()
            .filter_map(clap::Arg::get_env)
            .filter_map(|name| name.to_str());
        assert!(
            ours.filter(|name| *name != "REGISTRY_HTTP_ADDR")
                .all(|name| name.starts_with("BERTH_GATEWAY_"))
        );
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("1KiB", 1024),
            ("8MiB", 8 << 20),
            ("20 GiB", 20 << 30),
            ("1TiB", 1 << 40),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "x", "1GB", "-1", "99999999TiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_before_the_start() {
        for wrong in [
            &["--push", "htpasswd"][..],
            &["--push", "all"],
            &["--tls-cert", "x"],
            &["--tls-key", "x"],
            &["--max-manifest-size", "1GiB"],
            &["--max-manifest-size", "0"],
            &["--connections", "0"],
            &["--exports", "0"],
            &["--pulls", "0"],
            &["--upstream", "sometimes"],
            &["--insecure-registries", "http://x"],
            &["--log-format", "xml"],
        ] {
            assert!(settings(wrong).is_err(), "{wrong:?}");
        }
        assert!(
            settings(&["--registries", "docker.io,http://x"])
                .unwrap()
                .registries()
                .is_err()
        );
        assert!(settings(&["--push", "htpasswd", "--htpasswd", "x"]).is_ok());
        assert_eq!(
            settings(&["--store-size", "0"])
                .unwrap()
                .store_limits()
                .capacity,
            None
        );
    }

    #[test]
    fn the_guide_names_every_flag() {
        let guide = include_str!("../../docs/guide/gateway.md");
        for argument in Settings::command()
            .get_arguments()
            .filter(|argument| !argument.is_hide_set())
        {
            let flag = format!("`--{}", argument.get_long().unwrap());
            assert!(guide.contains(&flag), "{flag}");
        }
    }
}
