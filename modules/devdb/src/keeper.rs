//! The thread that owns a running server.
//!
//! The kernel's parent-death signal fires when the *thread* that spawned a child ends, not when its process does. So
//! the server is spawned by a thread of its own, which lives exactly as long as the server should.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::sys;

/// How long a fast shutdown may take before the server is told to drop everything.
const FAST_SHUTDOWN: Duration = Duration::from_secs(30);

/// A server and the thread that owns it. Dropping it stops the server.
#[derive(Debug)]
pub(crate) struct Keeper {
    stop: Option<Sender<()>>,
    exited: Receiver<ExitStatus>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Spawns `command` so that it ends with this process, however this process ends (on Linux).
    pub(crate) fn spawn(mut command: Command) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let (report, exited) = mpsc::channel();
        let (started, start) = mpsc::channel();
        // Ctrl-C is for this process, which then stops the server when it has finished with it.
        command.process_group(0);
        sys::die_with_parent(&mut command);
        let thread = thread::Builder::new().name("devdb-keeper".to_owned()).spawn(move || match command.spawn() {
            Ok(child) => {
                let _ = started.send(Ok(()));
                // The receiver is gone when nobody wants to know any more.
                let _ = keep(child, &stopped).map(|status| report.send(status));
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        })?;
        start.recv().map_err(io::Error::other)??;
        Ok(Self { stop: Some(stop), exited, thread: Some(thread) })
    }

    /// Whether the server has ended.
    pub(crate) fn has_exited(&self) -> bool {
        !matches!(self.exited.try_recv(), Err(mpsc::TryRecvError::Empty))
    }

    /// Stops the server and waits for its end.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits for the server's end or for the order to end it. Only this function signals and reaps the child, so the
/// number it signals is always the child's.
fn keep(mut child: Child, stopped: &Receiver<()>) -> io::Result<ExitStatus> {
    loop {
        match stopped.recv_timeout(Duration::from_millis(100)) {
            Err(RecvTimeoutError::Timeout) => {
                if let Some(status) = child.try_wait()? {
                    return Ok(status);
                }
            }
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return shut_down(&mut child),
        }
    }
}

fn shut_down(child: &mut Child) -> io::Result<ExitStatus> {
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let _ = sys::send_signal(pid, sys::SIGINT);
    let deadline = Instant::now() + FAST_SHUTDOWN;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    let _ = sys::send_signal(pid, sys::SIGQUIT);
    child.wait()
}
