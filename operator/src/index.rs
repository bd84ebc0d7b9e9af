//! A small cache of facts, fed by a watch: it keeps what was extracted of each object and tells what changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{Stream, StreamExt, pin_mut};
use kube::ResourceExt;
use kube::runtime::watcher::{self, Event};
use tokio::sync::watch;

/// Facts by object name; clones share one state.
#[derive(Debug)]
pub(crate) struct Index<V> {
    state: Arc<Mutex<State<V>>>,
    listed: watch::Sender<bool>,
}

#[derive(Debug)]
struct State<V> {
    facts: BTreeMap<String, V>,
    /// A list that is still arriving.
    list: BTreeMap<String, V>,
}

impl<V> Clone for Index<V> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            listed: self.listed.clone(),
        }
    }
}

impl<V> Default for Index<V> {
    fn default() -> Self {
        let state = State {
            facts: BTreeMap::new(),
            list: BTreeMap::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            listed: watch::Sender::new(false),
        }
    }
}

impl<V: Clone + PartialEq> Index<V> {
    /// Runs `read` on all facts.
    pub(crate) fn with<R>(&self, read: impl FnOnce(&BTreeMap<String, V>) -> R) -> R {
        read(&self.lock().facts)
    }

    /// Waits for the first complete list.
    pub(crate) async fn wait_until_listed(&self) {
        // The sender lives as long as this index, so waiting cannot fail.
        let _ = self.listed.subscribe().wait_for(|listed| *listed).await;
    }

    /// Follows a watch until it ends, and calls `changed` with the facts of whatever appeared, changed (before and
    /// after) or went.
    pub(crate) async fn follow<K: ResourceExt>(
        self,
        events: impl Stream<Item = Result<Event<K>, watcher::Error>>,
        extract: impl Fn(&K) -> Option<V>,
        changed: impl Fn(&V),
    ) {
        pin_mut!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.take(&event, &extract).iter().for_each(&changed),
                Err(error) => {
                    tracing::warn!(error = %describe(&error), "a watch was interrupted and starts again");
                }
            }
        }
    }

    /// Takes one event in, and returns the facts that changed by it.
    pub(crate) fn take<K: ResourceExt>(
        &self,
        event: &Event<K>,
        extract: impl Fn(&K) -> Option<V>,
    ) -> Vec<V> {
        match event {
            Event::Init => {
                self.lock().list.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                if let Some(facts) = extract(object) {
                    self.lock().list.insert(object.name_any(), facts);
                }
                Vec::new()
            }
            Event::InitDone => self.replace(),
            Event::Apply(object) => self.put(object.name_any(), extract(object)),
            Event::Delete(object) => self.put(object.name_any(), None),
        }
    }

    fn put(&self, name: String, new: Option<V>) -> Vec<V> {
        let facts = &mut self.lock().facts;
        let old = match &new {
            Some(new) => facts.insert(name, new.clone()),
            None => facts.remove(&name),
        };
        if old == new {
            return Vec::new();
        }
        old.into_iter().chain(new).collect()
    }

    fn replace(&self) -> Vec<V> {
        let mut state = self.lock();
        let list = std::mem::take(&mut state.list);
        let old = std::mem::replace(&mut state.facts, list);
        let gone_or_changed = old
            .iter()
            .filter(|(name, old)| state.facts.get(*name) != Some(old));
        let new_or_changed = state
            .facts
            .iter()
            .filter(|(name, new)| old.get(*name) != Some(new));
        let touched = gone_or_changed
            .chain(new_or_changed)
            .map(|(_, facts)| facts.clone())
            .collect();
        drop(state);
        self.listed.send_replace(true);
        touched
    }

    fn lock(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A watch error in one line, without what the server echoed of an object.
pub(crate) fn describe(error: &watcher::Error) -> String {
    let (what, cause) = match error {
        watcher::Error::InitialListFailed(cause) => ("failed to list", cause),
        watcher::Error::WatchStartFailed(cause) => ("failed to start", cause),
        watcher::Error::WatchFailed(cause) => ("failed", cause),
        watcher::Error::WatchError(status) => {
            return format!("ended by the server with {} {}", status.code, status.reason);
        }
        watcher::Error::NoResourceVersion => {
            return "the server sent no resource version".to_owned();
        }
    };
    format!("{what}: {}", crate::error::describe(cause))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(name: &str, value: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        object.metadata.resource_version = Some(value.to_owned());
        object
    }

    fn run(index: &Index<String>, events: Vec<Event<ConfigMap>>) -> Vec<String> {
        let changed = RefCell::new(Vec::new());
        let stream = futures::stream::iter(events.into_iter().map(Ok));
        let follow = index
            .clone()
            .follow(stream, ResourceExt::resource_version, |facts| {
                changed.borrow_mut().push(facts.clone());
            });
        futures::executor::block_on(follow);
        changed.into_inner()
    }

    #[test]
    fn only_what_changed_is_told() {
        let index = Index::default();
        let list = || {
            vec![
                Event::Init,
                Event::InitApply(object("a", "1")),
                Event::InitApply(object("b", "2")),
                Event::InitDone,
            ]
        };
        assert_eq!(run(&index, list()), ["1", "2"]);
        assert!(*index.listed.borrow());
        assert!(
            run(&index, list()).is_empty(),
            "a second list brings nothing new"
        );
        assert!(run(&index, vec![Event::Apply(object("a", "1"))]).is_empty());
        assert_eq!(
            run(&index, vec![Event::Apply(object("a", "3"))]),
            ["1", "3"]
        );
        assert_eq!(run(&index, vec![Event::Delete(object("b", "2"))]), ["2"]);
        assert_eq!(run(&index, list()), ["3", "1", "2"]);
    }

    #[test]
    fn what_vanished_while_the_watch_was_down_is_forgotten() {
        let index = Index::default();
        run(
            &index,
            vec![
                Event::Init,
                Event::InitApply(object("a", "1")),
                Event::InitDone,
            ],
        );
        assert_eq!(run(&index, vec![Event::Init, Event::InitDone]), ["1"]);
        assert!(index.with(BTreeMap::is_empty));
    }
}
