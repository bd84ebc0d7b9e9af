//! Every file that the real sops made decrypts to what the real sops makes of it, and damaged ones are refused.

use crate::support::{fixture, fixtures, key_text, keys, normal};
use std::fmt::Write;

use berth_sops::{AgeKeys, Format, SopsError, decrypt, is_sops};

const ALL: [&str; 3] = ["first.agekey", "second.agekey", "ssh"];

fn refusal(document: &str, format: Format) -> SopsError {
    let error = decrypt(document.as_bytes(), format, &keys(&ALL))
        .map(|_| ())
        .unwrap_err();
    for text in [error.to_string(), format!("{error:?}")] {
        for secret in ["hunter2", "horse", "battery", "ENC[", "AGE-SECRET"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    error
}

fn partial() -> String {
    String::from_utf8(fixture("default_suffix").encrypted).unwrap()
}

#[test]
fn every_supported_fixture_decrypts_as_sops_decrypts_it() {
    let mut compared = 0;
    for fixture in fixtures() {
        if [
            "pgp_only",
            "encrypted_comment_regex",
            "unencrypted_comment_regex",
        ]
        .contains(&fixture.name.as_str())
        {
            continue;
        }
        assert!(is_sops(&fixture.encrypted), "{}", fixture.name);
        let plain = decrypt(&fixture.encrypted, fixture.format, &keys(&ALL))
            .unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
        assert_eq!(normal(&plain), normal(&fixture.plain), "{}", fixture.name);
        assert!(!is_sops(&plain), "{}", fixture.name);
        if fixture.format == Format::Json {
            let parse = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
            assert_eq!(parse(&plain), parse(&fixture.plain), "{}", fixture.name);
        }
        compared += 1;
    }
    assert!(compared >= 16, "{compared}");
}

#[test]
fn text_that_looks_like_something_else_stays_text_and_keys_keep_their_order() {
    let plain = decrypt(
        &fixture("registries").encrypted,
        Format::Yaml,
        &keys(&["first.agekey"]),
    )
    .unwrap();
    let plain = std::str::from_utf8(&plain).unwrap();
    assert_eq!(
        plain,
        "mirrors:\n  docker.io:\n    endpoint:\n      - https://mirror.internal:5000\n      - http://10.0.0.2:5000\n    \
         rewrite:\n      \"^library/(.*)$\": \"proxy/$1\"\n  \"*\": null\n  quay.io: {}\nconfigs:\n  mirror.internal:5000:\n    \
         auth:\n      username: puller\n      password: \"0123\"\n    tls:\n      insecure_skip_verify: false\n      ca_file: \"\"\n  \
         quay.io:\n    auth:\n      username: \"yes\"\n      password: \"two\\nlines\\n\"\n"
    );
}

#[test]
fn any_one_of_several_recipients_is_enough() {
    for (name, key) in [
        ("two_recipients", "first.agekey"),
        ("two_recipients", "second.agekey"),
        ("ssh_and_age", "ssh"),
        ("ssh_and_age", "first.agekey"),
        ("ssh_recipient", "ssh"),
        ("age_and_pgp", "first.agekey"),
    ] {
        decrypt(&fixture(name).encrypted, Format::Yaml, &keys(&[key])).unwrap();
    }
}

#[test]
fn a_wrong_key_is_told_who_could_open_the_document() {
    let error = decrypt(
        partial().as_bytes(),
        Format::Yaml,
        &keys(&["stranger.agekey"]),
    )
    .map(|_| ())
    .unwrap_err();
    assert_eq!(error.reason(), "NoMatchingKey");
    assert!(
        error
            .to_string()
            .contains("none of the 1 given keys fits; the document is encrypted for age1"),
        "{error}"
    );
    let none = decrypt(partial().as_bytes(), Format::Yaml, &AgeKeys::default())
        .map(|_| ())
        .unwrap_err();
    assert_eq!(none.reason(), "NoMatchingKey");
}

#[test]
fn services_that_are_not_spoken_to_are_named() {
    let error = refusal(
        std::str::from_utf8(&fixture("pgp_only").encrypted).unwrap(),
        Format::Yaml,
    );
    assert_eq!(
        error,
        SopsError::UnknownKeyService {
            services: "PGP".to_owned()
        }
    );
    let kms = partial().replace("    age:\n", "    kms:\n");
    assert_eq!(
        refusal(&kms, Format::Yaml),
        SopsError::UnknownKeyService {
            services: "AWS KMS".to_owned()
        }
    );
}

#[test]
fn selection_by_comments_is_refused_by_name() {
    for field in ["encrypted_comment_regex", "unencrypted_comment_regex"] {
        let document = String::from_utf8(fixture(field).encrypted).unwrap();
        assert_eq!(
            refusal(&document, Format::Yaml),
            SopsError::CommentRules { field }
        );
    }
}

#[test]
fn key_groups_open_with_enough_shares_and_name_what_is_closed() {
    let document = fixture("two_of_three").encrypted;
    decrypt(
        &document,
        Format::Yaml,
        &keys(&["first.agekey", "stranger.agekey"]),
    )
    .unwrap();
    decrypt(
        &document,
        Format::Yaml,
        &keys(&["second.agekey", "stranger.agekey", "first.agekey"]),
    )
    .unwrap();
    let error = decrypt(&document, Format::Yaml, &keys(&["second.agekey"]))
        .map(|_| ())
        .unwrap_err();
    assert_eq!(error.reason(), "TooFewKeyGroups");
    let text = error.to_string();
    assert!(
        text.contains("1 of 2 needed") && text.contains("sops.key_groups[0] (age1"),
        "{text}"
    );
}

/// The line of a key, with what follows it.
fn value_of<'a>(document: &'a str, key: &str) -> &'a str {
    let line = document
        .lines()
        .find(|line| line.trim().starts_with(key))
        .unwrap();
    line.split_once(": ").unwrap().1
}

#[test]
fn a_changed_value_is_named_with_its_path_and_line() {
    let document = partial();
    let sealed = value_of(&document, "hint_").to_owned();
    assert_eq!(sealed, "battery");
    let sealed = document
        .lines()
        .find(|line| line.starts_with("    password"))
        .unwrap();
    let data = sealed.split("data:").nth(1).unwrap();
    let other = if data.starts_with('A') { "B" } else { "A" };
    let tampered = document.replace(data, &format!("{other}{}", &data[1..]));
    let error = refusal(&tampered, Format::Yaml);
    assert_eq!(error.reason(), "TamperedValue");
    assert!(
        error.to_string().contains("auth.password (line 5)"),
        "{error}"
    );
    let garbled = document.replace(data, "%%%");
    assert_eq!(refusal(&garbled, Format::Yaml).reason(), "MalformedValue");
}

#[test]
fn swapped_ciphertexts_are_refused_at_the_first_of_them() {
    let document = partial();
    let (name, password) = (value_of(&document, "name"), value_of(&document, "password"));
    let swapped = document
        .replace(name, "@@")
        .replace(password, name)
        .replace("@@", password);
    let error = refusal(&swapped, Format::Yaml);
    assert_eq!(error.reason(), "TamperedValue");
    assert!(error.to_string().contains("name (line 1)"), "{error}");
}

#[test]
fn a_changed_or_missing_mac_is_refused() {
    let document = partial();
    let mac = value_of(&document, "mac:");
    assert_eq!(
        refusal(
            &document.replace(mac, value_of(&document, "name")),
            Format::Yaml
        ),
        SopsError::TamperedMac
    );
    assert_eq!(
        refusal(&document.replace(mac, "nonsense"), Format::Yaml),
        SopsError::TamperedMac
    );
    let moved = document.replace(
        value_of(&document, "lastmodified"),
        "\"2020-01-01T00:00:00Z\"",
    );
    assert_eq!(refusal(&moved, Format::Yaml), SopsError::TamperedMac);
    let without = document.replace(&format!("    mac: {mac}\n"), "");
    assert!(is_sops(without.as_bytes()));
    assert_eq!(refusal(&without, Format::Yaml), SopsError::MissingMac);
}

#[test]
fn changes_beside_the_ciphertext_are_a_mismatch() {
    let document = partial();
    assert_eq!(
        refusal(&document.replace("battery", "batterie"), Format::Yaml),
        SopsError::MacMismatch
    );
    let line = document
        .lines()
        .find(|line| line.starts_with("password"))
        .unwrap();
    assert_eq!(
        refusal(
            &document.replacen(&format!("{line}\n"), "", 1),
            Format::Yaml
        ),
        SopsError::MacMismatch
    );
    let clear = document.replace(line, "password: hunter2");
    assert_eq!(refusal(&clear, Format::Yaml).reason(), "ValueNotEncrypted");
}

#[test]
fn a_rule_that_would_leave_ciphertext_in_the_output_is_refused() {
    let document = partial().replace(
        "unencrypted_suffix: _unencrypted",
        "unencrypted_suffix: password",
    );
    assert_eq!(refusal(&document, Format::Yaml).reason(), "StillEncrypted");
}

#[test]
fn with_mac_only_encrypted_clear_values_are_outside_the_mac() {
    let document = String::from_utf8(fixture("mac_only_encrypted").encrypted).unwrap();
    let changed = document.replace("clear or not", "clear");
    decrypt(changed.as_bytes(), Format::Yaml, &keys(&ALL)).unwrap();
    let dropped = document.replace("mac_only_encrypted: true", "mac_only_encrypted: false");
    assert_eq!(refusal(&dropped, Format::Yaml), SopsError::MacMismatch);
}

#[test]
fn aliases_in_clear_parts_are_followed() {
    let document = partial().replace("hint_unencrypted: battery", "hint_unencrypted: &a battery");
    let plain = decrypt(document.as_bytes(), Format::Yaml, &keys(&ALL)).unwrap();
    assert_eq!(normal(&plain), normal(&fixture("default_suffix").plain));
}

#[test]
fn every_document_of_a_stream_is_verified() {
    let document = String::from_utf8(fixture("several").encrypted).unwrap();
    let last = document.rfind("configs: {}").unwrap();
    let changed = format!(
        "{}configs_unencrypted: x{}",
        &document[..last],
        &document[last + 11..]
    );
    assert_eq!(refusal(&changed, Format::Yaml), SopsError::MacMismatch);
}

#[test]
fn a_long_key_is_asked_about_once_and_not_for_every_value_below_it() {
    let selected = String::from_utf8(fixture("encrypted_regex").encrypted).unwrap();
    let selected = selected.replace("encrypted_regex: ^", "encrypted_regex: ");
    // Asked again for every value, the pattern would look through 75 GB.
    let (key, values) = ("k".repeat(500_000), "0,".repeat(150_000));
    let long = format!("? {key}\n: [{values}]\n{selected}");
    let started = std::time::Instant::now();
    assert_eq!(refusal(&long, Format::Yaml), SopsError::MacMismatch);
    assert!(started.elapsed() < std::time::Duration::from_secs(15));
}

#[test]
fn names_of_unknown_services_are_cut_and_lose_credentials() {
    let long = format!("    user:hunter2@{}:\n", "x".repeat(1000));
    let error = refusal(&partial().replace("    age:\n", &long), Format::Yaml);
    assert_eq!(error.reason(), "UnknownKeyService");
    assert!(error.to_string().len() < 400, "{error}");
}

#[test]
fn bombs_and_oversized_documents_end_in_an_error_soon() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{items}]").unwrap();
    }
    let deep = format!("a: {}{}", "[".repeat(5000), "]".repeat(5000));
    let mut chain = format!("a0: &a0 {}x{}\n", "[".repeat(60), "]".repeat(60));
    for level in 1..2000 {
        let before = level - 1;
        writeln!(chain, "a{level}: &a{level} [[[*a{before}]]]").unwrap();
    }
    for document in [
        bomb,
        deep.clone(),
        chain,
        " ".repeat(1_048_577),
        "a: &a [*a]\n".to_owned(),
    ] {
        let error = refusal(&document, Format::Yaml);
        assert!(
            ["TooLarge", "Unreadable"].contains(&error.reason()),
            "{error}"
        );
        assert!(!is_sops(document.as_bytes()));
    }
    assert_eq!(refusal(&deep[3..], Format::Json).reason(), "Unreadable");
}

#[test]
fn what_is_not_a_sops_document_is_told_apart() {
    assert!(!is_sops(b"mirrors: {}\n"));
    assert!(!is_sops(b"nested: {sops: {mac: x}}\n"));
    assert!(!is_sops(b"sops: a word\n"));
    assert_eq!(
        refusal("mirrors: {}\n", Format::Yaml),
        SopsError::NotEncryptedDocument
    );
    assert_eq!(
        refusal("- a\n", Format::Yaml),
        SopsError::NotEncryptedDocument
    );
    assert_eq!(refusal("", Format::Yaml), SopsError::NotEncryptedDocument);
    assert_eq!(refusal("{\"a\": 1,}", Format::Json).reason(), "Unreadable");
    assert_eq!(
        refusal("sops: {mac: x, lastmodified: y}\n", Format::Yaml).reason(),
        "InvalidMetadata"
    );
    assert_eq!(
        refusal(&format!("{0}sops: {{}}\n", partial()), Format::Yaml).reason(),
        "InvalidMetadata"
    );
}

#[test]
fn a_damaged_data_key_is_not_blamed_on_the_key() {
    let document = partial();
    let line = document
        .lines()
        .find(|line| line.contains("-----END AGE"))
        .unwrap();
    let before = document[..document.find(line).unwrap()]
        .lines()
        .last()
        .unwrap()
        .trim();
    let damaged = document.replace(before, &format!("AAAA{}", &before[4..]));
    assert_eq!(
        refusal(&damaged, Format::Yaml),
        SopsError::DamagedDataKey {
            field: "sops.age[0]".to_owned()
        }
    );
}

#[test]
fn keys_are_read_as_they_are_stored_and_never_shown() {
    let all = AgeKeys::parse(&key_text("all")).unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(format!("{all:?}"), "AgeKeys(3 <REDACTED>)");
    assert!(AgeKeys::parse("# nothing\n\n").unwrap().is_empty());
    let secret = key_text("first.agekey");
    let secret = secret.lines().last().unwrap();
    for (text, message) in [
        (key_text("ssh-passphrase"), "protected by a passphrase"),
        (format!("# x\n{}", &secret[..40]), "line 2"),
        (
            "AGE-PLUGIN-YUBIKEY-1ABC".to_owned(),
            "plugins are not supported",
        ),
        ("hunter2".to_owned(), "neither an age secret key"),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n".to_owned(),
            "does not parse",
        ),
    ] {
        let error = AgeKeys::parse(&text).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(message), "{shown}");
        assert!(
            !shown.contains(&secret[..40]) && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
