//! Which cause a message of the runtime or the kubelet tells of.

use crate::sets::FailureClass;

/// Words that give a cause away, in lower case; the first that occurs decides, so the exact ones stand first.
const SIGNS: &[(FailureClass, &[&str])] = &[
    (
        FailureClass::InvalidName,
        &[
            "invalidimagename",
            "invalid reference format",
            "couldn't parse image",
        ],
    ),
    (
        FailureClass::Signature,
        &[
            "signaturevalidationfailed",
            "signature validation",
            "no signature",
            "signature verification",
        ],
    ),
    (
        FailureClass::NoSpace,
        &["no space left on device", "disk quota exceeded"],
    ),
    (
        FailureClass::NoPlatform,
        &[
            "no match for platform",
            "no matching manifest",
            "exec format error",
        ],
    ),
    (
        FailureClass::RateLimited,
        &[
            "toomanyrequests",
            "too many requests",
            "rate limit",
            "status: 429",
            "status code 429",
        ],
    ),
    (
        FailureClass::DigestMismatch,
        &[
            "unexpected commit digest",
            "digest mismatch",
            "failed size validation",
            "failed commit on ref",
            "unexpected commit size",
        ],
    ),
    (
        FailureClass::Dns,
        &[
            "no such host",
            "server misbehaving",
            "temporary failure in name resolution",
            "name or service not known",
        ],
    ),
    (
        FailureClass::Tls,
        &[
            "x509:",
            "tls:",
            "certificate",
            "server gave http response to https client",
            "malformed http response",
        ],
    ),
    (
        FailureClass::Forbidden,
        &[
            "insufficient_scope",
            "forbidden",
            "access denied",
            "status: 403",
            "denied:",
        ],
    ),
    (
        FailureClass::Unauthorized,
        &[
            "unauthorized",
            "authentication required",
            "authorization failed",
            "no basic auth credentials",
            "status: 401",
            "failed to fetch oauth token",
            "failed to fetch anonymous token",
        ],
    ),
    (
        FailureClass::Connection,
        &[
            "connection refused",
            "connection reset",
            "no route to host",
            "network is unreachable",
            "broken pipe",
            "unexpected eof",
            "use of closed network connection",
            "short read",
        ],
    ),
    (
        FailureClass::Unpack,
        &[
            "failed to extract layer",
            "failed to unpack",
            "archive/tar",
            "failed to apply layer",
            "apply layer error",
        ],
    ),
    (
        FailureClass::NotFound,
        &[
            "manifest unknown",
            "name_unknown",
            "manifest_unknown",
            "blob_unknown",
            "not found",
            "notfound",
            "does not exist",
            "status: 404",
        ],
    ),
    (
        FailureClass::RegistryError,
        &[
            "500 internal server error",
            "502 bad gateway",
            "503 service unavailable",
            "504 gateway timeout",
            "status: 50",
            "status code 50",
            "registryunavailable",
        ],
    ),
    (
        FailureClass::NoProgress,
        &[
            "no progress",
            "image pull progress",
            "cancel pulling image",
            "context canceled",
        ],
    ),
    (
        FailureClass::Timeout,
        &[
            "i/o timeout",
            "deadline exceeded",
            "deadlineexceeded",
            "timeout awaiting",
            "handshake timeout",
            "timed out",
        ],
    ),
    (
        FailureClass::RuntimeRestarted,
        &[
            "transport is closing",
            "error reading from server: eof",
            "code = unavailable",
        ],
    ),
];

/// The cause that a message tells of; `Unknown` where it tells of none.
pub fn classify(message: &str) -> FailureClass {
    let message = message.to_ascii_lowercase();
    // A handshake or token request that times out is no matter of certificates or logins.
    let timed_out = signs_of(FailureClass::Timeout).any(|sign| message.contains(sign));
    SIGNS
        .iter()
        .filter(|(class, _)| {
            !(timed_out && matches!(class, FailureClass::Tls | FailureClass::Unauthorized))
        })
        .find(|(_, signs)| signs.iter().any(|sign| message.contains(sign)))
        .map_or(FailureClass::Unknown, |(class, _)| *class)
}

fn signs_of(wanted: FailureClass) -> impl Iterator<Item = &'static str> {
    SIGNS
        .iter()
        .filter(move |(class, _)| *class == wanted)
        .flat_map(|(_, signs)| signs.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_runtimes_tell_their_cause() {
        let table = [
            (
                FailureClass::NotFound,
                r#"rpc error: code = NotFound desc = failed to pull and unpack image "a/b:c": failed to resolve reference "a/b:c": a/b:c: not found"#,
            ),
            (
                FailureClass::Unauthorized,
                "failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized",
            ),
            (
                FailureClass::Forbidden,
                "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
            ),
            (
                FailureClass::RateLimited,
                "429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit",
            ),
            (
                FailureClass::Dns,
                "dial tcp: lookup nowhere.invalid on 10.0.0.10:53: no such host",
            ),
            (
                FailureClass::Connection,
                r#"Head "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused"#,
            ),
            (
                FailureClass::Timeout,
                r#"Head "https://10.0.0.1/v2/": dial tcp 10.0.0.1:443: i/o timeout"#,
            ),
            (
                FailureClass::Timeout,
                r#"Head "https://10.0.0.1/v2/": net/http: TLS handshake timeout"#,
            ),
            (
                FailureClass::Tls,
                "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            ),
            (
                FailureClass::Tls,
                "http: server gave HTTP response to HTTPS client",
            ),
            (
                FailureClass::RegistryError,
                "unexpected status from HEAD request to http://r/v2/a/manifests/1: 503 Service Unavailable",
            ),
            (
                FailureClass::DigestMismatch,
                r#"failed commit on ref "layer-sha256:abc": unexpected commit digest sha256:1, expected sha256:2: failed precondition"#,
            ),
            (
                FailureClass::NoSpace,
                "failed to extract layer sha256:1: write /x: no space left on device: unknown",
            ),
            (
                FailureClass::NoPlatform,
                "no match for platform in manifest: not found",
            ),
            (
                FailureClass::Unpack,
                "failed to extract layer sha256:1: failed to unpack: archive/tar: invalid tar header: unknown",
            ),
            (
                FailureClass::InvalidName,
                r#"Failed to apply default image tag "A B": couldn't parse image name "A B": invalid reference format"#,
            ),
            (
                FailureClass::Signature,
                "SignatureValidationFailed: image pull failed",
            ),
            (FailureClass::Unknown, "ErrImagePull"),
            (FailureClass::Unknown, ""),
        ];
        for (class, message) in table {
            assert_eq!(classify(message), class, "{message}");
        }
    }
}
