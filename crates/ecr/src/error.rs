//! Why there are no credentials; no error repeats any value that could be one.

use std::path::PathBuf;

/// Why a registry's token cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum EcrError {
    /// The host is no registry of Amazon.
    #[error(
        "failed to get a token of Amazon ECR for {host}: its registries are named <account>.dkr.ecr.<region>.amazonaws.com or public.ecr.aws"
    )]
    NotEcr {
        /// What was asked for.
        host: String,
    },
    /// There are AWS credentials, but they cannot be used.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The service could not be asked, or did not give a token.
    #[error("failed to get a token for {host}: {reason}")]
    Token {
        /// The registry.
        host: String,
        /// What came of asking.
        reason: Reason,
    },
    /// It failed a moment ago, and is not tried at every pull.
    #[error("{message} (tried within the last {seconds} s)")]
    Recently {
        /// What the attempt said.
        message: String,
        /// For how long failures are remembered.
        seconds: u64,
    },
}

/// Why AWS credentials that are configured cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A file cannot be read.
    #[error("failed to read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line of a profile file is none.
    #[error("failed to read {path} at line {line}: expected [section] or key = value")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// Two variables of which only one is set.
    #[error(
        "failed to take AWS credentials from the environment: {set} is set and {missing} is not; set both or neither"
    )]
    Half {
        /// The one that is set.
        set: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
    /// A variable that cannot be used.
    #[error("failed to use {variable}: {problem}")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A profile that cannot be used.
    #[error("failed to use the AWS profile {profile}: {problem}")]
    Profile {
        /// Its name.
        profile: String,
        /// What is wrong with it, and the mend.
        problem: String,
    },
    /// Somebody who gives credentials gave none.
    #[error("failed to get AWS credentials from {giver}: {reason}")]
    Giver {
        /// Who was asked.
        giver: &'static str,
        /// What came of it.
        reason: Reason,
    },
}

/// What came of asking.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// No answer.
    #[error("{0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("no answer within {0} s")]
    Late(u64),
    /// An answer that says no.
    #[error("it answered {status}{}", Code(code.as_deref()))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The service's own word for it.
        code: Option<String>,
    },
    /// An answer without what was asked for.
    #[error("its answer {0}")]
    Unreadable(&'static str),
    /// The request cannot be made.
    #[error("{0}")]
    Impossible(&'static str),
}

/// An error with its causes, on one line.
pub(crate) fn in_full(error: &(impl std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

struct Code<'a>(Option<&'a str>);

impl std::fmt::Display for Code<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(code) => write!(formatter, " ({code})"),
            None => Ok(()),
        }
    }
}

/// A service's word for an error, if it is a word: what stands beside it may quote the request.
pub(crate) fn word(text: &str) -> Option<String> {
    // Some put a namespace before it, and some an address after it.
    let name = text.split(':').next()?.rsplit('#').next()?;
    let plain = |byte: u8| byte.is_ascii_alphabetic() || byte == b'.';
    ((1..=64).contains(&name.len()) && name.bytes().all(plain)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn only_words_are_repeated() {
        let table = [
            ("AccessDeniedException", Some("AccessDeniedException")),
            ("com.amazon#Expired.Token", Some("Expired.Token")),
            (
                "InvalidClientTokenId:http://x",
                Some("InvalidClientTokenId"),
            ),
            ("", None),
            ("the token abc is wrong", None),
            ("AKIA1234", None),
        ];
        for (text, expected) in table {
            assert_eq!(word(text).as_deref(), expected, "{text:?}");
        }
    }
}
