//! What a recorded runtime holds at a moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use containerd_client::services::v1::{Image as Record, Info, Resource, Status};
use containerd_client::types::Descriptor;
use jiff::Timestamp;
use serde_json::json;

use crate::recording::{Image, Recording, diff_id, digest};

#[derive(Default)]
pub(crate) struct World {
    images: Vec<Image>,
    pub(crate) leases: BTreeMap<String, (Timestamp, BTreeSet<(String, String)>)>,
    pub(crate) ingests: BTreeMap<String, Status>,
    contents: BTreeMap<String, Timestamp>,
    pub(crate) snapshots: BTreeMap<String, Timestamp>,
    pub(crate) records: Vec<Record>,
}

/// What is to be told to those who listen: topic, and the name in it.
pub(crate) type Told = Option<(&'static str, String)>;

impl World {
    pub(crate) fn of(recording: &Recording) -> Self {
        Self {
            images: recording.images.clone(),
            ..Self::default()
        }
    }

    /// Lets happen what a line says.
    pub(crate) fn apply(&mut self, words: &[String], now: Timestamp) -> Told {
        let word = |place: usize| words[place].as_str();
        match word(0) {
            "lease" => {
                self.leases.insert(words[1].clone(), (now, BTreeSet::new()));
            }
            "unlease" => {
                self.leases.remove(word(1));
            }
            "hold" | "drop" => self.holds(words),
            "ingest" => self.ingest(word(1), word(2), word(3), word(4), now),
            "uningest" => {
                self.ingests.remove(&digest(word(1)));
            }
            "content" => {
                self.contents.entry(digest(word(1))).or_insert(now);
            }
            "event-content" => {
                let digest = digest(word(1));
                self.contents.entry(digest.clone()).or_insert(now);
                return Some(("/content/create", digest));
            }
            "event-prepare" => return Some(("/snapshot/prepare", self.chain_id(words))),
            "event-remove" => return Some(("/snapshot/remove", self.chain_id(words))),
            "event-commit" => {
                let chain_id = self.chain_id(words);
                self.snapshots.entry(chain_id.clone()).or_insert(now);
                return Some(("/snapshot/commit", chain_id));
            }
            "event-image" => {
                let name = format!("registry.test/{}", words[1]);
                self.records.push(record(&name, &digest(word(2)), now));
                return Some(("/images/create", name));
            }
            _ => {}
        }
        None
    }

    fn holds(&mut self, words: &[String]) {
        let (kind, id) = match words[2].as_str() {
            "content" => ("content", digest(&words[3])),
            "snapshot" => ("snapshots/overlayfs", self.chain_id(&words[2..])),
            "extract" => (
                "snapshots/overlayfs",
                format!("extract-7-abcd {}", self.chain_id(&words[2..])),
            ),
            ingest => ("ingests", format!("{ingest}-{}", digest(&words[3]))),
        };
        let Some((_, held)) = self.leases.get_mut(&words[1]) else {
            return;
        };
        let resource = (kind.to_owned(), id);
        if words[0] == "hold" {
            held.insert(resource);
        } else {
            held.remove(&resource);
        }
    }

    fn ingest(&mut self, kind: &str, cut: &str, offset: &str, total: &str, now: Timestamp) {
        let digest = digest(cut);
        let status = self
            .ingests
            .entry(digest.clone())
            .or_insert_with(|| Status {
                started_at: Some(stamp(now)),
                r#ref: format!("{kind}-{digest}"),
                ..Status::default()
            });
        status.offset = offset.parse().unwrap();
        status.total = total.parse().unwrap();
        status.updated_at = Some(stamp(now));
    }

    fn chain_id(&self, words: &[String]) -> String {
        let image = self
            .images
            .iter()
            .find(|image| image.manifest == words[1])
            .unwrap();
        image.chain_id(words[2].parse().unwrap())
    }

    pub(crate) fn resources(&self, lease: &str) -> Option<Vec<Resource>> {
        let (_, held) = self.leases.get(lease)?;
        let resource = |(kind, id): &(String, String)| Resource {
            id: id.clone(),
            r#type: kind.clone(),
        };
        Some(held.iter().map(resource).collect())
    }

    pub(crate) fn info(&self, digest_asked: &str) -> Option<Info> {
        let created_at = Some(stamp(*self.contents.get(digest_asked)?));
        let mut labels = HashMap::new();
        for image in &self.images {
            let is = |cut: &String| digest(cut) == digest_asked;
            let belongs = is(&image.index)
                || is(&image.manifest)
                || is(&image.config)
                || image.layers.iter().any(|(layer, _)| is(layer));
            if belongs {
                let key = "containerd.io/distribution.source.registry.test".to_owned();
                labels.insert(key, image.repository.clone());
            }
            if is(&image.index) {
                labels.insert(
                    "containerd.io/gc.ref.content.m.0".to_owned(),
                    digest(&image.manifest),
                );
            }
            if is(&image.manifest) {
                labels.insert(
                    "containerd.io/gc.ref.content.config".to_owned(),
                    digest(&image.config),
                );
            }
        }
        Some(Info {
            digest: digest_asked.to_owned(),
            size: 0,
            created_at,
            updated_at: created_at,
            labels,
        })
    }

    /// Documents are made up, layers are noise.
    pub(crate) fn read(&self, digest_asked: &str) -> Option<Vec<u8>> {
        self.contents.get(digest_asked)?;
        for image in &self.images {
            let is = |cut: &String| digest(cut) == digest_asked;
            if is(&image.index) {
                let others = ["1", "2"].map(|letter| json!({"digest": digest(&letter.repeat(12))}));
                let manifests = [
                    vec![json!({"digest": digest(&image.manifest)})],
                    others.to_vec(),
                ]
                .concat();
                return Some(json!({"manifests": manifests}).to_string().into_bytes());
            }
            if is(&image.manifest) {
                let layer = |(cut, size): &(String, u64)| json!({"digest": digest(cut), "size": size, "mediaType": "x/layer"});
                let layers: Vec<_> = image.layers.iter().map(layer).collect();
                let config = json!({"digest": digest(&image.config)});
                return Some(
                    json!({"config": config, "layers": layers})
                        .to_string()
                        .into_bytes(),
                );
            }
            if is(&image.config) {
                let diff_ids: Vec<_> = image
                    .layers
                    .iter()
                    .map(|(layer, _)| diff_id(layer))
                    .collect();
                return Some(
                    json!({"config": {}, "rootfs": {"diff_ids": diff_ids}})
                        .to_string()
                        .into_bytes(),
                );
            }
        }
        Some(vec![0x1f, 0x8b])
    }
}

fn record(name: &str, target: &str, now: Timestamp) -> Record {
    Record {
        name: name.to_owned(),
        target: Some(Descriptor {
            digest: target.to_owned(),
            ..Descriptor::default()
        }),
        created_at: Some(stamp(now)),
        updated_at: Some(stamp(now)),
        ..Record::default()
    }
}

pub(crate) fn stamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.as_second(),
        nanos: at.subsec_nanosecond(),
    }
}
