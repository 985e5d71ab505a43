//! Errors as answers.

use kernel::{Kind, Problem, idempotency, problem::NOT_FOUND};

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
const INVALID_TRANSITION: Kind = Kind::new("invalid_transition", 409, "The order cannot do that from where it stands");
const ALREADY_SHIPPED: Kind = Kind::new("already_shipped", 409, "Something has been shipped");
const NOTHING_DUE: Kind = Kind::new("nothing_due", 409, "The order owes nothing");
const NOT_PAYABLE: Kind = Kind::new("not_payable", 409, "The order takes no payment");
const PAYMENT_REFUSED: Kind = Kind::new("payment_refused", 409, "The gateway refused the payment");
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
            OrderError::Catalog(_)
            | OrderError::Files(_)
            | OrderError::Payment(_)
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
            OrderError::Shipped => ALREADY_SHIPPED.problem("A shipped order cannot be cancelled as a whole."),
            OrderError::NothingDue => NOTHING_DUE.problem("Everything is paid. There is nothing to do."),
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
