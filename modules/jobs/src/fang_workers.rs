//! fang's worker pool over our queue: fang runs the workers, we decide what they get and write down what came of it.
//!
//! fang ends a worker without a word when its queue answers an error or a task that cannot be decoded. So ours
//! never does: a fetch waits until there is a job, every job looks to fang like a success, and the methods with which
//! fang would write are empty. Once, on purpose, we use that trait of fang's: a worker whose day is over gets a task
//! that cannot be decoded, because the pool has no other way to stop.

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use async_trait::async_trait;
use chrono::DateTime;
use fang::{
    AsyncQueueable, AsyncRunnable, AsyncWorkerPool, FangError, FangTaskState, RetentionMode, SleepParams, Task,
    async_queue::AsyncQueueError,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::{
    claim::{Claimed, Request},
    run::run,
    shared::{Life, Shared},
};

/// Claimed jobs on their way through fang, by ticket. One map for the process, because all that comes back from fang
/// is the ticket; tickets are unique, so any number of engines can live side by side.
static COUNTER: LazyLock<Mutex<HashMap<u64, Deposit>>> = LazyLock::new(Mutex::default);
static NEXT_TICKET: AtomicU64 = AtomicU64::new(1);

struct Deposit {
    shared: Arc<Shared>,
    job: Claimed,
}

/// A worker that is there, from its first fetch until it ends.
struct Seat(Arc<Shared>);

impl Seat {
    fn take(shared: &Arc<Shared>) -> Self {
        shared.counters.seats.fetch_add(1, Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.counters.seats.fetch_sub(1, Relaxed);
    }
}

/// Starts `workers` workers that get their jobs through `requests`.
pub(crate) async fn start(shared: Arc<Shared>, workers: u32, requests: mpsc::UnboundedSender<Request>) {
    let mut pool: AsyncWorkerPool<TicketQueue> = AsyncWorkerPool::builder()
        .number_of_workers(workers)
        .queue(TicketQueue { shared, requests, seat: OnceLock::new() })
        .sleep_params(SleepParams::default())
        .retention_mode(RetentionMode::KeepAll)
        .build();
    pool.start().await;
}

/// What fang takes for a queue. Every worker has its own, and drops it when it ends.
struct TicketQueue {
    shared: Arc<Shared>,
    requests: mpsc::UnboundedSender<Request>,
    seat: OnceLock<Seat>,
}

impl Clone for TicketQueue {
    /// The seat is not inherited: fang's pool and its supervisors have clones too, and are no workers.
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), requests: self.requests.clone(), seat: OnceLock::new() }
    }
}

/// What fang takes for a job: the one type it ever decodes.
#[derive(Serialize, Deserialize)]
struct Ticket {
    ticket: u64,
}

#[typetag::serde(name = "oms")]
#[async_trait]
impl AsyncRunnable for Ticket {
    async fn run(&self, _queue: &dyn AsyncQueueable) -> Result<(), FangError> {
        let deposit = COUNTER.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.ticket);
        if let Some(Deposit { shared, job }) = deposit {
            run(&shared, job).await;
        }
        Ok(())
    }
}

fn task(id: u64, metadata: Value) -> Task {
    Task::builder()
        .id(Uuid::from_u128(id.into()))
        .metadata(metadata)
        .error_message(None)
        .state(FangTaskState::InProgress)
        .task_type("common")
        .uniq_hash(None)
        .retries(0)
        .scheduled_at(DateTime::UNIX_EPOCH)
        .created_at(DateTime::UNIX_EPOCH)
        .updated_at(DateTime::UNIX_EPOCH)
        .build()
}

/// Our jobs come from `kernel::enqueue` and from nowhere else.
const fn not_here<T>() -> Result<T, AsyncQueueError> {
    Err(AsyncQueueError::NotConnectedError)
}

#[async_trait]
impl AsyncQueueable for TicketQueue {
    async fn fetch_and_touch_task(&self, _task_type: Option<String>) -> Result<Option<Task>, AsyncQueueError> {
        self.seat.get_or_init(|| Seat::take(&self.shared));
        loop {
            let (request, answer) = oneshot::channel();
            let is_open = self.requests.send(request).is_ok();
            match answer.await {
                Ok(job) if is_open => {
                    let ticket = NEXT_TICKET.fetch_add(1, Relaxed);
                    let deposit = Deposit { shared: Arc::clone(&self.shared), job };
                    COUNTER.lock().unwrap_or_else(PoisonError::into_inner).insert(ticket, deposit);
                    return Ok(Some(task(ticket, json!({ "type": "oms", "ticket": ticket }))));
                }
                // Whoever claims has panicked, lost our request, and is begun again.
                _lost if is_open && self.shared.life() == Life::Working => {}
                // The queue is closed: the worker may go home.
                _closed => return Ok(Some(task(0, Value::Null))),
            }
        }
    }

    async fn update_task_state(&self, task: &Task, _state: FangTaskState) -> Result<Task, AsyncQueueError> {
        Ok(task.clone())
    }

    async fn fail_task(&self, task: &Task, _error: &str) -> Result<Task, AsyncQueueError> {
        Ok(task.clone())
    }

    async fn schedule_retry(&self, task: &Task, _pause: u32, _error: &str) -> Result<Task, AsyncQueueError> {
        Ok(task.clone())
    }

    async fn insert_task(&self, _task: &dyn AsyncRunnable) -> Result<Task, AsyncQueueError> {
        not_here()
    }

    async fn schedule_task(&self, _task: &dyn AsyncRunnable) -> Result<Task, AsyncQueueError> {
        not_here()
    }

    async fn find_task_by_id(&self, _id: &Uuid) -> Result<Task, AsyncQueueError> {
        not_here()
    }

    async fn remove_all_tasks(&self) -> Result<u64, AsyncQueueError> {
        not_here()
    }

    async fn remove_all_scheduled_tasks(&self) -> Result<u64, AsyncQueueError> {
        not_here()
    }

    async fn remove_task(&self, _id: &Uuid) -> Result<u64, AsyncQueueError> {
        not_here()
    }

    async fn remove_task_by_metadata(&self, _task: &dyn AsyncRunnable) -> Result<u64, AsyncQueueError> {
        not_here()
    }

    async fn remove_tasks_type(&self, _task_type: &str) -> Result<u64, AsyncQueueError> {
        not_here()
    }
}
