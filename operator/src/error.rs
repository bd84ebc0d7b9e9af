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

/// At most this many fields are named.
const NAMED_FIELDS: usize = 5;

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
    let fields: Vec<String> = details
        .iter()
        .flat_map(|details| &details.causes)
        .map(|cause| registries::redact_key(&cause.field))
        .filter(|field| !field.is_empty())
        .take(NAMED_FIELDS)
        .collect();
    let mut text = format!("the server answered {} {}", status.code, status.reason);
    if !fields.is_empty() {
        text.push_str(" about ");
        text.push_str(&fields.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::response::{StatusCause, StatusDetails};

    use super::*;

    #[test]
    fn a_refusal_names_fields_without_what_keys_may_carry() {
        let cause = |field: &str| StatusCause {
            reason: "FieldValueInvalid".to_owned(),
            message: "hunter2".to_owned(),
            field: field.to_owned(),
        };
        let status = Status {
            code: 422,
            reason: "Invalid".to_owned(),
            message: "hunter2".to_owned(),
            details: Some(StatusDetails {
                causes: vec![
                    cause("spec.registries.configs.user:hunter2@mirror.internal.auth"),
                    cause("spec.registries.mirrors.docker.io.rewrite.^x/(.*)$"),
                    cause(""),
                ],
                name: String::new(),
                group: String::new(),
                kind: String::new(),
                uid: String::new(),
                retry_after_seconds: 0,
            }),
            ..Status::default()
        };
        let text = refusal(&status);
        assert!(!text.contains("hunter2"), "{text}");
        assert!(
            text.contains("422 Invalid about") && text.contains("mirror.internal.auth"),
            "{text}"
        );
        assert!(text.contains("rewrite.^x/(.*)$"), "{text}");
    }
}
