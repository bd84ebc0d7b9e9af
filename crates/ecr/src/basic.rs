//! Credentials that a caller sends with a request.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use docker::Credentials;
use docker::credentials::Proof;
use registries::Secret;

/// Reads the value of an `Authorization` header as credentials for `registry`. Other schemes than Basic, an empty
/// password and what cannot be decoded are none.
pub fn basic(authorization: &str, registry: &str) -> Option<Credentials> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let decoded = Secret::from(String::from_utf8(decoded).ok()?);
    let (username, password) = decoded.expose().split_once(':')?;
    (!password.is_empty()).then(|| Credentials {
        server: registry.to_owned(),
        username: username.to_owned(),
        proof: Proof::Password(Secret::from(password)),
    })
}

#[cfg(test)]
mod tests {
    use super::basic;
    use docker::credentials::Proof;
    use registries::Secret;

    #[test]
    fn only_basic_with_a_password_is_taken() {
        let read = |header: &str| {
            let found = basic(header, "quay.io")?;
            assert_eq!(found.server, "quay.io");
            assert_eq!(found.proof, Proof::Password(Secret::from("hunter:2")));
            Some(found.username)
        };
        // ada:hunter:2
        assert_eq!(read("Basic YWRhOmh1bnRlcjoy").as_deref(), Some("ada"));
        assert_eq!(read("basic  YWRhOmh1bnRlcjoy").as_deref(), Some("ada"));
        // ada: and ada
        for header in [
            "Bearer YWRhOmh1bnRlcjoy",
            "Basic YWRhOg==",
            "Basic YWRh",
            "Basic *",
            "",
            "Basic",
        ] {
            assert_eq!(read(header), None, "{header:?}");
        }
    }
}
