//! Goods that come back: asked for, agreed to, received, closed. The money is given back by a refund, which is a command of
//! its own.

mod cancel;
mod close;
mod decide;
mod receive;
mod request;

pub use cancel::CancelReturn;
pub use close::CloseReturn;
pub use decide::DecideReturn;
pub use receive::{ReceiveReturn, ReceivedUnits, may_receive};
pub use request::{RequestReturn, may_request_return};

use crate::{
    change::Change,
    error::OrderError,
    order::Order,
    returns::{Return, ReturnEvent, ReturnId, ReturnLine},
};

/// The return that a command is about.
///
/// # Errors
/// [`OrderError::NotFound`].
pub fn find(order: &Order, id: ReturnId) -> Result<&Return, OrderError> {
    order.returns.iter().find(|goods| goods.id == id).ok_or(OrderError::NotFound)
}

/// Moves a return's state.
fn step(change: &mut Change, id: ReturnId, event: ReturnEvent) -> Result<&mut Return, OrderError> {
    let at = change.at;
    let goods = change.order.returns.iter_mut().find(|goods| goods.id == id).ok_or(OrderError::NotFound)?;
    goods.state = goods.state.after(event)?;
    goods.updated_at = at;
    Ok(goods)
}

/// Stops waiting for what has not come back.
fn stop_waiting(change: &mut Change, lines: &[ReturnLine]) -> Result<(), OrderError> {
    for line in lines {
        change.order.line_mut(line.position)?.returning_quantity -= line.missing_quantity();
    }
    Ok(())
}
