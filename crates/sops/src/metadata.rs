//! The `sops` key of a document: who can open it, which values are encrypted, and the MAC.

use regex::bytes::{Regex, RegexBuilder};

use crate::error::SopsError;
use crate::tree::{Node, Value, show_key};

const SERVICES: [(&str, &str); 6] = [
    ("pgp", "PGP"),
    ("kms", "AWS KMS"),
    ("gcp_kms", "GCP KMS"),
    ("hckms", "Huawei Cloud KMS"),
    ("azure_kv", "Azure Key Vault"),
    ("hc_vault", "HashiCorp Vault"),
];

pub(crate) struct Metadata {
    pub(crate) groups: Vec<Group>,
    /// How many groups must be opened; `None` when the data key is not split.
    pub(crate) threshold: Option<usize>,
    pub(crate) rule: Rule,
    pub(crate) mac: String,
    pub(crate) last_modified: String,
    pub(crate) mac_only_encrypted: bool,
}

/// Keys that each wrap the same data key, or the same share of it.
pub(crate) struct Group {
    pub(crate) field: String,
    pub(crate) age: Vec<Recipient>,
    /// Names of services that can open the group and that this crate does not speak to.
    pub(crate) services: Vec<String>,
}

pub(crate) struct Recipient {
    pub(crate) field: String,
    pub(crate) name: String,
    pub(crate) enc: String,
}

/// Which values are encrypted; any key on the way to a value decides.
pub(crate) enum Rule {
    UnencryptedSuffix(String),
    EncryptedSuffix(String),
    UnencryptedRegex(Regex),
    EncryptedRegex(Regex),
}

impl Rule {
    /// Whether the rule names this key. One named key on the way to a value is enough.
    pub(crate) fn names(&self, key: &str) -> bool {
        match self {
            Self::UnencryptedSuffix(suffix) | Self::EncryptedSuffix(suffix) => {
                key.ends_with(suffix)
            }
            Self::UnencryptedRegex(regex) | Self::EncryptedRegex(regex) => {
                regex.is_match(key.as_bytes())
            }
        }
    }

    /// Whether a value is encrypted, `named` telling whether a key on the way to it is.
    pub(crate) fn encrypts(&self, named: bool) -> bool {
        match self {
            Self::UnencryptedSuffix(_) | Self::UnencryptedRegex(_) => !named,
            Self::EncryptedSuffix(_) | Self::EncryptedRegex(_) => named,
        }
    }
}

impl Metadata {
    pub(crate) fn read(sops: &Node) -> Result<Self, SopsError> {
        for field in ["encrypted_comment_regex", "unencrypted_comment_regex"] {
            if text(sops, field)?.is_some() {
                return Err(SopsError::CommentRules { field });
            }
        }
        let groups = groups(sops)?;
        let missing = |field: &str| invalid(field, "it is missing");
        Ok(Self {
            threshold: threshold(sops, groups.len())?,
            groups,
            rule: rule(sops)?,
            mac: text(sops, "mac")?.ok_or(SopsError::MissingMac)?,
            last_modified: text(sops, "lastmodified")?.ok_or_else(|| missing("lastmodified"))?,
            mac_only_encrypted: flag(sops, "mac_only_encrypted")?,
        })
    }
}

fn invalid(field: &str, problem: &'static str) -> SopsError {
    SopsError::Metadata {
        field: field.to_owned(),
        problem,
    }
}

/// Empty text counts as absent, as it does for sops.
fn text(node: &Node, field: &str) -> Result<Option<String>, SopsError> {
    match node.get(field) {
        None => Ok(None),
        Some(node) if matches!(node.value, Value::Null) => Ok(None),
        Some(node) => {
            let text = node
                .as_text()
                .ok_or_else(|| invalid(field, "it is not text"))?;
            Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
        }
    }
}

fn flag(node: &Node, field: &str) -> Result<bool, SopsError> {
    match node.get(field).map(|node| &node.value) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(invalid(field, "it is neither true nor false")),
    }
}

fn rule(sops: &Node) -> Result<Rule, SopsError> {
    let mut rules = Vec::new();
    if let Some(suffix) = text(sops, "unencrypted_suffix")? {
        rules.push(Rule::UnencryptedSuffix(suffix));
    }
    if let Some(suffix) = text(sops, "encrypted_suffix")? {
        rules.push(Rule::EncryptedSuffix(suffix));
    }
    if let Some(pattern) = text(sops, "unencrypted_regex")? {
        rules.push(Rule::UnencryptedRegex(regex(
            "unencrypted_regex",
            &pattern,
        )?));
    }
    if let Some(pattern) = text(sops, "encrypted_regex")? {
        rules.push(Rule::EncryptedRegex(regex("encrypted_regex", &pattern)?));
    }
    if rules.len() > 1 {
        return Err(invalid(
            "encrypted_regex",
            "more than one of encrypted_suffix, unencrypted_suffix, encrypted_regex and unencrypted_regex is set",
        ));
    }
    Ok(rules
        .pop()
        .unwrap_or_else(|| Rule::UnencryptedSuffix("_unencrypted".to_owned())))
}

/// Go's classes like `\d` mean ASCII only; patterns that need Unicode are read with it. A pattern that the two
/// languages read differently cannot do harm: the value then fails to decrypt or the MAC does not match.
fn regex(field: &str, pattern: &str) -> Result<Regex, SopsError> {
    let build = |unicode| {
        RegexBuilder::new(pattern)
            .unicode(unicode)
            .size_limit(1 << 20)
            .build()
    };
    build(false).or_else(|_| build(true)).map_err(|_| {
        invalid(
            field,
            "it is not a regular expression that can be read here",
        )
    })
}

fn groups(sops: &Node) -> Result<Vec<Group>, SopsError> {
    let single = group(sops, "sops")?;
    if !single.age.is_empty() || !single.services.is_empty() {
        return Ok(vec![single]);
    }
    let listed = sops.get("key_groups").map_or(&[][..], Node::items);
    let groups = listed
        .iter()
        .enumerate()
        .map(|(index, node)| group(node, &format!("sops.key_groups[{index}]")));
    let groups: Vec<Group> = groups.collect::<Result<_, _>>()?;
    if groups.is_empty() {
        return Err(invalid(
            "age",
            "no key is listed, so nothing can open the document",
        ));
    }
    Ok(groups)
}

fn group(node: &Node, field: &str) -> Result<Group, SopsError> {
    let mut group = Group {
        field: field.to_owned(),
        age: Vec::new(),
        services: Vec::new(),
    };
    for entry in node.entries() {
        let name = entry.key.text();
        let items = entry.value.items();
        if name == "age" {
            for (index, item) in items.iter().enumerate() {
                let field = format!("{field}.age[{index}]");
                group.age.push(recipient(item, field)?);
            }
        } else if items.iter().any(|item| item.get("enc").is_some()) {
            let known = SERVICES.iter().find(|(key, _)| *key == name);
            let shown = known.map_or_else(|| show_key(name), |(_, shown)| (*shown).to_owned());
            group.services.push(shown);
        }
    }
    Ok(group)
}

fn recipient(item: &Node, field: String) -> Result<Recipient, SopsError> {
    let enc = text(item, "enc")?;
    let short = field.strip_prefix("sops.").unwrap_or(&field);
    let enc = enc.ok_or_else(|| invalid(short, "`enc` is missing"))?;
    let name = text(item, "recipient")?.unwrap_or_default();
    Ok(Recipient { field, name, enc })
}

fn threshold(sops: &Node, groups: usize) -> Result<Option<usize>, SopsError> {
    if groups < 2 {
        return Ok(None);
    }
    let wanted = match sops.get("shamir_threshold").map(|node| &node.value) {
        None | Some(Value::Null | Value::Int(0)) => return Ok(Some(groups)),
        Some(Value::Int(wanted)) => usize::try_from(*wanted).ok(),
        // JSON knows floats only; anything but a small whole number finds no equal.
        Some(Value::Float(wanted)) => {
            (1..=groups).find(|count| count.to_string() == wanted.to_string())
        }
        Some(_) => None,
    };
    match wanted {
        Some(wanted) if (1..=groups).contains(&wanted) => Ok(Some(wanted)),
        _ => Err(invalid(
            "shamir_threshold",
            "it does not fit the number of key groups",
        )),
    }
}
