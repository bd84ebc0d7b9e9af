//! Work that several requests want is done once, and goes on when they go away.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

type Landing<V> = Shared<BoxFuture<'static, Option<V>>>;
type Running<K, V> = Arc<Mutex<HashMap<K, Landing<V>>>>;

/// What is going on now, by what it is for.
pub(super) struct Flights<K, V> {
    running: Running<K, V>,
}

/// Takes an entry out even when the work panics.
struct Entry<K: Eq + Hash, V> {
    key: K,
    running: Running<K, V>,
}

impl<K: Eq + Hash, V> Drop for Entry<K, V> {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.key);
    }
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(super) fn new() -> Self {
        let running = Arc::default();
        Self { running }
    }

    /// Waits for the work of that key, which begins now unless it is going on. `None` when it panicked.
    pub(super) async fn join<W>(&self, key: K, work: impl FnOnce() -> W) -> Option<V>
    where
        W: Future<Output = V> + Send + 'static,
    {
        let landing = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(landing) = running.get(&key) {
                landing.clone()
            } else {
                let entry = Entry {
                    key: key.clone(),
                    running: Arc::clone(&self.running),
                };
                let work = work();
                let task = tokio::spawn(async move {
                    let _entry = entry;
                    work.await
                });
                let landing = task.map(Result::ok).boxed().shared();
                running.insert(key, landing.clone());
                landing
            }
        };
        landing.await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::sync::Semaphore;

    use super::Flights;

    #[tokio::test]
    async fn many_who_want_the_same_share_one_piece_of_work() {
        let flights = Flights::new();
        let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let waiters = (0..8).map(|_| {
            let (begun, gate) = (Arc::clone(&begun), Arc::clone(&gate));
            flights.join("a", move || async move {
                begun.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.map(|_| 7).unwrap_or_default()
            })
        });
        let (landed, ()) = futures::join!(join_all(waiters), async { gate.add_permits(1) });
        assert_eq!(landed, [Some(7); 8]);
        assert_eq!(begun.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn work_goes_on_when_nobody_waits_and_others_can_join_it() {
        let flights = Arc::new(Flights::new());
        let gate = Arc::new(Semaphore::new(0));
        let held = Arc::clone(&gate);
        let mut first = Box::pin(flights.join(1, move || async move {
            held.acquire().await.map(|_| "done").unwrap_or_default()
        }));
        assert!(futures::poll!(&mut first).is_pending());
        drop(first);
        gate.add_permits(1);
        // Either it is still going on, or it has ended and a new one ends the same way.
        assert_eq!(flights.join(1, || async { "done" }).await, Some("done"));
    }

    #[tokio::test]
    async fn a_panic_blocks_nothing() {
        let flights = Flights::new();
        let broken = flights.join(1, || async { panic!("broken") });
        assert_eq!(broken.await, None::<u8>);
        assert_eq!(flights.join(1, || async { 2 }).await, Some(2));
    }
}
