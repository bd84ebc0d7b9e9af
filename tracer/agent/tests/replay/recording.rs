//! Reads a recording.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest as _, Sha256};

#[derive(Clone)]
pub(crate) struct Recording {
    /// Of containerd.
    pub(crate) version: String,
    pub(crate) images: Vec<Image>,
    /// Milliseconds, and what was seen.
    pub(crate) lines: Vec<(u64, Vec<String>)>,
}

#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) repository: String,
    /// `-` where the tag names the manifest itself.
    pub(crate) index: String,
    pub(crate) manifest: String,
    pub(crate) config: String,
    /// Digest and size.
    pub(crate) layers: Vec<(String, u64)>,
}

impl Image {
    pub(crate) fn total(&self) -> u64 {
        self.layers.iter().map(|(_, size)| size).sum()
    }

    pub(crate) fn root(&self) -> &str {
        if self.index == "-" {
            &self.manifest
        } else {
            &self.index
        }
    }

    /// Name of the snapshot of a layer, from made-up digests of the unpacked layers.
    pub(crate) fn chain_id(&self, depth: usize) -> String {
        let diff_ids: Vec<String> = self.layers[..=depth]
            .iter()
            .map(|(layer, _)| diff_id(layer))
            .collect();
        tracer_agent::blob::chain_ids(&diff_ids).pop().unwrap()
    }
}

impl Recording {
    pub(crate) fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/replays")
            .join(format!("{name}.txt"));
        let text = std::fs::read_to_string(&path).unwrap();
        let mut recording = Self {
            version: name.split('-').next().unwrap().to_owned(),
            images: Vec::new(),
            lines: Vec::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            if words[0] == "image" {
                recording.images.push(image(&words));
            } else {
                recording
                    .lines
                    .push((words[0].parse().unwrap(), words[1..].to_vec()));
            }
        }
        recording
    }

    /// Name, start and end in seconds of each pull that succeeded while it was watched.
    pub(crate) fn successes(&self) -> Vec<(String, f64, f64)> {
        let began = self.times("pull");
        self.times("pulled")
            .into_iter()
            .filter_map(|(name, end)| Some((name.clone(), *began.get(&name)?, end)))
            .collect()
    }

    /// Ends that the agent cannot miss: successes, and failures after the manifest was there.
    pub(crate) fn certain_ends(&self) -> usize {
        let failed = self.times("failed");
        let is_known = |name: &&String| {
            let repository = name.split(':').next().unwrap();
            self.images
                .iter()
                .any(|image| image.repository == repository)
        };
        self.successes().len() + failed.keys().filter(is_known).count()
    }

    pub(crate) fn image_of(&self, name: &str) -> &Image {
        let named = self
            .lines
            .iter()
            .find(|(_, words)| words[0] == "event-image" && words[1] == name);
        let (_, words) = named.unwrap_or_else(|| panic!("nothing names {name}"));
        self.images
            .iter()
            .find(|image| image.root() == words[2])
            .unwrap()
    }

    /// When the manifest of an image was there, in seconds.
    pub(crate) fn manifest_at(&self, name: &str) -> f64 {
        let manifest = &self.image_of(name).manifest;
        let is_it = |words: &[String]| {
            matches!(words[0].as_str(), "content" | "event-content") && words[1] == *manifest
        };
        let found = self.lines.iter().find(|(_, words)| is_it(words));
        seconds(found.unwrap().0)
    }

    /// Of all layers, each once.
    pub(crate) fn distinct_bytes(&self) -> u64 {
        let layers = self
            .images
            .iter()
            .flat_map(|image| image.layers.iter().cloned());
        layers.collect::<BTreeMap<_, _>>().values().sum()
    }

    fn times(&self, what: &str) -> BTreeMap<String, f64> {
        let found = self.lines.iter().filter(|(_, words)| words[0] == what);
        found
            .map(|(at, words)| (words[1].clone(), seconds(*at)))
            .collect()
    }
}

/// A whole digest for one that was cut.
pub(crate) fn digest(cut: &str) -> String {
    format!("sha256:{cut:0<64}")
}

pub(crate) fn diff_id(layer: &str) -> String {
    let hex: Vec<String> = Sha256::digest(layer)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{}", hex.concat())
}

fn image(words: &[String]) -> Image {
    let value = |place: usize| words[place].split_once('=').unwrap().1.to_owned();
    let layers = value(5)
        .split(',')
        .map(|layer| {
            let (digest, size) = layer.split_once(':').unwrap();
            (digest.to_owned(), size.parse().unwrap())
        })
        .collect();
    Image {
        repository: words[1].clone(),
        index: value(2),
        manifest: value(3),
        config: value(4),
        layers,
    }
}

fn seconds(milliseconds: u64) -> f64 {
    f64::from(u32::try_from(milliseconds).unwrap()) / 1000.0
}
