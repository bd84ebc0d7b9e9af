//! Tells the kubelet, and through it the operator, why a run failed.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use node_files::Report;

use crate::failure::Failure;
use crate::settings::{DEFAULT_TERMINATION_LOG, Settings};

/// Logs the failure, and leaves it in the termination message.
pub(crate) fn report(settings: &Settings, failure: &Failure) {
    let report = Report {
        reason: failure.reason(),
        message: failure.to_string(),
        revision: settings.revision.clone(),
    };
    tracing::error!(
        node.name = settings.node.as_deref(),
        config.revision = %settings.revision,
        reason = report.reason.as_str(),
        "{}", report.message
    );
    let path = &settings.termination_log;
    let created = path != Path::new(DEFAULT_TERMINATION_LOG);
    let written = OpenOptions::new()
        .write(true)
        .truncate(true)
        .create(created)
        .open(path)
        .and_then(|mut file| file.write_all(report.to_json().as_bytes()));
    if let Err(error) = written {
        tracing::debug!(path = %path.display(), "failed to write the termination message: {error}");
    }
}
