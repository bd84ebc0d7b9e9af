//! First answers out of the Engine's own content.

use std::time::Duration;

use anyhow::Result;

use super::times;
use crate::gateway::Arguments;
use crate::gateway::disk;
use crate::gateway::engine::Engine;
use crate::gateway::image::Image;
use crate::gateway::process::Server;
use crate::gateway::pull::{answer, manifest, pull};
use crate::gateway::table::Row;
use crate::samples::Samples;

/// What a first HEAD may take.
const HEAD: Duration = Duration::from_millis(20);

/// What a first pull may take of the time that reading and verifying the same file takes.
const PULL: f64 = 1.25;

pub(crate) fn first(arguments: &Arguments, engine: &Engine) -> Result<[Row; 4]> {
    let image = Image::new(engine, arguments.mebibytes)?;
    let [mut head, mut whole, mut read, mut verified] = std::array::from_fn(|_| Samples::empty());
    let layer = pull(Server::gateway(arguments, engine, false)?.at, &image)?.layer;
    let file = image.file(&layer)?;
    for _ in 0..arguments.runs {
        let server = Server::gateway(arguments, engine, false)?;
        disk::forget(&file)?;
        head.push(answer(server.at, "HEAD", &manifest(&image))?.total);
        whole.push(pull(server.at, &image)?.whole);
        drop(server);
        read.push(disk::read(&file, false)?);
        verified.push(disk::read(&file, true)?);
    }
    let (size, kind) = (arguments.mebibytes, &engine.kind);
    let (took, ratio) = (head.percentile(50), times(&whole, &verified));
    Ok([
        Row::new(
            format!("first HEAD of {size} MiB, data root readable ({kind})"),
            head.spread(),
        )
        .target("20 ms", took <= HEAD),
        Row::new(
            format!("first pull of it, nothing of the layer in memory ({kind})"),
            format!("{}: {ratio:.2} x", whole.spread()),
        )
        .target(
            format!("{PULL:.2} x reading and hashing the file"),
            ratio <= PULL,
        ),
        Row::new(
            format!("reading the layer's file from the disk and hashing it ({kind})"),
            verified.spread(),
        ),
        Row::new("reading it without hashing it", read.spread()),
    ])
}
