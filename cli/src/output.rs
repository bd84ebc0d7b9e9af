//! Where output goes: data to standard output, talk to standard error.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

/// What a command found, as the exit code tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing to report.
    Clean,
    /// Findings or differences.
    Findings,
}

impl Outcome {
    pub(crate) fn findings_if(found: bool) -> Self {
        if found { Self::Findings } else { Self::Clean }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Clean => ExitCode::SUCCESS,
            Outcome::Findings => ExitCode::from(1),
        }
    }
}

/// The two streams of a command.
pub(crate) struct Streams {
    data: Box<dyn Write>,
    talk: Box<dyn Write>,
}

impl Streams {
    pub(crate) fn standard() -> Self {
        Self {
            data: Box::new(io::stdout()),
            talk: Box::new(io::stderr()),
        }
    }

    /// Prints a line of data. A reader that went away (`| head`) is not an error.
    pub(crate) fn data(&mut self, line: impl AsRef<str>) -> io::Result<()> {
        quiet_when_closed(writeln!(self.data, "{}", line.as_ref()))
    }

    /// Prints data as JSON, indented.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value)?;
        self.data(text)
    }

    /// Prints a line for people.
    pub(crate) fn talk(&mut self, line: impl AsRef<str>) -> io::Result<()> {
        quiet_when_closed(writeln!(self.talk, "{}", line.as_ref()))
    }

    /// Prints an error with its causes in one line.
    pub(crate) fn error(&mut self, error: &anyhow::Error) {
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(self.talk, "error: {error:#}");
    }
}

fn quiet_when_closed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
