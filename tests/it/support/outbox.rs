//! A mailer that keeps what it is given.

use std::sync::Mutex;

use kernel::mail::{Mail, MailError, Mailer};
use oms::mail::Templates;

/// Everything that was sent. A mail with a hole in it is refused, as the real one would.
#[derive(Debug, Default)]
pub struct Outbox(Mutex<Vec<Mail>>);

impl Outbox {
    /// Everything that was sent since the last look, in the order of sending.
    pub fn take(&self) -> Vec<Mail> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The templates of the mails to `address`, sorted: several workers send, and which one is first is chance.
    pub fn templates_to(&self, address: &str) -> Vec<String> {
        let mails = self.0.lock().unwrap();
        let to_them = mails.iter().filter(|mail| mail.to == address);
        let mut templates: Vec<_> = to_them.map(|mail| mail.template.clone()).collect();
        templates.sort();
        templates
    }
}

#[async_trait::async_trait]
impl Mailer for Outbox {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let rendered = Templates::new().unwrap().render(&mail.template, &mail.context);
        rendered.map_err(|error| MailError::Permanent(Box::new(error)))?;
        self.0.lock().unwrap().push(mail.clone());
        Ok(())
    }
}
