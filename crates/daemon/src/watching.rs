//! A watch that lasts: it pauses after failures, and lists anew when the server forgot the version it would go on from.

use std::fmt::Debug;

use futures::{Stream, StreamExt, stream};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// Everything that happens to the objects of `api`, for ever.
pub fn follow<K>(
    api: Api<K>,
    config: Config,
) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let start = move || Box::pin(watcher(api.clone(), config.clone()));
    let events = stream::unfold((start(), start), |(mut events, start)| async move {
        let event = events.next().await?;
        // Told in a stream that has begun, the library lists anew by itself; told instead of one, it would ask for the
        // same version for ever.
        if is_forgotten(&event) {
            events = start();
        }
        Some((event, (events, start)))
    });
    events.default_backoff()
}

fn is_forgotten<K>(event: &Result<Event<K>, watcher::Error>) -> bool {
    const GONE: u16 = 410;
    matches!(
        event,
        Err(watcher::Error::WatchStartFailed(kube::Error::Api(status))) if status.code == GONE
    )
}
