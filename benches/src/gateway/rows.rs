//! What is measured.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Arguments;
use super::client::{Answer, ask, save, send};
use super::image::{Image, noise};
use super::process::{Server, socket};
use crate::samples::Samples;

const CLIENTS: usize = 8;
const WARM: usize = 200;

/// First answers, with the data root and with the socket only, beside `docker save`.
pub(crate) fn first(arguments: &Arguments) -> Result<String> {
    let image = Image::new(arguments, arguments.mebibytes)?;
    let socket = socket()?;
    let [
        mut head,
        mut pull,
        mut begun,
        mut raw,
        mut known,
        mut whole,
        mut crowd,
    ] = std::array::from_fn(|_| Samples::empty());
    for _ in 0..arguments.runs {
        let reading = Server::gateway(arguments, false)?;
        head.push(answer(reading.at, "HEAD", &manifest(&image))?.total);
        pull.push(pulls(reading.at, &image)?.1);
        drop(reading);
        let saved = save(&socket, &image.name)?;
        ensure!(
            saved.status == 200,
            "docker save was answered with {}",
            saved.status
        );
        begun.push(saved.first);
        raw.push(saved.total);
        let exporting = Server::gateway(arguments, true)?;
        let (first, total) = pulls(exporting.at, &image)?;
        known.push(first);
        whole.push(total);
        drop(exporting);
        let exporting = Server::gateway(arguments, true)?;
        crowd.push(crowd_pulls(exporting.at, &image)?);
    }
    let times =
        |ours: &Samples| ours.percentile(50).as_secs_f64() / raw.percentile(50).as_secs_f64();
    let size = arguments.mebibytes;
    Ok(format!(
        "| first HEAD of {size} MiB, data root readable | {} | 20 ms |\n\
         | first pull of it, data root readable | {} | the disk |\n\
         | raw `docker save`, to its first byte | {} | for orientation |\n\
         | raw `docker save`, to its last byte | {} | the peer |\n\
         | first manifest, socket only | {} | {:.2} x the peer, limit 1.10 x |\n\
         | manifest and blobs, socket only | {} | {:.2} x the peer, limit 1.25 x |\n\
         | {CLIENTS} cold pulls at once, socket only, the last one | {} | {:.2} x the peer: one export |\n",
        head.spread(),
        pull.spread(),
        begun.spread(),
        raw.spread(),
        known.spread(),
        times(&known),
        whole.spread(),
        times(&whole),
        crowd.spread(),
        times(&crowd),
    ))
}

/// HEAD of an image that is known, with the check that it is still the same.
pub(crate) fn warm(arguments: &Arguments) -> Result<String> {
    let image = Image::new(arguments, 1)?;
    let mut rows = Vec::new();
    for (only_socket, place) in [(false, "data root readable"), (true, "socket only")] {
        let server = Server::gateway(arguments, only_socket)?;
        pulls(server.at, &image)?;
        let samples = Samples::of(WARM, || {
            answer(server.at, "HEAD", &manifest(&image)).map(drop)
        })?;
        rows.push(format!(
            "| warm HEAD with the check, a new connection each, {place} | {} | p50 10 ms |\n",
            samples.text()
        ));
    }
    Ok(rows.concat())
}

/// A blob that was pushed to both, out of both.
pub(crate) fn throughput(arguments: &Arguments) -> Result<String> {
    let blob: Vec<u8> = (0..arguments.mebibytes).flat_map(noise).collect();
    let (ours, peer) = (
        Server::gateway(arguments, true)?,
        Server::registry(arguments)?,
    );
    let path = push(ours.at, &blob)?;
    ensure!(
        push(peer.at, &blob)? == path,
        "the registries disagree about the digest"
    );
    let mut times = [Samples::empty(), Samples::empty()];
    let mut used = [0.0; 2];
    let bytes = blob.len() as u64;
    for run in 0..=arguments.runs {
        for (index, server) in [&ours, &peer].into_iter().enumerate() {
            let before = server.processor()?;
            let got = answer(server.at, "GET", &path)?;
            ensure!(got.bytes == bytes, "the blob came short");
            // The first one brings it into memory.
            if run > 0 {
                times[index].push(got.total);
                used[index] += server.processor()? - before;
            }
        }
    }
    let gibibytes = mebibytes_f64(bytes) * f64::from(u32::try_from(arguments.runs)?) / 1024.0;
    let speed = |samples: &Samples| mebibytes_f64(bytes) / samples.percentile(50).as_secs_f64();
    let [ours_used, peer_used] = used.map(|seconds| seconds / gibibytes);
    Ok(format!(
        "| warm blob of {} MiB | {}: {:.0} MiB/s | docker-registry {}: {:.0} MiB/s |\n\
         | processor time per GiB of it | {ours_used:.2} s | {:.2} x docker-registry's {peer_used:.2} s, limit 0.80 x |\n",
        arguments.mebibytes,
        times[0].spread(),
        speed(&times[0]),
        times[1].spread(),
        speed(&times[1]),
        ours_used / peer_used,
    ))
}

/// Eight clients pull a large image at once, cold, then once more.
pub(crate) fn memory(arguments: &Arguments) -> Result<String> {
    let image = Image::new(arguments, arguments.large)?;
    let mut rows = Vec::new();
    for (only_socket, place) in [(false, "data root readable"), (true, "socket only")] {
        let server = Server::gateway(arguments, only_socket)?;
        for _ in 0..2 {
            crowd_pulls(server.at, &image)?;
        }
        rows.push(format!(
            "| most memory, {} MiB, {CLIENTS} clients at once, cold and warm, {place} | {:.1} MiB | 30 MB |\n",
            arguments.large,
            mebibytes_f64(server.memory()? << 10),
        ));
    }
    Ok(rows.concat())
}

fn mebibytes_f64(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0
}

fn manifest(image: &Image) -> String {
    let name = image.name.trim_end_matches(":1");
    format!("/v2/{name}/manifests/1")
}

fn answer(at: SocketAddr, method: &str, path: &str) -> Result<Answer> {
    let answer = ask(at, method, path)?;
    let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(500)]).into_owned();
    ensure!(
        answer.status == 200,
        "{method} {path}: {} {body}",
        answer.status
    );
    Ok(answer)
}

/// Until the manifest was there, and until everything was.
fn pulls(at: SocketAddr, image: &Image) -> Result<(Duration, Duration)> {
    let start = Instant::now();
    let manifest = answer(at, "GET", &manifest(image))?;
    let known = start.elapsed();
    let document: Value = serde_json::from_slice(&manifest.body)?;
    let layers = document["layers"]
        .as_array()
        .context("the manifest has no layers")?;
    let name = image.name.trim_end_matches(":1");
    for part in layers.iter().chain([&document["config"]]) {
        let digest = part["digest"].as_str().context("a part has no digest")?;
        let blob = answer(at, "GET", &format!("/v2/{name}/blobs/{digest}"))?;
        ensure!(
            Some(blob.bytes) == part["size"].as_u64(),
            "a blob came short"
        );
    }
    Ok((known, start.elapsed()))
}

/// All at once; the slowest counts.
fn crowd_pulls(at: SocketAddr, image: &Image) -> Result<Duration> {
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| pulls(at, image)))
            .collect();
        let mut slowest = Duration::ZERO;
        for client in clients {
            let (_, total) = client.join().ok().context("a client failed")??;
            slowest = slowest.max(total);
        }
        Ok(slowest)
    })
}

/// Pushes a blob and gives its path.
fn push(at: SocketAddr, blob: &[u8]) -> Result<String> {
    let digest = docker::Digest::of(blob);
    let begun = send(at, "POST", "/v2/bench/blobs/uploads/", &[])?;
    let place = begun.header("location").context("no upload was begun")?;
    let path = place
        .find("/v2/")
        .map(|begin| &place[begin..])
        .context("the upload has no path")?;
    let joint = if path.contains('?') { '&' } else { '?' };
    let ended = send(at, "PUT", &format!("{path}{joint}digest={digest}"), blob)?;
    ensure!(
        ended.status == 201,
        "the push was answered with {}",
        ended.status
    );
    Ok(format!("/v2/bench/blobs/{digest}"))
}
