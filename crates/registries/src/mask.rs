//! Masks the secret parts of single texts: URLs, host keys, paths and names of keys.
//!
//! Everything here errs on the side of hiding: a text that cannot be told from a secret is masked.

use std::net::Ipv6Addr;

use crate::secret::REDACTED;

/// An endpoint without userinfo, query and fragment.
pub fn redact_url(url: &str) -> String {
    if looks_like_pem(url) {
        return REDACTED.to_owned();
    }
    let (scheme, rest) = split_scheme(url);
    // The last `@` of the whole text counts, not that of the authority: a password may hold `/` or `?`.
    let (userinfo, rest) = match rest.rfind('@') {
        Some(at) => (format!("{REDACTED}@"), &rest[at + 1..]),
        None => (String::new(), rest),
    };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (location, hidden) = rest.split_at(end);
    let hidden = hidden
        .chars()
        .next()
        .map_or(String::new(), |mark| format!("{mark}{REDACTED}"));
    format!("{scheme}{userinfo}{}{hidden}", redact_port(location))
}

/// A key of `mirrors`, `configs` or `auths`, without userinfo, query and fragment.
pub fn redact_key(key: &str) -> String {
    redact_url(key)
}

/// A path on the node, unless the text is something else put in its place.
pub fn redact_path(path: &str) -> String {
    let is_path = path.len() <= 512 && !path.contains(char::is_control) && !looks_like_pem(path);
    if is_path {
        path.to_owned()
    } else {
        REDACTED.to_owned()
    }
}

/// A rewrite's pattern or replacement, unless it looks like a key or a URL with userinfo.
pub fn redact_rewrite(text: &str) -> String {
    let url_with_userinfo = text.contains("://") && text.contains('@');
    if looks_like_pem(text) || url_with_userinfo {
        REDACTED.to_owned()
    } else {
        text.to_owned()
    }
}

/// The name of a key that nobody knows: shown when it is a word, masked when it may be a value that lost its place.
pub fn redact_unknown_key(key: &str) -> String {
    let is_word = key.len() <= 40
        && !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-' | '.'));
    if is_word {
        key.to_owned()
    } else {
        REDACTED.to_owned()
    }
}

pub(crate) fn looks_like_pem(text: &str) -> bool {
    text.contains("-----BEGIN") || text.contains("PRIVATE KEY")
}

/// Splits `scheme://` off when it is a scheme that people write in endpoints; anything else may be a user name.
fn split_scheme(url: &str) -> (&str, &str) {
    const KNOWN: [&str; 8] = [
        "http", "https", "ftp", "oci", "docker", "tcp", "unix", "file",
    ];
    match url.find("://") {
        Some(at)
            if KNOWN
                .iter()
                .any(|scheme| url[..at].eq_ignore_ascii_case(scheme)) =>
        {
            url.split_at(at + 3)
        }
        _ => ("", url),
    }
}

/// Masks what stands in the place of a port but is no number: `user:password` without a host.
fn redact_port(location: &str) -> String {
    let end = location.find('/').unwrap_or(location.len());
    let (authority, path) = location.split_at(end);
    let Some((host, port)) = authority.rsplit_once(':') else {
        return location.to_owned();
    };
    let is_address = authority.parse::<Ipv6Addr>().is_ok() || port.ends_with(']');
    if is_address || port.is_empty() || port.parse::<u16>().is_ok() {
        return location.to_owned();
    }
    format!("{host}:{REDACTED}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_userinfo_query_and_fragment() {
        let cases = [
            (
                "https://mirror.example.com/v2",
                "https://mirror.example.com/v2",
            ),
            ("mirror.example.com:5000/x", "mirror.example.com:5000/x"),
            (
                "https://u:p@m.example.com/v2",
                "https://<REDACTED>@m.example.com/v2",
            ),
            ("u:p@m.example.com", "<REDACTED>@m.example.com"),
            (
                "https://u:p/w@m.example.com/v2",
                "https://<REDACTED>@m.example.com/v2",
            ),
            (
                "https://u:p?w@m.example.com",
                "https://<REDACTED>@m.example.com",
            ),
            (
                "https://u:p#w@m.example.com",
                "https://<REDACTED>@m.example.com",
            ),
            ("secret://x@m.example.com", "<REDACTED>@m.example.com"),
            (
                "https://m.example.com/v2?token=x#y",
                "https://m.example.com/v2?<REDACTED>",
            ),
            (
                "https://m.example.com#y",
                "https://m.example.com#<REDACTED>",
            ),
            ("https://user:password", "https://user:<REDACTED>"),
            ("https://user:123456", "https://user:<REDACTED>"),
            ("https://[fd00::1]:5000/v2", "https://[fd00::1]:5000/v2"),
            ("[fd00::1]", "[fd00::1]"),
            ("fd00::ab", "fd00::ab"),
            ("-----BEGIN CERTIFICATE-----", "<REDACTED>"),
            ("", ""),
        ];
        for (url, expected) in cases {
            assert_eq!(redact_url(url), expected, "{url}");
        }
    }

    #[test]
    fn paths_stay_readable_and_certificates_do_not() {
        assert_eq!(redact_path("/etc/ssl/ca.pem"), "/etc/ssl/ca.pem");
        assert_eq!(redact_path("-----BEGIN CERTIFICATE-----\nMII"), REDACTED);
        assert_eq!(redact_path("MIIC\nMIID"), REDACTED);
    }

    #[test]
    fn unknown_keys_are_shown_when_they_are_words() {
        assert_eq!(redact_unknown_key("token"), "token");
        assert_eq!(redact_unknown_key("x-creds"), "x-creds");
        assert_eq!(redact_unknown_key("hunter2"), REDACTED);
        assert_eq!(redact_unknown_key("user: password"), REDACTED);
    }
}
