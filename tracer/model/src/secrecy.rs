//! Addresses inside messages, without what opens doors: users with passwords, and signatures of storage.

/// Parameters of addresses that every registry's client sends and that hold no secret.
const OPEN: &[&str] = &["ns", "scope", "service", "digest", "from", "mount"];

/// A message of a runtime without credentials in its addresses.
pub fn without_credentials(message: &str) -> String {
    const MARK: &str = "://";
    let mut shown = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.find(MARK) {
        let (before, after) = rest.split_at(at + MARK.len());
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '\\');
        let (address, next) = after.split_at(after.find(ends).unwrap_or(after.len()));
        shown.push_str(before);
        push(&mut shown, address);
        rest = next;
    }
    shown.push_str(rest);
    shown
}

fn push(shown: &mut String, address: &str) {
    let (place, query) = match address.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (address, None),
    };
    let (place, digest) = place.split_at(place.rfind("@sha").unwrap_or(place.len()));
    // A password may hold a slash, so it reaches to the last mark.
    shown.push_str(place.rsplit_once('@').map_or(place, |(_, host)| host));
    shown.push_str(digest);
    let Some(query) = query else { return };
    for (index, pair) in query.split('&').enumerate() {
        shown.push(if index == 0 { '?' } else { '&' });
        let is_open = pair
            .split_once('=')
            .is_some_and(|(name, _)| OPEN.contains(&name));
        shown.push_str(if is_open { pair } else { "***" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_keep_everything_else() {
        for (message, expected) in [
            ("no space left on device", "no space left on device"),
            (
                r#"failed to do request: Head "https://mirror:5000/v2/a/manifests/1?ns=docker.io": dial tcp: i/o timeout"#,
                r#"failed to do request: Head "https://mirror:5000/v2/a/manifests/1?ns=docker.io": dial tcp: i/o timeout"#,
            ),
            (
                "unexpected status from GET request to https://u:p@h/v2/x@sha256:1: 403",
                "unexpected status from GET request to https://h/v2/x@sha256:1: 403",
            ),
            (
                r#"Get "https://u:p@h:5000/v2/": EOF, Get "http://h/a?X-Amz-Signature=s&ns=b""#,
                r#"Get "https://h:5000/v2/": EOF, Get "http://h/a?***&ns=b""#,
            ),
        ] {
            assert_eq!(without_credentials(message), expected);
        }
    }

    proptest! {
        #[test]
        fn no_random_secret_stays_in_an_address(
            secret in "[A-Za-z0-9+/=_.~!$*:-]{8,30}",
            template in proptest::sample::select(vec![
                r#"Head "https://u:SECRET@h/v2/a/manifests/1": EOF"#,
                "https://SECRET@h: refused",
                "http://u:SECRET@h:80/a?ns=b and https://u:SECRET@h",
                r#"Get "https://h/a?X-Amz-Signature=SECRET&ns=b": 403"#,
                "https://h/a?ns=b&sig=SECRET: 403 Forbidden",
                "https://h/a?SECRET",
                "https://u:SECRET@h/a@sha256:0000",
            ]),
        ) {
            let shown = without_credentials(&template.replace("SECRET", &secret));
            prop_assert!(!shown.contains(&secret), "{shown}");
        }
    }
}
