//! `berth diff OLD NEW`.

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::arguments::{Compare, Format};
use crate::documents::{read_keys, read_one};
use crate::output::{Outcome, Streams};

pub(crate) fn run(arguments: &Compare, streams: &mut Streams) -> Result<Outcome> {
    let keys = read_keys(arguments.keys.age_key_file.as_deref())?;
    let (old_label, old) = read_one(&arguments.old, &keys, true)?;
    let (new_label, new) = read_one(&arguments.new, &keys, false)?;
    registries::parse(&new).with_context(|| format!("failed to read {new_label}"))?;
    let difference = if registries::parse(&old).is_ok() {
        registries::diff(&old, &new, &old_label, &new_label)
    } else {
        registries::diff_unreadable(&new, &old_label, &new_label).map(Some)
    }
    .context("failed to compare")?;
    match arguments.output.output {
        Format::Json => streams.json(&json!({
            "changed": difference.is_some(),
            "diff": difference,
        }))?,
        Format::Text => match &difference {
            Some(text) => streams.data(text.trim_end())?,
            None => streams.talk(format!("{new_label} says what {old_label} says"))?,
        },
    }
    Ok(Outcome::findings_if(difference.is_some()))
}
