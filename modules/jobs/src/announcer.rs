//! Carries `kernel::job::announce` to every engine and notifier of this process.
//!
//! The kernel has one listener, and it is here: a thread, because a task would end with the runtime it was started on.

use std::{sync::LazyLock, thread};

use tokio::sync::watch;

static ANNOUNCEMENTS: LazyLock<watch::Sender<()>> = LazyLock::new(|| {
    let sender = watch::Sender::new(());
    let announcements = sender.clone();
    let thread = tokio::runtime::Builder::new_current_thread().build().and_then(|runtime| {
        thread::Builder::new().name("jobs-announcer".to_owned()).spawn(move || {
            runtime.block_on(async {
                loop {
                    kernel::job::announced().await;
                    announcements.send_replace(());
                }
            });
        })
    });
    if let Err(error) = thread {
        tracing::error!(%error, "no thread for announcing jobs; they will be found by polling");
    }
    sender
});

/// Changes whenever jobs may have been committed in this process. A change is never lost, several may be seen as one.
pub(crate) fn announcements() -> watch::Receiver<()> {
    ANNOUNCEMENTS.subscribe()
}
