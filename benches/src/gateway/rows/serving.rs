//! What is known already: HEAD, a blob of the store, and the memory that it all takes.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::mebibytes_f64;
use crate::gateway::Arguments;
use crate::gateway::client::send;
use crate::gateway::engine::Engine;
use crate::gateway::image::{Image, noise};
use crate::gateway::process::Server;
use crate::gateway::pull::{CLIENTS, answer, crowd, manifest, pull};
use crate::gateway::table::Row;
use crate::samples::Samples;

/// How many HEADs are timed.
const HEADS: usize = 200;

/// What a warm HEAD may take.
const HEAD: Duration = Duration::from_millis(10);

/// How often the blob is read in each run: processor time is counted in hundredths of a second.
const READS: u32 = 5;

/// What of docker-registry's processor time a blob may take.
const PROCESSOR: f64 = 0.8;

/// The most memory, in MB.
const MEMORY: f64 = 30.0;

/// HEAD of an image that is known, with the check that it is still the same.
pub(crate) fn warm(arguments: &Arguments, engine: &Engine) -> Result<Vec<Row>> {
    let image = Image::new(engine, 1)?;
    let mut rows = Vec::new();
    for (only_socket, place) in [(false, "data root readable"), (true, "socket only")] {
        let server = Server::gateway(arguments, engine, only_socket)?;
        pull(server.at, &image)?;
        let samples = Samples::of(HEADS, || {
            answer(server.at, "HEAD", &manifest(&image)).map(drop)
        })?;
        let row = Row::new(
            format!("warm HEAD, checked with the Engine, a connection each, {place}"),
            samples.text(),
        );
        rows.push(row.target("p50 10 ms", samples.percentile(50) <= HEAD));
    }
    Ok(rows)
}

/// A blob that was pushed to both, out of both.
pub(crate) fn throughput(arguments: &Arguments, engine: &Engine) -> Result<[Row; 2]> {
    let blob: Vec<u8> = (0..arguments.mebibytes).flat_map(noise).collect();
    let servers = [
        Server::gateway(arguments, engine, true)?,
        Server::registry(arguments)?,
    ];
    let [path, other] = [push(servers[0].at, &blob)?, push(servers[1].at, &blob)?];
    ensure!(path == other, "the registries disagree about the digest");
    let bytes = blob.len() as u64;
    drop(blob);
    let mut times = [Samples::empty(), Samples::empty()];
    let mut used: [Vec<f64>; 2] = Default::default();
    for run in 0..=arguments.runs {
        for (index, server) in servers.iter().enumerate() {
            let before = server.processor()?;
            let mut total = Duration::ZERO;
            for _ in 0..READS {
                let got = answer(server.at, "GET", &path)?;
                ensure!(got.bytes == bytes, "the blob came short");
                total += got.total;
            }
            // The first run brings it into memory.
            if run > 0 {
                times[index].push(total / READS);
                used[index].push(server.processor()? - before);
            }
        }
    }
    let gigabytes = mebibytes_f64(bytes) * 1.048_576 * f64::from(READS) / 1000.0;
    let [ours, peer] = used.map(|used| Spread::of(used, gigabytes));
    let [our_speed, peer_speed] =
        [0, 1].map(|index: usize| mebibytes_f64(bytes) / times[index].percentile(50).as_secs_f64());
    let ratio = ours.median / peer.median;
    Ok([
        Row::new(
            format!("warm blob of {} MiB out of the store", arguments.mebibytes),
            format!("{}: {our_speed:.0} MiB/s", times[0].spread()),
        )
        .target(
            format!(
                "docker-registry's {}: {peer_speed:.0} MiB/s",
                times[1].spread()
            ),
            our_speed >= peer_speed,
        ),
        Row::new(
            "processor time per GB of it",
            format!("{}: {ratio:.2} x", ours.text()),
        )
        .target(
            format!("{PROCESSOR:.2} x docker-registry's {}", peer.text()),
            ratio <= PROCESSOR,
        ),
    ])
}

/// Seconds, and how far they went apart.
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>, divisor: f64) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or_default() / divisor;
        Self {
            least: at(0),
            median: at(values.len().saturating_sub(1) / 2),
            most: at(values.len().saturating_sub(1)),
        }
    }

    fn text(&self) -> String {
        let Self {
            least,
            median,
            most,
        } = self;
        format!("{median:.3} s ({least:.3} s to {most:.3} s)")
    }
}

/// Eight clients pull a large image at once, cold, then once more.
pub(crate) fn memory(arguments: &Arguments, engine: &Engine) -> Result<Vec<Row>> {
    let image = Image::new(engine, arguments.large)?;
    let mut rows = Vec::new();
    for (only_socket, place) in [(false, "data root readable"), (true, "socket only")] {
        let server = Server::gateway(arguments, engine, only_socket)?;
        let began = server.memory()?;
        for _ in 0..2 {
            crowd(server.at, &image)?;
        }
        let [began, most] = [began, server.memory()?].map(|it| mebibytes_f64(it << 10) * 1.048_576);
        let row = Row::new(
            format!(
                "most memory (VmHWM), {} MiB, {CLIENTS} clients at once, cold and warm, {place}",
                arguments.large
            ),
            format!("{most:.1} MB, of it {began:.1} MB at the start"),
        );
        rows.push(row.target("30 MB", most <= MEMORY));
    }
    Ok(rows)
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
