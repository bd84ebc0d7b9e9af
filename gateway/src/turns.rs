//! Turns at what only so much of may go on at a time. Whoever comes when many wait already is sent away at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// For each that has its turn, so many may wait.
const WAITING_EACH: usize = 8;
/// Nobody waits longer: whoever asks gives up too, and comes again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Turns at something.
pub(crate) struct Turns {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// A turn, which ends when it is dropped.
pub(crate) struct Turn {
    _place: OwnedSemaphorePermit,
}

/// Too many wait, or it took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// Somebody who waits, also when the wait is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Turns {
    pub(crate) fn new(at_a_time: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(at_a_time)),
            waiting: AtomicUsize::new(0),
            most_waiting: at_a_time.saturating_mul(WAITING_EACH),
        }
    }

    /// Waits for a turn.
    pub(crate) async fn take(&self) -> Result<Turn, Busy> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Turn { _place: place });
        }
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        if before >= self.most_waiting {
            return Err(Busy);
        }
        let place = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(PATIENCE, place).await {
            Ok(Ok(place)) => Ok(Turn { _place: place }),
            _ => Err(Busy),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use futures::poll;

    use super::{Busy, PATIENCE, Turns, WAITING_EACH};

    #[tokio::test]
    async fn so_many_go_on_so_many_wait_and_the_rest_is_sent_away() {
        let turns = Turns::new(2);
        let (one, _two) = (turns.take().await.unwrap(), turns.take().await.unwrap());
        let mut waiting: Vec<_> = (0..2 * WAITING_EACH)
            .map(|_| Box::pin(turns.take()))
            .collect();
        for wait in &mut waiting {
            assert!(poll!(wait).is_pending());
        }
        assert_eq!(turns.take().await.err(), Some(Busy));
        drop(one);
        // The first has its turn now, and there is room for one more.
        let first = waiting.remove(0).await;
        assert!(first.is_ok());
        let mut more = Box::pin(turns.take());
        assert!(poll!(&mut more).is_pending());
        assert_eq!(turns.take().await.err(), Some(Busy));
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_the_place_to_others() {
        let turns = Turns::new(1);
        let held = turns.take().await.unwrap();
        for _ in 0..3 * WAITING_EACH {
            assert!(poll!(Box::pin(turns.take())).is_pending());
        }
        drop(held);
        assert!(turns.take().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let turns = Turns::new(1);
        let _held = turns.take().await.unwrap();
        let began = tokio::time::Instant::now();
        let waited = join_all((0..3).map(|_| turns.take())).await;
        assert!(waited.iter().all(Result::is_err));
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
