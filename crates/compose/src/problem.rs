//! What stops a composition, and what only deserves a word. Neither ever holds a value of a Secret or document.

use std::fmt;

use api::Reason;

/// Something that has to be mended before anything is rolled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One word for condition, Event and metric.
    pub reason: Reason,
    /// The lint finding behind it, or what kind of fault it is; stable, in kebab-case.
    pub code: &'static str,
    /// The field, as in `spec.registriesFrom[1].secretRef`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Problem {
    pub(crate) fn new(
        reason: Reason,
        path: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            reason,
            code: code_of(reason),
            path: path.into(),
            message: message.into(),
            help: help.into(),
        }
    }

    pub(crate) fn invalid(
        path: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self::new(Reason::InvalidSpec, path, message, help)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}; {}", self.path, self.message, self.help)
    }
}

/// Something that does nothing, or not what it seems to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The lint finding behind it, or what kind of warning it is; stable, in kebab-case.
    pub code: &'static str,
    /// The field it is about.
    pub path: String,
    /// What is the matter.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Warning {
    pub(crate) fn new(
        code: &'static str,
        path: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            code,
            path: path.into(),
            message: message.into(),
            help: help.into(),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}; {}", self.path, self.message, self.help)
    }
}

fn code_of(reason: Reason) -> &'static str {
    match reason {
        Reason::ReferenceNotFound => "reference-not-found",
        Reason::DecryptionFailed => "decryption-failed",
        Reason::ConfigTooLarge => "config-too-large",
        _ => "invalid-spec",
    }
}

/// More warnings than anybody reads; a document of 1 MiB can make hundreds of thousands.
const MOST_WARNINGS: usize = 1_000;

/// Keeps the first warnings and counts the others.
pub(crate) fn shorten(warnings: &mut Vec<Warning>) {
    let more = warnings.len().saturating_sub(MOST_WARNINGS);
    if more > 0 {
        warnings.truncate(MOST_WARNINGS);
        warnings.push(Warning::new(
            "more-warnings",
            "spec",
            format!("{more} further warnings are not listed"),
            "mend the listed ones first",
        ));
    }
}
