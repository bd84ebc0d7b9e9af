//! Images of the Engine, and of the registries behind it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use docker::models::ImageInspect;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::access::Identity;
use super::classify::engine_error;
use super::flights::Flights;
use super::holding::Effort;
use super::link::{Connected, Link, Making, News};
use super::memory::Memory;
use super::{Caller, Mirror, MirrorError, MirrorSettings};
use crate::content::{Blob, Document};
use crate::names::{Digest, MirroredName, Reference};
use crate::sources::{Found, Kind};
use crate::store::{Store, StoreError};
use crate::turns::Turns;
use crate::upstream::Upstream;

/// How long the Engine may think about a single image.
const THOUGHT: Duration = Duration::from_secs(20);

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
    /// Pulls and blobs of registries that go on at a time.
    pub(super) pulling: Turns,
    pub(super) fetching: Turns,
    pub(super) fetches: Flights<(MirroredName, Digest, Identity), Result<Blob, MirrorError>>,
    salt: [u8; 32],
    /// Pulls with callers' credentials that go on, by repository.
    pub(super) intents: tokio::sync::Mutex<HashMap<MirroredName, usize>>,
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
            pulling: Turns::new(settings.pulls),
            fetching: Turns::new(settings.fetches),
            settings,
            store,
            memory: Memory::default(),
            credentials,
            finding: Flights::new(),
            pulls: Flights::new(),
            fetches: Flights::new(),
            salt,
            intents: tokio::sync::Mutex::default(),
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

    fn ready(&self) -> Result<(), MirrorError> {
        self.0.link()?.check()
    }

    fn repositories(&self) -> BoxFuture<'_, Result<Vec<MirroredName>, MirrorError>> {
        self.0.repositories().boxed()
    }
}

/// A question about a repository.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) name: &'a MirroredName,
    pub(super) reference: &'a Reference,
    pub(super) caller: &'a Caller,
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
        self.memory.forget_doubts();
        let actor = event.actor.as_ref().and_then(|actor| actor.id.clone());
        let Some(image) = actor else { return };
        if event.action.as_deref() == Some("delete") {
            if let Ok(id) = Digest::parse(&image) {
                self.memory.forget(&id);
                tokio::spawn(Arc::clone(self).forget_deleted(id));
            }
        } else if matches!(event.action.as_deref(), Some("load" | "pull" | "tag")) {
            tokio::spawn(Arc::clone(self).look_ahead(image));
        }
    }

    /// Forgets how an image came that the Engine no longer has. One that comes again meanwhile keeps what is known of it.
    async fn forget_deleted(self: Arc<Self>, id: Digest) {
        let Ok(connected) = self.connected().await else {
            return;
        };
        let intents = self.intents.lock().await;
        if !intents.is_empty() || !matches!(inspect(&connected, id.as_str()).await, Ok(None)) {
            return;
        }
        if let Err(error) = self.store.facts().forget(&id).await {
            tracing::warn!(image.id = %id, error = %error, "failed to forget an image");
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
}

/// An image as the Engine shows it now.
pub(super) async fn inspect(
    connected: &Connected,
    name: &str,
) -> Result<Option<ImageInspect>, MirrorError> {
    let image = connected.engine.image(name);
    match tokio::time::timeout(THOUGHT, image).await {
        Ok(image) => image.map_err(|error| engine_error(&error)),
        Err(_) => Err(MirrorError::TimedOut(format!(
            "failed to inspect {name}: the Docker Engine does not answer; is it stuck?"
        ))),
    }
}
