//! What is decided before anything starts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use registries::Secret;

use super::LocalImages;
use crate::names::Host;
use crate::sources;

/// When the registry behind is asked for an image that the Engine has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamPolicy {
    /// Never: only for what is missing.
    #[default]
    Missing,
    /// For every tag of an image that came from there, unless it was asked less than this long ago. What was built or
    /// loaded on the host is never replaced.
    Always(Duration),
}

/// Why a policy cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected missing, always or always: and a time, as in always:10m")]
pub struct PolicyError;

impl UpstreamPolicy {
    /// Reads `missing`, `always` or `always:90s` (s, m or h).
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        match text.split_once(':') {
            None if text == "missing" => Ok(Self::Missing),
            None if text == "always" => Ok(Self::Always(Duration::ZERO)),
            Some(("always", time)) => seconds(time).map(Self::Always).ok_or(PolicyError),
            _ => Err(PolicyError),
        }
    }
}

impl std::str::FromStr for UpstreamPolicy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Self::parse(text)
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let (number, factor) = match text.as_bytes().last()? {
        b's' => (&text[..text.len() - 1], 1),
        b'm' => (&text[..text.len() - 1], 60),
        b'h' => (&text[..text.len() - 1], 3600),
        _ => (text, 1),
    };
    let number: u32 = number.parse().ok()?;
    Some(Duration::from_secs(u64::from(number) * factor))
}

/// How images of the Engine and of registries are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorSettings {
    /// Where the Engine's content is looked for.
    pub sources: sources::Settings,
    /// Whether what the Engine had by itself is for every peer that is admitted.
    pub local_images: LocalImages,
    /// When registries are asked for what the Engine has.
    pub upstream: UpstreamPolicy,
    /// Registries that may be talked to without encryption. Those on this machine always may.
    pub insecure: BTreeSet<Host>,
    /// Authorities of registries, in PEM, besides those of the system and of `certificates`.
    pub authorities: Vec<PathBuf>,
    /// Folder with a folder for each registry with its authorities (`*.crt`), as Docker has it.
    pub certificates: PathBuf,
    /// The proxy to encrypted registries that are asked directly; its address may hold a login.
    pub proxy: Option<Secret>,
    /// Whom to ask without the proxy.
    pub no_proxy: Option<String>,
    /// How many `docker save` streams there are at a time.
    pub exports: usize,
    /// How many images the Engine pulls at a time.
    pub pulls: usize,
    /// How many blobs are fetched from registries at a time.
    pub fetches: usize,
    /// How many questions registries are asked at a time.
    pub questions: usize,
    /// The most bytes of a blob that is fetched from a registry.
    pub largest_blob: u64,
    /// How long a proof is good.
    pub proof: Duration,
    /// How long a digest that nobody has is not looked for again.
    pub miss: Duration,
    /// How long a request waits for an Engine that does not answer yet.
    pub patience: Duration,
    /// How long a pull may go on without a word of progress.
    pub silence: Duration,
}

impl Default for MirrorSettings {
    fn default() -> Self {
        Self {
            sources: sources::Settings::default(),
            local_images: LocalImages::Serve,
            upstream: UpstreamPolicy::Missing,
            insecure: BTreeSet::new(),
            authorities: Vec::new(),
            certificates: PathBuf::from("/etc/docker/certs.d"),
            proxy: None,
            no_proxy: None,
            exports: 2,
            pulls: 8,
            fetches: 16,
            questions: 64,
            largest_blob: 64 << 30,
            proof: Duration::from_secs(300),
            miss: Duration::from_secs(30),
            patience: Duration::from_secs(3),
            silence: Duration::from_secs(300),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::UpstreamPolicy::{self, Always, Missing};

    #[test]
    fn policies_are_read() {
        for (text, expected) in [
            ("missing", Some(Missing)),
            ("always", Some(Always(Duration::ZERO))),
            ("always:90", Some(Always(Duration::from_secs(90)))),
            ("always:90s", Some(Always(Duration::from_secs(90)))),
            ("always:10m", Some(Always(Duration::from_secs(600)))),
            ("always:2h", Some(Always(Duration::from_secs(7200)))),
            ("always:", None),
            ("always:-1", None),
            ("always:1d", None),
            ("missing:1", None),
            ("never", None),
            ("", None),
        ] {
            assert_eq!(UpstreamPolicy::parse(text).ok(), expected, "{text}");
        }
    }
}
