//! Work that takes a core for a while, on a thread that gives way: whoever hashes a password or makes a picture is slower by
//! that, and nobody else notices.

use std::thread;

use tokio::sync::oneshot;

/// How much less of a core such work gets than requests do when both want it: about a tenth (nice(2), sched(7)).
const NICENESS: i32 = 10;

/// The work did not come to its end: it panicked, or there was no thread for it.
#[derive(Debug, thiserror::Error)]
#[error("the work was interrupted")]
pub struct Interrupted;

/// Does `work` on a thread of its own. It is done also when nobody waits for it any more; how much of it is done at once is
/// for the caller to limit.
///
/// # Errors
/// It panicked, or the system has no thread left.
pub async fn politely<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Interrupted> {
    let (say, said) = oneshot::channel();
    let begun = thread::Builder::new().name("polite".to_owned()).spawn(move || {
        // It concerns this thread alone (Linux); where it is not allowed, the work is done all the same.
        let _ = rustix::process::nice(NICENESS);
        let _ = say.send(work());
    });
    if let Err(error) = begun {
        tracing::error!(error = %error, "there is no thread for work that takes long");
        return Err(Interrupted);
    }
    said.await.map_err(|_gone| Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn s_01_long_work_gives_way_and_a_panic_is_an_error() {
        let niceness = || rustix::process::nice(0).unwrap();
        let ours = niceness();
        assert_eq!(politely(niceness).await.unwrap(), (ours + NICENESS).min(19));
        assert_eq!(niceness(), ours, "nobody else became slower");
        assert!(politely(|| assert_eq!(1, 2)).await.is_err());
    }
}
