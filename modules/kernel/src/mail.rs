//! Mail as the modules see it: what to say to whom. How it is rendered and sent is the composition root's affair.

use serde::{Deserialize, Serialize};

/// A mail: a template's name and what goes into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The recipient's address.
    pub to: String,
    /// The template's name, for example `verify_email`; there is a text and an HTML version of each.
    pub template: String,
    /// The values the template shows.
    pub context: serde_json::Value,
    /// What makes this mail this mail, for example `verify-018f…`. The `Message-ID` is made of it, so that a mail that is
    /// sent twice arrives as one.
    pub key: String,
}

/// Why a mail could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It may work later: the server is away or busy.
    #[error("the mail server did not take the mail")]
    Transient(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It will never work: no such recipient, or a mail that cannot be built.
    #[error("the mail cannot be delivered")]
    Permanent(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sends mail. Called from jobs only, never inside a transaction.
#[async_trait::async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Hands the mail to the server; `Ok` means that the server has taken it.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}
