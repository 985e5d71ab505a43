//! What is asked for when an order is worked on.

use kernel::{Currency, Money, Text};
use payments::AttemptId;
use poem_openapi::{Enum, Object, types::Example};

use crate::{
    error::OrderError,
    fulfil::Tracking,
    paying::{Refund, RefundWhat},
    returning::ReceivedUnits,
    shipment::Units,
    status::OfflineMethod,
};

kernel::text_type! {
    /// Where a parcel can be followed: an http or https address
    pub struct TrackingUrl {
        min: 8, max: 2048, pattern: "^https?://[^\\s\"<>\\\\^`{|}]+$",
        say: "an http or https address", example: "https://carrier.example/track/00340434161094042557",
    }
}

/// Some units of a line
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub struct OrderUnits {
    /// The line's place in its order
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    pub position: i16,
    /// How many units of it
    #[oai(validator(minimum(value = "1"), maximum(value = "10000")))]
    pub quantity: i32,
}

impl From<OrderUnits> for Units {
    fn from(OrderUnits { position, quantity }: OrderUnits) -> Self {
        Self { position, quantity }
    }
}

/// Units in the words of the domain.
pub fn units(lines: Vec<OrderUnits>) -> Vec<Units> {
    lines.into_iter().map(Units::from).collect()
}

fn example_lines() -> Vec<OrderUnits> {
    vec![OrderUnits { position: 1, quantity: 1 }]
}

fn example_money() -> Money {
    Money::new(1_250, Currency::USD)
}

/// Units to be called off
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example)]
pub struct CancelOrderLines {
    /// Which units; quantities of one line are added up
    #[oai(validator(min_items = 1, max_items = 100))]
    pub lines: Vec<OrderUnits>,
    /// Why, kept in the order's history
    pub reason: Text<1, 500>,
}

impl Example for CancelOrderLines {
    fn example() -> Self {
        Self { lines: example_lines(), reason: Text::example("Only one is needed") }
    }
}

/// Why an order is held back
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example)]
pub struct HoldOrder {
    /// The reason; the buyer can read it
    pub reason: Text<1, 500>,
}

impl Example for HoldOrder {
    fn example() -> Self {
        Self { reason: Text::example("The address is being checked") }
    }
}

/// Why an order is completed by hand
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example)]
pub struct CompleteOrder {
    /// The reason, kept in the order's history
    pub reason: Text<1, 500>,
}

impl Example for CompleteOrder {
    fn example() -> Self {
        Self { reason: Text::example("The buyer says that it has arrived") }
    }
}

/// How an order will be paid without a gateway
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example)]
pub struct ConfirmOrder {
    /// How
    pub method: OfflineMethod,
}

impl Example for ConfirmOrder {
    fn example() -> Self {
        Self { method: OfflineMethod::CashOnDelivery }
    }
}

/// Money that staff took by hand
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example, skip_serializing_if_is_none)]
pub struct RecordPayment {
    /// How much; at most what is owed
    pub amount: Money,
    /// How it came
    pub method: OfflineMethod,
    /// What the receipt or the bank statement says
    pub reference: Option<Text<1, 100>>,
}

impl Example for RecordPayment {
    fn example() -> Self {
        Self {
            amount: example_money(),
            method: OfflineMethod::BankTransfer,
            reference: Some(Text::example("statement 47, line 3")),
        }
    }
}

/// How much of what is held is taken
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example, skip_serializing_if_is_none)]
pub struct CapturePayment {
    /// How much; what is owed when nothing is said. The rest of what this payment holds is given up
    pub amount: Option<Money>,
}

impl Example for CapturePayment {
    fn example() -> Self {
        Self { amount: Some(example_money()) }
    }
}

/// Why what is held is given up
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example)]
pub struct VoidPayment {
    /// The reason, kept in the order's history
    pub reason: Text<1, 500>,
}

impl Example for VoidPayment {
    fn example() -> Self {
        Self { reason: Text::example("The buyer pays by bank transfer instead") }
    }
}

/// What is given back
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum RefundKind {
    /// Everything that is there
    Full,
    /// So much: needs `amount`
    Amount,
    /// The price of units: needs `lines`
    Lines,
    /// So much, as a gift: needs `amount`
    Goodwill,
}

/// Money to be given back
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example, skip_serializing_if_is_none)]
pub struct RefundOrder {
    /// What
    pub kind: RefundKind,
    /// How much, for `amount` and `goodwill`
    pub amount: Option<Money>,
    /// Which units, for `lines`
    #[oai(validator(min_items = 1, max_items = 100))]
    pub lines: Option<Vec<OrderUnits>>,
    /// Why; the buyer reads it
    pub reason: Text<1, 200>,
    /// Through which payment; through the newest first when nothing is said. Not for `full`
    pub payment_id: Option<AttemptId>,
}

impl Example for RefundOrder {
    fn example() -> Self {
        Self {
            kind: RefundKind::Lines,
            amount: None,
            lines: Some(example_lines()),
            reason: Text::example("Arrived broken"),
            payment_id: None,
        }
    }
}

impl TryFrom<RefundOrder> for Refund {
    type Error = OrderError;

    fn try_from(wish: RefundOrder) -> Result<Self, OrderError> {
        if wish.kind == RefundKind::Full && wish.payment_id.is_some() {
            return Err(OrderError::BadRefund("`full` goes over all payments and takes no `payment_id`"));
        }
        let what = match (wish.kind, wish.amount, wish.lines) {
            (RefundKind::Full, None, None) => RefundWhat::Full,
            (RefundKind::Amount, Some(amount), None) if amount.minor > 0 => RefundWhat::Amount(amount),
            (RefundKind::Goodwill, Some(amount), None) if amount.minor > 0 => RefundWhat::Goodwill(amount),
            (RefundKind::Lines, None, Some(lines)) => RefundWhat::Lines(units(lines)),
            (RefundKind::Full, ..) => return Err(OrderError::BadRefund("`full` takes neither `amount` nor `lines`")),
            (RefundKind::Amount, ..) => {
                return Err(OrderError::BadRefund("`amount` takes an `amount` above zero and no `lines`"));
            }
            (RefundKind::Goodwill, ..) => {
                return Err(OrderError::BadRefund("`goodwill` takes an `amount` above zero and no `lines`"));
            }
            (RefundKind::Lines, ..) => return Err(OrderError::BadRefund("`lines` takes `lines` and no `amount`")),
        };
        Ok(Self { what, reason: wish.reason.into_string(), payment: wish.payment_id })
    }
}

/// What goes into a parcel
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example)]
pub struct CreateShipment {
    /// Units of one seller's lines; quantities of one line are added up
    #[oai(validator(min_items = 1, max_items = 100))]
    pub lines: Vec<OrderUnits>,
}

impl Example for CreateShipment {
    fn example() -> Self {
        Self { lines: example_lines() }
    }
}

/// How the buyer can follow a parcel
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example, skip_serializing_if_is_none)]
pub struct ShipShipment {
    /// Who carries it
    pub carrier: Option<Text<1, 100>>,
    /// The carrier's name for it
    pub tracking_number: Option<Text<1, 100>>,
    /// Where it can be followed
    pub tracking_url: Option<TrackingUrl>,
}

impl Example for ShipShipment {
    fn example() -> Self {
        Self {
            carrier: Some(Text::example("Viet Post")),
            tracking_number: Some(Text::example("VP123456789VN")),
            tracking_url: Some(TrackingUrl::example("https://carrier.example/track/VP123456789VN")),
        }
    }
}

impl From<ShipShipment> for Tracking {
    fn from(wish: ShipShipment) -> Self {
        Self {
            carrier: wish.carrier.map(Text::into_string),
            number: wish.tracking_number.map(Text::into_string),
            url: wish.tracking_url.map(TrackingUrl::into_string),
        }
    }
}

/// Why a parcel is unpacked again
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example)]
pub struct CancelShipment {
    /// The reason
    pub reason: Text<1, 500>,
}

impl Example for CancelShipment {
    fn example() -> Self {
        Self { reason: Text::example("The box was too small") }
    }
}

/// A lost parcel
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example)]
pub struct LoseShipment {
    /// What happened
    pub reason: Text<1, 500>,
    /// `true`: its units are promised again, to be packed and sent once more. `false`: they are taken out of the order, and
    /// the money for them goes back
    pub resend: bool,
}

impl Example for LoseShipment {
    fn example() -> Self {
        Self { reason: Text::example("The carrier cannot find it"), resend: true }
    }
}

/// Goods that are to come back
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example)]
pub struct RequestReturn {
    /// Units of one seller's lines that have arrived; quantities of one line are added up
    #[oai(validator(min_items = 1, max_items = 100))]
    pub lines: Vec<OrderUnits>,
    /// Why
    pub reason: Text<1, 500>,
}

impl Example for RequestReturn {
    fn example() -> Self {
        Self { lines: example_lines(), reason: Text::example("It does not fit") }
    }
}

/// What the buyer is told about a return
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example, skip_serializing_if_is_none)]
pub struct DecideReturn {
    /// A word to the buyer
    pub decision: Option<Text<1, 500>>,
}

impl Example for DecideReturn {
    fn example() -> Self {
        Self { decision: Some(Text::example("Please use the label in the parcel.")) }
    }
}

/// Goods that came back
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example)]
pub struct ReceiveReturn {
    /// What came back of each line
    #[oai(validator(min_items = 1, max_items = 100))]
    pub lines: Vec<ReceivedReturnLine>,
}

/// What came back of a line; at least one unit
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub struct ReceivedReturnLine {
    /// The line's place in its order
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    pub position: i16,
    /// How many can be sold again; they go back to the shelf
    #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
    pub resellable: i32,
    /// How many cannot
    #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
    pub damaged: i32,
}

impl Example for ReceiveReturn {
    fn example() -> Self {
        Self { lines: vec![ReceivedReturnLine { position: 1, resellable: 1, damaged: 0 }] }
    }
}

impl From<ReceivedReturnLine> for ReceivedUnits {
    fn from(ReceivedReturnLine { position, resellable, damaged }: ReceivedReturnLine) -> Self {
        Self { position, resellable, damaged }
    }
}
