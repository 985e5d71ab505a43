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

use crate::{error::OrderError, order::Order};

/// An amount in the order's currency.
///
/// # Errors
/// [`OrderError::OtherCurrency`].
pub(crate) fn minor(order: &Order, amount: Money) -> Result<i64, OrderError> {
    if amount.currency.code() == order.currency {
        Ok(amount.minor)
    } else {
        Err(OrderError::OtherCurrency(order.currency.clone()))
    }
}
