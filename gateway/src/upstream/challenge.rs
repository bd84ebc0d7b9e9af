//! What a registry wants to be shown: `WWW-Authenticate`, read.

use std::collections::BTreeMap;

/// What a registry wants to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// The login itself.
    Basic,
    /// A token that another server gives.
    Bearer {
        /// That server.
        realm: String,
        /// For whom tokens are.
        service: Option<String>,
        /// What tokens are for.
        scope: Option<String>,
    },
}

/// The challenge that is answered: a token where one is wanted, else the login, which needs one to be there.
pub(super) fn best<'a>(
    headers: impl Iterator<Item = &'a str>,
    has_login: bool,
) -> Option<Challenge> {
    let all: Vec<Challenge> = headers.flat_map(read).collect();
    let bearer = all.iter().find(|it| matches!(it, Challenge::Bearer { .. }));
    let basic = all.iter().find(|it| **it == Challenge::Basic && has_login);
    bearer.or(basic).cloned()
}

/// The challenges of one header.
fn read(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    for part in split(header) {
        let part = part.trim();
        let (before, value) = part.split_once('=').unwrap_or((part, ""));
        let name = match before.trim().rsplit_once(char::is_whitespace) {
            Some((scheme, name)) => {
                challenges.push((scheme.trim().to_lowercase(), BTreeMap::new()));
                name
            }
            None if part.contains('=') => before.trim(),
            None => {
                challenges.push((before.trim().to_lowercase(), BTreeMap::new()));
                continue;
            }
        };
        if let Some((_, parameters)) = challenges.last_mut() {
            parameters.insert(name.to_lowercase(), unquote(value.trim()));
        }
    }
    challenges
        .into_iter()
        .filter_map(|(scheme, mut parameters)| match scheme.as_str() {
            "basic" => Some(Challenge::Basic),
            "bearer" => Some(Challenge::Bearer {
                realm: parameters.remove("realm")?,
                service: parameters.remove("service"),
                scope: parameters.remove("scope"),
            }),
            _ => None,
        })
        .collect()
}

/// Parts between commas that no quotes enclose.
fn split(header: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, letter) in header.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&header[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&header[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else {
        return value.to_owned();
    };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut text = String::new();
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        text.extend(if letter == '\\' {
            letters.next()
        } else {
            Some(letter)
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Challenge, best};

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scope: scope.map(Into::into),
        }
    }

    #[test]
    fn challenges_as_registries_write_them_are_read() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        let read = best([hub].into_iter(), false);
        let expected = bearer(
            "https://auth.docker.io/token",
            Some("registry.docker.io"),
            Some("repository:a/b:pull,push"),
        );
        assert_eq!(read, Some(expected));
        for (header, login, expected) in [
            ("Basic realm=\"x\"", true, Some(Challenge::Basic)),
            ("basic", true, Some(Challenge::Basic)),
            ("Basic realm=\"x\"", false, None),
            (
                "Bearer realm=https://t",
                false,
                Some(bearer("https://t", None, None)),
            ),
            (
                "Basic realm=\"a, b\", Bearer realm=\"https://t\"",
                true,
                Some(bearer("https://t", None, None)),
            ),
            ("Bearer service=\"no realm\"", true, None),
            ("Negotiate", true, None),
            ("", true, None),
            (",,=,\"", true, None),
        ] {
            assert_eq!(best([header].into_iter(), login), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_header_breaks_the_reader(header in "\\PC{0,80}", login: bool) {
            let _ = best([header.as_str()].into_iter(), login);
        }

        #[test]
        fn quoted_values_are_read_as_they_were_meant(realm in "[ -~]{1,40}") {
            let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("Bearer realm=\"{quoted}\",service=\"s\"");
            prop_assert_eq!(best([header.as_str()].into_iter(), false), Some(bearer(&realm, Some("s"), None)));
        }
    }
}
