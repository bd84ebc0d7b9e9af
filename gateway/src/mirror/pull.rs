//! What the Engine does not have is pulled by it, once for all who ask with the same login.

use std::sync::Arc;
use std::time::Duration;

use docker::models::ImageInspect;
use ecr::Source;
use futures::StreamExt as _;

use super::access::{Identity, credentials};
use super::classify::{answer, engine_error, pull_error};
use super::engine_mirror::Shared;
use super::link::Connected;
use super::reference::{engine_name, proof_of, references_of};
use super::{Caller, MirrorError};
use crate::mirror::classify::Trouble;
use crate::names::{MirroredName, Reference};

impl Shared {
    /// Has an image pulled, and gives it as the Engine then shows it: `None` when the Engine does not show it although it
    /// says that it pulled it.
    pub(super) async fn pull(
        self: &Arc<Self>,
        connected: &Connected,
        name: &MirroredName,
        reference: &Reference,
        caller: &Caller,
    ) -> Result<Option<ImageInspect>, MirrorError> {
        let who = self.identity(caller);
        let key = (name.clone(), reference.clone(), who);
        let (shared, connected) = (Arc::clone(self), connected.clone());
        let (name, reference, caller) = (name.clone(), reference.clone(), caller.clone());
        let image = engine_name(&name, &reference);
        let landed = self.pulls.join(key, move || async move {
            let pulling = Pulling {
                name,
                reference,
                caller,
                who,
            };
            shared.pull_once(&connected, pulling).await
        });
        landed.await.unwrap_or_else(|| {
            Err(MirrorError::Failed(format!(
                "failed to pull {image}: the pull ended with a fault of the gateway"
            )))
        })
    }

    async fn pull_once(
        self: &Arc<Self>,
        connected: &Connected,
        pulling: Pulling,
    ) -> Result<Option<ImageInspect>, MirrorError> {
        let Pulling {
            name,
            reference,
            caller,
            who,
        } = pulling;
        let shown = caller
            .login
            .as_ref()
            .map(|login| credentials(login, &name.host));
        let found = self
            .credentials
            .credentials_for(name.host.as_str(), shown)
            .await;
        let image = engine_name(&name, &reference);
        let Ok(_turn) = self.pulling.take().await else {
            return Err(busy(&image));
        };
        tracing::info!(image.name = %image, credentials.source = found.source.as_str(), "pulling");
        let for_caller = found.source == Source::Caller;
        let intent = if for_caller {
            Some(self.begin_intent(connected, &name).await?)
        } else {
            None
        };
        let mut pulled = self
            .stream(connected, &image, &caller, found.credentials.as_ref())
            .await;
        let of_host = !for_caller && found.source != Source::Anonymous;
        if of_host
            && matches!(
                pulled,
                Err(MirrorError::Unauthorized(_) | MirrorError::Denied(_))
            )
        {
            // What the host kept may be too old for what everybody may have.
            pulled = self.stream(connected, &image, &caller, None).await;
        }
        let mut seen = match pulled {
            Ok(()) => self.bind(connected, &name, &reference, for_caller).await,
            Err(error) => Err(error),
        };
        if let Some(intent) = intent {
            let ended = intent.end().await;
            seen = seen.and_then(|seen| ended.map(|()| seen));
        }
        match &seen {
            Ok(Some((_, proof))) if for_caller => self.set_proved(&name, proof, who),
            Err(error) => tracing::info!(image.name = %image, error = %error, "not pulled"),
            _ => {}
        }
        Ok(seen?.map(|(inspect, _)| inspect))
    }

    /// Pulls and waits; an error anywhere in the stream is one.
    async fn stream(
        &self,
        connected: &Connected,
        image: &str,
        caller: &Caller,
        credentials: Option<&docker::Credentials>,
    ) -> Result<(), MirrorError> {
        let sent = caller.login.is_some();
        let mut lines = connected.engine.pull(image, credentials);
        loop {
            let line = tokio::time::timeout(self.settings.silence, lines.next()).await;
            match line {
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return Err(pull_error(&error, image, sent)),
                Ok(None) => return Ok(()),
                Err(_) => return Err(answer(Trouble::Late, image, sent)),
            }
        }
    }

    /// Looks at what was pulled, and keeps for whom. What is somebody else's does not count as pulled.
    async fn bind(
        self: &Arc<Self>,
        connected: &Connected,
        name: &MirroredName,
        reference: &Reference,
        for_caller: bool,
    ) -> Result<Option<(ImageInspect, Reference)>, MirrorError> {
        let asked = engine_name(name, reference);
        let image = connected.engine.image(&asked).await;
        let Some(image) = image.map_err(|error| engine_error(&error))? else {
            return Ok(None);
        };
        if self.is_of_others(name, &image)? {
            return Ok(None);
        }
        if for_caller {
            self.bind_to_caller(connected, name, &image).await?;
        }
        let proof = proof_of(&shown_in(name, &image), reference);
        Ok(Some((image, proof)))
    }
}

/// Too many pulls go on and wait.
fn busy(image: &str) -> MirrorError {
    MirrorError::Unavailable {
        message: format!(
            "failed to pull {image}: many other images are pulled now; try again, or allow more with --pulls"
        ),
        retry_after: Duration::from_secs(5),
    }
}

/// A pull, for whom.
struct Pulling {
    name: MirroredName,
    reference: Reference,
    caller: Caller,
    who: Identity,
}

/// The tags and digests by which a repository shows an image.
pub(super) fn shown_in(name: &MirroredName, image: &ImageInspect) -> Vec<Reference> {
    let tags = image.repo_tags.iter().flatten();
    references_of(name, tags.chain(image.repo_digests.iter().flatten()))
}
