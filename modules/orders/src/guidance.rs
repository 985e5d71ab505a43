//! What a caller may do with an order, and why not when something that one would expect is refused: the guards of the
//! commands themselves, asked without doing anything.

use chrono::{DateTime, Utc};
use kernel::BusinessId;

use crate::{
    cancel::may_cancel,
    cancel_lines::{buyer_may_cancel_lines, may_cancel_lines},
    complete::may_complete,
    error::OrderError,
    fulfil::{may_pack, may_ship},
    hold::{may_hold, may_release},
    order::Order,
    pay::may_pay,
    paying::{may_capture, may_confirm, may_record, may_refund, may_void},
    returning::{may_receive, may_request_return},
    returns::{Return, ReturnEvent},
    shipment::{Shipment, ShipmentEvent},
    status::words,
    viewer::Viewer,
};

words! {
    /// Something that can be done to an order
    pub enum OrderAction {
        /// Begin a payment
        Pay = "pay",
        /// Call the order off
        Cancel = "cancel",
        /// Call units off
        CancelLines = "cancel_lines",
        /// Ask to send goods back
        RequestReturn = "request_return",
        /// Pack a parcel
        CreateShipment = "create_shipment",
        /// Confirm it before its money is there
        Confirm = "confirm",
        /// Write down money that was taken by hand
        RecordPayment = "record_payment",
        /// Take what is held
        Capture = "capture",
        /// Give up what is held
        Void = "void",
        /// Give money back
        Refund = "refund",
        /// Hold it back
        Hold = "hold",
        /// Let it go on
        Release = "release",
        /// Complete it by hand
        Complete = "complete",
    }
}

/// What may be done, and what may not and why.
#[derive(Debug)]
pub struct Guidance<A> {
    /// What the caller may do now.
    pub allowed: Vec<A>,
    /// What somebody in their role could expect to do and may not, and why.
    pub refused: Vec<(A, OrderError)>,
}

impl<A> Guidance<A> {
    fn of(answers: impl IntoIterator<Item = (A, Result<(), OrderError>)>) -> Self {
        let mut guidance = Self { allowed: vec![], refused: vec![] };
        for (action, answer) in answers {
            match answer {
                Ok(()) => guidance.allowed.push(action),
                Err(error) => guidance.refused.push((action, error)),
            }
        }
        guidance
    }
}

/// What the buyer, or staff, may do with the order.
pub fn of_order(order: &Order, viewer: &Viewer, now: DateTime<Utc>) -> Guidance<OrderAction> {
    use OrderAction as A;
    let mut answers = vec![];
    if viewer.is_buyer {
        answers.push((A::Pay, may_pay(order, now)));
    }
    let for_buyers = || if viewer.is_staff() { Ok(()) } else { buyer_may_cancel_lines(order) };
    answers.push((A::Cancel, may_cancel(order)));
    answers.push((A::CancelLines, for_buyers().and_then(|()| may_cancel_lines(order, |_| true))));
    answers.push((A::RequestReturn, may_request_return(order)));
    if viewer.is_staff() {
        answers.extend([
            (A::CreateShipment, may_pack(order, |_| true)),
            (A::Confirm, may_confirm(order)),
            (A::RecordPayment, may_record(order)),
            (A::Capture, may_capture(order)),
            (A::Void, may_void(order)),
            (A::Refund, may_refund(order)),
            (A::Hold, may_hold(order)),
            (A::Release, may_release(order)),
            (A::Complete, may_complete(order)),
        ]);
    }
    Guidance::of(answers)
}

/// What a seller may do with their lines of the order.
pub fn of_seller(order: &Order, business: BusinessId) -> Guidance<OrderAction> {
    Guidance::of([
        (OrderAction::CreateShipment, may_pack(order, |line| line.business_id == business)),
        (OrderAction::CancelLines, may_cancel_lines(order, |line| line.business_id == business)),
    ])
}

/// What the caller may do with a parcel.
pub fn of_shipment(order: &Order, shipment: &Shipment, viewer: &Viewer) -> Guidance<ShipmentEvent> {
    if viewer.must_sell(shipment.business_id).is_err() {
        return Guidance::of([]);
    }
    let after = |event| shipment.state.after(event).map(drop).map_err(OrderError::from);
    Guidance::of(ShipmentEvent::ALL.iter().map(|&event| match event {
        ShipmentEvent::Ship => (event, may_ship(order, shipment)),
        ShipmentEvent::Deliver | ShipmentEvent::Cancel | ShipmentEvent::Lose => (event, after(event)),
    }))
}

/// What the caller may do with a return.
pub fn of_return(goods: &Return, viewer: &Viewer) -> Guidance<ReturnEvent> {
    let after = |event| goods.state.after(event).map(drop).map_err(OrderError::from);
    Guidance::of(ReturnEvent::ALL.iter().filter_map(|&event| {
        let role = match event {
            ReturnEvent::Cancel => viewer.must_own(),
            ReturnEvent::Approve | ReturnEvent::Reject | ReturnEvent::Receive | ReturnEvent::Close => {
                viewer.must_sell(goods.business_id)
            }
        };
        let answer = if event == ReturnEvent::Receive { may_receive(goods) } else { after(event) };
        role.is_ok().then_some((event, answer))
    }))
}
