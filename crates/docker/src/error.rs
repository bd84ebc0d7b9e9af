//! What can go wrong with an Engine: what was tried, what came of it, and the way out where one is known.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

type Source = Box<dyn StdError + Send + Sync>;

/// A call that failed: the text says what was tried, what came of it and what helps.
#[derive(Debug)]
pub struct Error {
    /// What was tried.
    pub operation: Operation,
    /// What came of it.
    pub cause: Box<Cause>,
}

/// What was tried: an action and its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// For example `create container`.
    pub action: &'static str,
    /// For example the container's name; may be empty.
    pub object: String,
}

/// What came of a call.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// Nobody listens, or nobody may connect.
    #[error("no Docker Engine answers at {endpoint}: {}", way_in(endpoint, source.as_ref()))]
    Unreachable {
        /// The Engine's address.
        endpoint: Arc<str>,
        /// Why.
        source: Source,
    },
    /// It took too long.
    #[error("the Docker Engine at {endpoint} did not answer within {} s: is it overloaded or stuck?", limit.as_secs())]
    Silent {
        /// The Engine's address.
        endpoint: Arc<str>,
        /// How long was waited.
        limit: Duration,
    },
    /// The Engine said no.
    #[error("{}{}", message.trim_end(), way_out(message))]
    Refused {
        /// HTTP status.
        status: u16,
        /// The Engine's words.
        message: String,
    },
    /// The Engine began and gave up in the middle.
    #[error("{}{}", message.trim_end(), way_out(message))]
    GaveUp {
        /// The Engine's words.
        message: String,
    },
    /// The connection broke in the middle, or what came cannot be read.
    #[error("the talk with the Docker Engine at {endpoint} broke off")]
    Broken {
        /// The Engine's address.
        endpoint: Arc<str>,
        /// Why.
        source: Source,
    },
    /// The Engine is older than all that is supported.
    #[error(
        "the Docker Engine at {endpoint} is too old: it speaks API {}.{}, but 1.41 (Docker 20.10) is the oldest that works",
        found.0, found.1
    )]
    TooOld {
        /// The Engine's address.
        endpoint: Arc<str>,
        /// The newest API that it speaks.
        found: (u16, u16),
    },
    /// What was asked makes no sense, or what came makes none.
    #[error("{0}")]
    Unusable(String),
    /// What was to be sent could not be read.
    #[error("what was to be sent cannot be read")]
    Input(#[source] io::Error),
}

impl Error {
    /// Something like this does not exist.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
            || self.says_any(&["no such image", "manifest unknown", "image not known"])
    }

    /// The name is taken, or the state of the object forbids it.
    pub fn is_conflict(&self) -> bool {
        // Podman has no status for it.
        self.status() == Some(409)
            || self.says_any(&["is already in use by", "container state improper"])
    }

    /// A network has containers that are connected.
    pub fn is_in_use(&self) -> bool {
        self.says_any(&["active endpoints", "network is being used"])
    }

    /// No Engine answers.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            *self.cause,
            Cause::Unreachable { .. } | Cause::Silent { .. }
        )
    }

    /// Whether the Engine's own words contain `words`, however written.
    pub fn says(&self, words: &str) -> bool {
        match &*self.cause {
            Cause::Refused { message, .. } | Cause::GaveUp { message } => contains(message, words),
            _ => false,
        }
    }

    fn says_any(&self, words: &[&str]) -> bool {
        words.iter().any(|words| self.says(words))
    }

    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match *self.cause {
            Cause::Refused { status, .. } => Some(status),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "failed to {}: {}", self.operation, self.cause)
    }
}

impl StdError for Error {
    /// What lies behind the cause: the cause's own words are already part of this error's.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.source()
    }
}

impl Operation {
    pub(crate) fn new(action: &'static str, object: impl Into<String>) -> Self {
        Self {
            action,
            object: object.into(),
        }
    }

    pub(crate) fn failed(self, cause: Cause) -> Error {
        Error {
            operation: self,
            cause: Box::new(cause),
        }
    }

    /// Sorts what the client library reports.
    pub(crate) fn error(self, endpoint: &Arc<str>, error: bollard::errors::Error) -> Error {
        use bollard::errors::Error as Foreign;
        let endpoint = Arc::clone(endpoint);
        let cause = match error {
            Foreign::DockerResponseServerError {
                status_code,
                message,
            } => Cause::Refused {
                status: status_code,
                message,
            },
            Foreign::DockerStreamError { error } => Cause::GaveUp { message: error },
            Foreign::HyperLegacyError { err } if err.is_connect() || never_connected(&err) => {
                Cause::Unreachable {
                    endpoint,
                    source: innermost(err),
                }
            }
            other => Cause::Broken {
                endpoint,
                source: Box::new(other),
            },
        };
        self.failed(cause)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.action)?;
        if !self.object.is_empty() {
            write!(formatter, " {}", self.object)?;
        }
        Ok(())
    }
}

/// `ssh` runs before it connects, so that its failure looks like one of a connection that was there.
fn never_connected(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::NotConnected)
}

/// The HTTP client says no more than "client error (Connect)"; what it wraps names the reason.
fn innermost(error: impl StdError + Send + Sync + 'static) -> Source {
    let mut inner: &(dyn StdError + 'static) = &error;
    while let Some(next) = inner.source() {
        if let Some(reason) = inner.downcast_ref::<io::Error>() {
            return io::Error::new(reason.kind(), reason.to_string()).into();
        }
        inner = next;
    }
    match inner.downcast_ref::<io::Error>() {
        Some(reason) => io::Error::new(reason.kind(), reason.to_string()).into(),
        None => Box::new(error),
    }
}

/// What helps when nobody answers.
fn way_in(endpoint: &str, source: &(dyn StdError + Send + Sync + 'static)) -> &'static str {
    let kind = source.downcast_ref::<io::Error>().map(io::Error::kind);
    match kind {
        Some(io::ErrorKind::PermissionDenied) => {
            "this user may not open it; join its group (usually `docker`) or become root"
        }
        _ if endpoint.starts_with("ssh://") => {
            "does `ssh` to that host work without a question, and `docker version` on it?"
        }
        _ => "is Docker running? DOCKER_HOST or `docker context use` chooses another one",
    }
}

/// What helps against a refusal, where the Engine does not say it itself.
fn way_out(message: &str) -> &'static str {
    const KNOWN: [(&str, &str); 12] = [
        (
            "no space left on device",
            " (the disk of the Docker host is full: `docker system df` shows by what, `docker system prune` frees it)",
        ),
        (
            "no such image",
            " (pull or build it first, or check how its name is written)",
        ),
        (
            "image not known",
            " (pull or build it first, or check how its name is written)",
        ),
        (
            "pull access denied",
            " (check how its name is written; private images need `docker login`)",
        ),
        (
            "manifest unknown",
            " (the registry has the repository, but not that tag)",
        ),
        ("toomanyrequests", " (`docker login` raises the limit)"),
        (
            "port is already allocated",
            " (another container has that port: choose another one, or none to get a free one)",
        ),
        (
            "address already in use",
            " (another program has that port: choose another one, or none to get a free one)",
        ),
        (
            "non-overlapping",
            " (all of Docker's address ranges are in use: remove networks with `docker network prune` or name a subnet)",
        ),
        (
            "pool overlaps",
            " (another network has these addresses: choose another subnet)",
        ),
        (
            "no basic auth credentials",
            " (the registry wants a `docker login`)",
        ),
        (
            "unauthorized",
            " (the registry wants a `docker login`, or the login is no longer valid)",
        ),
    ];
    KNOWN
        .iter()
        .find(|(words, _)| contains(message, words))
        .map_or("", |(_, mend)| mend)
}

fn contains(text: &str, words: &str) -> bool {
    text.to_lowercase().contains(&words.to_lowercase())
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;
    use std::sync::Arc;

    use super::{Cause, Operation};

    fn refused(status: u16, message: &str) -> super::Error {
        Operation::new("create container", "k3d-x-server-0").failed(Cause::Refused {
            status,
            message: message.into(),
        })
    }

    #[test]
    fn the_text_says_what_was_tried_what_came_of_it_and_what_helps() {
        let error = refused(500, "mkdir /x: no space left on device\n");
        let text = error.to_string();
        assert!(text.starts_with("failed to create container k3d-x-server-0: mkdir /x: no space"));
        assert!(text.contains("`docker system prune`"), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }

    #[test]
    fn answers_are_sorted_by_status_and_words() {
        assert!(refused(404, "No such container: x").is_not_found());
        assert!(refused(409, "Conflict. The name is in use").is_conflict());
        assert!(refused(403, "network x has active endpoints").says("Active Endpoints"));
        assert!(!refused(500, "x").is_unreachable());
        let stopped = Operation::new("pull image", "x").failed(Cause::GaveUp {
            message: "no such image".into(),
        });
        assert!(stopped.is_not_found() && stopped.status().is_none());
    }

    #[test]
    fn a_dead_engine_is_named_with_its_address_and_the_reason_follows() {
        let dead = |kind: io::ErrorKind, endpoint: &str| {
            Operation::new("ask for the version", "").failed(Cause::Unreachable {
                endpoint: Arc::from(endpoint),
                source: io::Error::from(kind).into(),
            })
        };
        let refused = dead(io::ErrorKind::ConnectionRefused, "unix:///run/docker.sock");
        assert!(refused.is_unreachable());
        assert_eq!(
            refused.to_string(),
            "failed to ask for the version: no Docker Engine answers at unix:///run/docker.sock: is Docker running? DOCKER_HOST or `docker context use` chooses another one"
        );
        assert_eq!(refused.source().unwrap().to_string(), "connection refused");
        let denied = dead(io::ErrorKind::PermissionDenied, "unix:///run/docker.sock");
        assert!(denied.to_string().contains("join its group"), "{denied}");
        let remote = dead(io::ErrorKind::UnexpectedEof, "ssh://box");
        assert!(remote.to_string().contains("`ssh`"), "{remote}");
    }
}
