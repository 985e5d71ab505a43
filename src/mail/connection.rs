//! Connections to the mail server, kept for the next mail.
//!
//! lettre has a pool of its own, which we do not use: it has no deadline for an answer, and a connection whose user was
//! stopped half-way goes back into it, so that the next mail could read the answer to the last one. Here a connection belongs
//! to the mail that uses it and is kept only after the server has taken that mail.

use std::{
    collections::VecDeque,
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use lettre::{
    Message,
    transport::smtp::{
        Error as SmtpError,
        client::{AsyncSmtpConnection, TlsParameters},
        extension::ClientId,
    },
};
use tokio::net::TcpStream;

use super::{Encryption, MailSettings};

/// As many connections wait for the next mail at most.
const IDLE_MAX: usize = 8;
/// Servers hang up on the silent; we do it first.
const IDLE_FOR: Duration = Duration::from_secs(20);

/// Why the server could not be spoken to.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    /// There is no way to it.
    #[error("cannot connect to {server}")]
    Connect {
        /// Host and port.
        server: String,
        /// What the network said.
        #[source]
        source: io::Error,
    },
    /// It answered, but not as hoped: greeting, encryption or login.
    #[error("the mail server does not let us in")]
    Refused(#[source] SmtpError),
}

/// The way to one mail server.
pub(super) struct Connections {
    settings: MailSettings,
    name: ClientId,
    idle: Mutex<VecDeque<(AsyncSmtpConnection, Instant)>>,
}

impl Connections {
    pub(super) fn new(settings: MailSettings) -> Self {
        Self { settings, name: ClientId::default(), idle: Mutex::default() }
    }

    pub(super) fn settings(&self) -> &MailSettings {
        &self.settings
    }

    /// Hands `message` to the server.
    pub(super) async fn send(&self, message: &Message) -> Result<(), SendError> {
        let mut connection = match self.idle().await {
            Some(connection) => connection,
            None => self.open().await?,
        };
        connection.send(message.envelope(), &message.formatted()).await.map_err(SendError::Send)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push_back((connection, Instant::now()));
        }
        Ok(())
    }

    /// A connection that is still good, if one waits.
    async fn idle(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop_back()?;
            if since.elapsed() < IDLE_FOR && connection.test_connected().await {
                return Some(connection);
            }
        }
    }

    /// A new connection, encrypted and logged in as the settings demand.
    pub(super) async fn open(&self) -> Result<AsyncSmtpConnection, ConnectionError> {
        let settings = &self.settings;
        let refused = ConnectionError::Refused;
        let tls = || TlsParameters::new(settings.server.clone()).map_err(refused);
        let mut connection = if settings.encryption() == Encryption::Implicit {
            let server = (settings.server.as_str(), settings.port);
            AsyncSmtpConnection::connect_tokio1(server, None, &self.name, Some(tls()?), None).await.map_err(refused)?
        } else {
            let stream = self.connect().await.map_err(|source| ConnectionError::Connect {
                server: format!("{}:{}", settings.server, settings.port),
                source,
            })?;
            AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.name).await.map_err(refused)?
        };
        match settings.encryption() {
            Encryption::StartTlsRequired => connection.starttls(tls()?, &self.name).await.map_err(refused)?,
            Encryption::StartTlsIfOffered if connection.can_starttls() => {
                connection.starttls(tls()?, &self.name).await.map_err(refused)?;
            }
            Encryption::StartTlsIfOffered | Encryption::Implicit | Encryption::None => {}
        }
        if let Some(credentials) = &settings.credentials {
            let mechanisms = lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
            connection.auth(mechanisms, credentials).await.map_err(refused)?;
        }
        Ok(connection)
    }

    /// TCP without Nagle: a mail and the dot behind it are two small writes, and the second would wait for the first's receipt.
    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((self.settings.server.as_str(), self.settings.port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// We did not get as far as the mail.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The server did not take this mail.
    #[error("the mail server did not take the mail")]
    Send(#[source] SmtpError),
    /// No answer in time.
    #[error("the mail server did not answer within {0:?}")]
    Timeout(Duration),
}

impl SendError {
    /// Whether the server said that it will never take this mail. Trouble on the way to it (wrong password, no TLS) is never
    /// permanent: somebody will repair it, and then the mail goes out.
    pub(super) fn is_permanent(&self) -> bool {
        match self {
            Self::Send(error) => {
                // 530, 534, 535, 538: it wants us to log in first, which is for us to repair. 552: the mailbox is full, for today.
                let ours = error.status().is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538 | 552));
                error.is_permanent() && !ours
            }
            Self::Connection(_) | Self::Timeout(_) => false,
        }
    }
}
