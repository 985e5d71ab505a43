//! Money by the hands of staff: offline payment, taking and giving up what is held, and giving back.

mod capture;
mod confirm;
mod record;
mod refund;
mod void;

pub use capture::{Capture, may_capture};
pub use confirm::{ConfirmOffline, may_confirm};
pub use record::{RecordPayment, may_record};
pub use refund::{Refund, RefundWhat, may_refund};
pub use void::{Void, may_void};

use kernel::Money;
use payments::PaymentError;

use crate::{error::OrderError, order::Order};

/// An amount above zero, in the order's currency.
///
/// # Errors
/// [`OrderError::OtherCurrency`]; [`PaymentError::AmountNotPositive`].
pub(crate) fn minor(order: &Order, amount: Money) -> Result<i64, OrderError> {
    match amount.minor {
        _ if amount.currency.code() != order.currency => Err(OrderError::OtherCurrency(order.currency.clone())),
        ..=0 => Err(PaymentError::AmountNotPositive.into()),
        minor => Ok(minor),
    }
}
