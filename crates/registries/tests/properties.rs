//! Laws of reading and writing that hold for every document.

use std::collections::BTreeMap;

use proptest::prelude::*;
use registries::{Auth, HostConfig, Mirror, Registries, Secret, Tls, diff, parse, redact, to_yaml};

/// Texts that YAML or Go would like to take for something else.
#[rustfmt::skip]
const AWKWARD: &[&str] = &[ "", "~", "null", "yes", "No", "y", "true", "0123", "1e3", "0x1F", "1_000", ".nan", "2024-01-02", "<<", "*", "&a", "!!binary x", "- a", "a: b", "# c", "{", "[", "'", "\"", "\\", "\\x41", " a ", "a\nb", "a\r\nb", "\t", "\u{85}", "\u{2028}", "\u{FEFF}", "\u{7F}", "\u{0}", "\u{202E}x", "---", "...", "%TAG", "?", ":", "|", ">", "é", "\u{1F600}", ];

/// Any text, and often an awkward one.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(AWKWARD).prop_map(str::to_owned),
        any::<String>(),
        "[a-z0-9.:/-]{1,20}",
        "[a-z \\\\\"\n]{900,1200}",
    ]
}

fn secret() -> impl Strategy<Value = Secret> {
    text().prop_map(Secret::from)
}

fn auth() -> impl Strategy<Value = Auth> {
    (secret(), secret(), secret(), secret()).prop_map(
        |(username, password, auth, identity_token)| Auth {
            username,
            password,
            auth,
            identity_token,
        },
    )
}

fn tls() -> impl Strategy<Value = Tls> {
    (text(), text(), text(), any::<bool>()).prop_map(
        |(ca_file, cert_file, key_file, insecure_skip_verify)| Tls {
            ca_file,
            cert_file,
            key_file,
            insecure_skip_verify,
        },
    )
}

fn map<T: std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = BTreeMap<String, T>> {
    proptest::collection::btree_map(text(), value, 0..4)
}

fn document() -> impl Strategy<Value = Registries> {
    let mirror = (proptest::collection::vec(text(), 0..4), map(text()))
        .prop_map(|(endpoint, rewrite)| Mirror { endpoint, rewrite });
    let config = (proptest::option::of(auth()), proptest::option::of(tls()))
        .prop_map(|(auth, tls)| HostConfig { auth, tls });
    (
        map(proptest::option::of(mirror)),
        map(proptest::option::of(config)),
        map(proptest::option::of(auth())),
    )
        .prop_map(|(mirrors, configs, auths)| Registries {
            mirrors,
            configs,
            auths,
        })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_the_same(document in document()) {
        let written = to_yaml(&document);
        let expected = Registries { auths: BTreeMap::new(), ..document };
        let read = parse(written.as_bytes());
        prop_assert!(read.as_ref() == Ok(&expected), "{read:?}\n{expected:?}");
        prop_assert_eq!(to_yaml(&expected), written);
    }

    #[test]
    fn a_document_does_not_differ_from_itself_and_its_redaction_is_yaml(document in document()) {
        let written = to_yaml(&document);
        prop_assert_eq!(diff(written.as_bytes(), written.as_bytes(), "old", "new"), Ok(None));
        let redacted = redact(written.as_bytes()).unwrap_or_default();
        // A preview is for people: it does not break up keys that are too long for YAML.
        prop_assert!(parse(redacted.as_bytes()).is_ok() || redacted.lines().any(|line| line.len() > 1000), "{redacted}");
    }

    #[test]
    fn no_document_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (parse(&bytes), redact(&bytes), diff(&bytes, b"", "old", "new"));
    }

    #[test]
    fn no_yaml_makes_any_reading_panic(text in "[a-z*&!<>|?\\[\\]{}:,'\"# \n\t-]{0,120}") {
        let text = text.as_bytes();
        let _ = (parse(text), redact(text), diff(text, b"a: b", "old", "new"));
        let _ = registries::lint(text, &registries::LintOptions::default());
    }
}

#[test]
fn the_order_of_a_document_makes_no_difference_to_its_bytes() {
    let one = b"configs: {b: {auth: {password: p, username: u}}, a: {tls: {}}}\nmirrors: {b: {endpoint: [x, y], rewrite: {c: d, a: b}}, a: }\n";
    let two = b"mirrors: {a: ~, b: {rewrite: {a: b, c: d}, endpoint: [x, y]}}\nconfigs: {a: {tls: {}}, b: {auth: {username: u, password: p}}}\n";
    let written = |document: &[u8]| parse(document).map(|read| to_yaml(&read));
    assert!(written(one).is_ok());
    assert_eq!(written(one), written(two));
}
