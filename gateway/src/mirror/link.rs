//! The line to the Engine: made and made again in the background, so that nothing waits for an Engine that is down.

use std::sync::Arc;
use std::time::Duration;

use docker::models::EventMessage;
use docker::{Endpoint, Engine, Environment, Error};
use futures::StreamExt as _;
use tokio::sync::{Notify, watch};

use super::MirrorError;
use super::classify::engine_error;
use crate::sources::export::Exports;
use crate::sources::{Settings, Sources};

use crate::store::Store;

/// The first pause before the Engine is tried again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// An Engine that answers, and where its content is read.
#[derive(Clone)]
pub(super) struct Connected {
    pub(super) engine: Engine,
    pub(super) sources: Sources,
    pub(super) exports: Exports,
    /// Whether containerd keeps the images: then an image's id is its manifest's digest.
    pub(super) containerd_images: bool,
}

#[derive(Clone)]
enum State {
    Trying,
    Up(Connected),
    Down(MirrorError),
}

/// What the line tells whoever keeps something about the Engine's images.
pub(super) enum News {
    /// The Engine answers (again): whatever happened in between was not seen.
    Connected,
    /// Something happened to an image.
    Image(Box<EventMessage>),
}

/// The line. Cheap to clone.
#[derive(Clone)]
pub(super) struct Link {
    state: watch::Receiver<State>,
    nudge: Arc<Notify>,
    patience: Duration,
}

/// How the line is made.
pub(super) struct Making {
    pub(super) environment: Environment,
    pub(super) sources: Settings,
    pub(super) exports: usize,
    pub(super) patience: Duration,
    pub(super) store: Store,
}

impl Link {
    /// Begins to connect. It ends with the last [`Link`].
    pub(super) fn new(making: Making, tell: impl FnMut(News) + Send + 'static) -> Self {
        let (sender, state) = watch::channel(State::Trying);
        let nudge = Arc::new(Notify::new());
        let patience = making.patience;
        tokio::spawn(keep(making, sender, Arc::clone(&nudge), tell));
        Self {
            state,
            nudge,
            patience,
        }
    }

    /// The Engine, if it answers or soon will.
    pub(super) async fn get(&self) -> Result<Connected, MirrorError> {
        let mut state = self.state.clone();
        if let State::Up(connected) = &*state.borrow() {
            return Ok(connected.clone());
        }
        self.nudge.notify_one();
        let up = state.wait_for(|state| matches!(state, State::Up(_)));
        let _ = tokio::time::timeout(self.patience, up).await;
        match &*self.state.borrow() {
            State::Up(connected) => Ok(connected.clone()),
            State::Down(error) => Err(error.clone()),
            State::Trying => Err(MirrorError::TimedOut(
                "failed to reach the Docker Engine: it does not answer; is it stuck?".to_owned(),
            )),
        }
    }

    /// Whether the Engine answers now, and what is wrong if it does not.
    pub(super) fn check(&self) -> Result<(), MirrorError> {
        match &*self.state.borrow() {
            State::Up(_) => Ok(()),
            State::Down(error) => Err(error.clone()),
            State::Trying => Err(MirrorError::Unavailable {
                message: "the Docker Engine has not answered yet".to_owned(),
                retry_after: Duration::from_secs(2),
            }),
        }
    }
}

/// Connects, follows events until they end, and begins anew.
async fn keep(
    making: Making,
    sender: watch::Sender<State>,
    nudge: Arc<Notify>,
    mut tell: impl FnMut(News),
) {
    let mut sources: Option<Sources> = None;
    let mut pause = PAUSES.0;
    while !sender.is_closed() {
        match connect(&making, &mut sources).await {
            Ok(connected) => {
                pause = PAUSES.0;
                let events = connected.engine.image_events();
                tracing::info!(
                    engine.address = %connected.engine.endpoint(),
                    engine.source = ?connected.sources.kind(),
                    "the Docker Engine answers"
                );
                tell(News::Connected);
                sender.send_replace(State::Up(connected));
                let error = follow(events, &sender, &mut tell).await;
                tracing::warn!(error = %error, "the Docker Engine no longer answers");
                sender.send_replace(State::Down(error));
            }
            Err(error) => {
                tracing::debug!(error = %error, "the Docker Engine does not answer");
                sender.send_replace(State::Down(error));
            }
        }
        let _ = tokio::time::timeout(pause, nudge.notified()).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn connect(making: &Making, kept: &mut Option<Sources>) -> Result<Connected, MirrorError> {
    let endpoint = Endpoint::resolve(&making.environment)
        .map_err(|error| MirrorError::Failed(error.to_string()))?;
    let failed = |error: Error| engine_error(&error);
    let engine = Engine::connect(endpoint).await.map_err(failed)?;
    let facts = engine.facts().await.map_err(failed)?;
    let sources = if let Some(sources) = kept {
        // What was learnt of layers stays good.
        sources.probe_again(&engine).await;
        sources.clone()
    } else {
        let sources = Sources::probe(&engine, &making.sources).await;
        kept.insert(sources).clone()
    };
    Ok(Connected {
        exports: Exports::new(engine.clone(), making.store.clone(), making.exports),
        engine,
        sources,
        containerd_images: facts.containerd_images,
    })
}

/// Tells events until there are no more, and why.
async fn follow(
    mut events: futures::stream::BoxStream<'static, Result<EventMessage, Error>>,
    sender: &watch::Sender<State>,
    tell: &mut impl FnMut(News),
) -> MirrorError {
    loop {
        let next = tokio::select! {
            next = events.next() => next,
            () = sender.closed() => None,
        };
        match next {
            Some(Ok(event)) => tell(News::Image(Box::new(event))),
            Some(Err(error)) => return engine_error(&error),
            None => {
                return MirrorError::Unavailable {
                    message: "the Docker Engine ended the conversation: is it being restarted?"
                        .to_owned(),
                    retry_after: Duration::from_secs(2),
                };
            }
        }
    }
}
