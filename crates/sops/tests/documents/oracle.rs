//! rops, an independent implementation, reads every fixture that it supports to the same document.

use std::process::Command;

use berth_sops::Format;
use rops::cryptography::cipher::AES256GCM;
use rops::cryptography::hasher::SHA512;
use rops::file::RopsFile;
use rops::file::format::{JsonFileFormat, YamlFileFormat};
use rops::file::state::EncryptedFile;

use crate::support::{Fixture, fixtures, key_text, normal};

/// rops takes keys from this variable only, so its half runs in a process of its own.
const KEYS: &str = "ROPS_AGE";

/// What rops 0.1.7 cannot read, and why. A fixture that it can read one day fails the test, so that it leaves the list.
const UNSUPPORTED: [(&str, &str); 12] = [
    ("registries", "empty text"),
    ("types", "empty text, times"),
    ("json", "empty text"),
    ("json_groups", "key groups, empty text"),
    ("several", "several documents"),
    ("ssh_recipient", "ssh recipients"),
    ("ssh_and_age", "ssh recipients"),
    ("pgp_only", "other services"),
    ("encrypted_comment_regex", "selection by comments"),
    ("unencrypted_comment_regex", "selection by comments"),
    ("two_of_two", "key groups"),
    ("two_of_three", "key groups"),
];

fn with_rops(fixture: &Fixture) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(&fixture.encrypted).unwrap();
    macro_rules! decrypted {
        ($format:ty) => {{
            type Encrypted = RopsFile<EncryptedFile<AES256GCM, SHA512>, $format>;
            let file: Encrypted = text.parse().map_err(|error| format!("{error}"))?;
            file.decrypt::<$format>()
                .map_err(|error| error.to_string())?
                .map()
                .to_string()
        }};
    }
    Ok(match fixture.format {
        Format::Yaml => decrypted!(YamlFileFormat).into_bytes(),
        Format::Json => decrypted!(JsonFileFormat).into_bytes(),
    })
}

#[test]
fn rops_reads_every_fixture_that_it_supports_to_the_same_document() {
    if std::env::var_os(KEYS).is_none() {
        let keys = ["first.agekey", "second.agekey"]
            .map(|name| key_text(name).lines().last().unwrap().to_owned());
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "oracle::rops_reads_every_fixture_that_it_supports_to_the_same_document",
            ])
            .env(KEYS, keys.join(","))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
        return;
    }
    let mut same = 0;
    for fixture in fixtures() {
        let reason = UNSUPPORTED.iter().find(|(name, _)| *name == fixture.name);
        match (with_rops(&fixture), reason) {
            (Ok(plain), None) => {
                assert_eq!(normal(&plain), normal(&fixture.plain), "{}", fixture.name);
                same += 1;
            }
            (Err(_), Some(_)) => {}
            (Ok(_), Some((name, reason))) => {
                panic!("rops reads {name} ({reason}) now: take it off the list")
            }
            (Err(error), None) => panic!("{}: {error}", fixture.name),
        }
    }
    assert!(same >= 6, "{same}");
}
