//! Letters to people: what the modules want to say becomes text and HTML and goes out over SMTP.
//!
//! Modules speak through [`kernel::mail::Mailer`]; [`SmtpMailer`] is what stands behind it. The `Message-ID` of a mail is made
//! of its key alone, so that a mail that is sent twice (at least once is the promise) is recognised as one.

mod connection;
mod message;
mod settings;
mod smtp;
mod templates;

pub use message::{BuildError, build, message_id};
pub use settings::{Encryption, MailSettings, MailSettingsError};
pub use smtp::SmtpMailer;
pub use templates::{RenderError, Rendered, TEMPLATES, Templates};
