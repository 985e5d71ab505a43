//! One question for all who ask at the same time.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
};

type Asking<Q, A> = dyn Fn(Vec<Q>) -> BoxFuture<'static, Vec<A>> + Send + Sync;
type Asker<Q, A> = (Q, oneshot::Sender<A>);

/// Puts questions together: what comes while one is on its way is asked with the next one.
pub(super) struct Together<Q, A> {
    ask: Arc<Asking<Q, A>>,
    askers: Mutex<Option<mpsc::UnboundedSender<Asker<Q, A>>>>,
}

impl<Q: Send + 'static, A: Send + 'static> Together<Q, A> {
    /// Asks by `ask`, which answers each of many questions, in their order.
    pub(super) fn new<F>(ask: impl Fn(Vec<Q>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Vec<A>> + Send + 'static,
    {
        Self { ask: Arc::new(move |questions| ask(questions).boxed()), askers: Mutex::default() }
    }

    /// The answer to a question that is asked after the call; `None` when nobody answers it.
    pub(super) async fn ask(&self, question: Q) -> Option<A> {
        let (asker, answer) = oneshot::channel();
        self.askers().send((question, asker)).ok()?;
        answer.await.ok()
    }

    /// The way to the task that asks, which is begun anew should it have ended.
    fn askers(&self) -> mpsc::UnboundedSender<Asker<Q, A>> {
        let mut askers = self.askers.lock().unwrap_or_else(PoisonError::into_inner);
        match askers.as_ref().filter(|askers| !askers.is_closed()) {
            Some(askers) => askers.clone(),
            None => {
                let (new, waiting) = mpsc::unbounded_channel();
                tokio::spawn(answer(self.ask.clone(), waiting));
                askers.insert(new).clone()
            }
        }
    }
}

async fn answer<Q, A>(ask: Arc<Asking<Q, A>>, mut waiting: mpsc::UnboundedReceiver<Asker<Q, A>>) {
    while let Some(first) = waiting.recv().await {
        // Those who are about to ask are waited for, and nobody else: a question costs the same for one as for many.
        yield_now().await;
        let all = std::iter::once(first).chain(std::iter::from_fn(|| waiting.try_recv().ok()));
        let (questions, askers): (Vec<Q>, Vec<_>) = all.filter(|(_, asker)| !asker.is_closed()).unzip();
        if questions.is_empty() {
            continue;
        }
        for (asker, answer) in askers.into_iter().zip(ask(questions).await) {
            // Whoever has gone does not want to know.
            let _gone = asker.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn who_asks_at_the_same_time_shares_a_question() {
        let questions = Arc::new(AtomicUsize::new(0));
        let counting = questions.clone();
        let squares = Together::new(move |all: Vec<u64>| {
            counting.fetch_add(1, Ordering::Relaxed);
            std::future::ready(all.iter().map(|number| number * number).collect())
        });
        assert_eq!(
            join_all((0..50).map(|number| squares.ask(number))).await,
            (0..50).map(|n| Some(n * n)).collect::<Vec<_>>()
        );
        assert_eq!(questions.load(Ordering::Relaxed), 1);
        assert_eq!(squares.ask(3).await, Some(9));
        assert_eq!(questions.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_question_that_panics_is_not_answered_and_the_next_one_is() {
        let half = Together::new(|all: Vec<u64>| std::future::ready(all.iter().map(|number| 100 / number).collect()));
        assert_eq!(half.ask(0).await, None);
        assert_eq!(half.ask(4).await, Some(25));
    }
}
