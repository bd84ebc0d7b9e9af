//! Pulls with callers' credentials that go on. While one does, whatever appears in its repository may have come by it.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::MirrorError;
use super::engine_mirror::Shared;
use super::link::Connected;
use super::reference::intent_of;
use crate::names::{Digest, MirroredName};
use crate::store::Binding;

/// A pull that goes on. It is over when this is dropped, whatever the reason.
pub(super) struct Intent {
    shared: Arc<Shared>,
    connected: Connected,
    name: MirroredName,
    is_over: bool,
}

impl Intent {
    /// Ends it, and waits until what it brought is bound.
    pub(super) async fn end(mut self) -> Result<(), MirrorError> {
        match self.finish() {
            Some(ending) => ending.await.unwrap_or_else(|_| {
                Err(MirrorError::Failed(
                    "failed to keep for whom an image came".to_owned(),
                ))
            }),
            None => Ok(()),
        }
    }

    /// Ends it once, by a task of its own: half of the end would be worse than none.
    fn finish(&mut self) -> Option<JoinHandle<Result<(), MirrorError>>> {
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        if std::mem::replace(&mut self.is_over, true) {
            return None;
        }
        let (shared, connected) = (Arc::clone(&self.shared), self.connected.clone());
        let name = self.name.clone();
        Some(runtime.spawn(async move { shared.end_intent(&connected, &name).await }))
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        drop(self.finish());
    }
}

impl Shared {
    /// Whether images of a repository may have come by a pull with a caller's credentials that was not seen to end.
    pub(super) fn has_intent(&self, name: &MirroredName) -> bool {
        let kept = |intent| self.store.facts().binding(&intent, name).is_some();
        intent_of(name).is_some_and(kept)
    }

    /// Keeps that a pull with a caller's credentials begins: nobody must see its image without knowing for whom it came.
    /// What is there by now was there before.
    pub(super) async fn begin_intent(
        self: &Arc<Self>,
        connected: &Connected,
        name: &MirroredName,
    ) -> Result<Intent, MirrorError> {
        let mut intents = self.intents.lock().await;
        if !self.has_intent(name) {
            self.settle(connected, name, Binding::EngineHad).await?;
            if let Some(intent) = intent_of(name) {
                let bound = Binding::PulledWithCredentials;
                self.store.facts().set_binding(&intent, name, bound).await?;
            }
        }
        *intents.entry(name.clone()).or_default() += 1;
        Ok(Intent {
            shared: Arc::clone(self),
            connected: connected.clone(),
            name: name.clone(),
            is_over: false,
        })
    }

    /// The pull has ended: whatever it brought is bound before it is forgotten. When that fails it is not forgotten, and
    /// the end of the next one does it.
    async fn end_intent(
        &self,
        connected: &Connected,
        name: &MirroredName,
    ) -> Result<(), MirrorError> {
        let bound = Binding::PulledWithCredentials;
        let mut intents = self.intents.lock().await;
        let settled = self.settle(connected, name, bound).await;
        let left = intents.get(name).map_or(0, |count| count.saturating_sub(1));
        if left > 0 {
            intents.insert(name.clone(), left);
            return settled;
        }
        intents.remove(name);
        settled?;
        if let Some(intent) = intent_of(name) {
            self.store.facts().forget(&intent).await?;
        }
        Ok(())
    }

    /// Keeps how the images of a repository came that nobody has looked at yet.
    async fn settle(
        &self,
        connected: &Connected,
        name: &MirroredName,
        binding: Binding,
    ) -> Result<(), MirrorError> {
        let facts = self.store.facts();
        for id in self.images_of(connected, name).await? {
            let Ok(id) = Digest::parse(&id) else { continue };
            if facts.binding(&id, name).is_some() || self.is_bound_to_others(name, &id) {
                continue;
            }
            facts.set_binding(&id, name, binding).await?;
        }
        Ok(())
    }
}
