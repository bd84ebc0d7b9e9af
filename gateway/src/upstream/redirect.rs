//! Where redirects lead, and whether credentials go along.

use url::Url;

/// Whether two addresses are of the same server: only then it may see what the first was shown.
pub(super) fn is_same(first: &Url, second: &Url) -> bool {
    first.scheme() == second.scheme()
        && first.host() == second.host()
        && first.port_or_known_default() == second.port_or_known_default()
}

/// Where a redirect leads, unless it gives up encryption, carries a login or is no HTTP.
pub(super) fn next(from: &Url, location: &str) -> Option<Url> {
    let to = from.join(location).ok().filter(|_| !location.is_empty())?;
    let keeps = match to.scheme() {
        "https" => true,
        "http" => from.scheme() == "http",
        _ => false,
    };
    let plain = to.username().is_empty() && to.password().is_none();
    (keeps && plain && to.has_host()).then_some(to)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{is_same, next};

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn credentials_go_to_the_same_server_only() {
        let first = url("https://r.example/v2/a");
        for (other, same) in [
            ("https://r.example:443/b", true),
            ("https://r.example:444/b", false),
            ("http://r.example/b", false),
            ("https://cdn.r.example/b", false),
            ("https://r.example.evil.test/b", false),
        ] {
            assert_eq!(is_same(&first, &url(other)), same, "{other}");
        }
    }

    #[test]
    fn redirects_keep_encryption_and_carry_no_login() {
        let secure = url("https://r.example/v2/a");
        assert_eq!(next(&secure, "/b"), Some(url("https://r.example/b")));
        assert_eq!(next(&secure, "//cdn/b"), Some(url("https://cdn/b")));
        for nowhere in [
            "",
            "http://r.example/b",
            "file:///etc/passwd",
            "https://u:p@cdn/b",
            "ftp://a/b",
        ] {
            assert_eq!(next(&secure, nowhere), None, "{nowhere}");
        }
        assert_eq!(
            next(&url("http://r/a"), "http://s/b"),
            Some(url("http://s/b"))
        );
    }
}
