//! The mailer: writes a mail, hands it to the SMTP server, and says whether it is worth trying again.

use std::{sync::LazyLock, time::Duration};

use kernel::{
    SharedClock,
    mail::{Mail, MailError, Mailer},
    metrics::{self, Counter, KeyValue},
    request,
    trace::{self, Span},
};

use super::{
    MailSettings, RenderError, Templates, build,
    connection::{Connections, SendError},
};

/// From connecting to the server's last word.
const TIMEOUT: Duration = Duration::from_secs(15);

static MAILS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let about = "Mails: sent, to be tried again (retry), or refused for good.";
    metrics::counter("oms_mails", about)
});

/// Sends mail over SMTP.
pub struct SmtpMailer {
    templates: Templates,
    connections: Connections,
    clock: SharedClock,
    timeout: Duration,
}

impl SmtpMailer {
    /// A mailer for the server of `settings`. It connects when there is something to send.
    ///
    /// # Errors
    /// A template is broken; a test sees to it that none is.
    pub fn new(settings: MailSettings, clock: SharedClock) -> Result<Self, RenderError> {
        let (templates, connections) = (Templates::new()?, Connections::new(settings));
        Ok(Self { templates, connections, clock, timeout: TIMEOUT })
    }

    /// The same with another deadline for a mail than 15 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connects, says EHLO and logs in, and sends nothing: what `oms doctor` wants to know.
    ///
    /// # Errors
    /// As for a mail.
    pub async fn check(&self) -> Result<(), MailError> {
        let attempt = async {
            let mut connection = self.connections.open().await?;
            connection.quit().await.map(drop).map_err(SendError::Send)
        };
        let outcome = tokio::time::timeout(self.timeout, attempt).await;
        outcome.unwrap_or_else(|_elapsed| Err(SendError::Timeout(self.timeout))).map_err(into_mail_error)
    }
}

fn into_mail_error(error: SendError) -> MailError {
    if error.is_permanent() { MailError::Permanent(error.into()) } else { MailError::Transient(error.into()) }
}

impl SmtpMailer {
    async fn hand_over(&self, mail: &Mail) -> Result<(), MailError> {
        let rendered =
            self.templates.render(&mail.template, &mail.context).map_err(|error| MailError::Permanent(error.into()))?;
        let from = &self.connections.settings().from;
        let message = build(from, &mail.to, &mail.key, rendered, self.clock.now())
            .map_err(|error| MailError::Permanent(error.into()))?;
        // When time is up the connection goes with the future that owns it, and is never used again.
        let outcome = tokio::time::timeout(self.timeout, self.connections.send(&message)).await;
        outcome.unwrap_or_else(|_elapsed| Err(SendError::Timeout(self.timeout))).map_err(into_mail_error)
    }
}

#[async_trait::async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let traceparent = request::current().traceparent;
        let mut span = Span::begin(trace::Kind::Client, "send mail", traceparent.as_deref());
        let outcome = self.hand_over(mail).await;
        let word = match &outcome {
            Ok(()) => {
                tracing::info!(mail.template, mail.key, "mail sent");
                "sent"
            }
            Err(MailError::Transient(_)) => "retry",
            Err(MailError::Permanent(_)) => "refused",
        };
        if outcome.is_err() {
            span.fail(word);
        }
        MAILS.add(1, &[KeyValue::new("template", mail.template.clone()), KeyValue::new("outcome", word)]);
        outcome
    }
}
