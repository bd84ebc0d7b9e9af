//! `config init|migrate`.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use provisioner::channel;
use provisioner::config::{self, Origin};

use super::kubeconfig::write_new;
use super::{Context, Done};
use crate::clusters::arguments::{ConfigCommand, Init, Migrate};
use crate::output::Streams;

pub(crate) fn run(
    command: ConfigCommand,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    match command {
        ConfigCommand::Init(arguments) => init(&arguments, context, streams),
        ConfigCommand::Migrate(arguments) => migrate(&arguments, streams),
    }
}

fn init(arguments: &Init, context: &Context<'_>, streams: &mut Streams) -> Result<Done> {
    let text = config::init(&channel::default_image());
    let path = &arguments.output;
    if path == Path::new("-") || arguments.dry_run {
        streams.data(text.trim_end())?;
        return Ok(Done::Success);
    }
    if path.exists() && !arguments.force {
        bail!(
            "{} is there already; name another file or use --force",
            path.display()
        );
    }
    write_new(path, &text, 0o644, arguments.force)?;
    context
        .log
        .info(format!("Wrote config file to {}", path.display()));
    Ok(Done::Success)
}

fn migrate(arguments: &Migrate, streams: &mut Streams) -> Result<Done> {
    let (text, origin) = read(&arguments.input.to_string_lossy())?;
    let migrated = config::migrate(&text, &origin)
        .with_context(|| format!("failed to migrate {}", origin.name))?;
    match &arguments.output {
        Some(path) if path != Path::new("-") && !arguments.dry_run => {
            write_new(path, &migrated, 0o666, true)?;
        }
        _ => streams.data(migrated.trim_end())?,
    }
    Ok(Done::Success)
}

/// The text of a config file; `-` is standard input.
pub(crate) fn read(file: &str) -> Result<(String, Origin)> {
    if file == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("failed to read the config file from standard input")?;
        return Ok((text, Origin::standard_input()));
    }
    let text = fs::read_to_string(file)
        .with_context(|| format!("failed to read the config file {file}"))?;
    Ok((text, Origin::file(file)))
}
