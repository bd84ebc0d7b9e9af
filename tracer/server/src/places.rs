//! Places for connections: so many at once, and which one gives way when another comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// All places.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    seats: HashMap<u64, Seat>,
    next: u64,
}

#[derive(Debug)]
struct Seat {
    requests: usize,
    idle_since: Instant,
    wanted: Arc<Notify>,
}

/// A connection's place, given back when the connection goes.
#[derive(Debug)]
pub(crate) struct Place {
    number: u64,
    wanted: Arc<Notify>,
    places: Arc<Places>,
}

/// A request under way, until its answer has been written.
#[derive(Debug)]
pub(crate) struct Busy {
    number: u64,
    places: Arc<Places>,
}

impl Places {
    /// So many.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            taken: Mutex::default(),
        })
    }

    /// A place for a connection that begins now: a free one, else that of the connection that has been idle for longest.
    /// None when requests are under way on all of them.
    pub(crate) fn take(self: &Arc<Self>, now: Instant) -> Option<Place> {
        let mut taken = self.lock();
        if taken.seats.len() >= self.most {
            let idle = taken.seats.iter().filter(|(_, seat)| seat.requests == 0);
            let oldest = idle.min_by_key(|(_, seat)| seat.idle_since);
            let oldest = oldest.map(|(number, _)| *number)?;
            if let Some(seat) = taken.seats.remove(&oldest) {
                seat.wanted.notify_one();
            }
        }
        let number = taken.next;
        taken.next += 1;
        let wanted = Arc::new(Notify::new());
        let seat = Seat {
            requests: 0,
            idle_since: now,
            wanted: Arc::clone(&wanted),
        };
        taken.seats.insert(number, seat);
        Some(Place {
            number,
            wanted,
            places: Arc::clone(self),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Notes a request.
    pub(crate) fn busy(&self) -> Busy {
        if let Some(seat) = self.places.lock().seats.get_mut(&self.number) {
            seat.requests += 1;
        }
        Busy {
            number: self.number,
            places: Arc::clone(&self.places),
        }
    }

    /// Ends when another connection got this place.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().seats.remove(&self.number);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(seat) = self.places.lock().seats.get_mut(&self.number) {
            seat.requests -= 1;
            seat.idle_since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_has_been_idle_for_longest_gives_way_and_who_works_does_not() {
        let places = Places::new(2);
        let works = places.take(Instant::now()).unwrap();
        let working = works.busy();
        let waits = places.take(Instant::now()).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let newer = places.take(Instant::now()).unwrap();
        waits.wanted().await;
        // That its connection ends later takes nobody's place.
        drop(waits);
        let answering = newer.busy();
        assert!(places.take(Instant::now()).is_none(), "both are working");
        drop(working);
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(answering);
        let _newest = places.take(Instant::now()).unwrap();
        works.wanted().await;
        drop(newer);
        assert!(places.take(Instant::now()).is_some(), "a place is free");
    }
}
