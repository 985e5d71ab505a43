//! Errors as answers.

use kernel::{
    Kind, Problem, idempotency,
    problem::{FORBIDDEN, INVALID_REQUEST, NOT_FOUND},
};

use crate::{
    error::OrderError,
    place::{MAX_QUANTITY, decide::Refusal},
};

use super::dto::money;

const OUT_OF_STOCK: Kind = Kind::new("out_of_stock", 409, "There is not enough in stock");
const NOT_FOR_SALE: Kind = Kind::new("not_for_sale", 409, "Something in the order is not for sale");
const MIXED_CURRENCIES: Kind = Kind::new("mixed_currencies", 409, "An order has one currency");
const TOTAL_CHANGED: Kind = Kind::new("total_changed", 409, "The total is not the expected one");
const TOTAL_TOO_LARGE: Kind = Kind::new("total_too_large", 409, "The total is too large");
const TOO_MANY_UNITS: Kind = Kind::new("too_many_units", 409, "Too many units of one variant");
const INVALID_TRANSITION: Kind = Kind::new("invalid_transition", 409, "It cannot do that from where it stands");
const ALREADY_SHIPPED: Kind = Kind::new("already_shipped", 409, "Something has been shipped");
const NOTHING_DUE: Kind = Kind::new("nothing_due", 409, "The order owes nothing");
const NOT_PAYABLE: Kind = Kind::new("not_payable", 409, "The order takes no payment");
const PAYMENT_REFUSED: Kind = Kind::new("payment_refused", 409, "The gateway refused the payment");
const TOO_FEW_UNITS: Kind = Kind::new("too_few_units", 409, "There are not so many units left for this");
const NO_SUCH_LINE: Kind = Kind::new("no_such_line", 409, "There is no such line");
const SEVERAL_SELLERS: Kind = Kind::new("several_sellers", 409, "A parcel or a return is one seller's");
const NOT_CONFIRMED: Kind = Kind::new("not_confirmed", 409, "The order is not confirmed");
const ON_HOLD: Kind = Kind::new("on_hold", 409, "The order is on hold");
const NOT_ON_HOLD: Kind = Kind::new("not_on_hold", 409, "The order is not on hold");
const NOT_COVERED: Kind = Kind::new("not_covered", 409, "The order is not paid for");
const NOTHING_TO_PACK: Kind = Kind::new("nothing_to_pack", 409, "Nothing is left to pack");
const NOTHING_TO_CANCEL: Kind = Kind::new("nothing_to_cancel", 409, "Nothing is left to call off");
const NOTHING_TO_RETURN: Kind = Kind::new("nothing_to_return", 409, "Nothing can be sent back");
const NOTHING_TO_RECEIVE: Kind = Kind::new("nothing_to_receive", 409, "Everything is back already");
const NOT_ALL_SENT: Kind = Kind::new("not_all_sent", 409, "Something has not been sent yet");
const REFUND_TOO_LARGE: Kind = Kind::new("refund_too_large", 409, "More is to go back than is there");
const CAPTURE_TOO_LARGE: Kind = Kind::new("capture_too_large", 409, "More is to be taken than is possible");
const PAYMENT_TOO_LARGE: Kind = Kind::new("payment_too_large", 409, "More is to be paid than is owed");
const NOTHING_HELD: Kind = Kind::new("nothing_held", 409, "No gateway holds money for the order");
const NOTHING_TO_REFUND: Kind = Kind::new("nothing_to_refund", 409, "There is no money to give back");
const OTHER_CURRENCY: Kind = Kind::new("other_currency", 409, "The order is in another currency");
const GATEWAY_UNAVAILABLE: Kind = Kind::new("gateway_unavailable", 503, "The payment gateway does not answer");
const OVERLOADED: Kind = Kind::new("overloaded", 503, "Too many orders are waiting");

/// Every kind of problem that this module declares.
pub fn problems() -> Vec<Kind> {
    vec![
        OUT_OF_STOCK,
        NOT_FOR_SALE,
        MIXED_CURRENCIES,
        TOTAL_CHANGED,
        TOTAL_TOO_LARGE,
        TOO_MANY_UNITS,
        INVALID_TRANSITION,
        ALREADY_SHIPPED,
        NOTHING_DUE,
        NOT_PAYABLE,
        PAYMENT_REFUSED,
        TOO_FEW_UNITS,
        NO_SUCH_LINE,
        SEVERAL_SELLERS,
        NOT_CONFIRMED,
        ON_HOLD,
        NOT_ON_HOLD,
        NOT_COVERED,
        NOTHING_TO_PACK,
        NOTHING_TO_CANCEL,
        NOTHING_TO_RETURN,
        NOTHING_TO_RECEIVE,
        NOT_ALL_SENT,
        REFUND_TOO_LARGE,
        CAPTURE_TOO_LARGE,
        PAYMENT_TOO_LARGE,
        NOTHING_HELD,
        NOTHING_TO_REFUND,
        OTHER_CURRENCY,
        GATEWAY_UNAVAILABLE,
        OVERLOADED,
    ]
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotForSale(lines) => lines.into_iter().fold(
                NOT_FOR_SALE.problem("Nothing was ordered. Take the named lines out, or look the products up again."),
                |problem, line| problem.with_error(format!("lines/{line}/variant_id"), "is not for sale"),
            ),
            Refusal::OutOfStock(shortages) => shortages.into_iter().fold(
                OUT_OF_STOCK
                    .problem("Nothing was ordered. Lower the quantities of the named lines, or come back later."),
                |problem, shortage| {
                    problem.with_error(
                        format!("lines/{}/quantity", shortage.line),
                        format!("{} wanted, {} available", shortage.wanted, shortage.available),
                    )
                },
            ),
            Refusal::MixedCurrencies => MIXED_CURRENCIES.problem(
                "Nothing was ordered. The lines are priced in different currencies; place one order for each.",
            ),
            Refusal::TotalChanged { actual_minor, currency } => TOTAL_CHANGED
                .problem(format!(
                    "Nothing was ordered. The total is {} now; show it to the buyer and send it as expected_total.",
                    money(actual_minor, &currency)
                ))
                .with_error("expected_total", format!("is not {}", money(actual_minor, &currency))),
            Refusal::TooLarge => TOTAL_TOO_LARGE.problem("Nothing was ordered. Split the order."),
        }
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Db(error) => error.into(),
            OrderError::Catalog(catalog::CatalogError::Db(error))
            | OrderError::Payment(payments::PaymentError::Db(error)) => error.into(),
            OrderError::NotFound => NOT_FOUND.problem("There is no such order among those you may see."),
            OrderError::NoExport => {
                NOT_FOUND.problem("There is no such export, or its file is gone. Ask for a new one.")
            }
            OrderError::Catalog(catalog::CatalogError::NotEnough { available, .. }) => OUT_OF_STOCK.problem(format!(
                "Nothing was changed. {available} units of what this needs are on the shelf. Receive goods first."
            )),
            OrderError::Catalog(error @ catalog::CatalogError::StockTooLarge(_)) => error.into(),
            OrderError::Payment(error) => error.into(),
            OrderError::Catalog(_)
            | OrderError::Files(_)
            | OrderError::UnknownGateway(_)
            | OrderError::Inconsistent(_)
            | OrderError::DryRun(_) => Self::internal(&error),
            OrderError::Refused(refusal) => refusal.into(),
            OrderError::TooMany(line) => TOO_MANY_UNITS
                .problem(format!(
                    "Nothing was ordered. An order takes at most {MAX_QUANTITY} units of a variant, over all its lines."
                ))
                .with_error(
                    format!("lines/{line}/quantity"),
                    format!("at most {MAX_QUANTITY} over all lines of this variant"),
                ),
            OrderError::Transition(error) => INVALID_TRANSITION.problem(
                format!("{error}. Read the order again to see where it stands.").replacen("an order", "An order", 1),
            ),
            OrderError::Shipped => ALREADY_SHIPPED.problem(
                "Something has left already. Units that have not been packed can be called off by the seller or an operator; \
                 what has arrived can be sent back.",
            ),
            OrderError::Shipment(error) => moved("A shipment", &error),
            OrderError::Return(error) => moved("A return", &error),
            OrderError::Forbidden(why) => FORBIDDEN.problem(why),
            OrderError::NoSuchLine(position) => NO_SUCH_LINE
                .problem(format!("There is no line at position {position} among those you may change. Read the order again.")),
            OrderError::NotInIt(position) => {
                NO_SUCH_LINE.problem(format!("It has nothing of line {position}. Look at its lines."))
            }
            OrderError::TooFewUnits { position, asked, left } => TOO_FEW_UNITS
                .problem(format!("Nothing was changed. Line {position} has {left} left for this; {asked} were asked for."))
                .with_error(format!("lines/{position}"), format!("at most {left}")),
            OrderError::SeveralSellers => {
                SEVERAL_SELLERS.problem("Nothing was changed. Send one request for the lines of each seller.")
            }
            OrderError::NotConfirmed(status) => NOT_CONFIRMED.problem(format!(
                "The order is {status}. Goods leave for a confirmed order: one that is paid, or that staff confirmed."
            )),
            OrderError::OnHold(reason) => {
                ON_HOLD.problem(format!("Staff hold the order back: {reason}. An operator can release it."))
            }
            OrderError::NotOnHold => NOT_ON_HOLD.problem("There is nothing to release."),
            OrderError::NotCovered => NOT_COVERED.problem(
                "What was paid or held for the order went away. Ask for a new payment, or write down one that was made by hand.",
            ),
            OrderError::NothingToPack => NOTHING_TO_PACK.problem("Everything is packed, sent or called off."),
            OrderError::NothingToCancel => NOTHING_TO_CANCEL.problem(
                "Everything is packed, sent or called off. A parcel that has not left can be cancelled first.",
            ),
            OrderError::NothingToReturn => {
                NOTHING_TO_RETURN.problem("Nothing has arrived that is not back, or on its way back, already.")
            }
            OrderError::NothingToReceive => {
                NOTHING_TO_RECEIVE.problem("Everything that was announced is back. The return can be closed.")
            }
            OrderError::NotAllSent => {
                NOT_ALL_SENT.problem("Send what is left, or call it off. Then the order can be completed.")
            }
            OrderError::RefundTooLarge { asked, left } => REFUND_TOO_LARGE.problem(format!(
                "{asked} were asked for; {left} came in, did not go back and is not on its way back. Ask for {left} or less."
            )),
            OrderError::CaptureTooLarge { asked, left } => CAPTURE_TOO_LARGE.problem(format!(
                "{asked} were asked for; {left} is held and owed. Ask for {left} or less."
            )),
            OrderError::PaymentTooLarge { asked, left } => {
                PAYMENT_TOO_LARGE.problem(format!("{asked} were offered; {left} is owed. Pay {left} or less."))
            }
            OrderError::NothingReceived(position) => INVALID_REQUEST
                .problem("Nothing was changed. Name only lines of which something came back.")
                .with_error(format!("lines/{position}"), "at least one unit, resellable or damaged"),
            OrderError::BadRefund(why) => INVALID_REQUEST.problem(format!("A refund of kind {why}.")),
            OrderError::NothingHeld => {
                NOTHING_HELD.problem("Nothing is authorised, or it is being taken or given up already.")
            }
            OrderError::NothingToRefund => {
                NOTHING_TO_REFUND.problem("Nothing was captured, or everything went back or is on its way back.")
            }
            OrderError::OtherCurrency(currency) => {
                OTHER_CURRENCY.problem(format!("The order is in {currency}; send the amount in {currency}."))
            }
            OrderError::NothingDue => NOTHING_DUE.problem("Everything is paid, or held for us already. There is nothing to do."),
            OrderError::NotPayable(why) => NOT_PAYABLE.problem(format!("The order cannot be paid: {why}.")),
            OrderError::GatewayRefused(reason) => {
                PAYMENT_REFUSED.problem(format!("The gateway said: {reason}. Try again, or pay another way."))
            }
            OrderError::GatewaySilent(_) => {
                tracing::warn!(error = ?error, "the gateway did not answer");
                GATEWAY_UNAVAILABLE
                    .problem("Nothing was charged. Send the same request again, with the same Idempotency-Key.")
            }
            OrderError::KeyReused => idempotency::reused(),
            OrderError::InProgress => idempotency::in_progress(),
            OrderError::Overloaded => {
                tracing::warn!("the intake is full");
                OVERLOADED.problem(
                    "Nothing was ordered. Send the same request again in a moment, with the same Idempotency-Key.",
                )
            }
        }
    }
}

/// A move that is not in a machine's table.
fn moved(what: &str, error: &impl std::fmt::Display) -> Problem {
    let error = error.to_string();
    let rest = error.split_once(" that ").map_or(error.as_str(), |(_, rest)| rest);
    INVALID_TRANSITION.problem(format!("{what} that {rest}. Read it again to see where it stands."))
}

kernel::problem_responses! {
    /// Why an order cannot be read.
    pub enum OrderReadProblem from OrderError {
        /// The request is not valid
        BadRequest = 400,
        /// Log in first
        Unauthorized = 401,
        /// There is no such order among those you may see
        NotFound = 404,
        /// Try again in a moment
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why an order cannot be listed by staff.
    pub enum OrderStaffProblem from OrderError {
        /// The request is not valid
        BadRequest = 400,
        /// Log in first
        Unauthorized = 401,
        /// This is for operators
        Forbidden = 403,
        /// Try again in a moment
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why it cannot be done to an order.
    pub enum OrderCommandProblem from OrderError {
        /// The request is not valid
        BadRequest = 400,
        /// Log in first
        Unauthorized = 401,
        /// You may see it and may not do this
        Forbidden = 403,
        /// There is no such order among those you may see
        NotFound = 404,
        /// The order's state, the stock, or an unfinished first request forbids it
        Conflict = 409,
        /// The Idempotency-Key belongs to another request
        KeyReused = 422,
        /// Try again in a moment
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}
