//! From a rendered mail to the bytes that travel.

use chrono::{DateTime, Utc};
use kernel::request;
use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};
use sha2::{Digest, Sha256};

use super::Rendered;

/// The longest key that becomes part of a `Message-ID` as it is.
const KEY_MAX: usize = 100;

/// Why a mail cannot be built. Trying again will not help.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The recipient is no address.
    #[error("the recipient is not a mail address")]
    Recipient,
    /// lettre refuses it.
    #[error("the mail cannot be put together")]
    Message(#[source] lettre::error::Error),
}

/// The `Message-ID` of the mail `key`: the same for every attempt to send it.
pub fn message_id(key: &str, domain: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_dot_atom = !key.starts_with('.') && !key.ends_with('.') && !key.contains("..");
    if !key.is_empty() && key.len() <= KEY_MAX && key.chars().all(plain) && is_dot_atom {
        format!("<{key}@{domain}>")
    } else {
        format!("<sha256.{}@{domain}>", hex::encode(Sha256::digest(key.as_bytes())))
    }
}

/// Puts `mail` into an envelope from `from` to `to`.
///
/// # Errors
/// `to` is no address.
pub fn build(from: &Mailbox, to: &str, key: &str, mail: Rendered, now: DateTime<Utc>) -> Result<Message, BuildError> {
    // Quoted local parts may hold almost anything; nobody registers with one, so nothing that could end a line gets further.
    if to.len() > 254 || to.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '"' | '<' | '>' | ',')) {
        return Err(BuildError::Recipient);
    }
    let to = to.parse::<Address>().map_err(|_unparsable: lettre::address::AddressError| BuildError::Recipient)?;
    let subject = mail.subject;
    let mut message = Message::builder();
    // Whoever forwards the mail to us says with it which request it came of.
    if let Some(id) = request::id().filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic())) {
        message = message.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("X-Request-Id"), id));
    }
    message
        .message_id(Some(message_id(key, from.email.domain())))
        .date(now.into())
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(subject)
        // RFC 3834: so that nobody's holiday note answers us.
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .multipart(MultiPart::alternative_plain_html(mail.text, mail.html))
        .map_err(BuildError::Message)
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;
    use serde_json::json;

    use super::*;
    use crate::mail::{TEMPLATES, Templates, templates::tests::sample};

    /// What people call themselves when they want our mail to say something else.
    const HOSTILE: [&str; 20] = [
        "eve\r\nBcc: everybody@example.com",
        "eve\nBcc: everybody@example.com",
        "eve\rBcc: everybody@example.com",
        "eve\r\n\r\n<html>a body</html>",
        "eve\r\n.\r\nMAIL FROM:<eve@example.com>\r\n",
        "eve\n.\nQUIT\n",
        "eve%0d%0aBcc: everybody@example.com",
        "eve\u{85}Bcc: everybody@example.com",
        "eve\u{2028}Bcc: everybody@example.com",
        "eve\u{2029}Bcc: everybody@example.com",
        "eve\u{b}Bcc: everybody@example.com",
        "eve\u{c}Bcc: everybody@example.com",
        "eve\0Bcc: everybody@example.com",
        "=?utf-8?q?eve=0D=0ABcc:_everybody@example.com?=",
        "=?utf-8?b?ZXZlDQpCY2M6IGV2ZXJ5Ym9keUBleGFtcGxlLmNvbQ==?=",
        "\u{202e}moc.elpmaxe@ydobyreve :ccB",
        "\" <everybody@example.com>, \"eve",
        "</p><script>alert(1)</script>",
        "{{ 7 * 7 }}{% include 'layout.html' %}",
        "eve\r\n Bcc: everybody@example.com\r\n\tX-Folded: yes",
    ];

    fn from() -> Mailbox {
        "The Shop <shop@example.com>".parse().unwrap()
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn c_10_no_name_and_no_subject_adds_a_header() {
        let templates = Templates::new().unwrap();
        for (name, _, _) in TEMPLATES {
            for hostile in HOSTILE {
                let mut context = sample();
                for field in ["username", "number", "total", "refund", "token"] {
                    context[field] = json!(hostile);
                }
                for list in ["lines", "remaining"] {
                    context[list][0]["name"] = json!(hostile);
                }
                for field in ["carrier", "tracking_number", "tracking_url", "reason", "decision"] {
                    context["about"][field] = json!(hostile);
                }
                context["about"]["lines"][0]["name"] = json!(hostile);
                let rendered = templates.render(name, &context).unwrap();
                assert!(!rendered.html.contains("<script>"), "{name}: {hostile:?}");
                assert!(!rendered.subject.contains("49"), "{name}: {hostile:?}");
                // As if every field went into the subject.
                let subject = format!("{} {hostile}", rendered.subject);
                for subject in [rendered.subject.clone(), subject] {
                    let mail = Rendered { subject, ..rendered.clone() };
                    let message = build(&from(), "alice@example.com", hostile, mail, now()).unwrap();
                    assert_eq!(message.envelope().to().len(), 1);
                    let bytes = message.formatted();
                    let parsed = MessageParser::default().parse(&bytes).unwrap();
                    let mut names: Vec<_> = parsed.headers().iter().map(|header| header.name()).collect();
                    names.sort_unstable();
                    let expected = [
                        "Auto-Submitted",
                        "Content-Type",
                        "Date",
                        "From",
                        "MIME-Version",
                        "Message-ID",
                        "Subject",
                        "To",
                    ];
                    assert_eq!(names, expected, "{name}: {hostile:?}\n{}", String::from_utf8_lossy(&bytes));
                    assert!(parsed.bcc().is_none() && parsed.cc().is_none(), "{name}: {hostile:?}");
                    assert_eq!(parsed.to().unwrap().first().unwrap().address(), Some("alice@example.com"));
                    assert_eq!((parsed.text_body_count(), parsed.html_body_count()), (1, 1), "{name}: {hostile:?}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_mail_says_which_request_it_came_of() {
        let built = |id: &str| {
            let rendered = Rendered { subject: "s".into(), text: "t".into(), html: "h".into() };
            let context = request::Context { request_id: Some(id.to_owned()), traceparent: None };
            request::scope(context, async move { build(&from(), "alice@example.com", "k", rendered, now()).unwrap() })
        };
        let plain = String::from_utf8(built("req-7").await.formatted()).unwrap();
        assert!(plain.contains("X-Request-Id: req-7\r\n"), "{plain}");
        let hostile = String::from_utf8(built("req\r\nBcc: eve@example.com").await.formatted()).unwrap();
        assert!(!hostile.contains("Bcc") && !hostile.contains("X-Request-Id"), "{hostile}");
    }

    #[test]
    fn a_recipient_that_is_no_single_address_is_refused() {
        let rendered = Rendered { subject: "s".into(), text: "t".into(), html: "h".into() };
        for to in [
            "",
            "alice",
            "alice@",
            "@example.com",
            "alice@example.com\r\nBcc: eve@example.com",
            "a@b.co, c@d.co",
            "Alice <alice@example.com>",
            "\"a b\"@example.com",
            "\"a\r\nb\"@example.com",
            "a b@example.com",
            "a@b.co\0",
            "alice@exa\nmple.com",
        ] {
            assert!(build(&from(), to, "k", rendered.clone(), now()).is_err(), "{to:?}");
        }
        assert!(build(&from(), &format!("{}@example.com", "a".repeat(300)), "k", rendered, now()).is_err());
    }

    #[test]
    fn c_10_a_mail_has_the_same_id_whenever_it_is_sent() {
        assert_eq!(message_id("verify-018f_a.b", "example.com"), "<verify-018f_a.b@example.com>");
        let long = "k".repeat(KEY_MAX + 1);
        for odd in ["", "a b", "a@b", "a>\r\nX: y", ".a", "a.", "a..b", "é", long.as_str()] {
            let id = message_id(odd, "example.com");
            assert_eq!(id, message_id(odd, "example.com"));
            assert!(id.starts_with("<sha256.") && id.ends_with("@example.com>") && id.len() == 1 + 7 + 64 + 13, "{id}");
        }
        assert_ne!(message_id("a b", "example.com"), message_id("a  b", "example.com"));
    }
}
