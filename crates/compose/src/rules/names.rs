//! Names of objects and their keys: a server refuses a look-up under any other, and a path could be built from them.

use api::bounds;

use crate::problem::Problem;

/// A name of a Secret or `ConfigMap`: the DNS subdomain of RFC 1123.
pub(super) fn object(path: &str, name: &str, problems: &mut Vec<Problem>) {
    if !is_subdomain(name) {
        problems.push(Problem::invalid(
            format!("{path}.name"),
            "is no name that an object can have",
            "write the name of a Secret or ConfigMap: lower-case letters, digits, - and .",
        ));
    }
}

/// A key of a Secret or `ConfigMap`.
pub(super) fn data_key(path: &str, key: &str, problems: &mut Vec<Problem>) {
    if !is_data_key(key) {
        problems.push(Problem::invalid(
            format!("{path}.key"),
            "is no key that a Secret or ConfigMap can have",
            "write letters, digits, -, _ and .",
        ));
    }
}

pub(crate) fn is_data_key(key: &str) -> bool {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let special = key == "." || key.starts_with("..");
    !key.is_empty() && key.len() <= bounds::DATA_KEY && !special && key.bytes().all(harmless)
}

pub(crate) fn is_subdomain(name: &str) -> bool {
    name.len() <= bounds::OBJECT_NAME && name.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty()
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_are_those_that_servers_take() {
        for (name, fits) in [
            ("mirror-login", true),
            ("a.b-c.0", true),
            ("", false),
            ("A", false),
            ("a/b", false),
            ("..", false),
            ("-a", false),
            ("a-", false),
        ] {
            let mut problems = Vec::new();
            object("spec.decryption.secretRef", name, &mut problems);
            assert_eq!(problems.is_empty(), fits, "{name}");
        }
        for (key, fits) in [
            ("ca.crt", true),
            (".dockerconfigjson", true),
            ("", false),
            ("..x", false),
            ("a/b", false),
        ] {
            let mut problems = Vec::new();
            data_key("spec.registriesFrom[0].secretRef", key, &mut problems);
            assert_eq!(problems.is_empty(), fits, "{key}");
        }
    }
}
