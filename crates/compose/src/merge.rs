//! Lays documents over each other: the unit is one mirror, one credential, one TLS setting.

use std::collections::BTreeMap;

use registries::{Registries, redact_key};

use crate::problem::Warning;

/// One document and what belongs to it.
#[derive(Default)]
pub(crate) struct Layer {
    /// Path of the field that the document came from.
    pub origin: String,
    pub document: Registries,
    /// `configs` keys whose `auth` or `tls` stands there as null: they clear what earlier layers say.
    pub cleared: Vec<Unit>,
    /// Certificate files by key of the rendered Secret.
    pub certificates: BTreeMap<String, Vec<u8>>,
    pub warnings: Vec<Warning>,
}

/// What a later document replaces whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unit {
    Mirror(String),
    Auth(String),
    Tls(String),
}

impl Unit {
    /// Path inside a registries.yaml, as findings name it.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Mirror(key) => format!("mirrors.{}", redact_key(key)),
            Self::Auth(key) => format!("configs.{}.auth", redact_key(key)),
            Self::Tls(key) => format!("configs.{}.tls", redact_key(key)),
        }
    }
}

/// All layers in one.
#[derive(Default)]
pub(crate) struct Merged {
    pub document: Registries,
    pub certificates: BTreeMap<String, Vec<u8>>,
    pub warnings: Vec<Warning>,
    /// Which field each unit came from.
    pub origins: BTreeMap<Unit, String>,
}

impl Merged {
    /// Lays one more document over what is there.
    pub(crate) fn add(&mut self, layer: Layer) {
        let Layer {
            origin,
            document,
            cleared,
            certificates,
            warnings,
        } = layer;
        self.warnings.extend(warnings);
        for (key, mirror) in document.mirrors {
            self.claim(Unit::Mirror(key.clone()), &origin);
            self.document.mirrors.insert(key, mirror);
        }
        for (key, config) in document.configs {
            let Some(config) = config else {
                self.document.configs.entry(key).or_insert(None);
                continue;
            };
            if let Some(auth) = config.auth {
                self.claim(Unit::Auth(key.clone()), &origin);
                self.host(&key).auth = Some(auth);
            }
            if let Some(tls) = config.tls {
                self.claim(Unit::Tls(key.clone()), &origin);
                self.drop_certificates(&key);
                self.host(&key).tls = Some(tls);
            }
            // A map without auth and tls is kept: it stands for "this host is known".
            self.host(&key);
        }
        for unit in cleared {
            self.claim(unit.clone(), &origin);
            match unit {
                Unit::Mirror(key) => drop(self.document.mirrors.insert(key, None)),
                Unit::Auth(key) => self.host(&key).auth = None,
                Unit::Tls(key) => {
                    self.drop_certificates(&key);
                    self.host(&key).tls = None;
                }
            }
        }
        self.certificates.extend(certificates);
    }

    fn host(&mut self, key: &str) -> &mut registries::HostConfig {
        self.document
            .configs
            .entry(key.to_owned())
            .or_default()
            .get_or_insert_default()
    }

    fn claim(&mut self, unit: Unit, origin: &str) {
        let path = unit.path();
        if let Some(earlier) = self.origins.insert(unit, origin.to_owned()) {
            self.warnings.push(Warning::new(
                "replaced-by-later-source",
                format!("{origin}.{path}"),
                format!("replaces the whole {path} of {earlier}"),
                "keep it in one of the two",
            ));
        }
    }

    fn drop_certificates(&mut self, key: &str) {
        let id = node_files::layout::tls_id(key);
        self.certificates
            .remove(&node_files::layout::ca_secret_key(&id));
        self.certificates
            .remove(&node_files::layout::client_secret_key(&id));
    }
}
