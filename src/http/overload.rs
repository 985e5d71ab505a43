//! How many requests are worked on at once. What comes on top waits a moment and is then told to come back: a queue
//! without an end would make everybody late, and then nobody is served in time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How long a request may wait for its place.
const WAIT: Duration = Duration::from_millis(100);

static SHED: AtomicU64 = AtomicU64::new(0);

/// How many requests of this process were turned away because there was too much to do.
pub fn shed() -> u64 {
    SHED.load(Ordering::Relaxed)
}

/// The places at which requests are worked on, and as many at which they wait.
pub(super) struct Gate {
    inside: Arc<Semaphore>,
    places: Arc<Semaphore>,
    limit: usize,
}

/// The place of one request, until it is answered.
pub(super) struct Place {
    _inside: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Gate {
    pub(super) fn new(in_flight: usize) -> Self {
        let places = in_flight.clamp(1, Semaphore::MAX_PERMITS / 2);
        Self { inside: Arc::new(Semaphore::new(places * 2)), places: Arc::new(Semaphore::new(places)), limit: places }
    }

    /// How many requests are being worked on.
    pub(super) fn busy(&self) -> u64 {
        u64::try_from(self.limit.saturating_sub(self.places.available_permits())).unwrap_or(u64::MAX)
    }

    /// How many may be.
    pub(super) fn limit(&self) -> u64 {
        u64::try_from(self.limit).unwrap_or(u64::MAX)
    }

    /// A place, or nothing when there is none for longer than a moment.
    pub(super) async fn enter(&self) -> Option<Place> {
        let place = async {
            let inside = self.inside.clone().try_acquire_owned().ok()?;
            let place = timeout(WAIT, self.places.clone().acquire_owned()).await.ok()?.ok()?;
            Some(Place { _inside: inside, _place: place })
        };
        let place = place.await;
        if place.is_none() {
            SHED.fetch_add(1, Ordering::Relaxed);
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn r_06_who_finds_no_place_waits_a_moment_and_goes() {
        let gate = Gate::new(1);
        let first = gate.enter().await.unwrap();
        let (second, third) = tokio::join!(gate.enter(), gate.enter());
        assert!(second.is_none() && third.is_none(), "one waits in vain, the other finds no room to wait");
        let (freed, next) = tokio::join!(async { drop(first) }, gate.enter());
        assert_eq!((freed, next.is_some()), ((), true));
    }
}
