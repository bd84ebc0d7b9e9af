//! Walks the documents: opens what is encrypted, checks what is not, and verifies the whole.

use crate::cipher::{self, Cipher, Failure};
use crate::data_key;
use crate::error::{Place, SopsError};
use crate::keys::AgeKeys;
use crate::mac::Mac;
use crate::metadata::Metadata;
use crate::tree::{Entry, Key, Node, Value, show_path};

/// Takes the `sops` keys off and decrypts every value in place.
pub(crate) fn decrypt(documents: &mut [Node], keys: &AgeKeys) -> Result<(), SopsError> {
    let metadata = take_metadata(documents)?;
    let key = data_key::unwrap(&metadata, keys)?;
    let cipher = Cipher::new(&key);
    let opened = cipher.open(&metadata.mac, &metadata.last_modified);
    let Ok(Value::Text(expected)) = opened else {
        return Err(SopsError::TamperedMac);
    };
    let mut walk = Walk {
        mac: Mac::new(metadata.mac_only_encrypted),
        metadata: &metadata,
        cipher,
    };
    for document in documents {
        walk.node(document, &mut Way::default())?;
    }
    if walk.mac.matches(&expected) {
        Ok(())
    } else {
        Err(SopsError::MacMismatch)
    }
}

/// sops repeats its key in each document of a stream and reads the first.
fn take_metadata(documents: &mut [Node]) -> Result<Metadata, SopsError> {
    let mut first = None;
    for document in documents {
        if let Value::Map(entries) = &mut document.value {
            let ours: Vec<Entry> = entries.extract_if(.., |entry| is_sops_key(entry)).collect();
            if ours.len() > 1 {
                let problem = "the key stands twice in one document";
                return Err(SopsError::Metadata {
                    field: "*".to_owned(),
                    problem,
                });
            }
            first = first.or(ours.into_iter().next());
        } else if !matches!(document.value, Value::Null) {
            return Err(SopsError::NotEncryptedDocument);
        }
    }
    Metadata::read(&first.ok_or(SopsError::NotEncryptedDocument)?.value)
}

pub(crate) fn is_sops_key(entry: &Entry) -> bool {
    entry.key == Key::Text("sops".to_owned())
}

/// The keys from the top to a value.
#[derive(Default)]
struct Way {
    keys: Vec<String>,
    /// How many of them the rule names: each is asked about once, not again for every value below it.
    named: usize,
}

struct Walk<'a> {
    metadata: &'a Metadata,
    cipher: Cipher,
    mac: Mac,
}

impl Walk<'_> {
    fn node(&mut self, node: &mut Node, way: &mut Way) -> Result<(), SopsError> {
        match &mut node.value {
            Value::Null => Ok(()),
            Value::HugeInt => Err(SopsError::UnsupportedNumber(place(&way.keys, node.line))),
            Value::List(items) => {
                for item in items.iter_mut() {
                    self.node(item, way)?;
                }
                items.retain(|item| !matches!(item.value, Value::Comment));
                Ok(())
            }
            Value::Map(entries) => {
                for entry in entries {
                    if entry.key == Key::Other {
                        return Err(SopsError::UnsupportedKey(place(&way.keys, entry.line)));
                    }
                    let named = usize::from(self.metadata.rule.names(entry.key.text()));
                    way.named += named;
                    way.keys.push(entry.key.text().to_owned());
                    self.node(&mut entry.value, way)?;
                    if matches!(entry.value.value, Value::Comment) {
                        return Err(SopsError::MalformedValue(place(&way.keys, entry.line)));
                    }
                    way.keys.pop();
                    way.named -= named;
                }
                Ok(())
            }
            _ => self.leaf(node, way),
        }
    }

    fn leaf(&mut self, node: &mut Node, way: &Way) -> Result<(), SopsError> {
        let encrypted = self.metadata.rule.encrypts(way.named > 0);
        if encrypted {
            self.open(node, &way.keys)?;
        } else if matches!(&node.value, Value::Text(text) if cipher::is_sealed(text)) {
            return Err(SopsError::StillEncrypted(place(&way.keys, node.line)));
        }
        if encrypted || !self.metadata.mac_only_encrypted {
            self.mac.add(&node.value);
        }
        Ok(())
    }

    fn open(&self, node: &mut Node, path: &[String]) -> Result<(), SopsError> {
        let place = || place(path, node.line);
        let Some(text) = node.as_text() else {
            return Err(SopsError::ValueNotEncrypted(place()));
        };
        // sops leaves empty text as it is.
        if text.is_empty() {
            return Ok(());
        }
        if !text.starts_with("ENC[") {
            return Err(SopsError::ValueNotEncrypted(place()));
        }
        let authenticated = format!("{}:", path.join(":"));
        node.value = match self.cipher.open(text, &authenticated) {
            Ok(value) => value,
            Err(Failure::Malformed) => return Err(SopsError::MalformedValue(place())),
            Err(Failure::Tampered) => return Err(SopsError::TamperedValue(place())),
            Err(Failure::UnknownType(kind)) => {
                let place = place();
                return Err(SopsError::UnknownValueType { place, kind });
            }
        };
        Ok(())
    }
}

fn place(path: &[String], line: usize) -> Place {
    Place {
        path: show_path(path.iter().map(String::as_str)),
        line,
    }
}
