//! How a use case that changes something is run: in a task of its own, with lost races repeated.

use std::future::Future;

use crate::{db, job, request};

/// Runs `work` in a task of its own, so that a client that hangs up cannot stop it half-way (a dropped future breaks
/// its connection, and a commit would be a matter of luck). The request's context goes along. When it is over, the job
/// workers are told that there may be something to do.
pub async fn detached<F>(work: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let context = request::current();
    let task = tokio::spawn(request::scope(context, async move {
        let output = work.await;
        job::announce();
        output
    }));
    match task.await {
        Ok(output) => output,
        // A panic goes on where it would have gone without the task: to the handler that catches, counts and answers it.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that is shutting down cancels; nobody waits for this answer any more.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

/// Runs a use case: [`detached`], and repeated when it loses a race.
///
/// # Errors
/// What the use case said.
pub async fn run<T, E, F, Fut>(use_case: F) -> Result<T, E>
where
    T: Send + 'static,
    E: db::MaybeLostRace + Send + 'static,
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
{
    detached(db::retrying(use_case)).await
}
