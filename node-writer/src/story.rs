//! The log of a change, in the words people know from before: a preview when the file is new, a diff when it changes.

use std::io::Write;

use daemon::logs::Format;
use tracing::Level;

use crate::settings::Settings;

/// What a write of the document means for people. Secrets are masked already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Story {
    New {
        preview: String,
    },
    Changed {
        diff: String,
    },
    /// Other bytes, the same meaning: comments, order or quotes.
    SameMeaning,
    /// One of the two is beyond reading, and so beyond masking.
    Unreadable,
    /// One of the two has more values than anybody would read.
    TooLarge,
}

/// Tells what turns `old` into `new`; `path` is what the labels of the diff name.
pub(crate) fn tell(old: Option<&[u8]>, new: &[u8], path: &str) -> Story {
    let Some(old) = old else {
        return registries::preview(new)
            .map_or_else(|error| unshown(&error), |preview| Story::New { preview });
    };
    match registries::diff(old, new, path, path) {
        Ok(Some(diff)) => Story::Changed { diff },
        Ok(None) => Story::SameMeaning,
        Err(error) if error.is_about_size() => Story::TooLarge,
        Err(_) => registries::diff_unreadable(new, path, path)
            .map_or_else(|error| unshown(&error), |diff| Story::Changed { diff }),
    }
}

fn unshown(error: &registries::ParseError) -> Story {
    if error.is_about_size() {
        Story::TooLarge
    } else {
        Story::Unreadable
    }
}

impl Story {
    /// The lines of the text log.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::New { preview } => format!(
                "Creating new registries configuration file\n\
                 New configuration preview (secrets redacted):\n{preview}"
            ),
            Self::Changed { diff } => format!(
                "Comparing old and new configurations...\n{diff}\
                 Configuration changes detected (secrets redacted in diff above)\n"
            ),
            Self::SameMeaning => "Comparing old and new configurations...\n\
                 Only comments, order or layout differ\n"
                .to_owned(),
            Self::Unreadable => "Comparing old and new configurations...\n\
                 A configuration is not readable as YAML and not shown\n"
                .to_owned(),
            Self::TooLarge => "Comparing old and new configurations...\n\
                 A configuration is too large to show\n"
                .to_owned(),
        }
    }

    /// Writes it to the log: whole lines as they are in text, one event in JSON.
    pub(crate) fn log(&self, settings: &Settings) {
        if !tracing::enabled!(Level::INFO) {
            return;
        }
        if settings.log_format == Format::Text {
            // A log that cannot be written must not keep the node from its file.
            let _ = std::io::stderr().lock().write_all(self.text().as_bytes());
            return;
        }
        let (node, revision) = (settings.node.as_deref(), &settings.revision);
        match self {
            Self::New { preview } => tracing::info!(
                node.name = node, config.revision = %revision, preview,
                "Creating new registries configuration file"
            ),
            Self::Changed { diff } => tracing::info!(
                node.name = node, config.revision = %revision, diff,
                "Configuration changes detected"
            ),
            Self::SameMeaning => tracing::info!(
                node.name = node, config.revision = %revision,
                "Only comments, order or layout differ"
            ),
            Self::Unreadable => tracing::info!(
                node.name = node, config.revision = %revision,
                "A configuration is not readable as YAML and not shown"
            ),
            Self::TooLarge => tracing::info!(
                node.name = node, config.revision = %revision,
                "A configuration is too large to show"
            ),
        }
    }
}
