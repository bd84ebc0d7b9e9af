//! Images of the Engine, and of the registries behind it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use docker::models::ImageInspect;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::access::{Identity, Standing, Way, standing, way};
use super::classify::engine_error;
use super::flights::Flights;
use super::holding::{Effort, Held, id_of};
use super::link::{Connected, Link, Making, News};
use super::memory::{Linked, Memory};
use super::parts::parts;
use super::pull::shown_in;
use super::reference::{engine_name, intent_of, proof_of, read};
use super::{Caller, Mirror, MirrorError, MirrorSettings, Reach, UpstreamPolicy};
use crate::content::{Blob, Document};
use crate::names::{Digest, MirroredName, Reference, Tag};
use crate::sources::{Found, Kind};
use crate::store::{Binding, Space, Store, StoreError};
use crate::upstream::Upstream;

/// Images of the Engine, and of the registries behind it. Cheap to clone.
#[derive(Clone)]
pub struct EngineMirror(Arc<Shared>);

/// What all requests share.
pub(super) struct Shared {
    pub(super) settings: MirrorSettings,
    pub(super) store: Store,
    pub(super) memory: Memory,
    pub(super) upstream: Upstream,
    pub(super) credentials: ecr::Sources,
    pub(super) finding: Flights<Digest, Result<Option<Found>, Arc<String>>>,
    pub(super) pulls:
        Flights<(MirroredName, Reference, Identity), Result<Option<ImageInspect>, MirrorError>>,
    pub(super) fetches: Flights<(Digest, Identity), Result<Blob, MirrorError>>,
    salt: [u8; 32],
    link: std::sync::OnceLock<Link>,
}

impl From<StoreError> for MirrorError {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::NoSpace => Self::NoSpace(message),
            _ => Self::Failed(message),
        }
    }
}

impl EngineMirror {
    /// Begins to connect and returns at once; an Engine that does not answer is tried again and again.
    pub fn new(
        settings: MirrorSettings,
        store: Store,
        environment: docker::Environment,
        credentials: ecr::Sources,
    ) -> Result<Self, MirrorError> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt)
            .map_err(|error| MirrorError::Failed(format!("failed to get randomness: {error}")))?;
        let making = Making {
            environment,
            sources: settings.sources.clone(),
            exports: settings.exports,
            patience: settings.patience,
            store: store.clone(),
        };
        let shared = Arc::new(Shared {
            upstream: Upstream::new(&settings),
            settings,
            store,
            memory: Memory::default(),
            credentials,
            finding: Flights::new(),
            pulls: Flights::new(),
            fetches: Flights::new(),
            salt,
            link: std::sync::OnceLock::new(),
        });
        let told = Arc::downgrade(&shared);
        let link = Link::new(making, move |news| {
            if let Some(shared) = told.upgrade() {
                shared.hear(&news);
            }
        });
        let _ = shared.link.set(link);
        Ok(Self(shared))
    }

    /// Whether the Engine answers, and what is wrong if it does not: for `/readyz`.
    pub fn ready(&self) -> Result<(), MirrorError> {
        self.0.link()?.check()
    }
}

impl Mirror for EngineMirror {
    fn manifest<'a>(
        &'a self,
        name: &'a MirroredName,
        reference: &'a Reference,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Document, MirrorError>> {
        async move {
            match reference {
                Reference::Tag(tag) => self.0.by_tag(name, tag, caller).await,
                Reference::Digest(digest) => self.0.by_digest(name, digest, caller).await,
            }
        }
        .boxed()
    }

    fn blob<'a>(
        &'a self,
        name: &'a MirroredName,
        digest: &'a Digest,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Blob, MirrorError>> {
        self.0.blob(name, digest, caller).boxed()
    }

    fn tags<'a>(
        &'a self,
        name: &'a MirroredName,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Option<Vec<String>>, MirrorError>> {
        self.0.tags(name, caller).boxed()
    }

    fn repositories(&self) -> BoxFuture<'_, Result<Vec<MirroredName>, MirrorError>> {
        self.0.repositories().boxed()
    }
}

/// A question about a repository.
#[derive(Clone, Copy)]
struct Asked<'a> {
    name: &'a MirroredName,
    reference: &'a Reference,
    caller: &'a Caller,
}

impl Shared {
    fn link(&self) -> Result<&Link, MirrorError> {
        let missing =
            || MirrorError::Failed("the line to the Docker Engine is not made".to_owned());
        self.link.get().ok_or_else(missing)
    }

    /// The Engine, if it answers.
    pub(super) async fn connected(&self) -> Result<Connected, MirrorError> {
        self.link()?.get().await
    }

    pub(super) fn identity(&self, caller: &Caller) -> Identity {
        Identity::of(caller, &self.salt)
    }

    pub(super) fn set_proved(&self, name: &MirroredName, proof: &Reference, who: Identity) {
        let (now, lifetime) = (Instant::now(), self.settings.proof);
        self.memory.set_proved((name, proof, who), now, lifetime);
    }

    /// The Engine tells something: what is kept about it may no longer be true. What is new is looked at in advance.
    fn hear(self: &Arc<Self>, news: &News) {
        let event = match news {
            News::Connected => return self.memory.forget_all(),
            News::Image(event) => event,
        };
        self.memory.forget_misses();
        let actor = event.actor.as_ref().and_then(|actor| actor.id.clone());
        let Some(image) = actor else { return };
        if event.action.as_deref() == Some("delete") {
            if let Ok(id) = Digest::parse(&image) {
                self.memory.forget(&id);
                let store = self.store.clone();
                tokio::spawn(async move {
                    if let Err(error) = store.facts().forget(&id).await {
                        tracing::warn!(image.id = %id, error = %error, "failed to forget an image");
                    }
                });
            }
        } else if matches!(event.action.as_deref(), Some("load" | "pull" | "tag")) {
            tokio::spawn(Arc::clone(self).look_ahead(image));
        }
    }

    /// What is learnt now need not be when a request waits. What fails here fails again there, and is told there.
    async fn look_ahead(self: Arc<Self>, image: String) {
        let Ok(connected) = self.connected().await else {
            return;
        };
        if connected.sources.kind() != Kind::Nothing
            && let Ok(Some(image)) = connected.engine.image(&image).await
        {
            let _ = self.hold(&connected, &image, Effort::Look).await;
        }
    }

    async fn by_tag(
        self: &Arc<Self>,
        name: &MirroredName,
        tag: &Tag,
        caller: &Caller,
    ) -> Result<Document, MirrorError> {
        let reference = &Reference::Tag(tag.clone());
        let connected = self.connected().await?;
        let asked = Asked {
            name,
            reference,
            caller,
        };
        let shown = engine_name(name, reference);
        let mut image = inspect(&connected, &shown).await?;
        if let Some(seen) = &image {
            self.see(name, seen, reference).await?;
            if self.is_stale(asked, tag, seen).await {
                match self.pull(&connected, name, reference, caller).await {
                    Ok(pulled) => image = pulled.or(image),
                    Err(error) => {
                        tracing::info!(image.name = %shown, error = %error, "served as it is");
                    }
                }
            }
        } else if caller.reach == Reach::Engine {
            return Err(MirrorError::Unknown(format!(
                "the Docker Engine has no {shown}"
            )));
        } else {
            image = self.pull(&connected, name, reference, caller).await?;
        }
        let Some(image) = image else {
            // It was pulled, and yet the Engine does not show it: containerd took layers for present that are not.
            return self.fetch_manifest(name, reference, caller).await;
        };
        let linked = self.admit(asked, &image).await?;
        let Some(held) = self.hold(&connected, &image, Effort::Export).await? else {
            return Err(MirrorError::Failed(format!("failed to read {shown}")));
        };
        self.show(name, &held, linked);
        self.ensure_whole(name, &held, caller).await?;
        Ok(held.manifest.clone())
    }

    /// Whether the registry has something else under a tag, and is to be asked.
    async fn is_stale(&self, asked: Asked<'_>, tag: &Tag, image: &ImageInspect) -> bool {
        let UpstreamPolicy::Always(lifetime) = self.settings.upstream else {
            return false;
        };
        let came_by = shown_in(asked.name, image);
        let came = came_by.iter().any(|it| matches!(it, Reference::Digest(_)));
        let now = Instant::now();
        if !came || asked.caller.reach == Reach::Engine || self.memory.checked(asked.name, tag, now)
        {
            return false;
        }
        match self
            .current(asked.name, asked.reference, asked.caller)
            .await
        {
            Ok(digest) => {
                self.memory.set_checked((asked.name, tag), now, lifetime);
                digest.is_some_and(|digest| !came_by.contains(&Reference::Digest(digest)))
            }
            Err(error) => {
                tracing::info!(image.name = %asked.name, error = %error, "served as it is");
                false
            }
        }
    }

    /// How an image stands in a repository, kept when it is seen for the first time.
    async fn see(
        &self,
        name: &MirroredName,
        image: &ImageInspect,
        asked: &Reference,
    ) -> Result<(Standing, Reference), MirrorError> {
        let id = id_of(image)?;
        let facts = self.store.facts();
        let known = facts.binding(&id, name);
        let references = shown_in(name, image);
        let begun = |reference: &Reference| {
            intent_of(name, reference).is_some_and(|intent| facts.binding(&intent, name).is_some())
        };
        let pulling = known.is_none() && (begun(asked) || references.iter().any(begun));
        let (standing, keep) = standing(known, pulling, self.settings.local_images);
        match keep {
            Some(Binding::PulledWithCredentials) => {
                let bound = Binding::PulledWithCredentials;
                facts.set_binding(&id, name, bound).await?;
            }
            // A request need not wait for the disk to keep what is true without it.
            Some(Binding::EngineHad) => {
                let (store, name) = (self.store.clone(), name.clone());
                tokio::spawn(async move {
                    let facts = store.facts();
                    if let Err(error) = facts.set_binding(&id, &name, Binding::EngineHad).await {
                        tracing::warn!(image.id = %id, error = %error, "failed to keep a fact");
                    }
                });
            }
            None => {}
        }
        Ok((standing, proof_of(&references, asked)))
    }

    /// Lets a caller have an image, or says why not.
    async fn admit(&self, asked: Asked<'_>, image: &ImageInspect) -> Result<Linked, MirrorError> {
        let (standing, proof) = self.see(asked.name, image, asked.reference).await?;
        self.pass(asked.name, standing, &proof, asked.caller)
            .await?;
        Ok(Linked {
            image: id_of(image)?,
            standing,
            proof,
            digests: Arc::default(),
        })
    }

    /// Lets a caller pass, or says why not.
    pub(super) async fn pass(
        &self,
        name: &MirroredName,
        standing: Standing,
        proof: &Reference,
        caller: &Caller,
    ) -> Result<(), MirrorError> {
        match way(standing, caller.reach) {
            Way::Free => Ok(()),
            Way::Closed => Err(MirrorError::Unknown(format!(
                "{name} is only for who proves it at its registry, which this request does not name (?ns=)"
            ))),
            Way::Proof => self.prove(name, proof, caller).await,
        }
    }

    /// Shows an image in a repository, now and after a restart.
    fn show(self: &Arc<Self>, name: &MirroredName, held: &Arc<Held>, linked: Linked) {
        let first = self
            .memory
            .linked(name, &held.manifest.digest)
            .iter()
            .all(|known| known.image != linked.image);
        let digests = Arc::new(held.digests());
        self.memory.link(name, Linked { digests, ..linked });
        if !first {
            return;
        }
        let (shared, name, held) = (Arc::clone(self), name.clone(), Arc::clone(held));
        tokio::spawn(async move {
            for document in held.documents.values() {
                if let Err(error) = shared.keep(&name, document).await {
                    tracing::warn!(image.name = %name, error = %error, "failed to keep a manifest");
                }
            }
        });
    }

    /// Keeps a document and what it names in a repository.
    pub(super) async fn keep(
        &self,
        name: &MirroredName,
        document: &Document,
    ) -> Result<(), MirrorError> {
        let space = Space::Mirrored(name.host.clone());
        let repository = self.store.repository(space, &name.repository);
        if repository
            .manifest(&Reference::Digest(document.digest.clone()))
            .is_some()
        {
            return Ok(());
        }
        let parts = parts(document);
        let links: Vec<Digest> = parts.blobs.into_iter().map(|part| part.digest).collect();
        repository
            .put_manifest(document, None, &links, None)
            .await
            .map_err(MirrorError::from)
    }

    async fn by_digest(
        self: &Arc<Self>,
        name: &MirroredName,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Document, MirrorError> {
        let who = self.identity(caller);
        if let Some(error) = self.memory.miss(name, digest, who, Instant::now()) {
            return Err(error);
        }
        let reference = &Reference::Digest(digest.clone());
        let asked = Asked {
            name,
            reference,
            caller,
        };
        let connected = self.connected().await?;
        if let Some(document) = self.digest_of_engine(&connected, asked, digest).await? {
            return Ok(document);
        }
        if let Some(document) = self.digest_of_store(asked, digest).await? {
            return Ok(document);
        }
        let unknown = || MirrorError::Unknown(format!("nobody has a manifest {digest} of {name}"));
        let found = match caller.reach {
            Reach::Engine => Err(unknown()),
            Reach::Upstream if connected.containerd_images => {
                self.pull_digest(&connected, asked, digest).await
            }
            Reach::Upstream => self.fetch_manifest(name, reference, caller).await,
        };
        if let Err(error @ (MirrorError::Unknown(_) | MirrorError::Unauthorized(_))) = &found {
            let (now, lifetime) = (Instant::now(), self.settings.miss);
            let key = (name, digest, who);
            self.memory.set_miss(key, error.clone(), now, lifetime);
        }
        found
    }

    /// A manifest that an image of the Engine has: one that was shown before, one that the Engine knows by this digest, or
    /// one of the images of the repository.
    async fn digest_of_engine(
        self: &Arc<Self>,
        connected: &Connected,
        asked: Asked<'_>,
        digest: &Digest,
    ) -> Result<Option<Document>, MirrorError> {
        let mut tried = BTreeSet::new();
        let shown = self.memory.linked(asked.name, digest);
        let mut candidates: Vec<Digest> = shown.into_iter().map(|linked| linked.image).collect();
        if let Some(document) = self.kept(asked.name, asked.reference) {
            // To graph drivers an image is its configuration, to containerd its manifest.
            candidates.extend(parts(&document).config);
            candidates.push(document.digest);
        }
        let names = candidates.iter().map(ToString::to_string);
        let names = names.chain([engine_name(asked.name, asked.reference)]);
        for name in names.collect::<BTreeSet<String>>() {
            if let Some(image) = inspect(connected, &name).await?
                && let Some(document) = self
                    .digest_of_image(connected, asked, digest, &image)
                    .await?
            {
                return Ok(Some(document));
            }
            tried.insert(name);
        }
        for id in self.images_of(connected, asked.name).await? {
            if tried.insert(id.clone())
                && let Some(image) = inspect(connected, &id).await?
                && let Some(document) = self
                    .digest_of_image(connected, asked, digest, &image)
                    .await?
            {
                return Ok(Some(document));
            }
        }
        Ok(None)
    }

    async fn digest_of_image(
        self: &Arc<Self>,
        connected: &Connected,
        asked: Asked<'_>,
        digest: &Digest,
        image: &ImageInspect,
    ) -> Result<Option<Document>, MirrorError> {
        // Only of an image that is this manifest it is certain that an export has it.
        let effort = if id_of(image)? == *digest {
            Effort::Export
        } else {
            Effort::Look
        };
        let Some(held) = self.hold(connected, image, effort).await? else {
            return Ok(None);
        };
        if !held.may_have(digest) {
            return Ok(None);
        }
        let linked = self.admit(asked, image).await?;
        let Some(document) = self.document_of(connected, &held, digest).await? else {
            return Ok(None);
        };
        self.show(asked.name, &held, linked);
        self.ensure_whole(asked.name, &held, asked.caller).await?;
        Ok(Some(document))
    }

    /// A manifest that was fetched from its registry, when all of it is still here.
    async fn digest_of_store(
        &self,
        asked: Asked<'_>,
        digest: &Digest,
    ) -> Result<Option<Document>, MirrorError> {
        let Some(binding) = self.store.facts().binding(digest, asked.name) else {
            return Ok(None);
        };
        let Some(document) = self.kept(asked.name, asked.reference) else {
            return Ok(None);
        };
        let parts = parts(&document);
        if !parts.blobs.iter().all(|part| self.store.has(&part.digest)) {
            return Ok(None);
        }
        let (standing, _) = standing(Some(binding), false, self.settings.local_images);
        self.pass(asked.name, standing, asked.reference, asked.caller)
            .await?;
        self.link_fetched(asked.name, &document, standing);
        Ok(Some(document))
    }

    /// Shows in a repository what came from its registry without the Engine.
    pub(super) fn link_fetched(
        &self,
        name: &MirroredName,
        document: &Document,
        standing: Standing,
    ) {
        let parts = parts(document);
        let parts = parts.blobs.into_iter().chain(parts.children);
        let mut digests: BTreeSet<Digest> = parts.map(|part| part.digest).collect();
        digests.insert(document.digest.clone());
        let linked = Linked {
            image: document.digest.clone(),
            standing,
            proof: Reference::Digest(document.digest.clone()),
            digests: Arc::new(digests),
        };
        self.memory.link(name, linked);
    }

    /// A document that the repository showed once, perhaps before a restart.
    fn kept(&self, name: &MirroredName, reference: &Reference) -> Option<Document> {
        let space = Space::Mirrored(name.host.clone());
        self.store
            .repository(space, &name.repository)
            .manifest(reference)
    }

    async fn pull_digest(
        self: &Arc<Self>,
        connected: &Connected,
        asked: Asked<'_>,
        digest: &Digest,
    ) -> Result<Document, MirrorError> {
        let Asked {
            name,
            reference,
            caller,
        } = asked;
        if let Some(image) = self.pull(connected, name, reference, caller).await?
            && let Some(document) = self
                .digest_of_image(connected, asked, digest, &image)
                .await?
        {
            return Ok(document);
        }
        self.fetch_manifest(name, reference, caller).await
    }

    /// The ids of the Engine's images that a repository shows.
    async fn images_of(
        &self,
        connected: &Connected,
        name: &MirroredName,
    ) -> Result<Vec<String>, MirrorError> {
        let images = connected.engine.images().await;
        let images = images.map_err(|error| engine_error(&error))?;
        let shows = |shown: &String| read(shown).is_some_and(|(found, _)| found == *name);
        let ours = images
            .into_iter()
            .filter(|image| image.repo_tags.iter().chain(&image.repo_digests).any(shows));
        Ok(ours.map(|image| image.id).collect())
    }

    async fn blob(
        self: &Arc<Self>,
        name: &MirroredName,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Blob, MirrorError> {
        let mut shown = self.memory.linked(name, digest);
        if shown.is_empty() {
            // After a restart nothing is at hand: the repository's images tell what they have.
            self.learn(name).await?;
            shown = self.memory.linked(name, digest);
        }
        if shown.is_empty() {
            return self.blob_of_nobody(name, digest, caller).await;
        }
        let mut refusal = None;
        for linked in shown {
            let passed = self
                .pass(name, linked.standing, &linked.proof, caller)
                .await;
            if let Err(error) = passed {
                refusal = Some(error);
                continue;
            }
            if let Some(blob) = self.blob_of_image(&linked.image, digest).await? {
                return Ok(blob);
            }
            refusal = None;
        }
        match refusal {
            Some(refusal) => Err(refusal),
            None => self.fetch_blob(name, digest, caller).await,
        }
    }

    /// A blob that the repository showed before a restart and no image of the Engine has: only its registry can say who
    /// may have it.
    async fn blob_of_nobody(
        self: &Arc<Self>,
        name: &MirroredName,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Blob, MirrorError> {
        let space = Space::Mirrored(name.host.clone());
        let repository = self.store.repository(space, &name.repository);
        if repository.links(digest) && caller.reach == Reach::Upstream {
            return self.fetch_blob(name, digest, caller).await;
        }
        Err(MirrorError::Unknown(format!("{name} has no blob {digest}")))
    }

    /// The bytes of a blob: where they lie, in the store, or from an export.
    async fn blob_of_image(
        self: &Arc<Self>,
        image: &Digest,
        digest: &Digest,
    ) -> Result<Option<Blob>, MirrorError> {
        let held = match self.memory.held(image) {
            Some(held) => held,
            None => {
                let connected = self.connected().await?;
                let Some(seen) = inspect(&connected, image.as_str()).await? else {
                    return Ok(self.store.blob(digest));
                };
                let held = self.hold(&connected, &seen, Effort::Export).await?;
                let Some(held) = held else { return Ok(None) };
                held
            }
        };
        if let Some(blob) = held.blobs.get(digest) {
            return Ok(Some(blob.clone()));
        }
        if let Some(blob) = self.store.blob(digest) {
            return Ok(Some(blob));
        }
        let Some(image) = &held.exported else {
            return Ok(None);
        };
        let export = self.connected().await?.exports.start(image).await?;
        Ok(export.blob(digest).await?)
    }

    /// Learns what the images of a repository have, without an export.
    async fn learn(self: &Arc<Self>, name: &MirroredName) -> Result<(), MirrorError> {
        let connected = self.connected().await?;
        for id in self.images_of(&connected, name).await? {
            let Some(image) = inspect(&connected, &id).await? else {
                continue;
            };
            let Some(held) = self.hold(&connected, &image, Effort::Look).await? else {
                continue;
            };
            let asked = Reference::Digest(held.manifest.digest.clone());
            let (standing, proof) = self.see(name, &image, &asked).await?;
            let linked = Linked {
                image: id_of(&image)?,
                standing,
                proof,
                digests: Arc::default(),
            };
            self.show(name, &held, linked);
        }
        Ok(())
    }

    async fn tags(
        &self,
        name: &MirroredName,
        caller: &Caller,
    ) -> Result<Option<Vec<String>>, MirrorError> {
        let connected = self.connected().await?;
        let mut tags = BTreeSet::new();
        let mut refusal = None;
        for id in self.images_of(&connected, name).await? {
            let Some(image) = inspect(&connected, &id).await? else {
                continue;
            };
            let shown = shown_in(name, &image);
            let is_tag = |it: &&Reference| matches!(it, Reference::Tag(_));
            let Some(first) = shown.iter().find(is_tag) else {
                continue;
            };
            let (standing, proof) = self.see(name, &image, first).await?;
            match self.pass(name, standing, &proof, caller).await {
                Ok(()) => tags.extend(shown.iter().filter(is_tag).map(ToString::to_string)),
                Err(error) => refusal = Some(error),
            }
        }
        match refusal {
            Some(refusal) if tags.is_empty() => Err(refusal),
            _ => Ok((!tags.is_empty()).then(|| tags.into_iter().collect())),
        }
    }

    async fn repositories(&self) -> Result<Vec<MirroredName>, MirrorError> {
        let connected = self.connected().await?;
        let images = connected.engine.images().await;
        let mut names = BTreeSet::new();
        for image in images.map_err(|error| engine_error(&error))? {
            let Ok(id) = Digest::parse(&image.id) else {
                continue;
            };
            for (name, reference) in image.repo_tags.iter().filter_map(|shown| read(shown)) {
                let facts = self.store.facts();
                let pulling = intent_of(&name, &reference)
                    .is_some_and(|intent| facts.binding(&intent, &name).is_some());
                let known = facts.binding(&id, &name);
                let (standing, _) = standing(known, pulling, self.settings.local_images);
                if standing == Standing::Open {
                    names.insert(name);
                }
            }
        }
        Ok(names.into_iter().collect())
    }
}

/// An image as the Engine shows it now.
async fn inspect(connected: &Connected, name: &str) -> Result<Option<ImageInspect>, MirrorError> {
    let image = connected.engine.image(name).await;
    image.map_err(|error| engine_error(&error))
}
