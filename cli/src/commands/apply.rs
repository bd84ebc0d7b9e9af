//! `berth apply`: the main job on this machine, or on a folder that stands for a node.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use node_files::layout::{DOCUMENT, FOLDER_K3S, FOLDER_RKE2};
use node_files::{Wanted, carry_out, decide, find, own};
use serde_json::json;

use crate::arguments::{Apply, Distribution, Format};
use crate::documents::{Documents, Remark, Resolved, read_keys, resolve};
use crate::output::{Outcome, Streams};

pub(crate) fn run(arguments: &Apply, streams: &mut Streams) -> Result<Outcome> {
    let keys = read_keys(arguments.keys.age_key_file.as_deref())?;
    let documents = Documents::read(&arguments.files, &keys)?;
    let node_folder = folder_on_node(arguments);
    let resolved = match resolve(&documents, arguments.name.as_deref(), node_folder, &keys)? {
        Ok(resolved) => resolved,
        Err(remarks) => return refused(arguments, &remarks, streams),
    };
    let folder = arguments.root.join(node_folder.trim_start_matches('/'));
    let wanted =
        Wanted::from_secret_data(resolved.files.clone()).context("the document is missing")?;
    node_files::check(&wanted, &folder)?;
    check_inside(&arguments.root, &folder)?;
    let change = change(&folder, node_folder, &wanted, &resolved)?;
    if !arguments.dry_run {
        let ownership = own(
            &folder,
            &format!("berth apply, process {}", std::process::id()),
        )?;
        carry_out(&folder, &decide(&wanted, &find(&folder)?))?;
        if !decide(&wanted, &find(&folder)?).is_empty() {
            bail!(
                "{} was changed by something else at the same time: run the command again",
                folder.display()
            );
        }
        drop(ownership);
    }
    report(arguments, &folder, &resolved, &change, streams)?;
    Ok(Outcome::findings_if(arguments.dry_run && change.any()))
}

/// An absolute link in a folder that stands for a node means the node's files, and would lead to this machine's.
fn check_inside(root: &Path, folder: &Path) -> Result<()> {
    let Ok(real_root) = root.canonicalize() else {
        return Ok(());
    };
    let there = folder
        .ancestors()
        .find(|path| path.symlink_metadata().is_ok());
    let inside = there.is_none_or(|path| {
        path.canonicalize()
            .is_ok_and(|real| real.starts_with(real_root))
    });
    if !inside {
        bail!(
            "{} leads out of {} by a symbolic link: replace the link with a folder",
            folder.display(),
            root.display()
        );
    }
    Ok(())
}

/// What the node sees of it.
struct Change {
    /// `new`, `changed`, `certificates` or `unchanged`.
    kind: &'static str,
    /// A preview of a new file, or a diff; redacted.
    text: Option<String>,
}

impl Change {
    fn any(&self) -> bool {
        self.kind != "unchanged"
    }
}

fn change(
    folder: &Path,
    node_folder: &str,
    wanted: &Wanted,
    resolved: &Resolved,
) -> Result<Change> {
    let found = find(folder)?;
    let label = format!("{node_folder}/{DOCUMENT}");
    let new = &resolved.document;
    let Some(old) = &found.document else {
        let text = registries::preview(new).or_else(shortened);
        let text = text.context("failed to show the new file")?;
        return Ok(Change {
            kind: "new",
            text: Some(text),
        });
    };
    let old = old.bytes.expose();
    let difference = if registries::parse(old).is_ok() {
        registries::diff(old, new, &label, &label)
    } else {
        registries::diff_unreadable(new, &label, &label).map(Some)
    }
    .or_else(|error| shortened(error).map(Some))
    .context("failed to compare with the file on the node")?;
    let kind = match &difference {
        Some(_) => "changed",
        None if decide(wanted, &found)
            .iter()
            .any(node_files::Action::matters_to_k3s) =>
        {
            "rewritten"
        }
        None => "unchanged",
    };
    Ok(Change {
        kind,
        text: difference,
    })
}

/// A file that is too large to show is written all the same.
fn shortened(error: registries::ParseError) -> Result<String, registries::ParseError> {
    if error.is_about_size() {
        Ok("(too large to show)\n".to_owned())
    } else {
        Err(error)
    }
}

/// The folder as the node names it: what stands in the document.
fn folder_on_node(arguments: &Apply) -> &'static str {
    match arguments.distribution {
        Some(Distribution::K3s) => FOLDER_K3S,
        Some(Distribution::Rke2) => FOLDER_RKE2,
        None => {
            let there = |folder: &str| arguments.root.join(folder.trim_start_matches('/')).is_dir();
            if there(FOLDER_RKE2) && !there(FOLDER_K3S) {
                FOLDER_RKE2
            } else {
                FOLDER_K3S
            }
        }
    }
}

fn refused(arguments: &Apply, remarks: &[Remark], streams: &mut Streams) -> Result<Outcome> {
    match arguments.output.output {
        Format::Json => streams.json(&json!({"change": "refused", "findings": remarks}))?,
        Format::Text => {
            for remark in remarks {
                streams.talk(remark.text())?;
            }
            streams.talk("nothing was written")?;
        }
    }
    Ok(Outcome::Findings)
}

fn report(
    arguments: &Apply,
    folder: &Path,
    resolved: &Resolved,
    change: &Change,
    streams: &mut Streams,
) -> Result<()> {
    let path: PathBuf = folder.join(DOCUMENT);
    if arguments.output.output == Format::Json {
        streams.json(&json!({
            "file": path,
            "change": change.kind,
            "written": change.any() && !arguments.dry_run,
            "diff": change.text,
            "findings": resolved.remarks,
        }))?;
        return Ok(());
    }
    for remark in &resolved.remarks {
        streams.talk(remark.text())?;
    }
    match (change.kind, &change.text) {
        ("new", Some(text)) => {
            streams.data("Creating new registries configuration file")?;
            streams.data("New configuration preview (secrets redacted):")?;
            streams.data(text.trim_end())?;
        }
        (_, Some(text)) => {
            streams.data("Comparing old and new configurations...")?;
            streams.data(text.trim_end())?;
            streams.data("Configuration changes detected (secrets redacted in diff above)")?;
        }
        ("unchanged", None) => streams.data("No configuration changes")?,
        _ => streams.data("Same configuration, written anew")?,
    }
    let path = path.display();
    streams.talk(match (change.any(), arguments.dry_run) {
        (true, true) => format!("would write {path}"),
        (true, false) => format!(
            "wrote {path} (mode 0600, {} bytes); k3s reads it at its next start",
            resolved.document.len()
        ),
        (false, _) => format!("{path} is as it should be"),
    })?;
    Ok(())
}
