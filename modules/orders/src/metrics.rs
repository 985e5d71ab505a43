//! What is counted about orders: each once, when it is committed.

use std::{sync::LazyLock, time::Duration};

use kernel::{
    Money,
    metrics::{self, Counter, Histogram, KeyValue, on_commit},
};
use payments::Applied;

use crate::{event::EventKind, order::Order, place::decide::Refusal};

static PLACED: LazyLock<Counter<u64>> =
    LazyLock::new(|| metrics::counter("oms_orders_placed", "Orders that were placed."));
static VALUE: LazyLock<Counter<u64>> =
    LazyLock::new(|| metrics::counter("oms_orders_value_minor", "Totals of the orders placed, in minor units."));
static REFUSED: LazyLock<Counter<u64>> =
    LazyLock::new(|| metrics::counter("oms_orders_refused", "Orders that were refused; out_of_stock is a stock-out."));
static EVENTS: LazyLock<Counter<u64>> =
    LazyLock::new(|| metrics::counter("oms_order_events", "What happened to orders, as in their histories."));
static PAYMENTS: LazyLock<Counter<u64>> =
    LazyLock::new(|| metrics::counter("oms_payments", "What became of payments, by any way we heard of it."));
static CAPTURED: LazyLock<Counter<u64>> =
    LazyLock::new(|| metrics::counter("oms_payments_captured_minor", "Money that came in, in minor units."));
static REFUNDS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    metrics::counter("oms_refunds", "Refunds that the gateway made (succeeded) or declined (failed).")
});
static REFUNDED: LazyLock<Counter<u64>> =
    LazyLock::new(|| metrics::counter("oms_refunded_minor", "Money that went back, in minor units."));

/// Times of a batch: from a millisecond to the end of its patience.
const BATCH_SECONDS: [f64; 10] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 8.0];

static BATCH: LazyLock<Histogram<u64>> = LazyLock::new(|| {
    let about = "Orders that were committed together.";
    let boundaries = vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
    metrics::meter()
        .u64_histogram("oms_intake_batch_orders")
        .with_description(about)
        .with_boundaries(boundaries)
        .build()
});
static COMMIT: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    let about = "How long batches of placements took, from BEGIN to COMMIT or to their end without it.";
    metrics::seconds("oms_intake_commit_duration", about, &BATCH_SECONDS)
});
static WAIT: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    let about = "How long a placement waited for its batch to begin.";
    metrics::seconds("oms_intake_wait", about, &BATCH_SECONDS)
});

/// A placement has waited for so long and is now looked at.
pub fn waited(wait: Duration) {
    WAIT.record(wait.as_secs_f64(), &[]);
}

/// So many orders were committed together.
pub fn batch_committed(orders: usize) {
    let orders = u64::try_from(orders).unwrap_or(u64::MAX);
    on_commit(move || BATCH.record(orders, &[]));
}

/// The database has had a batch for so long, whatever came of it.
pub fn batch_took(took: Duration) {
    COMMIT.record(took.as_secs_f64(), &[]);
}

/// An order was placed.
pub fn placed(order: &Order) {
    let (currency, minor) = (order.currency.clone(), order.total_minor);
    on_commit(move || {
        let label = [KeyValue::new("currency", currency)];
        PLACED.add(1, &label);
        VALUE.add(u64::try_from(minor).unwrap_or(0), &label);
    });
}

/// A placement was refused.
pub fn refused(why: &Refusal) {
    let reason = match why {
        Refusal::NotForSale(_) => "not_for_sale",
        Refusal::OutOfStock(_) => "out_of_stock",
        Refusal::MixedCurrencies => "mixed_currencies",
        Refusal::TotalChanged { .. } => "total_changed",
        Refusal::TooLarge => "too_large",
    };
    on_commit(move || REFUSED.add(1, &[KeyValue::new("reason", reason)]));
}

/// Something was appended to an order's history.
pub fn happened(kind: EventKind) {
    on_commit(move || EVENTS.add(1, &[KeyValue::new("event", kind.as_str())]));
}

/// Staff took money by hand.
pub fn taken_by_hand(amount: Money) {
    captured("recorded", amount);
}

/// The gateway refused to open a payment.
pub fn not_opened() {
    on_commit(|| PAYMENTS.add(1, &[KeyValue::new("outcome", "failed")]));
}

/// The gateway's word changed something.
pub fn applied(news: &Applied) {
    let outcome = match news {
        Applied::Captured { amount, .. } => return captured("captured", *amount),
        Applied::Refunded { amount, .. } => {
            let (minor, currency) = (amount.minor, amount.currency.code());
            return on_commit(move || {
                REFUNDS.add(1, &[KeyValue::new("outcome", "succeeded")]);
                REFUNDED.add(u64::try_from(minor).unwrap_or(0), &[KeyValue::new("currency", currency)]);
            });
        }
        Applied::RefundFailed { .. } => {
            return on_commit(|| REFUNDS.add(1, &[KeyValue::new("outcome", "failed")]));
        }
        Applied::Authorized { .. } => "authorized",
        Applied::CaptureFailed { .. } => "capture_failed",
        Applied::Failed { .. } => "failed",
        Applied::Voided { .. } => "voided",
        Applied::VoidFailed { .. } => "void_failed",
        Applied::Mismatch { .. } => "mismatch",
        Applied::Opened { .. } | Applied::AlreadyApplied | Applied::Ignored { .. } => return,
    };
    on_commit(move || PAYMENTS.add(1, &[KeyValue::new("outcome", outcome)]));
}

fn captured(outcome: &'static str, amount: Money) {
    let (minor, currency) = (amount.minor, amount.currency.code());
    on_commit(move || {
        PAYMENTS.add(1, &[KeyValue::new("outcome", outcome)]);
        CAPTURED.add(u64::try_from(minor).unwrap_or(0), &[KeyValue::new("currency", currency)]);
    });
}
