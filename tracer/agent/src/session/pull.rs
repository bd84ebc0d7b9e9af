//! One pull: from the first sight of its lease until it is known what became of it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tracer_model::{Failure, FailureClass, LayerState, Phase, ReportedPull, Source};

use super::facts::Facts;
use super::layer::{Layer, Origin};
use super::name::{self, Name};
use super::pace::{Window, as_float, seconds};
use crate::blob::{Blob, Manifest, chain_ids};
use crate::view::{Image, Lease, Want, ingested_digest};

#[derive(Clone, Debug)]
pub(super) struct Pull {
    pub(super) lease: Lease,
    pub(super) source: Source,
    pub(super) phase: Phase,
    pub(super) root: Option<String>,
    manifest: Option<String>,
    config: Option<String>,
    pub(super) layers: Vec<Layer>,
    name: Name,
    window: Window,
    /// Digests of everything that this lease was ever seen to hold.
    held: BTreeSet<String>,
    /// Those of them that are documents by the names of their ingests.
    announced: BTreeSet<String>,
    moved: (u64, usize),
    progress_at: Timestamp,
    downloaded_at: Option<Timestamp>,
    unpacked_when_downloaded: u64,
    completed_at: Option<Timestamp>,
    failure: Option<Failure>,
    /// The lease is gone; what became of the pull is being asked.
    pub(super) is_gone: bool,
}

impl Pull {
    pub(super) fn new(lease: Lease, source: Source) -> Self {
        Self {
            source,
            phase: Phase::Resolving,
            root: None,
            manifest: None,
            config: None,
            layers: Vec::new(),
            name: Name::default(),
            window: Window::default(),
            held: BTreeSet::new(),
            announced: BTreeSet::new(),
            moved: (0, 0),
            progress_at: lease.created_at,
            downloaded_at: None,
            unpacked_when_downloaded: 0,
            completed_at: None,
            failure: None,
            is_gone: false,
            lease,
        }
    }

    pub(super) fn started_at(&self) -> Timestamp {
        self.lease.created_at
    }

    /// Takes what the lease holds now.
    pub(super) fn holds(&mut self, lease: Lease) {
        self.held.extend(lease.content.iter().cloned());
        for reference in &lease.ingests {
            let is_document = reference.starts_with("manifest-") || reference.starts_with("index-");
            if let Some(digest) = ingested_digest(reference).filter(|_| is_document) {
                self.announced.insert(digest.to_owned());
            }
        }
        self.lease = lease;
    }

    /// Digests that may be documents and are not understood yet.
    pub(super) fn unread<'a>(&'a self, facts: &'a Facts) -> impl Iterator<Item = &'a String> {
        let is_open = self.layers.is_empty() || self.name == Name::default();
        self.held
            .iter()
            .filter(move |digest| {
                is_open && !self.layers.iter().any(|layer| layer.digest == **digest)
            })
            .filter(|digest| !matches!(facts.blob(digest), Some(Blob::Config(_) | Blob::Other)))
    }

    /// Adds what is to be asked before more can be said.
    pub(super) fn wants(&self, facts: &Facts, wants: &mut BTreeSet<Want>) {
        if self.is_gone {
            wants.insert(match &self.root {
                Some(root) => Want::NamesOf(root.clone()),
                None => Want::AllNames,
            });
            return;
        }
        for digest in self.unread(facts) {
            facts.need_content(digest, wants);
            let has_children = facts
                .content(digest)
                .is_some_and(|content| content.has_children);
            if has_children || self.announced.contains(digest) {
                facts.need_blob(digest, wants);
            }
        }
        if let Some(config) = self
            .config
            .as_ref()
            .filter(|config| self.held.contains(*config))
        {
            facts.need_content(config, wants);
            facts.need_blob(config, wants);
        }
        for layer in &self.layers {
            if self.held.contains(&layer.digest) && layer.downloaded_at.is_none() {
                facts.need_content(&layer.digest, wants);
            }
            if let Some(chain_id) = &layer.chain_id {
                facts.need_snapshot(chain_id, wants);
            }
        }
    }

    /// Reads the documents that are known by now.
    pub(super) fn read(&mut self, facts: &Facts) {
        let documents = facts.documents(&self.held);
        if let Some(root) = documents.root {
            self.root = Some(root.to_owned());
        }
        if let Some((digest, manifest)) = documents.manifest
            && self.manifest.as_deref() != Some(digest)
        {
            self.manifest = Some(digest.to_owned());
            self.config = Some(manifest.config.clone());
            self.layers = layers_of(manifest);
        }
        if let Some(Blob::Config(diff_ids)) = self.config.as_deref().and_then(|d| facts.blob(d))
            && diff_ids.len() == self.layers.len()
            && self
                .layers
                .first()
                .is_some_and(|layer| layer.chain_id.is_none())
        {
            for (layer, chain_id) in self.layers.iter_mut().zip(chain_ids(diff_ids)) {
                layer.chain_id = Some(chain_id);
            }
        }
        let documents = [&self.root, &self.manifest, &self.config];
        self.name = name::of_sources(
            documents
                .into_iter()
                .flatten()
                .filter_map(|digest| facts.content(digest)),
        );
    }

    /// Says how far it is, after its layers were settled.
    pub(super) fn advance(&mut self, now: Timestamp) {
        if self.manifest.is_none() {
            return;
        }
        let is_here = self.layers.iter().all(|layer| layer.state.is_here());
        if is_here {
            if self.phase != Phase::Unpacking {
                self.unpacked_when_downloaded = self.unpacked();
            }
            let arrived = self.layers.iter().map(|layer| layer.downloaded_at).max();
            self.downloaded_at = arrived.unwrap_or(Some(now));
        }
        self.phase = if is_here {
            Phase::Unpacking
        } else {
            Phase::Downloading
        };
        for layer in &mut self.layers {
            layer.show(now);
        }
        let bytes = self.layers.iter().map(Layer::offset).sum();
        let unpacked = self
            .layers
            .iter()
            .filter(|layer| layer.state.is_unpacked())
            .count();
        if self.moved != (bytes, unpacked) {
            self.moved = (bytes, unpacked);
            self.progress_at = now;
        }
    }

    /// Takes a sample of its pace: once a look, when all is known that the look can tell.
    pub(super) fn measure(&mut self, now: Timestamp) {
        self.window
            .saw(self.layers.iter().map(Layer::fetched).sum(), now);
    }

    /// Whether the records of its image say that it succeeded.
    pub(super) fn succeeded(&self, images: &[Image]) -> bool {
        let is_set = images
            .iter()
            .any(|image| image.updated_at >= self.started_at());
        let is_whole =
            !self.layers.is_empty() && self.layers.iter().all(|layer| layer.state.is_here());
        is_set || (!images.is_empty() && is_whole)
    }

    pub(super) fn succeed(&mut self, images: &[Image], now: Timestamp) {
        let set = images.iter().map(|image| image.updated_at).max();
        let at = set.filter(|at| *at >= self.started_at()).unwrap_or(now);
        let started_at = self.started_at();
        for layer in &mut self.layers {
            layer.succeed(at, started_at);
            layer.show(at);
        }
        if let Some(name) = name::of_records(images, started_at) {
            self.name = name;
        }
        self.downloaded_at = self
            .layers
            .iter()
            .filter_map(|layer| layer.downloaded_at)
            .max();
        self.end(Phase::Done, at);
    }

    pub(super) fn fail(&mut self, phase: Phase, class: FailureClass, now: Timestamp) {
        for layer in &mut self.layers {
            layer.fail();
        }
        self.failure = Some(Failure {
            class,
            message: String::new(),
        });
        self.end(phase, now);
    }

    fn end(&mut self, phase: Phase, at: Timestamp) {
        self.phase = phase;
        self.completed_at = Some(at);
        self.progress_at = self.progress_at.min(at);
    }

    fn sum(&self, of: impl Fn(&Layer) -> bool) -> u64 {
        let chosen = self.layers.iter().filter(|layer| of(layer));
        chosen.map(Layer::shown).sum()
    }

    fn unpacked(&self) -> u64 {
        self.layers
            .iter()
            .filter(|layer| layer.state.is_unpacked())
            .map(|layer| layer.size)
            .sum()
    }

    fn eta(&self, total: u64, downloaded: u64, rate: f64, now: Timestamp) -> Option<f64> {
        match self.phase {
            Phase::Downloading if rate > 0.0 => Some(as_float(total - downloaded) / rate),
            Phase::Unpacking => {
                let done = self.unpacked();
                let since = done.saturating_sub(self.unpacked_when_downloaded);
                let pace = as_float(since) / seconds(self.downloaded_at?, now);
                (since > 0 && pace.is_finite()).then(|| as_float(total - done) / pace)
            }
            _ => None,
        }
    }

    pub(super) fn report(&self, namespace: &str, now: Timestamp) -> ReportedPull {
        let total = self.layers.iter().map(|layer| layer.size).sum();
        let downloaded = self.sum(|_| true);
        let rate = match self.phase {
            Phase::Downloading => self.window.rate().round(),
            _ => 0.0,
        };
        ReportedPull {
            image_ref: self.name.text.clone(),
            layers: (0..)
                .zip(&self.layers)
                .map(|(order, layer)| layer.report(order, namespace, now))
                .collect(),
            started_at: self.started_at(),
            total_known: self.manifest.is_some(),
            id: format!("{namespace}/{}", self.lease.id),
            phase: self.phase,
            total_bytes: total,
            downloaded_bytes: downloaded,
            cached_bytes: self.sum(|layer| layer.origin == Some(Origin::Cached)),
            shared_bytes: self.sum(|layer| matches!(layer.origin, Some(Origin::Shared(_)))),
            unpacked_bytes: self.unpacked(),
            bytes_per_sec: rate,
            eta_seconds: self
                .eta(total, downloaded, rate, now)
                .map(|eta| (eta * 10.0).round() / 10.0),
            completed_at: self.completed_at,
            downloaded_at: self.downloaded_at,
            progress_at: Some(self.progress_at),
            names: self.name.all.clone(),
            registry: self.name.registry.clone(),
            repository: self.name.repository.clone(),
            tag: self.name.tag.clone(),
            digest: self.root.clone().unwrap_or_default(),
            name_confidence: self.name.confidence,
            source: self.source,
            failure: self.failure.clone(),
            ..ReportedPull::default()
        }
    }

    /// Digests and chain ids that its next look needs.
    pub(super) fn needs(&self, key: &str) -> bool {
        self.held.contains(key)
            || self.config.as_deref() == Some(key)
            || self
                .layers
                .iter()
                .any(|layer| layer.digest == key || layer.chain_id.as_deref() == Some(key))
    }

    /// A layer that this pull fetches or fetched itself.
    pub(super) fn own_layer(&self, digest: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| {
            layer.digest == digest
                && layer.origin == Some(Origin::Own)
                && layer.state != LayerState::Failed
        })
    }
}

fn layers_of(manifest: &Manifest) -> Vec<Layer> {
    let mut met = BTreeSet::new();
    manifest
        .layers
        .iter()
        .map(|descriptor| Layer::new(descriptor, !met.insert(&descriptor.digest)))
        .collect()
}
