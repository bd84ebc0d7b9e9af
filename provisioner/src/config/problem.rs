//! What is wrong with a configuration, where, and what would mend it. Values are shown only where they cannot be secret.

use std::fmt;
use std::sync::Arc;

/// Why a text is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Wrong {
    pub what: String,
    /// What to write instead.
    pub mend: Option<String>,
}

impl Wrong {
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            mend: None,
        }
    }

    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// The same, said of a place.
    pub fn at(self, place: &Place) -> Problem {
        Problem {
            place: place.clone(),
            what: self.what,
            mend: self.mend,
        }
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    File {
        /// As the user named it.
        file: Arc<str>,
        line: usize,
        /// The keys that lead to the value as they stand in the file: `ports[0].nodeFilters[1]`.
        path: String,
    },
    /// A flag of the command line, such as `--port`.
    Flag(String),
    /// A variable of the environment.
    Variable(String),
    /// Nobody gave it.
    Default,
}

impl Place {
    pub fn flag(name: &str) -> Self {
        Self::Flag(name.to_owned())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } if path.is_empty() => f.write_str("(root)"),
            Self::File { path, .. } => f.write_str(path),
            Self::Flag(name) => f.write_str(name),
            Self::Variable(name) => write!(f, "${name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong, or only strange when it is a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    pub what: String,
    pub mend: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)?;
        if let Place::File { file, line, .. } = &self.place {
            write!(f, " ({file}:{line})")?;
        }
        match &self.mend {
            Some(mend) => write!(f, "; {mend}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong, in the order of the file, then what flags and variables say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "- {problem}")?;
        }
        Ok(())
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// Problems and warnings while they are being collected.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

impl Findings {
    pub(super) fn problem(&mut self, place: &Place, wrong: Wrong) {
        self.problems.push(wrong.at(place));
    }

    pub(super) fn warn(&mut self, place: &Place, what: impl Into<String>) {
        self.warnings.push(Wrong::new(what).at(place));
    }

    /// The value, or its problem on the list.
    pub(super) fn take<T>(&mut self, place: &Place, result: Result<T, Wrong>) -> Option<T> {
        result.map_err(|wrong| self.problem(place, wrong)).ok()
    }

    /// What was made, unless something was wrong.
    pub(super) fn finish<T>(mut self, value: T) -> Result<(T, Vec<Problem>), Problems> {
        if self.problems.is_empty() {
            return Ok((value, self.warnings));
        }
        // As one reads the file; flags and variables behind it.
        self.problems.sort_by_key(|problem| match problem.place {
            Place::File { line, .. } => line,
            _ => usize::MAX,
        });
        Err(Problems(self.problems))
    }
}
