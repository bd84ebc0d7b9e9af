//! What the Engine cannot give comes from the registry itself: proofs, single manifests, blobs that are missing.

use std::sync::Arc;
use std::time::Duration;

use docker::Credentials;
use ecr::Source;
use futures::StreamExt as _;

use super::access::{credentials, standing};
use super::classify::Trouble;
use super::engine_mirror::Shared;
use super::holding::Held;
use super::reference::{fetched_of, gift_of};
use super::{Caller, MirrorError, Reach};
use crate::content::{Blob, Document};
use crate::names::{Digest, MirroredName, Reference};
use crate::store::{Binding, Expected, StoreError, Writer};
use crate::upstream::{Arriving, Problem, UpstreamError};

/// What was tried, to tell what a failure means.
fn refusal(error: &UpstreamError, what: &str, sent: bool) -> MirrorError {
    let trouble = match error.problem {
        Problem::Login => Trouble::Login,
        Problem::Forbidden => Trouble::Forbidden,
        Problem::Absent => Trouble::Absent,
        Problem::RateLimit => Trouble::RateLimit,
        Problem::Late => Trouble::Late,
        Problem::Down => Trouble::Down,
        Problem::Busy => {
            return MirrorError::Unavailable {
                message: format!("failed to get {what}: {error}; try again"),
                retry_after: Duration::from_secs(5),
            };
        }
        Problem::Unreachable(_) | Problem::Odd(_) => {
            return MirrorError::BadGateway(format!("failed to get {what}: {error}"));
        }
    };
    super::classify::answer(trouble, what, sent)
}

/// Whoever cannot be asked has not said yes.
fn undecided(error: MirrorError, name: &MirroredName) -> MirrorError {
    match error {
        MirrorError::BadGateway(_) | MirrorError::TimedOut(_) => MirrorError::Unavailable {
            message: format!(
                "failed to ask {} who may have {name}, so nobody gets it now",
                name.host
            ),
            retry_after: Duration::from_secs(10),
        },
        other => other,
    }
}

impl Shared {
    /// Has a caller prove at the registry, with his own credentials, that he may have something.
    pub(super) async fn prove(
        &self,
        name: &MirroredName,
        proof: &Reference,
        caller: &Caller,
    ) -> Result<(), MirrorError> {
        let who = self.identity(caller);
        if self
            .memory
            .proved(name, proof, who, std::time::Instant::now())
        {
            return Ok(());
        }
        let shown = own(caller, name);
        let asked = self.upstream.look(name, proof, shown.as_ref()).await;
        match asked {
            Ok(_) => {
                self.set_proved(name, proof, who);
                Ok(())
            }
            Err(error) => {
                let sent = caller.login.is_some();
                let what = format!("{name}");
                Err(undecided(refusal(&error, &what, sent), name))
            }
        }
    }

    /// The digest that a registry has under a tag now.
    pub(super) async fn current(
        &self,
        name: &MirroredName,
        reference: &Reference,
        caller: &Caller,
    ) -> Result<Option<Digest>, MirrorError> {
        let (shown, _) = self.credentials_of(name, caller).await;
        let current = self.upstream.look(name, reference, shown.as_ref()).await;
        current.map_err(|error| refusal(&error, &name.to_string(), caller.login.is_some()))
    }

    /// The caller's credentials, else those of the host.
    async fn credentials_of(
        &self,
        name: &MirroredName,
        caller: &Caller,
    ) -> (Option<Credentials>, bool) {
        let found = self
            .credentials
            .credentials_for(name.host.as_str(), own(caller, name))
            .await;
        (found.credentials, found.source == Source::Caller)
    }

    /// A manifest or an index from its registry, kept and shown in the repository.
    pub(super) async fn fetch_manifest(
        &self,
        name: &MirroredName,
        reference: &Reference,
        caller: &Caller,
    ) -> Result<Document, MirrorError> {
        if caller.reach == Reach::Engine {
            return Err(MirrorError::Unknown(format!(
                "the Docker Engine has no {name} {reference}"
            )));
        }
        let (shown, for_caller) = self.credentials_of(name, caller).await;
        let fetched = self
            .upstream
            .manifest(name, reference, shown.as_ref())
            .await;
        let sent = caller.login.is_some();
        let document =
            fetched.map_err(|error| refusal(&error, &format!("{name} {reference}"), sent))?;
        let facts = self.store.facts();
        let key = fetched_of(name, &document.digest)
            .ok_or_else(|| MirrorError::Failed(format!("failed to keep {name}")))?;
        let mut binding = facts.binding(&key, name);
        if binding.is_none() {
            let new = if for_caller {
                Binding::PulledWithCredentials
            } else {
                Binding::EngineHad
            };
            facts.set_binding(&key, name, new).await?;
            binding = Some(new);
        }
        let (standing, _) = standing(binding, false, self.settings.local_images);
        self.keep(name, &document).await?;
        self.link_fetched(name, &document, standing);
        let proof = Reference::Digest(document.digest.clone());
        self.set_proved(name, &proof, self.identity(caller));
        Ok(document)
    }

    /// A blob from its registry, which arrives in the store while it is read.
    pub(super) async fn fetch_blob(
        self: &Arc<Self>,
        name: &MirroredName,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Blob, MirrorError> {
        let unknown = || MirrorError::Unknown(format!("{name} has no blob {digest}"));
        if caller.reach == Reach::Engine {
            return Err(unknown());
        }
        let key = (name.clone(), digest.clone(), self.identity(caller));
        let (shared, name, digest) = (Arc::clone(self), name.clone(), digest.clone());
        let caller = caller.clone();
        let landed = self
            .fetches
            .join(key, move || async move {
                shared.fetch_once(&name, digest, &caller).await
            })
            .await;
        landed.unwrap_or_else(|| Err(unknown()))
    }

    async fn fetch_once(
        self: &Arc<Self>,
        name: &MirroredName,
        digest: Digest,
        caller: &Caller,
    ) -> Result<Blob, MirrorError> {
        let (shown, _) = self.credentials_of(name, caller).await;
        let sent = caller.login.is_some();
        let what = format!("{name} {digest}");
        let arrival = self.memory.arrival(name, &digest);
        if let Some(blob) = arrival.or_else(|| self.given(name, &digest)) {
            // Another login brings or brought it to this repository: it must be good for this one as well.
            let size = self.upstream.blob_size(name, &digest, shown.as_ref());
            size.await.map_err(|error| refusal(&error, &what, sent))?;
            return Ok(blob);
        }
        let busy = |_| refusal(&UpstreamError::busy(&name.host), &what, sent);
        let turn = self.fetching.take().await.map_err(busy)?;
        let arriving = self.upstream.blob(name, &digest, shown.as_ref()).await;
        let arriving = arriving.map_err(|error| refusal(&error, &what, sent))?;
        let most = self.settings.largest_blob;
        if arriving.size > most {
            let said = arriving.size;
            return Err(MirrorError::BadGateway(format!(
                "failed to get {what}: {} says that it has {said} bytes, and --max-blob-size allows {most}",
                name.host
            )));
        }
        let expected = Expected {
            digest: digest.clone(),
            size: arriving.size,
        };
        // Whatever the store has of others: an answer proves nothing, and only the bytes that come with it are served.
        let (writer, blob) = self.store.writer_apart(expected)?;
        self.memory.set_arrival(name, blob.clone());
        let (shared, name) = (Arc::clone(self), name.clone());
        tokio::spawn(async move {
            if let Err(error) = shared.receive(writer, arriving, &name, &digest).await {
                tracing::warn!(blob.digest = %digest, error = %error, "failed to fetch a blob");
            }
            shared.memory.end_arrival(&name, &digest);
            drop(turn);
        });
        Ok(blob)
    }

    /// Keeps what arrives when it is what it should be: then its registry has given it to this repository.
    async fn receive(
        &self,
        writer: Writer,
        arriving: Arriving,
        name: &MirroredName,
        digest: &Digest,
    ) -> Result<(), MirrorError> {
        write(writer, arriving, digest).await?;
        self.set_given(name, digest).await
    }

    /// A blob of the store that the registry gave to this repository.
    pub(super) fn given(&self, name: &MirroredName, digest: &Digest) -> Option<Blob> {
        let gift = gift_of(name, digest)?;
        self.store.facts().binding(&gift, name)?;
        self.store.blob(digest)
    }

    /// Keeps that the registry gave a blob to this repository.
    async fn set_given(&self, name: &MirroredName, digest: &Digest) -> Result<(), MirrorError> {
        let Some(gift) = gift_of(name, digest) else {
            return Ok(());
        };
        let facts = self.store.facts();
        if facts.binding(&gift, name).is_none() {
            facts.set_binding(&gift, name, Binding::EngineHad).await?;
        }
        Ok(())
    }

    /// Makes sure that what the Engine lacks of an image can be had: a manifest whose blobs nobody has helps nobody.
    pub(super) async fn ensure_whole(
        &self,
        name: &MirroredName,
        held: &Held,
        caller: &Caller,
    ) -> Result<(), MirrorError> {
        for digest in &held.missing {
            if self.given(name, digest).is_some() {
                continue;
            }
            let lacks = || {
                MirrorError::Unknown(format!(
                    "the Docker Engine lacks {digest} of {name}, and its registry does not give it; `docker pull` after `docker rmi` mends it"
                ))
            };
            let (proof, who) = (Reference::Digest(digest.clone()), self.identity(caller));
            let now = std::time::Instant::now();
            if self.memory.proved(name, &proof, who, now) {
                continue;
            }
            if caller.reach == Reach::Engine {
                return Err(lacks());
            }
            let (shown, _) = self.credentials_of(name, caller).await;
            let there = self.upstream.blob_size(name, digest, shown.as_ref()).await;
            match there {
                Ok(_) => self.set_proved(name, &proof, who),
                Err(error) => {
                    tracing::info!(image.name = %name, error = %error, "a blob is missing");
                    let sent = caller.login.is_some();
                    return Err(match error.problem {
                        Problem::Login if !sent => refusal(&error, &name.to_string(), sent),
                        Problem::Busy => refusal(&error, &name.to_string(), sent),
                        _ => lacks(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// The caller's own credentials, and nobody else's.
fn own(caller: &Caller, name: &MirroredName) -> Option<Credentials> {
    let login = caller.login.as_ref()?;
    Some(credentials(login, &name.host))
}

/// Writes what arrives. It is only kept when it is what it should be.
async fn write(
    mut writer: Writer,
    mut arriving: Arriving,
    digest: &Digest,
) -> Result<(), StoreError> {
    while let Some(piece) = arriving.bytes.next().await {
        let piece = piece.map_err(StoreError::io("receive a blob from its registry"))?;
        writer.write(piece).await?;
    }
    writer.commit(Some(digest)).await.map(drop)
}
