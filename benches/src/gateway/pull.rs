//! What a client does to have an image.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::client::{Answer, ask};
use super::image::Image;

/// How many clients come at once.
pub(crate) const CLIENTS: usize = 8;

/// When a client had what, since it began.
pub(crate) struct Pulled {
    /// The manifest.
    pub(crate) known: Duration,
    /// The first bytes of the first layer.
    pub(crate) begun: Duration,
    /// Everything.
    pub(crate) whole: Duration,
    /// The first layer.
    pub(crate) layer: String,
}

/// As containerd asks for images of Docker Hub, whose names images without a registry have.
pub(crate) fn manifest(image: &Image<'_>) -> String {
    path(image, "manifests/1")
}

fn path(image: &Image<'_>, what: &str) -> String {
    format!("/v2/library/{}/{what}?ns=docker.io", image.repository())
}

/// An answer that is a good one.
pub(crate) fn answer(at: SocketAddr, method: &str, path: &str) -> Result<Answer> {
    let answer = ask(at, method, path)?;
    let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(500)]).into_owned();
    ensure!(
        answer.status == 200,
        "{method} {path}: {} {body}",
        answer.status
    );
    Ok(answer)
}

/// Manifest, layers, configuration.
pub(crate) fn pull(at: SocketAddr, image: &Image<'_>) -> Result<Pulled> {
    let start = Instant::now();
    let manifest = answer(at, "GET", &manifest(image))?;
    let known = start.elapsed();
    let document: Value = serde_json::from_slice(&manifest.body)?;
    let layers = document["layers"]
        .as_array()
        .context("the manifest has no layers")?;
    let (mut begun, mut first) = (None, None);
    for part in layers.iter().chain([&document["config"]]) {
        let digest = part["digest"].as_str().context("a part has no digest")?;
        let before = start.elapsed();
        let blob = answer(at, "GET", &path(image, &format!("blobs/{digest}")))?;
        ensure!(
            Some(blob.bytes) == part["size"].as_u64(),
            "a blob came short"
        );
        begun.get_or_insert(before + blob.begun);
        first.get_or_insert_with(|| digest.to_owned());
    }
    Ok(Pulled {
        known,
        begun: begun.unwrap_or(known),
        whole: start.elapsed(),
        layer: first.unwrap_or_default(),
    })
}

/// All at once; the slowest counts.
pub(crate) fn crowd(at: SocketAddr, image: &Image<'_>) -> Result<Duration> {
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| pull(at, image)))
            .collect();
        let mut slowest = Duration::ZERO;
        for client in clients {
            let pulled = client.join().ok().context("a client failed")??;
            slowest = slowest.max(pulled.whole);
        }
        Ok(slowest)
    })
}
