//! Parts of the machinery that panic are begun again: a process whose reaper or clerk is gone would look healthy and not be.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;

/// How long a part that has panicked rests, so that one which does so at once does not fill the log.
const REST: Duration = Duration::from_secs(1);

/// Runs `part` until it ends by itself.
pub(crate) async fn keep_going<F: Future<Output = ()>>(name: &'static str, mut part: impl FnMut() -> F) {
    while AssertUnwindSafe(async { part().await }).catch_unwind().await.is_err() {
        // Where it panicked, the panic itself has said.
        tracing::error!(part = name, "a part of the job engine has panicked and is begun again");
        tokio::time::sleep(REST).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn r_11_a_part_that_panics_is_begun_again_until_it_ends() {
        let mut begun = 0;
        keep_going("test", || {
            begun += 1;
            let round = begun;
            assert_ne!(round, 1, "before there is a future");
            async move {
                tokio::task::yield_now().await;
                assert_ne!(round, 2, "in the middle");
            }
        })
        .await;
        assert_eq!(begun, 3);
    }
}
