//! Reads a registries.yaml exactly as k3s does, within bounds.

use crate::decode::decode;
use crate::document::Registries;
use crate::yaml::tree::{self, Tree};

pub use crate::error::{ErrorKind, ParseError, Shape};

/// The largest document that is read: what a Secret can hold.
pub const MAX_BYTES: usize = tree::MAX_BYTES;

/// Reads the first document as k3s does: YAML 1.1, unknown keys dropped, later duplicates winning.
pub fn parse(document: &[u8]) -> Result<Registries, ParseError> {
    Ok(decode(&Tree::read(document)?)?.registries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(document: &str) -> ErrorKind {
        parse(document.as_bytes()).unwrap_err().kind
    }

    #[test]
    fn an_alias_bomb_ends_quickly() {
        let mut bomb = String::from("x0: &x0 {endpoint: [a]}\n");
        for level in 1..40 {
            let [name, before] = [format!("x{level}"), format!("*x{}", level - 1)];
            bomb += &[
                &name, ": &", &name, " {<<: [", &before, ", ", &before, ", ", &before, "]}\n",
            ]
            .concat();
        }
        bomb.push_str("mirrors: {a: *x39}\n");
        assert!(matches!(
            kind(&bomb),
            ErrorKind::ExcessiveAliasing | ErrorKind::TooDeep
        ));
    }

    #[test]
    fn deep_nesting_ends_in_an_error() {
        assert_eq!(kind(&"[".repeat(5000)), ErrorKind::TooDeep);
        assert_eq!(
            kind(&format!("a: {}", "{a: ".repeat(5000))),
            ErrorKind::TooDeep
        );
        let chain: Vec<String> = (1..2000)
            .map(|n| format!("a{n}: &a{n} {{<<: *a{}}}\n", n - 1))
            .collect();
        let chain = chain.concat();
        assert_eq!(
            kind(&format!("a0: &a0 {{}}\n{chain}mirrors: *a1999\n")),
            ErrorKind::TooDeep
        );
    }

    #[test]
    fn an_anchor_that_contains_itself_is_refused() {
        assert_eq!(
            kind("mirrors:\n  a: &a\n    <<: *a\n"),
            ErrorKind::RecursiveAlias
        );
    }

    #[test]
    fn a_document_beyond_the_bounds_is_refused() {
        assert_eq!(kind(&" ".repeat(MAX_BYTES + 1)), ErrorKind::TooLarge);
        assert_eq!(
            kind(&format!("[{}]", "a,".repeat(400_000))),
            ErrorKind::TooManyValues
        );
    }

    #[test]
    fn repeated_structs_add_to_each_other_and_null_clears() {
        let read =
            parse(b"configs:\n  h:\n    auth: {username: u}\n    auth: {password: p}\n").unwrap();
        let auth = read.configs["h"].clone().unwrap().auth.unwrap();
        assert_eq!((auth.username.expose(), auth.password.expose()), ("u", "p"));
        let read = parse(b"configs:\n  h:\n    auth: {username: u}\n    auth: ~\n").unwrap();
        assert_eq!(read.configs["h"].clone().unwrap().auth, None);
        let read = parse(b"mirrors: {a: {}}\nmirrors:\n").unwrap();
        assert!(read.mirrors.is_empty());
    }

    #[test]
    fn a_merge_overrides_what_stands_before_it() {
        let read = parse(b"x: &x {endpoint: [m]}\nmirrors:\n  a: {endpoint: [own], <<: *x}\n  b: {<<: *x, endpoint: [own]}\n");
        let read = read.unwrap();
        assert_eq!(read.mirrors["a"].clone().unwrap().endpoint, ["m"]);
        assert_eq!(read.mirrors["b"].clone().unwrap().endpoint, ["own"]);
    }

    #[test]
    fn a_null_mirror_is_kept() {
        let read = parse(b"mirrors:\n  docker.io:\n  quay.io: {}\n").unwrap();
        assert_eq!(read.mirrors["docker.io"], None);
        assert!(read.mirrors["quay.io"].is_some());
    }

    #[test]
    fn an_escape_that_came_with_yaml_1_2_is_refused() {
        assert_eq!(
            kind("mirrors: {a: {endpoint: [\"https:\\/\\/h\"]}}\n"),
            ErrorKind::Syntax
        );
        assert!(parse(b"mirrors: {a: {endpoint: [\"https:\\\\/\"]}}\n").is_ok());
    }

    #[test]
    fn what_follows_the_first_document_is_not_read() {
        assert!(parse(b"mirrors: {}\n---\n{[\n").is_ok());
    }
}
