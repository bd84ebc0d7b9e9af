//! `spec.registries`: references become credentials and paths.

use std::collections::BTreeMap;

use api::{CaReferenceKind, InlineConfig, InlineRegistries, InlineTls};
use node_files::layout;
use registries::{HostConfig, Mirror, Registries, Tls, redact_key};

use crate::certificates::{self, PemFault};
use crate::credentials;
use crate::inputs::Inputs;
use crate::merge::Layer;
use crate::problem::Problem;

const ORIGIN: &str = "spec.registries";

/// Reads the inline document; what cannot be resolved is added to `problems`.
pub(crate) fn read(
    inline: &InlineRegistries,
    inputs: &Inputs,
    folder: &str,
    problems: &mut Vec<Problem>,
) -> Layer {
    let mut layer = Layer {
        origin: ORIGIN.to_owned(),
        ..Layer::default()
    };
    for (key, mirror) in inline.mirrors.iter().flatten() {
        let mirror = mirror.as_ref().map(|mirror| Mirror {
            endpoint: mirror.endpoint.clone().unwrap_or_default(),
            rewrite: mirror.rewrite.clone().unwrap_or_default(),
        });
        layer.document.mirrors.insert(key.clone(), mirror);
    }
    for (key, config) in inline.configs.iter().flatten() {
        let Some(config) = config else {
            layer.document.configs.insert(key.clone(), None);
            continue;
        };
        let path = format!("{ORIGIN}.configs.{}", redact_key(key));
        if let Err(problem) = read_auth(key, config, inputs, &path, &mut layer.document) {
            problems.push(problem);
        }
        let host = layer
            .document
            .configs
            .entry(key.clone())
            .or_default()
            .get_or_insert_default();
        if let Some(tls) = &config.tls {
            let mut place = Placement {
                key,
                folder,
                inputs,
                path: format!("{path}.tls"),
                files: &mut layer.certificates,
            };
            host.tls = Some(place.tls(tls, problems));
        }
    }
    layer
}

fn read_auth(
    key: &str,
    config: &InlineConfig,
    inputs: &Inputs,
    path: &str,
    document: &mut Registries,
) -> Result<(), Problem> {
    let Some(auth) = &config.auth else {
        return Ok(());
    };
    let Some(reference) = &auth.secret_ref else {
        // Clear text was refused by the rules; what is left is an empty map, which k3s renders as an empty table.
        document
            .configs
            .entry(key.to_owned())
            .or_default()
            .get_or_insert_default()
            .auth = Some(registries::Auth::default());
        return Ok(());
    };
    let path = format!("{path}.auth.secretRef");
    let secret = inputs.secret(&reference.name, &path)?;
    let credential = credentials::read(&reference.name, secret, key, &path)?;
    for key in credentials::keys_for(key) {
        let host: &mut HostConfig = document
            .configs
            .entry(key.to_owned())
            .or_default()
            .get_or_insert_default();
        if host.auth.is_none() || key == "docker.io" {
            host.auth = Some(credential.clone());
        }
    }
    Ok(())
}

/// Where the certificates of one host go.
struct Placement<'a> {
    key: &'a str,
    folder: &'a str,
    inputs: &'a Inputs,
    path: String,
    files: &'a mut BTreeMap<String, Vec<u8>>,
}

impl Placement<'_> {
    fn tls(&mut self, inline: &InlineTls, problems: &mut Vec<Problem>) -> Tls {
        let mut tls = Tls {
            ca_file: inline.ca_file.clone().unwrap_or_default(),
            cert_file: inline.cert_file.clone().unwrap_or_default(),
            key_file: inline.key_file.clone().unwrap_or_default(),
            insecure_skip_verify: inline.insecure_skip_verify.unwrap_or_default(),
        };
        match self.certificate_authority(inline) {
            Ok(Some(path)) => tls.ca_file = path,
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
        match self.client_certificate(inline) {
            Ok(Some(path)) => {
                tls.cert_file.clone_from(&path);
                tls.key_file = path;
            }
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
        tls
    }

    fn certificate_authority(&mut self, inline: &InlineTls) -> Result<Option<String>, Problem> {
        let Some(reference) = &inline.ca_ref else {
            return Ok(None);
        };
        let path = format!("{}.caRef", self.path);
        let pem = match reference.kind {
            CaReferenceKind::ConfigMap => {
                self.inputs
                    .config_map_key(&reference.name, &reference.key, &path)?
            }
            CaReferenceKind::Secret => {
                self.inputs
                    .secret_key(&reference.name, &reference.key, &path)?
            }
        };
        certificates::check_certificates(pem)
            .map_err(|fault| broken(&path, &reference.name, &reference.key, fault))?;
        let id = layout::tls_id(self.key);
        self.files
            .insert(layout::ca_secret_key(&id), certificates::join(pem, b""));
        Ok(Some(layout::ca_path(self.folder, &id)))
    }

    fn client_certificate(&mut self, inline: &InlineTls) -> Result<Option<String>, Problem> {
        let Some(reference) = &inline.certificate_ref else {
            return Ok(None);
        };
        let path = format!("{}.certificateRef", self.path);
        let secret = self.inputs.secret(&reference.name, &path)?;
        if secret.type_ != "kubernetes.io/tls" {
            return Err(Problem::invalid(
                path,
                format!(
                    "Secret {} has another type than kubernetes.io/tls",
                    reference.name
                ),
                "create it with `kubectl create secret tls`",
            ));
        }
        let certificate = self.inputs.secret_key(&reference.name, "tls.crt", &path)?;
        let key = self.inputs.secret_key(&reference.name, "tls.key", &path)?;
        certificates::check_certificates(certificate)
            .map_err(|fault| broken(&path, &reference.name, "tls.crt", fault))?;
        certificates::check_key(key)
            .map_err(|fault| broken(&path, &reference.name, "tls.key", fault))?;
        let id = layout::tls_id(self.key);
        self.files.insert(
            layout::client_secret_key(&id),
            certificates::join(certificate, key),
        );
        Ok(Some(layout::client_path(self.folder, &id)))
    }
}

fn broken(path: &str, name: &str, key: &str, fault: PemFault) -> Problem {
    Problem::invalid(
        path,
        format!("key {key} of {name} {}", fault.message()),
        "put the PEM text there as the tool that made it wrote it",
    )
}
