//! Why a registry gave nothing. None of its words are kept: it was shown a login, and may repeat it.

use http::StatusCode;

use crate::names::Host;

/// Why a registry gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} {problem}")]
pub struct UpstreamError {
    /// The registry.
    pub host: Host,
    /// What came of it.
    pub problem: Problem,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It wants a login, or refused this one.
    #[error("wants a login, or refused it")]
    Login,
    /// This login may not.
    #[error("does not allow it to this login")]
    Forbidden,
    /// It is not there.
    #[error("does not have it")]
    Absent,
    /// Too many questions.
    #[error("limits how often it is asked")]
    RateLimit,
    /// It took too long.
    #[error("did not answer in time")]
    Late,
    /// It says that it is down.
    #[error("says that it is not available")]
    Down,
    /// It is not asked, because too many questions wait here.
    #[error("is asked by too many here at the same time")]
    Busy,
    /// Nobody answers, or whoever answers is not trusted.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It answers nonsense.
    #[error("cannot be understood: {0}")]
    Odd(&'static str),
}

impl UpstreamError {
    pub(super) fn new(host: &Host, problem: Problem) -> Self {
        let host = host.clone();
        Self { host, problem }
    }

    /// Too many want something of a registry.
    pub(crate) fn busy(host: &Host) -> Self {
        Self::new(host, Problem::Busy)
    }
}

impl Problem {
    /// What a status means; nothing when it is a success.
    pub(super) fn of(status: StatusCode) -> Option<Self> {
        Some(match status.as_u16() {
            200..300 => return None,
            401 => Self::Login,
            403 => Self::Forbidden,
            404 | 410 => Self::Absent,
            408 | 504 => Self::Late,
            429 => Self::RateLimit,
            502 | 503 => Self::Down,
            500..600 => Self::Odd("it failed"),
            _ => Self::Odd("it answers with a status that means nothing here"),
        })
    }
}
