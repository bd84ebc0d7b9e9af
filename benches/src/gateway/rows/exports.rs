//! First answers when only the socket can be read, beside `docker save`.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::times;
use crate::gateway::Arguments;
use crate::gateway::client::save;
use crate::gateway::engine::Engine;
use crate::gateway::image::Image;
use crate::gateway::process::Server;
use crate::gateway::pull::{CLIENTS, crowd, pull};
use crate::gateway::table::Row;
use crate::samples::Samples;

/// What the manifest may take of the time that `docker save` takes, and what everything may.
const KNOWN: f64 = 1.10;
const WHOLE: f64 = 1.25;

#[derive(Default)]
struct Times {
    first_byte: Vec<Duration>,
    last_byte: Vec<Duration>,
    known: Vec<Duration>,
    begun: Vec<Duration>,
    whole: Vec<Duration>,
    crowd: Vec<Duration>,
    exports: Vec<usize>,
}

/// Rows of an Engine. Where the archive has the configuration is chance: a graph driver's image is measured both ways.
pub(crate) fn exports(arguments: &Arguments, engine: &Engine) -> Result<Vec<Row>> {
    if engine.is_containerd {
        let image = Image::new(engine, arguments.mebibytes)?;
        return rows(arguments, engine, &image, "");
    }
    let image = Image::sorted(engine, arguments.mebibytes, false)?;
    let mut all = rows(arguments, engine, &image, ", layer ahead of its documents")?;
    drop(image);
    let image = Image::sorted(engine, arguments.mebibytes, true)?;
    all.extend(rows(
        arguments,
        engine,
        &image,
        ", documents ahead of the layer",
    )?);
    Ok(all)
}

fn measured(arguments: &Arguments, engine: &Engine, image: &Image<'_>) -> Result<Times> {
    let mut times = Times::default();
    for _ in 0..arguments.runs {
        let saved = save(&engine.socket, &image.name)?;
        ensure!(
            saved.status == 200,
            "docker save was answered with {}",
            saved.status
        );
        times.first_byte.push(saved.first);
        times.last_byte.push(saved.total);
        let server = Server::gateway(arguments, engine, true)?;
        let pulled = pull(server.at, image)?;
        times.known.push(pulled.known);
        times.begun.push(pulled.begun);
        times.whole.push(pulled.whole);
        drop(server);
        let server = Server::gateway(arguments, engine, true)?;
        let since = Engine::now();
        times.crowd.push(crowd(server.at, image)?);
        times.exports.push(engine.exports(&image.id, since)?);
    }
    Ok(times)
}

fn rows(
    arguments: &Arguments,
    engine: &Engine,
    image: &Image<'_>,
    order: &str,
) -> Result<Vec<Row>> {
    let measured = measured(arguments, engine, image)?;
    let [first_byte, last_byte, known, begun, whole, crowd] = [
        measured.first_byte,
        measured.last_byte,
        measured.known,
        measured.begun,
        measured.whole,
        measured.crowd,
    ]
    .map(Samples::from);
    let beside = |ours: &Samples, most: f64, what: &str| {
        let ratio = times(ours, &last_byte);
        Row::new(what, format!("{}: {ratio:.2} x", ours.spread()))
            .target(format!("{most:.2} x the last byte"), ratio <= most)
    };
    let (size, place) = (arguments.mebibytes, format!("{}{order}", engine.kind));
    let most = measured.exports.iter().max().copied().unwrap_or_default();
    let least = measured.exports.iter().min().copied().unwrap_or_default();
    let counted = if most == least {
        most.to_string()
    } else {
        format!("{least} to {most}")
    };
    let is_early = begun.percentile(50) < last_byte.percentile(50);
    let mut arrives = Row::new(
        "socket only: first bytes of the layer",
        format!("{}: {:.2} x", begun.spread(), times(&begun, &last_byte)),
    );
    // Only where the manifest is known before the layer came.
    if known.percentile(50) < last_byte.percentile(50) && !order.starts_with(", layer") {
        arrives = arrives.target("before the last byte", is_early);
    }
    Ok(vec![
        Row::new(
            format!("`docker save` of {size} MiB ({place}), first byte"),
            first_byte.spread(),
        ),
        Row::new("the same, last byte", last_byte.spread()),
        beside(&known, KNOWN, "socket only: first manifest"),
        arrives,
        beside(&whole, WHOLE, "socket only: manifest and blobs"),
        Row::new(
            format!("socket only: {CLIENTS} pulls at once, the last one"),
            format!("{}: {:.2} x", crowd.spread(), times(&crowd, &last_byte)),
        ),
        Row::new(
            "exports for them, by the Engine's events, in each run",
            counted,
        )
        .target("1", (least, most) == (1, 1)),
    ])
}
