//! The fixtures that `tests/fixtures/make` made with the real sops, and how two documents are compared.

use std::fs;
use std::path::{Path, PathBuf};

use berth_sops::{AgeKeys, Format};
use serde::Deserialize;

pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) format: Format,
    pub(crate) encrypted: Vec<u8>,
    /// What `sops decrypt` gave.
    pub(crate) plain: Vec<u8>,
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub(crate) fn key_text(name: &str) -> String {
    fs::read_to_string(folder().join("keys").join(name)).unwrap()
}

pub(crate) fn keys(names: &[&str]) -> AgeKeys {
    let mut keys = AgeKeys::default();
    for name in names {
        keys.extend(AgeKeys::parse(&key_text(name)).unwrap());
    }
    keys
}

pub(crate) fn fixture(name: &str) -> Fixture {
    let wanted = fixtures().into_iter().find(|fixture| fixture.name == name);
    wanted.unwrap_or_else(|| panic!("no fixture {name}: run tests/fixtures/make"))
}

pub(crate) fn fixtures() -> Vec<Fixture> {
    let mut fixtures = Vec::new();
    for entry in fs::read_dir(folder().join("made")).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some((name, extension)) = file.split_once(".enc.") else {
            continue;
        };
        fixtures.push(Fixture {
            name: name.to_owned(),
            format: if extension == "json" {
                Format::Json
            } else {
                Format::Yaml
            },
            encrypted: fs::read(&path).unwrap(),
            plain: fs::read(path.with_file_name(format!("{name}.out.{extension}"))).unwrap(),
        });
    }
    fixtures.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(fixtures.len() > 15, "run tests/fixtures/make");
    fixtures
}

/// Every document of a stream, types and order of keys kept, in one notation.
pub(crate) fn normal(document: &[u8]) -> Vec<String> {
    serde_yaml::Deserializer::from_slice(document)
        .map(|part| {
            let value = serde_yaml::Value::deserialize(part).unwrap();
            serde_yaml::to_string(&value).unwrap()
        })
        .collect()
}
