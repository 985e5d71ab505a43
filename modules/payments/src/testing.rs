//! A payment gateway that follows a script and keeps a log. For tests.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    AttemptId, BookEntry, BookPage, Captured, CreateCapture, CreatePayment, CreateRefund, Gateway, GatewayError,
    Opened, Refunded, Standing, Voided,
};

/// What was asked of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A payment.
    Payment(CreatePayment),
    /// A capture.
    Capture(CreateCapture),
    /// To let go of this payment.
    Void(String),
    /// A refund.
    Refund(CreateRefund),
}

/// What the gateway does when it is next asked for something. Without a script it agrees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// It does what it is asked.
    Agree,
    /// It says no, and why.
    Refuse(String),
    /// It does not answer.
    StaySilent,
}

#[derive(Debug, Default)]
struct Inside {
    script: VecDeque<Reaction>,
    log: Vec<Asked>,
    book: Vec<BookEntry>,
}

/// A gateway that follows a script.
#[derive(Debug)]
pub struct ScriptedGateway {
    name: String,
    inside: Mutex<Inside>,
}

/// Nobody answered.
#[derive(Debug, thiserror::Error)]
#[error("the scripted gateway stays silent")]
struct Silence;

impl ScriptedGateway {
    /// A gateway that agrees to everything.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), inside: Mutex::default() }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what it does next.
    pub fn then(&self, reaction: Reaction) -> &Self {
        self.inside().script.push_back(reaction);
        self
    }

    /// Everything it was asked, in order.
    pub fn log(&self) -> Vec<Asked> {
        self.inside().log.clone()
    }

    /// What stands in its book.
    pub fn set_book(&self, book: Vec<BookEntry>) {
        self.inside().book = book;
    }

    fn react(&self, asked: Asked) -> Result<(), GatewayError> {
        let mut inside = self.inside();
        inside.log.push(asked);
        match inside.script.pop_front().unwrap_or(Reaction::Agree) {
            Reaction::Agree => Ok(()),
            Reaction::Refuse(why) => Err(GatewayError::Refused(why)),
            Reaction::StaySilent => Err(GatewayError::NoAnswer(Box::new(Silence))),
        }
    }
}

#[async_trait::async_trait]
impl Gateway for ScriptedGateway {
    fn name(&self) -> &str {
        &self.name
    }

    async fn create_payment(&self, payment: &CreatePayment) -> Result<Opened, GatewayError> {
        self.react(Asked::Payment(payment.clone()))?;
        let reference = format!("scripted-{}", payment.attempt_id);
        Ok(Opened { pay_url: format!("http://127.0.0.1/pay/{reference}"), reference })
    }

    async fn capture(&self, capture: &CreateCapture) -> Result<Captured, GatewayError> {
        self.react(Asked::Capture(capture.clone()))?;
        Ok(Captured { reference: format!("scripted-{}", capture.capture_id), amount: capture.amount })
    }

    async fn void(&self, payment_reference: &str) -> Result<Voided, GatewayError> {
        self.react(Asked::Void(payment_reference.to_owned()))?;
        Ok(Voided { reference: payment_reference.to_owned() })
    }

    async fn refund(&self, refund: &CreateRefund) -> Result<Refunded, GatewayError> {
        self.react(Asked::Refund(refund.clone()))?;
        Ok(Refunded { reference: format!("scripted-{}", refund.refund_id), failure: None })
    }

    /// As the book says, of which the script says nothing; nobody has a page to pay on any more.
    async fn find_payment(&self, attempt: AttemptId) -> Result<Option<Standing>, GatewayError> {
        let found = self.inside().book.iter().find(|entry| entry.reference == attempt.to_string()).cloned();
        Ok(found.map(|entry| Standing {
            pay_url: format!("http://127.0.0.1/pay/{}", entry.id),
            amount: entry.captured,
            id: entry.id,
            status: entry.status,
            currency: entry.currency,
            captured: entry.captured,
            refunds: entry.refunds,
        }))
    }

    /// Pages of three, so that tests turn them.
    async fn book_page(&self, cursor: Option<&str>) -> Result<BookPage, GatewayError> {
        let from: usize = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let book = self.inside().book.clone();
        let data: Vec<_> = book.iter().skip(from).take(3).cloned().collect();
        let next = from + data.len();
        Ok(BookPage { data, next_cursor: (next < book.len()).then(|| next.to_string()) })
    }
}
