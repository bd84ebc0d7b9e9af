//! `spec.registries`: the maps of a registries.yaml, with references where the file has credentials.

use std::{collections::BTreeMap, fmt};

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::IgnoredAny};

use crate::{SecretReference, bounds};

/// The content of a registries.yaml as k3s reads it, without clear-text credentials.
#[derive(Clone, Default, PartialEq, Deserialize, Serialize, KubeSchema)]
pub struct InlineRegistries {
    /// What to use instead of, or before, a registry. The key is the host of the image name, with its port if it
    /// has one, or `*`. A null value means that nothing is mirrored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = bounds::REGISTRIES))]
    #[x_kube(validation = Rule::new("self.all(key, key.size() >= 1 && key.size() <= 255 && !key.contains('@'))")
        .message("a key of mirrors is a host, perhaps with a port, or *: 1 to 255 characters, no @"))]
    pub mirrors: Option<BTreeMap<String, Option<InlineMirror>>>,
    /// How to talk to a host. The key is the host of an endpoint, with its port if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = bounds::REGISTRIES))]
    #[x_kube(validation = Rule::new("self.all(key, key.size() >= 1 && key.size() <= 255 && !key.contains('@'))")
        .message("a key of configs is a host, perhaps with a port: 1 to 255 characters, no @"))]
    pub configs: Option<BTreeMap<String, Option<InlineConfig>>>,
}

/// One entry of `mirrors`.
#[derive(Clone, Default, PartialEq, Deserialize, Serialize, KubeSchema)]
pub struct InlineMirror {
    /// URLs, or `host[:port][/path]`, tried in this order before the registry itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::ENDPOINTS), inner(length(max = bounds::ENDPOINT)))]
    #[x_kube(
        merge_strategy = ListMerge::Atomic,
        validation = Rule::new("self.all(endpoint, !endpoint.contains('@'))")
            .message("an endpoint holds no credentials and no @: name a Secret in configs.<host>.auth.secretRef")
    )]
    pub endpoint: Option<Vec<String>>,
    /// Changes repository names on the endpoints: a regular expression in Go's dialect and its replacement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::rewrite")]
    #[x_kube(
        validation = Rule::new("self.all(pattern, pattern.size() <= 512)")
            .message("a rewrite pattern has at most 512 characters"),
        validation = Rule::new("self.all(pattern, ''.matches(pattern) || !''.matches(pattern))")
            .message("a rewrite pattern must be a regular expression in Go's dialect")
    )]
    pub rewrite: Option<BTreeMap<String, String>>,
}

/// One entry of `configs`.
#[derive(Clone, Default, PartialEq, Deserialize, Serialize, KubeSchema)]
pub struct InlineConfig {
    /// The credential for the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<InlineAuth>,
    /// Certificates and verification for the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<InlineTls>,
}

/// A credential by reference. The fields of registries.yaml are known so that they can be refused.
#[derive(Clone, Default, PartialEq, Deserialize, Serialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("!has(self.token)").message(
        "k3s knows no token: put a refresh token as identitytoken into a kubernetes.io/dockerconfigjson Secret, \
         an access token as password into a kubernetes.io/basic-auth Secret, and name it in secretRef"
    ),
    validation = Rule::new(
        "!has(self.username) && !has(self.password) && !has(self.auth) && !has(self.identity_token)"
    ).message(
        "no clear-text credentials here: put them into a kubernetes.io/basic-auth or \
         kubernetes.io/dockerconfigjson Secret and name it in secretRef"
    ),
    validation = Rule::new("has(self.secretRef)").message("auth needs secretRef")
)]
pub struct InlineAuth {
    /// A Secret in the operator's namespace, of type kubernetes.io/basic-auth or kubernetes.io/dockerconfigjson.
    #[serde(default, rename = "secretRef", skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
    /// Refused here: put it into a Secret and name that in `secretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<ClearText>,
    /// Refused here: put it into a Secret and name that in `secretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<ClearText>,
    /// Refused here: put it into a Secret and name that in `secretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<ClearText>,
    /// Refused here: put it into a Secret and name that in `secretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_token: Option<ClearText>,
    /// Refused: k3s has no such field. A refresh token is an `identitytoken` of a kubernetes.io/dockerconfigjson
    /// Secret, an access token is a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<ClearText>,
}

/// TLS towards one host.
#[derive(Clone, Default, PartialEq, Deserialize, Serialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("!(has(self.ca_file) && has(self.caRef))")
        .message("give ca_file or caRef, not both"),
    validation = Rule::new("!(has(self.certificateRef) && (has(self.cert_file) || has(self.key_file)))")
        .message("give certificateRef or cert_file and key_file, not both"),
    validation = Rule::new("has(self.cert_file) == has(self.key_file)")
        .message("cert_file and key_file belong together; name the same file twice if it holds both"),
    validation = Rule::new(
        "!(has(self.ca_file) && self.ca_file.contains('-----')) && \
         !(has(self.cert_file) && self.cert_file.contains('-----')) && \
         !(has(self.key_file) && self.key_file.contains('-----'))"
    ).message("ca_file, cert_file and key_file are paths on the node: put PEM text into caRef or certificateRef")
)]
pub struct InlineTls {
    /// Path on the node of the certificates that sign the host's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NODE_PATH))]
    pub ca_file: Option<String>,
    /// Path on the node of the client certificate; needs `key_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NODE_PATH))]
    pub cert_file: Option<String>,
    /// Path on the node of the client certificate's private key; needs `cert_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NODE_PATH))]
    pub key_file: Option<String>,
    /// Do not verify the host's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure_skip_verify: Option<bool>,
    /// Certificates that sign the host's certificate; Berth places them on the node and fills in `ca_file`.
    #[serde(default, rename = "caRef", skip_serializing_if = "Option::is_none")]
    pub ca_ref: Option<CaReference>,
    /// A kubernetes.io/tls Secret with the client certificate and its key; Berth places them on the node and fills
    /// in `cert_file` and `key_file`.
    #[serde(
        default,
        rename = "certificateRef",
        skip_serializing_if = "Option::is_none"
    )]
    pub certificate_ref: Option<SecretReference>,
}

/// One key of a `ConfigMap` or Secret in the operator's namespace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, KubeSchema)]
pub struct CaReference {
    /// `ConfigMap` or `Secret`.
    #[serde(default)]
    pub kind: CaReferenceKind,
    /// Name of the object.
    #[schemars(length(min = 1, max = bounds::OBJECT_NAME))]
    pub name: String,
    /// Key inside the object.
    #[serde(default = "ca_key")]
    #[schemars(length(min = 1, max = bounds::DATA_KEY))]
    pub key: String,
}

/// Where certificates may be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum CaReferenceKind {
    /// Certificates are public: a `ConfigMap` will do.
    #[default]
    ConfigMap,
    /// Where tools put the certificate beside its key.
    Secret,
}

fn ca_key() -> String {
    "ca.crt".to_owned()
}

/// Stands where a clear-text credential was given: the value itself is dropped while reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClearText;

impl<'de> Deserialize<'de> for ClearText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl Serialize for ClearText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("<REDACTED>")
    }
}

impl JsonSchema for ClearText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClearText".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}

impl InlineAuth {
    /// The names of clear-text fields that were given, in the order of the documentation.
    pub fn clear_text(&self) -> Vec<&'static str> {
        [
            ("username", self.username),
            ("password", self.password),
            ("auth", self.auth),
            ("identity_token", self.identity_token),
            ("token", self.token),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.map(|ClearText| name))
        .collect()
    }
}

// People paste whole files: keys, endpoints and paths may carry what they should not, so only sizes are shown.
impl fmt::Debug for InlineRegistries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineRegistries")
            .field("mirrors", &self.mirrors.as_ref().map(BTreeMap::len))
            .field("configs", &self.configs.as_ref().map(BTreeMap::len))
            .finish()
    }
}

impl fmt::Debug for InlineMirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineMirror")
            .field("endpoint", &self.endpoint.as_ref().map(Vec::len))
            .field("rewrite", &self.rewrite.as_ref().map(BTreeMap::len))
            .finish()
    }
}

impl fmt::Debug for InlineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineConfig")
            .field("auth", &self.auth)
            .field("tls", &self.tls)
            .finish()
    }
}

impl fmt::Debug for InlineAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineAuth")
            .field("secret_ref", &self.secret_ref)
            .field("clear_text", &self.clear_text())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for InlineTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineTls")
            .field("ca_file", &self.ca_file.is_some())
            .field("cert_file", &self.cert_file.is_some())
            .field("key_file", &self.key_file.is_some())
            .field("insecure_skip_verify", &self.insecure_skip_verify)
            .field("ca_ref", &self.ca_ref)
            .field("certificate_ref", &self.certificate_ref)
            .finish()
    }
}
