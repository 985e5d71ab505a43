//! A mail server that delivers nothing: it keeps what it is given and shows it, as a page for people and as JSON for tests.
//!
//! `oms dev` runs one in-process, `oms mailcatcher` is one of its own. It is for development: it believes everybody.

mod http;
mod session;
mod smtp;
mod store;

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use kernel::SharedClock;
use poem::{Server, listener::TcpAcceptor};
use tokio::{net::TcpListener, sync::watch};

pub use store::{CaughtMail, MailStore, Totals};

/// Mails kept unless told otherwise.
pub const KEEP_DEFAULT: usize = 1_000;

/// A mail catcher whose two doors are open but unattended until [`MailCatcher::run`].
pub struct MailCatcher {
    smtp: TcpListener,
    http: TcpListener,
    store: Arc<MailStore>,
}

impl MailCatcher {
    /// A mail catcher that takes mail at `smtp`, shows it at `http`, and keeps the last `keep` mails.
    pub fn new(smtp: TcpListener, http: TcpListener, keep: usize, clock: SharedClock) -> Self {
        Self { smtp, http, store: Arc::new(MailStore::new(keep, clock)) }
    }

    /// Where mail is taken.
    ///
    /// # Errors
    /// What the system said.
    pub fn smtp_addr(&self) -> io::Result<SocketAddr> {
        self.smtp.local_addr()
    }

    /// Where mail is shown.
    ///
    /// # Errors
    /// What the system said.
    pub fn http_addr(&self) -> io::Result<SocketAddr> {
        self.http.local_addr()
    }

    /// What was caught.
    pub fn store(&self) -> Arc<MailStore> {
        Arc::clone(&self.store)
    }

    /// Takes and shows mail until `shutdown` is over.
    ///
    /// # Errors
    /// A listener broke.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> io::Result<()> {
        let (stop, stopped) = watch::channel(false);
        let mut told = stopped.clone();
        let routes = http::routes(Arc::clone(&self.store)).map_err(io::Error::other)?;
        let smtp = smtp::serve(self.smtp, self.store, stopped);
        let http = Server::new_with_acceptor(TcpAcceptor::from_tokio(self.http)?)
            .name("mail catcher")
            .run_with_graceful_shutdown(
                routes,
                // The sender lives until both are over, so this ends by being told only.
                async move { told_to_stop(&mut told).await },
                Some(Duration::from_secs(1)),
            );
        let both = async { tokio::try_join!(smtp, http).map(drop) };
        let stopping = async {
            shutdown.await;
            stop.send_replace(true);
            std::future::pending::<io::Result<()>>().await
        };
        tokio::select! {
            outcome = both => outcome,
            never = stopping => never,
        }
    }
}

/// Is over when it is time to stop (or nobody is left who could say so).
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    let _last_value = stop.wait_for(|stop| *stop).await.is_ok();
}
