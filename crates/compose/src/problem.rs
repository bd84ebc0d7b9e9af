//! What stops a composition, and what only deserves a word. Neither ever holds a value of a Secret or document.

use std::fmt;

use api::Reason;

/// Something that has to be mended before anything is rolled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One word for condition, Event and metric.
    pub reason: Reason,
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
    /// The field it is about.
    pub path: String,
    /// What is the matter.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Warning {
    pub(crate) fn new(
        path: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
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
