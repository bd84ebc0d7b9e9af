//! What the API server said of tokens, and how many it is asked about at a time.
//!
//! A sender of made-up tokens is a load for this server alone: few are under review at once, refusals are remembered in a
//! place of their own, and a token that was good before has places for its next review that no other can take.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::identity::{Caller, Denied};

/// Digest of a token.
pub(crate) type Key = [u8; 32];

/// A review is believed for so long; a pod that is gone loses its word then.
const BELIEVED: SignedDuration = SignedDuration::from_secs(60);
/// A token that was good so lately is reviewed ahead of others.
const PREFERRED: SignedDuration = SignedDuration::from_mins(15);
/// Good tokens that are remembered.
const ACCEPTED: usize = 20_000;
/// Refused tokens that are remembered; the oldest goes first.
const REFUSED: usize = 1_000;
/// Reviews at once of tokens that were good before, and as many of others.
const PLACES: usize = 8;
/// For a place; agents try again.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is remembered of reviews.
pub(crate) struct Reviews {
    memory: Mutex<Memory>,
    preferred: Semaphore,
    others: Semaphore,
}

#[derive(Default)]
struct Memory {
    accepted: HashMap<Key, (Timestamp, Caller)>,
    refused: HashMap<Key, Timestamp>,
}

/// What is known of a token without asking.
enum Known {
    Caller(Caller),
    Refused,
    /// It was good a while ago.
    Before,
    Nothing,
}

impl Default for Reviews {
    fn default() -> Self {
        Self {
            memory: Mutex::default(),
            preferred: Semaphore::new(PLACES),
            others: Semaphore::new(PLACES),
        }
    }
}

impl Reviews {
    /// Whose token it is: from memory, else by `review`, which tells nobody's from somebody's.
    pub(crate) async fn of(
        &self,
        key: Key,
        now: Timestamp,
        review: impl Future<Output = Result<Option<Caller>, Denied>>,
    ) -> Result<Caller, Denied> {
        let places = match self.memory().known(&key, now) {
            Known::Caller(caller) => return Ok(caller),
            Known::Refused => return Err(Denied::Unauthorized),
            Known::Before => &self.preferred,
            Known::Nothing => &self.others,
        };
        let place = timeout(PATIENCE, places.acquire()).await;
        let Ok(Ok(_place)) = place else {
            return Err(Denied::Busy);
        };
        // Another request with the same token may have been before.
        match self.memory().known(&key, now) {
            Known::Caller(caller) => return Ok(caller),
            Known::Refused => return Err(Denied::Unauthorized),
            Known::Before | Known::Nothing => {}
        }
        let caller = review.await?;
        self.memory().learn(key, now, caller.as_ref());
        caller.ok_or(Denied::Unauthorized)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn known(&self, key: &Key, now: Timestamp) -> Known {
        let lately = |since: Timestamp, span| now.duration_since(since) < span;
        match (self.accepted.get(key), self.refused.get(key)) {
            (Some((since, caller)), _) if lately(*since, BELIEVED) => Known::Caller(caller.clone()),
            (_, Some(since)) if lately(*since, BELIEVED) => Known::Refused,
            (Some((since, _)), _) if lately(*since, PREFERRED) => Known::Before,
            _ => Known::Nothing,
        }
    }

    fn learn(&mut self, key: Key, now: Timestamp, caller: Option<&Caller>) {
        let Some(caller) = caller else {
            self.accepted.remove(&key);
            if self.refused.len() >= REFUSED {
                let oldest = self.refused.iter().min_by_key(|(_, since)| **since);
                let oldest = oldest.map(|(key, _)| *key);
                oldest.and_then(|key| self.refused.remove(&key));
            }
            self.refused.insert(key, now);
            return;
        };
        self.refused.remove(&key);
        for span in [PREFERRED, BELIEVED] {
            if self.accepted.len() >= ACCEPTED {
                self.accepted
                    .retain(|_, (since, _)| now.duration_since(*since) < span);
            }
        }
        if self.accepted.len() < ACCEPTED || self.accepted.contains_key(&key) {
            self.accepted.insert(key, (now, caller.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    fn key(number: usize) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        key
    }

    fn node(number: usize) -> Caller {
        Caller::Node(number.to_string())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    async fn accepted(reviews: &Reviews, number: usize, now: Timestamp) {
        let review = async { Ok(Some(node(number))) };
        assert_eq!(reviews.of(key(number), now, review).await, Ok(node(number)));
    }

    #[tokio::test]
    async fn a_flood_of_refused_tokens_forgets_no_good_one_and_stays_small() {
        let reviews = Reviews::default();
        accepted(&reviews, 0, at(0)).await;
        for number in 1..3 * REFUSED {
            let refused = reviews.of(key(number), at(1), async { Ok(None) }).await;
            assert_eq!(refused, Err(Denied::Unauthorized));
        }
        assert_eq!(reviews.memory().refused.len(), REFUSED);
        let unasked = || async { panic!("asked again") };
        assert_eq!(reviews.of(key(0), at(2), unasked()).await, Ok(node(0)));
        let last = reviews.of(key(3 * REFUSED - 1), at(2), async { Ok(None) });
        assert_eq!(last.await, Err(Denied::Unauthorized));
    }

    #[tokio::test]
    async fn a_refusal_is_remembered_for_a_while_and_an_acceptance_no_longer() {
        let reviews = Reviews::default();
        let refused = reviews.of(key(1), at(0), async { Ok(None) }).await;
        assert_eq!(refused, Err(Denied::Unauthorized));
        let unasked = async { panic!("asked again") };
        let again = reviews.of(key(1), at(59), unasked).await;
        assert_eq!(again, Err(Denied::Unauthorized));
        accepted(&reviews, 1, at(60)).await;
        let gone = reviews.of(key(1), at(120), async { Ok(None) }).await;
        assert_eq!(gone, Err(Denied::Unauthorized), "its pod is gone");
        let failed = reviews.of(key(2), at(0), async { Err(Denied::Unavailable) });
        assert_eq!(failed.await, Err(Denied::Unavailable));
        accepted(&reviews, 2, at(0)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn few_are_asked_about_at_once_and_a_token_that_was_good_does_not_wait_for_them() {
        let reviews = Arc::new(Reviews::default());
        accepted(&reviews, 0, at(0)).await;
        let (under_way, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let flood: Vec<_> = (1..=50)
            .map(|number| {
                let (reviews, under_way, open) = (reviews.clone(), under_way.clone(), open.clone());
                tokio::spawn(async move {
                    let review = async {
                        under_way.fetch_add(1, Ordering::SeqCst);
                        open.notified().await;
                        Ok(None)
                    };
                    reviews.of(key(number), at(100), review).await
                })
            })
            .collect();
        // Time moves when everybody waits: the last of them gave up by then.
        tokio::time::sleep(PATIENCE * 2).await;
        assert_eq!(under_way.load(Ordering::SeqCst), PLACES);
        accepted(&reviews, 0, at(100)).await;
        open.notify_waiters();
        let ended = join_all(flood).await;
        let count = |why: Denied| {
            ended
                .iter()
                .filter(|end| matches!(end, Ok(Err(got)) if *got == why))
                .count()
        };
        assert_eq!(count(Denied::Unauthorized), PLACES);
        assert_eq!(count(Denied::Busy), 50 - PLACES);
    }

    #[tokio::test]
    async fn requests_with_one_new_token_ask_once_for_each_place_at_most() {
        let reviews = Reviews::default();
        let asked = AtomicUsize::new(0);
        let all = join_all((0..200).map(|_| {
            reviews.of(key(1), at(0), async {
                asked.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(Some(node(1)))
            })
        }));
        assert!(all.await.iter().all(Result::is_ok));
        assert!(asked.load(Ordering::SeqCst) <= PLACES);
    }
}
