//! One pass: read what is wanted and what is there, tell what changes, change it.

use std::path::Path;

use node_files::layout::{DOCUMENT, OWN_FOLDER};
use node_files::{Action, Found, Original, Wanted, carry_out, decide, decide_restore, find};

use crate::failure::Failure;
use crate::settings::Settings;
use crate::story::tell;

/// What a pass found out; nothing has been written yet.
pub(crate) struct Pass {
    pub(crate) wanted: Wanted,
    pub(crate) found: Found,
    pub(crate) actions: Vec<Action>,
}

impl Pass {
    pub(crate) fn look(settings: &Settings, source: &Path) -> Result<Self, Failure> {
        let wanted = Wanted::from_secret_folder(source)?;
        node_files::check(&wanted, &settings.folder)?;
        let found = find(&settings.folder)?;
        let actions = decide(&wanted, &found);
        Ok(Self {
            wanted,
            found,
            actions,
        })
    }

    /// Whether k3s would see a difference.
    pub(crate) fn matters(&self) -> bool {
        self.actions.iter().any(Action::matters_to_k3s)
    }

    /// Tells what is about to change, and changes it.
    pub(crate) fn carry_out(&self, settings: &Settings) -> Result<(), Failure> {
        let writes_document = self
            .actions
            .iter()
            .any(|action| matches!(action, Action::Write(at, _) if at.is_document()));
        if writes_document {
            let old = self.found.document.as_ref().map(|file| file.bytes.expose());
            tell(old, self.wanted.document.expose(), &document_path(settings)).log(settings);
        }
        carry_out(&settings.folder, &self.actions)?;
        log_done(settings, &self.actions);
        Ok(())
    }
}

/// Puts back what the node had before the first write.
pub(crate) fn restore(settings: &Settings) -> Result<(), Failure> {
    let found = find(&settings.folder)?;
    let actions = decide_restore(&found);
    let (node, revision) = (settings.node.as_deref(), &settings.revision);
    let old = found.document.as_ref().map(|file| file.bytes.expose());
    match &found.original {
        Original::Unrecorded => tracing::info!(
            node.name = node, config.revision = %revision,
            "Nothing to restore: this node was never written to"
        ),
        Original::Document(original) if old != Some(original.expose()) => {
            tell(old, original.expose(), &document_path(settings)).log(settings);
        }
        Original::Absent if old.is_some() => tracing::info!(
            node.name = node, config.revision = %revision,
            "Removing {}: this node had none before", document_path(settings)
        ),
        Original::Document(_) | Original::Absent => {}
    }
    carry_out(&settings.folder, &actions)?;
    log_done(settings, &actions);
    Ok(())
}

pub(crate) fn document_path(settings: &Settings) -> String {
    settings.folder.join(DOCUMENT).display().to_string()
}

fn log_done(settings: &Settings, actions: &[Action]) {
    let (node, revision) = (settings.node.as_deref(), &settings.revision);
    for action in actions {
        let at = action.at();
        let path = if at.own {
            settings.folder.join(OWN_FOLDER)
        } else {
            settings.folder.clone()
        };
        let path = path.join(&at.name);
        let done = match action {
            Action::Write(..) | Action::Link { .. } => "Wrote",
            Action::Restrict(_) => "Restricted to its owner:",
            Action::Remove(_) => "Removed",
        };
        if at.is_document() {
            tracing::info!(node.name = node, config.revision = %revision, "{done} {}", path.display());
        } else {
            tracing::debug!(node.name = node, config.revision = %revision, "{done} {}", path.display());
        }
    }
    if actions.is_empty() {
        tracing::info!(node.name = node, config.revision = %revision, "No configuration changes detected");
    }
}
