//! Why a reconcile failed: the operation as data, and one word for condition, Event and metric.

use kube::core::Status;

/// A request that the API server did not grant, now.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation}: {}", describe(source))]
pub(crate) struct Error {
    pub(crate) operation: String,
    #[source]
    pub(crate) source: kube::Error,
}

/// Every word that [`Error::reason`] can give.
pub(crate) const REASONS: [&str; 6] = [
    "Conflict",
    "Forbidden",
    "Gone",
    "Refused",
    "ServerError",
    "Unreachable",
];

impl Error {
    pub(crate) fn reason(&self) -> &'static str {
        match &self.source {
            kube::Error::Api(status) => match status.code {
                409 => "Conflict",
                401 | 403 => "Forbidden",
                404 | 410 => "Gone",
                code if code >= 500 => "ServerError",
                _ => "Refused",
            },
            _ => "Unreachable",
        }
    }
}

/// Names the operation of a failed request.
pub(crate) trait During<T> {
    fn during(self, operation: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> During<T> for Result<T, kube::Error> {
    fn during(self, operation: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error {
            operation: operation(),
            source,
        })
    }
}

/// A client error in one line. A refusal is told by code and reason alone: its message may echo what was sent.
pub(crate) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => refusal(status),
        kube::Error::SerdeError(error) => format!(
            "the answer is not what was expected, line {} column {}",
            error.line(),
            error.column()
        ),
        other => other.to_string(),
    }
}

fn refusal(status: &Status) -> String {
    let details = status.details.as_ref();
    let fields: Vec<&str> = details
        .iter()
        .flat_map(|details| &details.causes)
        .map(|cause| cause.field.as_str())
        .filter(|field| !field.is_empty())
        .collect();
    let mut text = format!("the server answered {} {}", status.code, status.reason);
    if !fields.is_empty() {
        text.push_str(" about ");
        text.push_str(&fields.join(", "));
    }
    text
}
