//! The accept loop: bounded connections, no Nagle, and a graceful end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use accounts::Doors;
use poem::{Response, endpoint::BoxEndpoint};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

use super::{connection, shutdown::Shutdown};
use crate::openapi::DocumentError;

/// How long requests that are running may take to finish after the port is closed.
const DRAIN: Duration = Duration::from_secs(20);

/// How many may stand at the door before they are let in; the system's own limit (`somaxconn`, 4096 on Linux) counts as well.
/// Whoever comes when the line is full tries again after a second (TCP), so the usual 128 are a second lost when a crowd comes.
const LINE: u32 = 4_096;

/// How many looks of half a second at most the first connection waits for.
const FIRST_LOOKS: usize = 10;

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The port cannot be opened.
    #[error("cannot listen on {address} ({setting})")]
    Bind {
        /// The setting that says so.
        setting: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The API cannot be described, so it is not served either.
    #[error("the API document cannot be made")]
    Document(#[source] DocumentError),
}

/// An open port with the application behind it.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: Arc<BoxEndpoint<'static, Response>>,
    connections: usize,
    shutdown: Shutdown,
    doors: Option<Arc<Doors>>,
}

impl Server {
    /// Opens the port that a setting names.
    ///
    /// # Errors
    /// When it is taken or not ours to open.
    pub fn bind(
        setting: &'static str,
        address: SocketAddr,
        max_connections: usize,
        app: BoxEndpoint<'static, Response>,
        shutdown: Shutdown,
    ) -> Result<Self, ServerError> {
        let listener = listen(address).map_err(|source| ServerError::Bind { setting, address, source })?;
        Self::on(listener, max_connections, app, shutdown)
    }

    /// Takes over a port that is open.
    ///
    /// # Errors
    /// When it does not know its address.
    pub fn on(
        listener: TcpListener,
        max_connections: usize,
        app: BoxEndpoint<'static, Response>,
        shutdown: Shutdown,
    ) -> Result<Self, ServerError> {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = listener.local_addr().map_err(|source| ServerError::Bind {
            setting: "a port that is open",
            address: unknown,
            source,
        })?;
        Ok(Self {
            listener,
            address,
            app: Arc::new(app),
            connections: max_connections.min(files_left()),
            shutdown,
            doors: None,
        })
    }

    /// Has the doors watched while it serves.
    #[must_use]
    pub fn guarded_by(self, doors: Arc<Doors>) -> Self {
        Self { doors: Some(doors), ..self }
    }

    /// Where it listens; tells the port when it was opened as port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until shutdown; then finishes the requests that are running, for 20 seconds at most.
    pub async fn run(self) {
        let permits = Arc::new(Semaphore::new(self.connections));
        let mut stopping = self.shutdown.clone();
        // Ends with this function, that is, after the last request.
        let mut watching = JoinSet::new();
        if let Some(doors) = self.doors {
            // Nobody is let in before the first look, so nobody is asked to come before it either; but not for ever: that we are
            // alive can be told without a database.
            for _attempt in 0..FIRST_LOOKS {
                if doors.are_open() || stopping.is_leaving() {
                    break;
                }
                doors.look_now().await;
            }
            watching.spawn(async move { doors.watch().await });
        }
        tracing::info!(address = %self.address, "listening");
        loop {
            let accepted = tokio::select! {
                () = stopping.stopping() => break,
                accepted = accept(&self.listener, &permits) => accepted,
            };
            let Some((stream, peer, permit)) = accepted else { break };
            let (app, local, shutdown) = (self.app.clone(), self.address, self.shutdown.clone());
            tokio::spawn(async move {
                connection::serve(stream, local, peer, app, shutdown).await;
                drop(permit);
            });
        }
        drop(self.listener);
        let all = u32::try_from(self.connections).unwrap_or(u32::MAX);
        match timeout(DRAIN, permits.acquire_many(all)).await {
            Ok(_) => tracing::info!("server stopped"),
            Err(_elapsed) => tracing::warn!("server stopped with requests still running"),
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A process that ended a moment ago does not keep the port from the next one.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(LINE)
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// The next connection, once there is room for one. `None` cannot happen: the semaphore is never closed.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> Option<Accepted> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are small and written at once; waiting for more bytes only delays them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY not set");
                }
                return Some((stream, peer, permit));
            }
            // Aborted handshakes are the peer's affair; when files have run out, waiting is all there is to do.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// How many connections the limit on open files leaves room for, keeping some for the database and for files.
fn files_left() -> usize {
    const KEPT: usize = 128;
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|soft| soft.parse::<usize>().ok());
    soft.map_or(usize::MAX, |soft| soft.saturating_sub(KEPT).max(16)).min(Semaphore::MAX_PERMITS).min(1_000_000)
}
