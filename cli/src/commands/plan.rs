//! `berth plan OLD NEW`.

use anyhow::{Context as _, Result};
use registries::changes::{Changes, Effect, changes};
use registries::{ContainerdConfig, redact_key};
use serde_json::json;

use super::node_options;
use crate::arguments::{Format, Plan};
use crate::documents::{read_keys, read_one};
use crate::output::{Outcome, Streams};

pub(crate) fn run(arguments: &Plan, streams: &mut Streams) -> Result<Outcome> {
    let keys = read_keys(arguments.keys.age_key_file.as_deref())?;
    let (old_label, old) = read_one(&arguments.old, &keys, true)?;
    let (new_label, new) = read_one(&arguments.new, &keys, false)?;
    let parse = |label: &str, bytes: &[u8]| {
        registries::parse(bytes).with_context(|| format!("failed to read {label}"))
    };
    let options = node_options(&arguments.node, ContainerdConfig::V3);
    let found = changes(
        &parse(&old_label, &old)?,
        &parse(&new_label, &new)?,
        &options,
    );
    match arguments.output.output {
        Format::Json => streams.json(&as_json(&found))?,
        Format::Text => as_text(&found, streams)?,
    }
    Ok(Outcome::findings_if(found.effect() != Effect::None))
}

fn as_text(found: &Changes, streams: &mut Streams) -> Result<()> {
    match found.effect() {
        Effect::None if found.document => {
            streams.data("none: the files differ, and no node would notice")?;
        }
        Effect::None => streams.data("none: both say the same")?,
        Effect::Hot => {
            streams.data("hot: takes effect at the next pull once certs.d is written")?;
        }
        Effect::Restart(reasons) => {
            for reason in reasons {
                streams.data(format!("restart: {reason}"))?;
            }
        }
    }
    let files = [
        ("+", &found.files.added),
        ("-", &found.files.removed),
        ("~", &found.files.changed),
    ];
    for (sign, paths) in files {
        for path in paths {
            streams.data(format!("{sign} certs.d/{}", redact_key(path)))?;
        }
    }
    if found.auth_tables {
        streams.data("~ config.toml (credentials)")?;
    }
    Ok(())
}

fn as_json(found: &Changes) -> serde_json::Value {
    let (effect, reasons) = match found.effect() {
        Effect::None => ("none", Vec::new()),
        Effect::Hot => ("hot", Vec::new()),
        Effect::Restart(reasons) => ("restart", reasons.iter().map(ToString::to_string).collect()),
    };
    let shown = |paths: &[String]| {
        paths
            .iter()
            .map(|path| redact_key(path))
            .collect::<Vec<_>>()
    };
    json!({
        "effect": effect,
        "reasons": reasons,
        "documentChanged": found.document,
        "credentialsChanged": found.auth_tables,
        "files": {
            "added": shown(&found.files.added),
            "removed": shown(&found.files.removed),
            "changed": shown(&found.files.changed),
        },
    })
}
