//! The mails we know, each as text and as HTML, part of the binary.
//!
//! The first line of a text template is its subject. A value that is not given is an error: a mail with a hole in it is never
//! sent.

use minijinja::{Environment, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Serde};

/// A template's name, its text and its HTML.
type Source = (&'static str, &'static str, &'static str);

macro_rules! sources {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("templates/", $name, ".txt")), include_str!(concat!("templates/", $name, ".html")))),+]
    };
}

/// Every mail there is, with the values it shows (all are required):
///
/// | name | values |
/// |---|---|
/// | `verify_email`, `reset_password` | `username`, `link`, `token`, `expires_in_hours` |
/// | `password_changed` | `username` |
/// | `order_placed`, `order_cancelled`, `order_expired` | `username`, `number`, `link`, `total`, `lines` of `name`, `sku`, `quantity`, `total` |
/// | `order_confirmed` | the same, and `payment_status`, `offline_method` (or none), `due` |
/// | `order_lines_cancelled` | `username`, `number`, `link`, `new_total`, `remaining` like `lines` |
/// | `order_refunded` | `username`, `number`, `link`, `refund` |
/// | `order_note` | `username`, `number`, `link`, `total`, `note` |
/// | `order_shipped` | `username`, `number`, `link`, `about` of `lines`, `carrier`, `tracking_number`, `tracking_url` (or none) |
/// | `order_delivered`, `return_requested`, `return_received` | `username`, `number`, `link`, `about` of `lines` |
/// | `order_parcel_lost` | `username`, `number`, `link`, `about` of `lines`, `is_resent` |
/// | `return_approved`, `return_rejected` | `username`, `number`, `link`, `about` of `lines`, `decision` (or none) |
pub const TEMPLATES: [Source; 17] = sources!(
    "verify_email",
    "reset_password",
    "password_changed",
    "order_placed",
    "order_confirmed",
    "order_cancelled",
    "order_expired",
    "order_refunded",
    "order_note",
    "order_lines_cancelled",
    "order_shipped",
    "order_delivered",
    "order_parcel_lost",
    "return_requested",
    "return_approved",
    "return_rejected",
    "return_received",
);

const SHARED: [(&str, &str); 7] = [
    ("layout.txt", include_str!("templates/layout.txt")),
    ("layout.html", include_str!("templates/layout.html")),
    ("lines.txt", include_str!("templates/lines.txt")),
    ("lines.html", include_str!("templates/lines.html")),
    ("goods.txt", include_str!("templates/goods.txt")),
    ("goods.html", include_str!("templates/goods.html")),
    ("button.html", include_str!("templates/button.html")),
];

/// The longest subject in characters; the rest is cut.
const SUBJECT_MAX: usize = 200;

/// Why a mail cannot be written. It is our mistake, and trying again will not help.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// There is no template of this name, or it lacks a value.
    #[error("the template {name} cannot be filled in")]
    Template {
        /// The template.
        name: String,
        /// What the template engine said.
        #[source]
        source: minijinja::Error,
    },
    /// The template engine does not accept our settings.
    #[error("the template engine cannot be set up")]
    Syntax(#[source] minijinja::Error),
    /// The text template does not begin with `Subject: `.
    #[error("the template {0} does not begin with a subject")]
    NoSubject(&'static str),
}

/// A mail that can be put into an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line, without control characters.
    pub subject: String,
    /// For readers who want text.
    pub text: String,
    /// For everybody else.
    pub html: String,
}

/// All templates, parsed.
#[derive(Debug)]
pub struct Templates(Environment<'static>);

impl Templates {
    /// Parses all templates.
    ///
    /// # Errors
    /// A template is broken; a test sees to it that none is.
    pub fn new() -> Result<Self, RenderError> {
        let syntax =
            SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(RenderError::Syntax)?;
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_syntax(syntax);
        let mut add = |name: String, source: &'static str| {
            env.add_template_owned(name.clone(), source).map_err(|source| RenderError::Template { name, source })
        };
        for (name, source) in SHARED {
            add(name.to_owned(), source)?;
        }
        for (name, text, html) in TEMPLATES {
            // The subject is a template of its own: whatever a value contains, it cannot end the subject and begin the text.
            let (subject, text) = text
                .strip_prefix("Subject: ")
                .and_then(|rest| rest.split_once('\n'))
                .ok_or(RenderError::NoSubject(name))?;
            add(format!("{name}.subject"), subject)?;
            add(format!("{name}.txt"), text)?;
            add(format!("{name}.html"), html)?;
        }
        Ok(Self(env))
    }

    /// Fills in the template `name` with `context`.
    ///
    /// # Errors
    /// There is no such template, or a value is missing.
    pub fn render(&self, name: &str, context: &serde_json::Value) -> Result<Rendered, RenderError> {
        let context = Value::from(Serde(context));
        let part = |kind: &str| {
            self.0
                .get_template(&format!("{name}.{kind}"))
                .and_then(|template| template.render(&context))
                .map_err(|source| RenderError::Template { name: name.to_owned(), source })
        };
        Ok(Rendered { subject: one_line(&part("subject")?), text: part("txt")?, html: part("html")? })
    }
}

/// `text` in one line: whatever is a space, a control character or a character that turns the writing direction becomes a
/// single space.
fn one_line(text: &str) -> String {
    let breaks = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let line = text.split(breaks).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(SUBJECT_MAX).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Values for every template, as the modules send them.
    pub(crate) fn sample() -> Value {
        json!({
            "username": "alice",
            "link": "http://127.0.0.1:8000/v1/auth/verify-email?token=abc&x=1",
            "token": "tok_123",
            "expires_in_hours": 24,
            "number": "A7K2-94QX",
            "total": "1,299.00 USD",
            "new_total": "1,299.00 USD",
            "due": "0.00 USD",
            "refund": "1,299.00 USD",
            "note": "We have found <your> parcel.",
            "payment_status": "paid",
            "offline_method": null,
            "lines": [
                { "name": "Walnut desk", "sku": "DESK-WAL", "quantity": 1, "total": "1,199.00 USD" },
                { "name": "Lamp <brass>", "sku": "LAMP-BR", "quantity": 2, "total": "100.00 USD" },
            ],
            "remaining": [{ "name": "Walnut desk", "sku": "DESK-WAL", "quantity": 1, "total": "1,199.00 USD" }],
            "about": {
                "carrier": "Viet Post",
                "tracking_number": "VP123456789VN",
                "tracking_url": "https://carrier.example/track/VP123456789VN?a=1&b=2",
                "reason": "The carrier cannot find it",
                "decision": "Please use the label in the parcel.",
                "is_resent": true,
                "lines": [{ "name": "Lamp <brass>", "sku": "LAMP-BR", "quantity": 2, "total": "100.00 USD" }],
            },
        })
    }

    #[test]
    fn every_mail_can_be_written() {
        let templates = Templates::new().unwrap();
        for (name, _, _) in TEMPLATES {
            let mail = templates.render(name, &sample()).unwrap();
            assert!(mail.subject.len() > 10 && !mail.subject.contains(['{', '\n']), "{name}: {}", mail.subject);
            assert!(mail.text.starts_with("Hello alice,\n"), "{name}: {}", mail.text);
            assert!(mail.html.starts_with("<!doctype html>") && mail.html.contains("Hello alice"), "{name}");
            assert!(!mail.text.contains("\n\n\n"), "{name} has a gap:\n{}", mail.text);
            assert!(!mail.text.contains("USD\nYou"), "{name} lacks a gap:\n{}", mail.text);
            if name != "password_changed" {
                assert!(mail.text.contains("http://127.0.0.1:8000/v1/auth/verify-email?token=abc&x=1"), "{name}");
            }
            let says = |words: &str| mail.text.contains(words) && mail.html.contains(words);
            if name.starts_with("order_") || name.starts_with("return_") {
                assert!(mail.subject.contains("A7K2-94QX"), "{name}: {}", mail.subject);
                assert!(
                    says("1,299.00 USD") || mail.text.contains("2 x Lamp <brass> (LAMP-BR)\n"),
                    "{name}: {}",
                    mail.text
                );
            }
            match name {
                "order_shipped" => assert!(says("Viet Post") && says("VP123456789VN"), "{}", mail.text),
                "return_approved" | "return_rejected" => assert!(says("Please use the label"), "{}", mail.text),
                _ => {}
            }
        }
    }

    #[test]
    fn what_is_not_known_about_a_parcel_leaves_no_gap() {
        let templates = Templates::new().unwrap();
        let mut context = sample();
        for field in ["carrier", "tracking_number", "tracking_url", "decision", "reason"] {
            context["about"][field] = Value::Null;
        }
        for name in ["order_shipped", "return_approved", "return_rejected"] {
            let mail = templates.render(name, &context).unwrap();
            assert!(!mail.text.contains("none") && !mail.html.contains("none<"), "{name}: {}", mail.text);
            assert!(!mail.text.contains("\n\n\n") && mail.text.contains("\n\nYou can see"), "{name}: {}", mail.text);
        }
    }

    #[test]
    fn a_confirmed_order_is_called_paid_only_when_it_is() {
        let templates = Templates::new().unwrap();
        let confirmed = |payment: &str, offline: Option<&str>| {
            let mut context = sample();
            (context["payment_status"], context["offline_method"]) = (json!(payment), json!(offline));
            context["due"] = json!("70.00 USD");
            let mail = templates.render("order_confirmed", &context).unwrap();
            assert!(!mail.text.contains("\n\n\n"), "{payment}: {}", mail.text);
            mail
        };
        for (payment, offline, expected) in [
            ("authorized", None, Some("not taken yet")),
            ("unpaid", Some("cash_on_delivery"), Some("to the carrier")),
            ("unpaid", Some("bank_transfer"), Some("to our account")),
            ("unpaid", Some("other"), Some("as agreed")),
            ("unpaid", None, None),
        ] {
            let mail = confirmed(payment, offline);
            assert!(!mail.text.contains("paid for") && !mail.html.contains("paid for"), "{payment}: {}", mail.text);
            assert_eq!(mail.text.contains("70.00 USD"), offline.is_some(), "{}", mail.text);
            let Some(expected) = expected else { continue };
            assert!(mail.text.contains(expected) && mail.html.contains(expected), "{}", mail.text);
        }
        for (payment, offline) in [("paid", None), ("overpaid", None), ("paid", Some("bank_transfer"))] {
            let mail = confirmed(payment, offline);
            assert!(mail.text.contains("is paid for and confirmed"), "{}", mail.text);
            assert!(!mail.text.contains("70.00 USD") && !mail.text.contains("not taken"), "{}", mail.text);
        }
    }

    #[test]
    fn a_lost_parcel_is_sent_again_or_its_money_goes_back() {
        let templates = Templates::new().unwrap();
        for (is_resent, expected) in [(true, "We send all of it again"), (false, "you do not pay for it")] {
            let mut context = sample();
            context["about"]["is_resent"] = json!(is_resent);
            let mail = templates.render("order_parcel_lost", &context).unwrap();
            assert!(mail.text.contains(expected) && mail.html.contains(expected), "{}", mail.text);
        }
    }

    #[test]
    fn a_mail_with_a_hole_in_it_is_not_sent() {
        let templates = Templates::new().unwrap();
        for (name, _, _) in TEMPLATES {
            assert!(templates.render(name, &json!({})).is_err(), "{name}");
        }
        assert!(templates.render("no_such_mail", &sample()).is_err());
        assert!(templates.render("layout", &sample()).is_err(), "the layout is no mail");
    }

    #[test]
    fn html_is_escaped_and_text_is_not() {
        let mail = Templates::new().unwrap().render("order_confirmed", &sample()).unwrap();
        assert!(mail.html.contains("Lamp &lt;brass&gt;") && !mail.html.contains("<brass>"));
        assert!(mail.text.contains("Lamp <brass>"));
    }
}
