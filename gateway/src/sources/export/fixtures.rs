//! The same image as each kind of Engine saves it.

use std::collections::BTreeMap;

use docker::archive::{Kind, end, entry, padding};
use docker::models::{ImageInspect, ImageInspectRootFs};
use serde_json::{Value, json};

use crate::names::Digest;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const ABOUT: &str = r#""created":"1970-01-01T00:00:00Z""#;

/// An archive that is being made.
#[derive(Default)]
pub(super) struct Tar(pub(super) Vec<u8>);

impl Tar {
    pub(super) fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let size = content.len() as u64;
        self.0.extend(entry(path, Kind::File, 0o644, size));
        self.0.extend(content);
        self.0.resize(self.0.len() + padding(size), 0);
        self
    }

    pub(super) fn blob(self, content: impl AsRef<[u8]>) -> Self {
        let path = format!("blobs/sha256/{}", Digest::of(content.as_ref()).hex());
        self.file(&path, content)
    }

    pub(super) fn link(mut self, path: &str, target: &str) -> Self {
        let mut block = entry(path, Kind::Symlink, 0o777, 0);
        block[157..157 + target.len()].copy_from_slice(target.as_bytes());
        block[148..156].copy_from_slice(b"        ");
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(block);
        self
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.extend(end());
        self.0
    }
}

/// An image.
pub(super) struct Sample {
    pub(super) layers: Vec<Vec<u8>>,
}

impl Sample {
    /// One with this many layers, which differ from those of other seeds.
    pub(super) fn new(seed: usize, layers: usize) -> Self {
        let layer = |index: usize| {
            let content = format!("layer {seed} {index} ").repeat(1000 * (index % 5 + 1));
            Tar::default().file("content", content).end()
        };
        Self {
            layers: (0..layers).map(layer).collect(),
        }
    }

    /// The same with its first layer once more on top.
    pub(super) fn repeated(mut self) -> Self {
        self.layers.push(self.layers[0].clone());
        self
    }

    pub(super) fn diff_ids(&self) -> Vec<Digest> {
        self.layers.iter().map(|layer| Digest::of(layer)).collect()
    }

    pub(super) fn config(&self) -> Vec<u8> {
        let diff_ids = serde_json::to_string(&self.diff_ids()).unwrap();
        format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":{diff_ids}}}}}"#)
            .into_bytes()
    }

    pub(super) fn config_digest(&self) -> Digest {
        Digest::of(&self.config())
    }

    /// What a graph driver says about it.
    pub(super) fn inspected(&self) -> ImageInspect {
        self.inspected_as(&self.config_digest())
    }

    pub(super) fn inspected_as(&self, id: &Digest) -> ImageInspect {
        ImageInspect {
            id: Some(id.to_string()),
            root_fs: Some(ImageInspectRootFs {
                layers: Some(self.diff_ids().iter().map(ToString::to_string).collect()),
                ..ImageInspectRootFs::default()
            }),
            ..ImageInspect::default()
        }
    }

    /// Docker up to 24: folders by name; a layer that repeats is a link, also ahead of what it leads to.
    pub(super) fn legacy(&self) -> Vec<u8> {
        let mut entries: BTreeMap<String, Tar> = BTreeMap::new();
        let mut folders: Vec<String> = Vec::new();
        let (mut chain, mut parent) = (None::<Digest>, None::<String>);
        for (index, layer) in self.layers.iter().enumerate() {
            let diff_id = Digest::of(layer);
            chain = Some(match &chain {
                Some(chain) => Digest::of(format!("{chain} {diff_id}").as_bytes()),
                None => diff_id.clone(),
            });
            let is_top = index + 1 == self.layers.len();
            let id = legacy_id(chain.as_ref().unwrap(), parent.as_deref(), is_top);
            let below = parent
                .map(|parent| format!(r#""parent":"{parent}","#))
                .unwrap_or_default();
            let description = format!(r#"{{"id":"{id}",{below}{ABOUT},"os":"linux"}}"#);
            let tar = Tar::default()
                .file(&format!("{id}/VERSION"), "1.0")
                .file(&format!("{id}/json"), description);
            let path = format!("{id}/layer.tar");
            let first = self.layers[..index].iter().position(|other| other == layer);
            let tar = match first {
                Some(first) => tar.link(&path, &format!("../{}/layer.tar", folders[first])),
                None => tar.file(&path, layer),
            };
            entries.insert(id.clone(), tar);
            folders.push(id.clone());
            parent = Some(id);
        }
        let config = format!("{}.json", self.config_digest().hex());
        entries.insert(config.clone(), Tar::default().file(&config, self.config()));
        let layers: Vec<_> = folders
            .iter()
            .map(|folder| format!("{folder}/layer.tar"))
            .collect();
        let saved = json!([{"Config": config, "RepoTags": null, "Layers": layers}]);
        let bytes = entries.into_values().flat_map(|tar| tar.0).collect();
        Tar(bytes)
            .file("manifest.json", saved.to_string())
            .file("repositories", "{}")
            .end()
    }

    /// Docker 25 and newer with a graph driver: blobs by digest, with descriptions of layers nobody needs.
    pub(super) fn graph_driver(&self) -> Vec<u8> {
        let made = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(MANIFEST, &self.config()), "layers": []});
        let made = made.to_string().into_bytes();
        let paths: Vec<_> = self
            .diff_ids()
            .iter()
            .map(|id| format!("blobs/sha256/{}", id.hex()))
            .collect();
        let saved = json!([{"Config": format!("blobs/sha256/{}", self.config_digest().hex()), "RepoTags": null, "Layers": paths, "LayerSources": {}}]);
        let description =
            |index: usize| format!(r#"{{"id":"{index:064x}",{ABOUT},"os":"linux"}}"#).into_bytes();
        let descriptions = (0..self.layers.len()).map(description);
        let blobs = self
            .layers
            .iter()
            .cloned()
            .chain(descriptions)
            .chain([self.config(), made.clone()]);
        let blobs: BTreeMap<Digest, Vec<u8>> = blobs
            .map(|content| (Digest::of(&content), content))
            .collect();
        let tar = blobs.values().fold(Tar::default(), Tar::blob);
        tar.file("index.json", index(&[descriptor(MANIFEST, &made)]))
            .file("manifest.json", saved.to_string())
            .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
            .file("repositories", "{}")
            .end()
    }

    /// The manifest as it was pulled; old ones do not say what they are.
    pub(super) fn manifest(&self, says_what_it_is: bool) -> Vec<u8> {
        let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
        let layers: Vec<_> = self
            .layers
            .iter()
            .map(|layer| descriptor(kind, layer))
            .collect();
        let mut manifest = json!({
            "schemaVersion": 2, "config": descriptor("application/vnd.oci.image.config.v1+json", &self.config()), "layers": layers,
        });
        if says_what_it_is {
            manifest["mediaType"] = json!(MANIFEST);
        }
        manifest.to_string().into_bytes()
    }

    /// An index of this image and of one for another platform that nobody pulled.
    pub(super) fn index(&self) -> Vec<u8> {
        let mut own = descriptor(MANIFEST, &self.manifest(true));
        own["platform"] = json!({"architecture": "amd64", "os": "linux"});
        let mut other = descriptor(MANIFEST, b"another platform's");
        other["platform"] = json!({"architecture": "arm64", "os": "linux"});
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [other, own]})
            .to_string()
            .into_bytes()
    }

    /// containerd's store: everything as it was pulled, sorted by digest, whatever `target` is.
    pub(super) fn containerd(&self, target: &[u8], without: Option<usize>) -> Vec<u8> {
        let layers = self
            .layers
            .iter()
            .enumerate()
            .filter(|(at, _)| Some(*at) != without);
        let own = [self.config(), self.manifest(true), target.to_vec()];
        let blobs = layers.map(|(_, layer)| layer.clone()).chain(own);
        let blobs: BTreeMap<Digest, Vec<u8>> = blobs
            .map(|content| (Digest::of(&content), content))
            .collect();
        let media_type = if target == self.index() {
            INDEX
        } else {
            MANIFEST
        };
        // The same content under two names, as when an image has two tags.
        let entries = [
            descriptor(media_type, target),
            descriptor(media_type, target),
        ];
        blobs
            .values()
            .fold(Tar::default(), Tar::blob)
            .file("index.json", index(&entries))
            .file("manifest.json", "[]")
            .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
            .end()
    }
}

fn descriptor(kind: &str, content: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": Digest::of(content), "size": content.len()})
}

fn index(manifests: &[Value]) -> String {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string()
}

/// The name that Docker gives to the folder of a layer.
fn legacy_id(chain: &Digest, parent: Option<&str>, is_top: bool) -> String {
    let os = if is_top { r#","os":"linux""# } else { "" };
    let parent = parent
        .map(|parent| format!(r#","parent":"sha256:{parent}""#))
        .unwrap_or_default();
    Digest::of(format!(r#"{{{ABOUT},"layer_id":"{chain}"{os}{parent}}}"#).as_bytes())
        .hex()
        .to_owned()
}
