//! How many connections there may be at one time; whoever is one too many waits.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The connections of all ports together.
#[derive(Debug)]
pub(super) struct Limit {
    places: Arc<Semaphore>,
    size: Mutex<u32>,
}

/// One connection's place, held as long as it lasts.
pub(super) type Place = OwnedSemaphorePermit;

impl Limit {
    pub(super) fn new(size: u32) -> Self {
        Self {
            places: Arc::new(Semaphore::new(size as usize)),
            size: Mutex::new(size),
        }
    }

    /// A place, if one is free.
    pub(super) fn place_now(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// A place, when one is free.
    pub(super) async fn place(&self) -> Place {
        loop {
            // The semaphore is never closed.
            if let Ok(place) = Arc::clone(&self.places).acquire_owned().await {
                return place;
            }
        }
    }

    pub(super) fn size(&self) -> u32 {
        *self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grows at once; shrinks as connections end, none of them is cut.
    pub(super) fn resize(&self, wanted: u32) {
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted > *size {
            self.places.add_permits((wanted - *size) as usize);
        } else if wanted < *size {
            let fewer = *size - wanted;
            let places = Arc::clone(&self.places);
            tokio::spawn(async move {
                if let Ok(taken) = places.acquire_many_owned(fewer).await {
                    taken.forget();
                }
            });
        }
        *size = wanted;
    }
}
