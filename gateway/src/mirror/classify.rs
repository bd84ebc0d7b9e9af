//! What a failed pull means to the client: the Engine passes a registry's answer on in words, which differ by its store.

use std::time::Duration;

use docker::{Cause, Error};

use super::MirrorError;

/// What a failure is about, whoever said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The Engine's disk is full.
    NoSpace,
    /// Too many requests.
    RateLimit,
    /// There is no image for the Engine's platform.
    Platform,
    /// No login, or a wrong one.
    Login,
    /// A login that may not.
    Forbidden,
    /// It is not there, or is not shown to this login.
    Absent,
    /// Nobody can be reached, or cannot be trusted.
    Network,
    /// It took too long.
    Late,
    /// The registry says that it is down.
    Down,
    /// Nothing of the above.
    Other,
}

/// Words and what they mean; the first that occurs decides. All in lower case.
const WORDS: &[(Trouble, &[&str])] = &[
    (
        Trouble::NoSpace,
        &["no space left on device", "disk quota exceeded"],
    ),
    (
        Trouble::RateLimit,
        &["toomanyrequests", "too many requests", "rate limit", "429 "],
    ),
    (
        Trouble::Platform,
        &[
            "no matching manifest for",
            "no match for platform",
            "does not provide the specified platform",
        ],
    ),
    // Docker Hub's way to say that it may not be there.
    (Trouble::Absent, &["insufficient_scope"]),
    (
        Trouble::Login,
        &[
            "unauthorized",
            "401 ",
            "no basic auth credentials",
            "authentication required",
            "authorization failed",
            "failed to authorize",
            "authorization token",
            "incorrect username or password",
            "invalid username/password",
        ],
    ),
    (
        Trouble::Late,
        &[
            "i/o timeout",
            "deadline exceeded",
            "handshake timeout",
            "client.timeout exceeded",
            "request canceled while waiting",
            "timeout awaiting",
        ],
    ),
    (
        Trouble::Network,
        &[
            "no such host",
            "connection refused",
            "connection reset",
            "no route to host",
            "network is unreachable",
            "name resolution",
            "server misbehaving",
            "x509:",
            "tls: ",
            "gave http response to https client",
            "unexpected eof",
        ],
    ),
    (
        Trouble::Down,
        &["503 service unavailable", "502 bad gateway", "504 gateway"],
    ),
    (Trouble::Forbidden, &["403 forbidden"]),
    (
        Trouble::Absent,
        &[
            "manifest unknown",
            "not found",
            "name unknown",
            "access denied",
            "access to the resource is denied",
            "does not exist",
            "no such image",
        ],
    ),
];

/// Sorts the words of an Engine or of a registry.
pub(super) fn sort(status: Option<u16>, words: &str) -> Trouble {
    let words = words.to_lowercase();
    let known = WORDS
        .iter()
        .find(|(_, list)| list.iter().any(|known| words.contains(known)))
        .map(|(trouble, _)| *trouble);
    known.unwrap_or(match status {
        Some(401) => Trouble::Login,
        Some(403) => Trouble::Forbidden,
        Some(404) => Trouble::Absent,
        Some(429) => Trouble::RateLimit,
        Some(503) => Trouble::Down,
        _ => Trouble::Other,
    })
}

/// What is answered. `sent` says whether the caller showed a login: only then is "it is not there" believed.
///
/// No word of a registry is repeated here, because it was shown a login and may repeat it.
pub(super) fn answer(trouble: Trouble, image: &str, sent: bool) -> MirrorError {
    let failed = format!("failed to pull {image}");
    match trouble {
        Trouble::NoSpace => MirrorError::NoSpace(format!(
            "{failed}: the Docker host's disk is full; `docker system prune` frees space"
        )),
        Trouble::RateLimit => MirrorError::Unavailable {
            message: format!(
                "{failed}: the registry limits how often it is asked; a login raises the limit"
            ),
            retry_after: Duration::from_secs(60),
        },
        Trouble::Platform => MirrorError::Unknown(format!(
            "{failed}: there is none for the platform of the Docker Engine"
        )),
        Trouble::Login | Trouble::Forbidden | Trouble::Absent if !sent => {
            MirrorError::Unauthorized(format!(
                "{failed}: it does not exist, or the registry wants a login"
            ))
        }
        Trouble::Login => {
            MirrorError::Unauthorized(format!("{failed}: the registry refused the login"))
        }
        Trouble::Forbidden => MirrorError::Denied(format!(
            "{failed}: the registry does not allow it to this login"
        )),
        Trouble::Absent => MirrorError::Unknown(format!(
            "{failed}: it does not exist, or not for this login"
        )),
        Trouble::Network => MirrorError::BadGateway(format!(
            "{failed}: its registry cannot be reached or trusted; does `docker pull` work on the Docker host?"
        )),
        Trouble::Late => {
            MirrorError::TimedOut(format!("{failed}: its registry did not answer in time"))
        }
        Trouble::Down => MirrorError::Unavailable {
            message: format!("{failed}: its registry is not available now"),
            retry_after: Duration::from_secs(10),
        },
        Trouble::Other => MirrorError::BadGateway(format!(
            "{failed}: the Docker Engine gave up; `docker pull` on the Docker host shows why"
        )),
    }
}

/// What a failed pull is answered with.
pub(super) fn pull_error(error: &Error, image: &str, sent: bool) -> MirrorError {
    match &*error.cause {
        Cause::Refused { status, message } => answer(sort(Some(*status), message), image, sent),
        Cause::GaveUp { message } => answer(sort(None, message), image, sent),
        _ => engine_error(error),
    }
}

/// What a call to the Engine that failed is answered with. Such calls carry no login.
pub(super) fn engine_error(error: &Error) -> MirrorError {
    let message = error.to_string();
    match &*error.cause {
        Cause::Silent { .. } => MirrorError::TimedOut(message),
        Cause::Unreachable { .. } | Cause::Broken { .. } => MirrorError::Unavailable {
            message,
            retry_after: Duration::from_secs(2),
        },
        Cause::Refused { .. } | Cause::GaveUp { .. } => match sort(None, &message) {
            Trouble::NoSpace => MirrorError::NoSpace(message),
            _ => MirrorError::BadGateway(message),
        },
        _ => MirrorError::Failed(message),
    }
}

#[cfg(test)]
mod tests {
    use super::{Trouble, answer, sort};
    use crate::mirror::MirrorError;

    #[test]
    fn the_words_of_both_kinds_of_stores_are_sorted() {
        let table = [
            (
                500,
                "Get \"https://r/v2/\": unauthorized: authentication required",
                Trouble::Login,
            ),
            (
                500,
                "Head \"http://127.0.0.1:5000/v2/a/manifests/1\": no basic auth credentials",
                Trouble::Login,
            ),
            (
                500,
                "failed to resolve reference \"r/a:1\": pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials",
                Trouble::Login,
            ),
            (
                404,
                "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
                Trouble::Absent,
            ),
            (
                500,
                "unexpected status from HEAD request to http://r/v2/a/manifests/1: 401 Unauthorized",
                Trouble::Login,
            ),
            (
                404,
                "pull access denied for a, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
                Trouble::Absent,
            ),
            (
                404,
                "manifest for r/a:2 not found: manifest unknown: manifest unknown",
                Trouble::Absent,
            ),
            (
                404,
                "failed to resolve reference \"r/a:2\": r/a:2: not found",
                Trouble::Absent,
            ),
            (
                500,
                "toomanyrequests: You have reached your pull rate limit.",
                Trouble::RateLimit,
            ),
            (
                404,
                "no matching manifest for linux/amd64 in the manifest list entries",
                Trouble::Platform,
            ),
            (
                404,
                "no match for platform in manifest: not found",
                Trouble::Platform,
            ),
            (
                500,
                "write /var/lib/docker/tmp/x: no space left on device",
                Trouble::NoSpace,
            ),
            (
                500,
                "Get \"https://nope.test/v2/\": dial tcp: lookup nope.test on 127.0.0.11:53: no such host",
                Trouble::Network,
            ),
            (
                500,
                "dial tcp: lookup nope.test: Temporary failure in name resolution",
                Trouble::Network,
            ),
            (
                500,
                "dial tcp 127.0.0.1:1: connect: connection refused",
                Trouble::Network,
            ),
            (
                500,
                "x509: certificate signed by unknown authority",
                Trouble::Network,
            ),
            (500, "dial tcp 10.0.0.1:443: i/o timeout", Trouble::Late),
            (
                500,
                "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
                Trouble::Late,
            ),
            (
                500,
                "received unexpected HTTP status: 503 Service Unavailable",
                Trouble::Down,
            ),
            (500, "unexpected status: 403 Forbidden", Trouble::Forbidden),
            (403, "", Trouble::Forbidden),
            (401, "", Trouble::Login),
            (500, "something new", Trouble::Other),
        ];
        for (status, words, expected) in table {
            assert_eq!(sort(Some(status), words), expected, "{words}");
        }
    }

    #[test]
    fn who_sent_no_login_is_asked_for_one_where_it_could_help() {
        for trouble in [Trouble::Login, Trouble::Absent, Trouble::Forbidden] {
            let answer = answer(trouble, "r/a:1", false);
            assert!(matches!(answer, MirrorError::Unauthorized(_)), "{answer:?}");
        }
        for trouble in [
            Trouble::Platform,
            Trouble::RateLimit,
            Trouble::Network,
            Trouble::Late,
            Trouble::Down,
            Trouble::NoSpace,
            Trouble::Other,
        ] {
            let (without, with) = (answer(trouble, "a", false), answer(trouble, "a", true));
            assert!(!matches!(without, MirrorError::Unauthorized(_)));
            assert_eq!(without, with);
        }
    }

    #[test]
    fn a_login_that_is_right_makes_absent_what_is_absent() {
        assert!(matches!(
            answer(Trouble::Absent, "a", true),
            MirrorError::Unknown(_)
        ));
        assert!(matches!(
            answer(Trouble::Login, "a", true),
            MirrorError::Unauthorized(_)
        ));
        assert!(matches!(
            answer(Trouble::Forbidden, "a", true),
            MirrorError::Denied(_)
        ));
    }
}
