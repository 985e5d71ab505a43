//! Which server takes our mail, and how we speak to it.

use std::fmt;

use lettre::{Address, message::Mailbox, transport::smtp::authentication::Credentials};

/// Why the mail settings do not hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MailSettingsError {
    /// `MAIL_FROM` is no address.
    #[error("MAIL_FROM is not a mail address; write shop@example.com or 'The Shop <shop@example.com>'")]
    From,
    /// `MAIL_SERVER` is empty or no host name.
    #[error(
        "MAIL_SERVER is not a host name or an address; write it without scheme and port, for example smtp.example.com"
    )]
    Server,
    /// `MAIL_PORT` is 0.
    #[error("MAIL_PORT is 0; usual are 465 (TLS), 587 (STARTTLS) and 1025 (a mail catcher)")]
    Port,
    /// One of the two credentials is missing.
    #[error("MAIL_USERNAME and MAIL_PASSWORD go together: set both or neither")]
    Credentials,
}

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// TLS from the first byte (port 465).
    Implicit,
    /// STARTTLS, and nothing is sent if the server does not offer it. Always so when a password would travel.
    StartTlsRequired,
    /// STARTTLS if the server offers it: another machine, no password.
    StartTlsIfOffered,
    /// None: the server is on this machine.
    None,
}

/// Which server takes our mail.
#[derive(Clone)]
pub struct MailSettings {
    pub(super) server: String,
    pub(super) port: u16,
    pub(super) credentials: Option<Credentials>,
    pub(super) from: Mailbox,
}

impl MailSettings {
    /// The settings, from the values of `MAIL_SERVER`, `MAIL_PORT`, `MAIL_USERNAME`, `MAIL_PASSWORD` and `MAIL_FROM`. An empty
    /// user name or password counts as not set.
    ///
    /// # Errors
    /// The first value that does not hold, and what to write instead.
    pub fn new(
        server: &str,
        port: u16,
        username: Option<&str>,
        password: Option<&str>,
        from: &str,
    ) -> Result<Self, MailSettingsError> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if server.is_empty() || server.len() > 253 || !server.chars().all(known) {
            return Err(MailSettingsError::Server);
        }
        if port == 0 {
            return Err(MailSettingsError::Port);
        }
        let set = |value: Option<&str>| value.filter(|text| !text.is_empty()).map(str::to_owned);
        let credentials = match (set(username), set(password)) {
            (None, None) => None,
            (Some(username), Some(password)) => Some(Credentials::new(username, password)),
            _ => return Err(MailSettingsError::Credentials),
        };
        if from.chars().any(char::is_control) {
            return Err(MailSettingsError::From);
        }
        let from = from
            .trim()
            .parse::<Mailbox>()
            .map_err(|_unparsable: lettre::address::AddressError| MailSettingsError::From)?;
        Ok(Self { server: server.to_owned(), port, credentials, from })
    }

    /// The server's name.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The sender's address.
    pub fn from(&self) -> &Address {
        &self.from.email
    }

    /// How the connection is protected; follows from the port, the credentials and where the server is.
    pub fn encryption(&self) -> Encryption {
        let local = self.server == "localhost"
            || self.server.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if self.port == 465 {
            Encryption::Implicit
        } else if self.credentials.is_some() {
            Encryption::StartTlsRequired
        } else if local {
            Encryption::None
        } else {
            Encryption::StartTlsIfOffered
        }
    }
}

impl fmt::Debug for MailSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailSettings")
            .field("server", &self.server)
            .field("port", &self.port)
            .field("encryption", &self.encryption())
            .field("with_password", &self.credentials.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(server: &str, port: u16, user: Option<&str>) -> MailSettings {
        MailSettings::new(server, port, user, user.map(|_| "secret"), "The Shop <shop@example.com>").unwrap()
    }

    #[test]
    fn a_password_never_travels_in_the_clear() {
        for (server, port, user, expected) in [
            ("smtp.example.com", 465, Some("u"), Encryption::Implicit),
            ("smtp.example.com", 465, None, Encryption::Implicit),
            ("smtp.example.com", 587, Some("u"), Encryption::StartTlsRequired),
            ("localhost", 1025, Some("u"), Encryption::StartTlsRequired),
            ("mailpit", 1025, None, Encryption::StartTlsIfOffered),
            ("localhost", 1025, None, Encryption::None),
            ("127.0.0.1", 587, None, Encryption::None),
            ("::1", 25, None, Encryption::None),
        ] {
            assert_eq!(settings(server, port, user).encryption(), expected, "{server}:{port}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let new = |server, port, user, password, from| MailSettings::new(server, port, user, password, from).err();
        assert_eq!(new("", 25, None, None, "a@b.co"), Some(MailSettingsError::Server));
        assert_eq!(new("smtp://x", 25, None, None, "a@b.co"), Some(MailSettingsError::Server));
        assert_eq!(new("x", 0, None, None, "a@b.co"), Some(MailSettingsError::Port));
        assert_eq!(new("x", 25, Some("u"), None, "a@b.co"), Some(MailSettingsError::Credentials));
        assert_eq!(new("x", 25, Some(""), Some(""), "a@b.co"), None);
        for from in ["", "shop", "a@b.co\r\nBcc: c@d.co", "A <a@b.co>\n", "@"] {
            assert_eq!(new("x", 25, None, None, from), Some(MailSettingsError::From), "{from:?}");
        }
    }

    #[test]
    fn the_password_is_not_printed() {
        assert!(!format!("{:?}", settings("x", 587, Some("u"))).contains("secret"));
    }
}
