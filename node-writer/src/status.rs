//! The readiness probe: one line, one exit code, no memory. Everything is compared anew.

use std::io::Write;
use std::process::ExitCode;

use node_files::{Action, Original, find};

use crate::converge::{Pass, document_path};
use crate::failure::Failure;
use crate::settings::{Goal, Settings};

pub(crate) fn print(settings: &Settings) -> ExitCode {
    let (line, code) = match look(settings) {
        Ok(Ok(line)) => (format!("ready: {line}"), ExitCode::SUCCESS),
        Ok(Err(line)) => (format!("not ready: {line}"), ExitCode::FAILURE),
        Err(failure) => (
            format!("not ready: {}: {failure}", failure.reason()),
            ExitCode::FAILURE,
        ),
    };
    // The exit code says it too.
    let _ = writeln!(std::io::stdout(), "{}", line.replace('\n', "; "));
    code
}

/// The inner result is the answer; the outer one fails where nothing can be compared.
fn look(settings: &Settings) -> Result<Result<String, String>, Failure> {
    let (path, revision) = (document_path(settings), &settings.revision);
    Ok(match &settings.goal {
        Goal::Apply { source } => {
            let pass = Pass::look(settings, source)?;
            let differing: Vec<&str> = pass
                .actions
                .iter()
                .filter(|action| action.matters_to_k3s())
                .map(|action: &Action| action.at().name.as_str())
                .collect();
            if differing.is_empty() {
                Ok(format!("{path} equals revision {revision}"))
            } else {
                Err(format!(
                    "revision {revision} is not on the node yet: {}",
                    differing.join(", ")
                ))
            }
        }
        Goal::Record => match find(&settings.folder)?.original {
            Original::Unrecorded => Err(format!("what {path} was is not recorded yet")),
            Original::Absent | Original::Document(_) => Ok(format!("what {path} was is recorded")),
        },
        Goal::Restore => match find(&settings.folder)?.original {
            Original::Unrecorded => Ok(format!("{path} is as it was before the first write")),
            Original::Absent | Original::Document(_) => Err(format!("{path} is not restored yet")),
        },
    })
}
