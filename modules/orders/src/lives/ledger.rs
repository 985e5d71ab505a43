//! The payments of an order as a model: attempts, captures once, refunds newest first, and what a gateway says.

use kernel::{Currency, Money};
use payments::{Applied, AttemptId, AttemptState, PaymentError, RefundId};

use crate::{change::MoneyMove, status::Sums};

/// A payment attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    pub id: AttemptId,
    pub amount: i64,
    pub manual: bool,
    pub state: AttemptState,
    pub capturing: i64,
    pub voiding: bool,
    pub captured: i64,
    pub refunding: i64,
    pub refunded: i64,
}

/// A refund that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    pub id: RefundId,
    pub of: AttemptId,
    pub amount: i64,
    /// Whether it succeeded; nothing while there is no answer.
    pub succeeded: Option<bool>,
}

/// The payments and refunds of an order, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    pub payments: Vec<Paid>,
    pub refunds: Vec<Back>,
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

impl Paid {
    fn capturable(&self) -> i64 {
        if self.state == AttemptState::Authorized && self.capturing == 0 && !self.voiding { self.amount } else { 0 }
    }

    fn refundable(&self) -> i64 {
        self.captured - self.refunded - self.refunding
    }

    fn enter(&mut self, state: AttemptState) {
        self.state = state;
        self.capturing = 0;
        self.voiding = false;
    }
}

impl Ledger {
    /// What everything adds up to.
    pub fn sums(&self) -> Sums {
        let sum = |of: fn(&Paid) -> i64| self.payments.iter().map(of).sum();
        Sums {
            authorized: sum(Paid::capturable),
            capturing: sum(|paid| paid.capturing),
            captured: sum(|paid| paid.captured),
            refunded: sum(|paid| paid.refunded),
            refunding: sum(|paid| paid.refunding),
            voided: self.payments.iter().any(|paid| paid.state == AttemptState::Voided),
        }
    }

    /// A pay page is opened.
    pub fn open(&mut self, amount: i64, manual: bool) -> AttemptId {
        self.push(amount, manual, AttemptState::Pending)
    }

    fn push(&mut self, amount: i64, manual: bool, state: AttemptState) -> AttemptId {
        let id = AttemptId::new();
        let captured = if state == AttemptState::Captured { amount } else { 0 };
        let (capturing, voiding, refunding, refunded) = (0, false, 0, 0);
        self.payments.push(Paid { id, amount, manual, state, capturing, voiding, captured, refunding, refunded });
        id
    }

    fn known(&self, payment: Option<AttemptId>) -> Result<(), PaymentError> {
        match payment {
            Some(id) if self.payments.iter().all(|paid| paid.id != id) => Err(PaymentError::UnknownAttempt(id)),
            _ => Ok(()),
        }
    }

    /// Does what an order asks of its payments.
    pub fn ask(&mut self, wish: &MoneyMove) -> Result<(), PaymentError> {
        match *wish {
            MoneyMove::Refund { amount_minor, payment, .. } => self.refund(amount_minor, payment),
            MoneyMove::Capture { amount_minor, payment } => self.capture(amount_minor, payment),
            MoneyMove::Void { payment } => {
                for index in self.capturable(payment)? {
                    self.payments[index].voiding = true;
                }
                Ok(())
            }
            MoneyMove::Offline { amount_minor, .. } if amount_minor <= 0 => Err(PaymentError::AmountNotPositive),
            MoneyMove::Offline { amount_minor, .. } => {
                self.push(amount_minor, false, AttemptState::Captured);
                Ok(())
            }
        }
    }

    fn capturable(&self, payment: Option<AttemptId>) -> Result<Vec<usize>, PaymentError> {
        let fits = |(index, paid): (usize, &Paid)| {
            (paid.capturable() > 0 && payment.is_none_or(|id| id == paid.id)).then_some(index)
        };
        let found: Vec<usize> = self.payments.iter().enumerate().filter_map(fits).collect();
        match payment {
            Some(id) if found.is_empty() => self.known(payment).and(Err(PaymentError::NotAuthorized(id))),
            _ => Ok(found),
        }
    }

    fn capture(&mut self, amount: i64, payment: Option<AttemptId>) -> Result<(), PaymentError> {
        if amount <= 0 {
            return Err(PaymentError::AmountNotPositive);
        }
        let mut left = amount;
        for index in self.capturable(payment)? {
            let share = self.payments[index].capturable().min(left);
            self.payments[index].capturing = share;
            left -= share;
        }
        match left {
            0 => Ok(()),
            left => {
                Err(PaymentError::CaptureExceedsAuthorized { asked_minor: amount, capturable_minor: amount - left })
            }
        }
    }

    fn refund(&mut self, amount: i64, payment: Option<AttemptId>) -> Result<(), PaymentError> {
        if amount <= 0 {
            return Err(PaymentError::AmountNotPositive);
        }
        self.known(payment)?;
        let mut left = amount;
        for paid in self.payments.iter_mut().rev().filter(|paid| payment.is_none_or(|id| id == paid.id)) {
            let share = paid.refundable().min(left);
            if share > 0 {
                left -= share;
                paid.refunding += share;
                self.refunds.push(Back { id: RefundId::new(), of: paid.id, amount: share, succeeded: None });
            }
        }
        match left {
            0 => Ok(()),
            left => Err(PaymentError::RefundExceedsCaptured { asked_minor: amount, refundable_minor: amount - left }),
        }
    }

    /// The money is held, or came in: as asked for, or `off` more.
    pub fn money(&mut self, index: usize, off: i64) -> Applied {
        let paid = &mut self.payments[index];
        let held = paid.manual && paid.state == AttemptState::Pending;
        let asked = if paid.capturing > 0 { paid.capturing } else { paid.amount };
        match paid.state {
            AttemptState::Captured => Applied::AlreadyApplied,
            _ if held && off != 0 => Applied::Mismatch { attempt: paid.id, detail: "held".to_owned() },
            _ if held => {
                paid.enter(AttemptState::Authorized);
                Applied::Authorized { attempt: paid.id, amount: usd(paid.amount) }
            }
            _ => {
                paid.enter(AttemptState::Captured);
                paid.captured = (asked + off).max(1);
                match paid.captured == asked {
                    true => Applied::Captured { attempt: paid.id, amount: usd(asked) },
                    false => Applied::Mismatch { attempt: paid.id, detail: "captured".to_owned() },
                }
            }
        }
    }

    /// What we asked for is declined, or the buyer does not pay.
    pub fn decline(&mut self, index: usize) -> Applied {
        let paid = &mut self.payments[index];
        let (attempt, reason) = (paid.id, "declined".to_owned());
        match paid.state {
            AttemptState::Authorized if paid.capturing > 0 => {
                paid.capturing = 0;
                Applied::CaptureFailed { attempt, reason }
            }
            AttemptState::Authorized if paid.voiding => {
                paid.voiding = false;
                Applied::VoidFailed { attempt, reason }
            }
            AttemptState::Authorized | AttemptState::Pending => {
                paid.enter(AttemptState::Failed);
                Applied::Failed { attempt, reason }
            }
            _ => Applied::AlreadyApplied,
        }
    }

    /// The gateway has let go of what it held, or of the page.
    pub fn voided(&mut self, index: usize) -> Applied {
        let paid = &mut self.payments[index];
        match paid.state {
            AttemptState::Authorized | AttemptState::Pending => {
                paid.enter(AttemptState::Voided);
                Applied::Voided { attempt: paid.id }
            }
            _ => Applied::AlreadyApplied,
        }
    }

    /// The gateway's word on a refund. A declined one that is then reported as made is believed while there is money.
    pub fn answer(&mut self, index: usize, succeeded: bool) -> Applied {
        let refund = &mut self.refunds[index];
        let (was, id, amount) = (refund.succeeded, refund.id, refund.amount);
        let paid = self.payments.iter_mut().find(|paid| paid.id == refund.of).unwrap();
        if was == Some(true) || was == Some(succeeded) || (was == Some(false) && paid.refundable() < amount) {
            return Applied::AlreadyApplied;
        }
        if was.is_none() {
            paid.refunding -= amount;
        }
        refund.succeeded = Some(succeeded);
        if succeeded {
            paid.refunded += amount;
            Applied::Refunded { refund: id, amount: usd(amount) }
        } else {
            Applied::RefundFailed { refund: id }
        }
    }

    /// Whether money is being taken.
    pub fn is_capturing(&self) -> bool {
        self.payments.iter().any(|paid| paid.capturing > 0)
    }
}
