//! Random secrets occur in no error and no `Debug`, however a document is damaged.

use crate::support::{fixture, key_text, keys};
use berth_sops::{AgeKeys, Format, decrypt};
use proptest::prelude::*;

const CLEAR: &str = "battery";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn damaged_documents_tell_no_secret(
        secret in "[A-Za-z0-9]{12,40}",
        position in 0.0..1.0_f64,
        byte in prop::option::of(0x20_u8..0x7f),
        format in prop_oneof![Just(Format::Yaml), Just(Format::Json)],
    ) {
        // The secret stands in clear text in the document, where an error could quote it.
        let document = String::from_utf8(fixture("default_suffix").encrypted).unwrap();
        let mut document = document.replace(CLEAR, &secret).into_bytes();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small file")]
        let at = (position * document.len() as f64) as usize;
        match byte {
            Some(byte) => document[at] = byte,
            None => document.truncate(at),
        }
        let error = decrypt(&document, format, &keys(&["first.agekey"])).map(|_| ());
        // The MAC does not fit the changed clear text, so nothing ever comes out.
        let error = error.unwrap_err();
        let shown = format!("{error} {error:?} {}", error.reason());
        prop_assert!(!shown.contains(&secret), "{shown}");
        for value in ["hunter2", "correct horse", "puller", "staple", "AGE-SECRET"] {
            prop_assert!(!shown.contains(value), "{shown}");
        }
    }

    #[test]
    fn damaged_keys_tell_no_secret(cut in 0..70_usize, text in "[A-Z0-9]{8,60}") {
        let secret = key_text("second.agekey");
        let secret = secret.lines().last().unwrap();
        let damaged = format!("{}{text}", &secret[..cut.min(secret.len())]);
        let shown = match AgeKeys::parse(&damaged) {
            Ok(keys) => format!("{keys:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!shown.contains(&text) && (cut < 20 || !shown.contains(&damaged[..cut.min(secret.len())])), "{shown}");
    }
}
