//! Images out of `docker save`, when nothing better can be read: one stream per image, shared by all who want it.
//!
//! ```text
//!  docker save --[docker::image::Reader]--> blob by blob --> store: readable while it arrives
//!                     |
//!                     +--> manifest, as soon as it is known --> clients, and the facts that outlive the process
//! ```
//!
//! An export belongs to nobody: clients come and go, it goes on, and who comes again finds it. At most so many run at a
//! time. When one fails, whatever the reason, its clients are told and the next request begins anew; blobs that are whole
//! by then are passed by.
//!
//! When the manifest is known: an Engine with containerd's store names it, so it is there as soon as the document passes.
//! For a graph driver it is made from the configuration and the sizes of the layers. `docker inspect` does not tell sizes of
//! layers, but the archive does, ahead of each; so it is known when the configuration passed and the last layer begins,
//! not when it ends. Entries are sorted by their hashes: where the configuration happens to come after the last layer, only
//! documents follow it, and the manifest is known with the end of the archive.

mod known;
mod run;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use docker::models::ImageInspect;
use docker::{ByteStream, Engine};
use tokio::sync::{Semaphore, watch};

use super::Found;
use crate::content::{Blob, Document};
use crate::names::Digest;
use crate::store::{Store, StoreError};
use known::Known;

/// Gives the archive of an image.
type Save = dyn Fn(&str) -> ByteStream + Send + Sync;

/// The exports of an Engine. Cheap to clone.
#[derive(Clone)]
pub struct Exports(Arc<Shared>);

struct Shared {
    save: Box<Save>,
    store: Store,
    turns: Arc<Semaphore>,
    going_on: Mutex<HashMap<Digest, Arc<Export>>>,
}

/// One image that is being exported, or was.
pub struct Export {
    store: Store,
    known: Mutex<Known>,
    /// Counts what became known.
    news: watch::Sender<u64>,
}

/// Why an export came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// The Engine no longer has the image.
    #[error("failed to export the image: the Docker Engine no longer has it")]
    Gone,
    /// The store is full.
    #[error("failed to export the image: {0}")]
    NoSpace(String),
    /// Anything else.
    #[error("failed to export the image: {0}")]
    Failed(String),
}

impl Exports {
    /// Exports of an Engine, so many at a time.
    pub fn new(engine: Engine, store: Store, max_parallel: usize) -> Self {
        let save = move |image: &str| engine.save(&[image]);
        Self::of(Box::new(save), store, max_parallel)
    }

    fn of(save: Box<Save>, store: Store, max_parallel: usize) -> Self {
        Self(Arc::new(Shared {
            save,
            store,
            turns: Arc::new(Semaphore::new(max_parallel.max(1))),
            going_on: Mutex::default(),
        }))
    }

    /// The export of an image, as inspecting it gave it: the one that goes on, or a new one.
    #[expect(clippy::unused_async, reason = "it may have to ask first, one day")]
    pub async fn start(&self, image: &ImageInspect) -> Result<Arc<Export>, ExportError> {
        let id = image.id.as_deref().unwrap_or_default();
        let id = Digest::parse(id)
            .map_err(|_| ExportError::Failed(format!("the Docker Engine gave it the id {id:?}")))?;
        let layers = image.root_fs.as_ref().and_then(|root| root.layers.as_ref());
        let layers = layers.into_iter().flatten();
        let layers = layers.filter_map(|layer| layer.parse().ok()).collect();
        let mut going_on = self.0.going_on();
        if let Some(export) = going_on.get(&id) {
            return Ok(Arc::clone(export));
        }
        let export = Arc::new(Export {
            store: self.0.store.clone(),
            known: Mutex::default(),
            news: watch::Sender::default(),
        });
        going_on.insert(id.clone(), Arc::clone(&export));
        drop(going_on);
        run::detach(Arc::clone(&self.0), id, layers, Arc::clone(&export));
        Ok(export)
    }

    /// How many exports go on or wait for their turn.
    pub fn going_on(&self) -> usize {
        self.0.going_on().len()
    }
}

impl Shared {
    fn going_on(&self) -> MutexGuard<'_, HashMap<Digest, Arc<Export>>> {
        self.going_on.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Export {
    /// The manifest or index, as soon as it is known.
    pub async fn manifest(&self) -> Result<Document, ExportError> {
        self.wait(|known| known.manifest.clone().map(Ok)).await
    }

    /// A manifest or an index below the index; `None` when the Engine does not have it.
    pub async fn document(&self, digest: &Digest) -> Result<Option<Document>, ExportError> {
        self.wait(|known| {
            let found = known.documents.get(digest).cloned();
            match (found, &known.end) {
                (None, None) => None,
                (found, _) => Some(Ok(found)),
            }
        })
        .await
    }

    /// A blob of the image, whole or arriving; `None` when the Engine does not have it. Whether it is one of the image's
    /// the caller knows from the manifest.
    pub async fn blob(&self, digest: &Digest) -> Result<Option<Blob>, ExportError> {
        self.wait(|known| match (self.store.blob(digest), &known.end) {
            (None, None) => None,
            (blob, _) => Some(Ok(blob)),
        })
        .await
    }

    /// The whole image, when the export has ended.
    pub async fn finished(&self) -> Result<Found, ExportError> {
        self.wait(|known| match &known.end {
            Some(Ok(found)) => Some(Ok((**found).clone())),
            _ => None,
        })
        .await
    }

    /// Looks at what is known until it is enough, or the export failed.
    async fn wait<T>(
        &self,
        look: impl Fn(&Known) -> Option<Result<T, ExportError>>,
    ) -> Result<T, ExportError> {
        let mut news = self.news.subscribe();
        loop {
            {
                let known = self.known();
                match look(&known) {
                    Some(Ok(found)) => return Ok(found),
                    Some(Err(error)) => return Err(error),
                    None => match &known.end {
                        Some(Err(error)) => return Err(error.clone()),
                        Some(Ok(_)) => return Err(ExportError::Failed("it is empty".to_owned())),
                        None => {}
                    },
                }
            }
            // The sender is in `self`, so this cannot fail.
            drop(news.changed().await);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known());
        self.news.send_modify(|count| *count += 1);
    }
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSpace => Self::NoSpace(error.to_string()),
            error => Self::Failed(with_sources(&error)),
        }
    }
}

/// An error with what it came of.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
