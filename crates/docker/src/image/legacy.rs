//! Which layer a legacy folder holds, before its content was read.
//!
//! Docker up to 24 names the folder of a layer after a hash over the layer's chain, the folder of its parent and a
//! description, which it writes into the folder ahead of the layer. Who knows the image's layers can therefore try
//! which of them makes that name. Without it a layer would have to be read to its end to be known.

use std::collections::BTreeMap;

use crate::digest::Digest;

/// Layers of images, by the chains that they end.
#[derive(Clone, Debug, Default)]
pub(super) struct Chains(Vec<(Digest, Digest)>);

impl Chains {
    /// Adds the layers of an image, lowest first.
    pub(super) fn add(&mut self, diff_ids: &[Digest]) {
        let mut below: Option<Digest> = None;
        for diff_id in diff_ids {
            let chain = match &below {
                Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
                None => diff_id.clone(),
            };
            self.0.push((chain.clone(), diff_id.clone()));
            below = Some(chain);
        }
    }

    /// Whether a layer is one of those.
    pub(super) fn has(&self, diff_id: &Digest) -> bool {
        self.0.iter().any(|(_, known)| known == diff_id)
    }

    /// The layer in the folder of this name whose description is `json`.
    pub(super) fn layer(&self, folder: &str, json: &[u8]) -> Option<&Digest> {
        let mut fields: BTreeMap<&str, &str> = fields(std::str::from_utf8(json).ok()?)?;
        fields.remove("id");
        let parent = fields
            .remove("parent")
            .map(|parent| format!("\"sha256:{}\"", parent.trim_matches('"')));
        // The system is added to what is hashed for the top layer only.
        let mut without_os = fields.clone();
        without_os.remove("os");
        self.0.iter().find_map(|(chain, diff_id)| {
            let is_named = [&fields, &without_os]
                .into_iter()
                .any(|fields| name(fields, chain, parent.as_deref()).hex() == folder);
            is_named.then_some(diff_id)
        })
    }
}

/// The fields in the order of their keys, as Go writes a map.
fn name(fields: &BTreeMap<&str, &str>, chain: &Digest, parent: Option<&str>) -> Digest {
    let layer = format!("\"{chain}\"");
    let mut fields = fields.clone();
    fields.insert("layer_id", &layer);
    if let Some(parent) = parent {
        fields.insert("parent", parent);
    }
    let fields: Vec<_> = fields
        .iter()
        .map(|(key, value)| format!("\"{key}\":{value}"))
        .collect();
    Digest::of(format!("{{{}}}", fields.join(",")).as_bytes())
}

/// The fields of a JSON object that was written without spaces, with their values as they stand.
fn fields(json: &str) -> Option<BTreeMap<&str, &str>> {
    let inner = json.trim_end().strip_prefix('{')?.strip_suffix('}')?;
    let mut fields = BTreeMap::new();
    let mut rest = inner;
    while !rest.is_empty() {
        let key_end = value_end(rest)?;
        let key = rest[..key_end].strip_prefix('"')?.strip_suffix('"')?;
        rest = rest[key_end..].strip_prefix(':')?;
        let end = value_end(rest)?;
        fields.insert(key, &rest[..end]);
        rest = &rest[end..];
        if !rest.is_empty() {
            rest = rest.strip_prefix(',')?;
        }
    }
    Some(fields)
}

/// Where the value ends that the text begins with.
fn value_end(text: &str) -> Option<usize> {
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if in_text {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
        } else {
            match byte {
                b'"' => in_text = true,
                b'{' | b'[' => depth += 1,
                b',' | b':' if depth == 0 => return Some(at),
                b'}' | b']' => depth = depth.checked_sub(1)?,
                _ => {}
            }
        }
    }
    (depth == 0 && !in_text).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::{Chains, fields};
    use crate::digest::Digest;

    /// From an archive that Docker 20.10 wrote of an image with one layer.
    const FOLDER: &str = "ba42fefde83874ff0bad8e1dcc20b22f339d9c873e7179b5f07a1ae444c8b759";
    const JSON: &str = r#"{"id":"ba42fefde83874ff0bad8e1dcc20b22f339d9c873e7179b5f07a1ae444c8b759","created":"0001-01-01T00:00:00Z","container_config":{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":null,"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null},"config":{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["PATH=/bin"],"Cmd":["sh"],"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null},"architecture":"amd64","os":"linux"}"#;
    const LAYER: &str = "sha256:d1592acee4d2345cc093082c538e3b2e29ec6e86a252eaa1b5bb89a49425cd36";

    #[test]
    fn the_layer_of_a_folder_is_known_by_its_name() {
        let layer: Digest = LAYER.parse().unwrap();
        let mut chains = Chains::default();
        chains.add(&[Digest::of(b"another"), layer.clone()]);
        assert_eq!(chains.layer(FOLDER, JSON.as_bytes()), None);
        chains.add(std::slice::from_ref(&layer));
        assert_eq!(chains.layer(FOLDER, JSON.as_bytes()), Some(&layer));
        assert_eq!(
            chains.layer(&FOLDER.replace('b', "c"), JSON.as_bytes()),
            None
        );
    }

    #[test]
    fn values_are_taken_as_they_stand() {
        let read = fields(r#"{"a":[1,{"b":2}],"c":"x\",\\","d":null}"#).unwrap();
        let read: Vec<_> = read.into_iter().collect();
        assert_eq!(
            read,
            [("a", r#"[1,{"b":2}]"#), ("c", r#""x\",\\""#), ("d", "null")]
        );
        for broken in ["", "[]", r#"{"a"}"#, r#"{"a":"#, r#"{"a":"}"#, r#"{"a":]}"#] {
            assert_eq!(
                fields(broken).filter(|fields| fields.get("a").is_some_and(|v| !v.is_empty())),
                None,
                "{broken}"
            );
        }
    }
}
