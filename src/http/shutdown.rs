//! How a process ends: first it says that it is leaving, then it stops accepting, then it finishes what it has.

use std::{io, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Leaving,
    Stopping,
}

/// Tells the parts of a process that it is to end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Phase>);

/// Ends a process by hand; for tests and for `oms dev`.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Phase>);

impl Trigger {
    /// Readiness turns to 503 and workers stop claiming; requests are still accepted.
    pub fn leave(&self) {
        self.0.send_replace(Phase::Leaving);
    }

    /// No more requests are accepted.
    pub fn stop(&self) {
        self.0.send_replace(Phase::Stopping);
    }
}

impl Shutdown {
    /// A shutdown that is triggered by hand.
    pub fn by_hand() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(Phase::Running);
        (Trigger(sender), Self(receiver))
    }

    /// A shutdown that begins with SIGTERM or SIGINT. After SIGTERM the process accepts for `delay` more, so that load
    /// balancers see its readiness fall; after SIGINT (Ctrl-C) it does not wait. A second signal ends the process at once.
    ///
    /// # Errors
    /// When the signals cannot be listened for.
    pub fn on_signal(delay: Duration) -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (trigger, shutdown) = Self::by_hand();
        tokio::spawn(async move {
            let delay = tokio::select! {
                _ = terminate.recv() => delay,
                _ = interrupt.recv() => Duration::ZERO,
            };
            tracing::info!("shutting down");
            trigger.leave();
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                _ = interrupt.recv() => {}
            }
            trigger.stop();
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::warn!("second signal: leaving at once");
            std::process::exit(130);
        });
        Ok(shutdown)
    }

    async fn reached(&mut self, phase: Phase) {
        // The sender lives as long as the process; if it is gone, so is the reason to wait.
        let _sender_lives = self.0.wait_for(|now| *now >= phase).await;
    }

    /// Waits until the process is leaving.
    pub async fn started(&mut self) {
        self.reached(Phase::Leaving).await;
    }

    /// Waits until nothing more is to be accepted.
    pub async fn stopping(&mut self) {
        self.reached(Phase::Stopping).await;
    }

    /// Whether the process is leaving.
    pub fn is_leaving(&self) -> bool {
        *self.0.borrow() >= Phase::Leaving
    }
}
