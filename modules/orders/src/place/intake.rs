//! The intake: one thread, one connection, whatever is waiting is the next batch. While a batch is crowded with one variant,
//! orders that want others have a lane of their own, which is the same again: they wait neither for the crowd's batches nor for
//! its rows, unless they want what somebody in the crowd wants besides.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::{
    runtime::{Handle, Runtime},
    sync::{mpsc, oneshot},
};

use super::{Placement, batcher::Batcher, crowd::Crowd, replies::no_database};
use crate::{api::dto::OrderView, error::OrderError, once::Answer};

pub(super) type Reply = Result<Answer<OrderView>, OrderError>;
pub(super) type Waiting = (Placement, oneshot::Sender<Reply>);
/// Since when it has been waiting.
pub(super) type Arrived = (Instant, Waiting);

/// How the intake behaves.
#[derive(Debug, Clone)]
pub struct IntakeSettings {
    /// Where the database is.
    pub database_url: String,
    /// Placements in one batch, at most.
    pub max_batch: usize,
    /// Placements waiting in a lane, at most; beyond that the answer is 503.
    pub queue: usize,
}

impl IntakeSettings {
    /// The usual: batches of 256, a queue of 4,096.
    pub fn new(database_url: impl Into<String>) -> Self {
        Self { database_url: database_url.into(), max_batch: 256, queue: 4_096 }
    }
}

/// The door through which every order comes in. Cheap to clone.
#[derive(Clone)]
pub struct Intake(Arc<Door>);

struct Door {
    crowd: Arc<Crowd>,
    /// For whatever comes.
    main: Lane,
    /// For those that pass by a crowd.
    aside: Lane,
}

struct Lane {
    queue: mpsc::Sender<Arrived>,
    /// How many wait behind it for a later batch.
    left: Arc<AtomicUsize>,
    /// What the thread is started with, when the first order comes.
    unstarted: Mutex<Option<(Batcher, mpsc::Receiver<Arrived>)>>,
}

impl Lane {
    fn new(settings: IntakeSettings, crowd: Option<Arc<Crowd>>) -> Self {
        let (queue, waiting) = mpsc::channel(settings.queue);
        let left = Arc::<AtomicUsize>::default();
        let batcher = Batcher::new(settings, crowd, left.clone());
        Self { queue, left, unstarted: Mutex::new(Some((batcher, waiting))) }
    }

    async fn place(&self, placement: Placement) -> Reply {
        if let Some((batcher, waiting)) = self.unstarted.lock().unwrap_or_else(PoisonError::into_inner).take() {
            begin(batcher, waiting);
        }
        let (reply, answer) = oneshot::channel();
        self.queue.try_send((Instant::now(), (placement, reply))).map_err(|_full_or_closed| OrderError::Overloaded)?;
        match answer.await {
            Ok(reply) => reply,
            // The batcher panicked, perhaps after its COMMIT: nobody knows.
            Err(_gone) => Err(no_database()),
        }
    }

    fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity() + self.left.load(Ordering::Relaxed)
    }
}

impl Intake {
    /// An intake over a database. A lane's thread and its connection begin with its first order, so that a process that places
    /// none has neither; they end with the last clone of the handle, after what is waiting.
    pub fn new(settings: IntakeSettings) -> Self {
        let crowd = Arc::<Crowd>::default();
        let main = Lane::new(settings.clone(), Some(crowd.clone()));
        Self(Arc::new(Door { crowd, main, aside: Lane::new(settings, None) }))
    }

    /// Places an order; answers after COMMIT. Once handed over, the placement is decided whether or not the caller waits.
    ///
    /// # Errors
    /// Why it was refused, [`OrderError::Overloaded`] when the queue is full, or what the database said.
    pub async fn place(&self, placement: Placement) -> Reply {
        let passing = self.0.crowd.pass_by(&placement, Instant::now());
        let lane = if passing.is_some() { &self.0.aside } else { &self.0.main };
        lane.place(placement).await
    }

    /// How many placements wait for a batch.
    pub fn waiting(&self) -> usize {
        self.0.main.waiting() + self.0.aside.waiting()
    }
}

/// Starts the batcher on a thread of its own: while it has something to do PostgreSQL waits for it, and requests that are
/// read and answered meanwhile must not stand before it in a queue. A system that gives no more threads has it among them.
fn begin(batcher: Batcher, waiting: mpsc::Receiver<Arrived>) {
    let (hand_over, start) = std::sync::mpsc::channel::<(Runtime, Batcher, mpsc::Receiver<Arrived>)>();
    let callers = Handle::current();
    let run = move || {
        if let Ok((runtime, batcher, waiting)) = start.recv() {
            runtime.block_on(batcher.run(waiting, callers));
        }
    };
    let thread = std::thread::Builder::new().name("oms-intake".to_owned()).spawn(run);
    match (tokio::runtime::Builder::new_current_thread().enable_all().build(), thread) {
        (Ok(runtime), Ok(_runs_until_the_last_handle_goes)) => drop(hand_over.send((runtime, batcher, waiting))),
        (runtime, thread) => {
            tracing::warn!(?runtime, ?thread, "the intake gets no thread of its own");
            // Dropped here, it would panic: we are among tasks.
            runtime.into_iter().for_each(Runtime::shutdown_background);
            tokio::spawn(batcher.run(waiting, Handle::current()));
        }
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
pub(super) mod tests;
