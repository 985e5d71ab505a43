//! What can go wrong with the queue itself.

use kernel::DbError;

use crate::State;

/// Why the engine did not start, or an operator's command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// The database did not do what it was asked.
    #[error("the job queue is not reachable")]
    Db(#[from] DbError),
    /// The settings contradict each other.
    #[error("the job workers cannot be started: {0}")]
    Settings(String),
    /// The operating system gave no thread.
    #[error("the heartbeat thread could not be started")]
    Thread(#[source] std::io::Error),
    /// There is no such job.
    #[error("there is no job {0}; finished jobs are removed after a day, `oms jobs list` shows what is there")]
    NotFound(i64),
    /// Only jobs that have ended badly or are waiting can be run again.
    #[error("job {id} is {state}; only a failed, cancelled or waiting job can be retried")]
    NotRetriable {
        /// The job.
        id: i64,
        /// What it is instead.
        state: State,
    },
    /// Only jobs that are waiting can be cancelled.
    #[error("job {id} is {state}; only a waiting job can be cancelled")]
    NotCancellable {
        /// The job.
        id: i64,
        /// What it is instead.
        state: State,
    },
    /// The same thing is already in the queue.
    #[error("job {0} was not retried: a job for the same thing is already waiting or running, and it will do")]
    AlreadyQueued(i64),
}

kernel::db_error!(JobsError);
