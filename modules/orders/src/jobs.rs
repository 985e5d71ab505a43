//! What orders do later: settle payments, send refunds, expire what is not paid, write to the buyer.

use std::time::Duration;

use kernel::{Job, OrderId, Outcome, Queue, job::Registry, mail::Mail, mail::MailError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::{Orders, error::OrderError, expire, query, reconcile, settle, status::words};

/// How long the periodic reconciliation goes on; what is left waits for the next one.
const RECONCILING: Duration = Duration::from_secs(60);

words! {
    /// What the buyer is told
    pub enum OrderMail {
        /// We have your order; here is how to pay
        Placed = "placed",
        /// It is paid and will be sent
        Confirmed = "confirmed",
        /// It was called off
        Cancelled = "cancelled",
        /// It was not paid in time
        Expired = "expired",
        /// Money went back
        Refunded = "refunded",
        /// Units were called off
        LinesCancelled = "lines_cancelled",
        /// A parcel left
        Shipped = "shipped",
        /// A parcel arrived
        Delivered = "delivered",
        /// A parcel was lost; the money for what was in it goes back
        Lost = "lost",
        /// A parcel was lost; what was in it is sent again
        LostAndResent = "lost_and_resent",
        /// We know that goods are to come back
        ReturnRequested = "return_requested",
        /// The goods may be sent back
        ReturnApproved = "return_approved",
        /// The goods are to be kept
        ReturnRejected = "return_rejected",
        /// Goods are back
        ReturnReceived = "return_received",
    }
}

impl OrderMail {
    const fn template(self) -> &'static str {
        match self {
            Self::Placed => "order_placed",
            Self::Confirmed => "order_confirmed",
            Self::Cancelled => "order_cancelled",
            Self::Expired => "order_expired",
            Self::Refunded => "order_refunded",
            Self::LinesCancelled => "order_lines_cancelled",
            Self::Shipped => "order_shipped",
            Self::Delivered => "order_delivered",
            Self::Lost | Self::LostAndResent => "order_parcel_lost",
            Self::ReturnRequested => "return_requested",
            Self::ReturnApproved => "return_approved",
            Self::ReturnRejected => "return_rejected",
            Self::ReturnReceived => "return_received",
        }
    }
}

/// Writes to the buyer about their order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendOrderMail {
    /// Which order.
    pub order_id: OrderId,
    /// What about.
    pub mail: OrderMail,
    /// Which parcel or return, where there may be several; otherwise the event that it is about.
    #[serde(default)]
    pub about: Option<Uuid>,
}

impl Job for SendOrderMail {
    const KIND: &'static str = "orders.send_mail";
    const QUEUE: Queue = Queue::Bulk;
}

/// Expires what was not paid in time; runs periodically.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExpireDue {}

impl Job for ExpireDue {
    const KIND: &'static str = "orders.expire_due";
    const QUEUE: Queue = Queue::Urgent;
}

/// Forgets old idempotency keys; runs periodically.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PruneKeys {}

impl Job for PruneKeys {
    const KIND: &'static str = "kernel.prune_idempotency_keys";
    const QUEUE: Queue = Queue::Bulk;
}

/// Registers the handlers of this module, and those of the payment jobs that concern an order.
pub fn register(registry: Registry, orders: &Orders) -> Registry {
    let (mailer, settler, refunder, expirer, pruner) =
        (orders.clone(), orders.clone(), orders.clone(), orders.clone(), orders.clone());
    let (capturer, voider, reconciler) = (orders.clone(), orders.clone(), orders.clone());
    let registry = crate::notes::register(crate::export::register(registry, orders), orders);
    registry
        .on(move |job: SendOrderMail, _context| {
            let orders = mailer.clone();
            async move { send_mail(&orders, job).await }
        })
        .on(move |job: payments::jobs::SettlePayment, context| {
            let orders = settler.clone();
            async move { outcome(settle::settle_payment(&orders, job.event_id, &context).await) }
        })
        .on(move |job: payments::jobs::SendRefund, context| {
            let orders = refunder.clone();
            async move { outcome(settle::send_refund(&orders, job.refund_id, &context).await) }
        })
        .on(move |job: payments::jobs::SendCapture, context| {
            let orders = capturer.clone();
            async move { outcome(settle::send_capture(&orders, job.attempt_id, &context).await) }
        })
        .on(move |job: payments::jobs::SendVoid, context| {
            let orders = voider.clone();
            async move { outcome(settle::send_void(&orders, job.attempt_id, &context).await) }
        })
        .on(move |_job: payments::jobs::Reconcile, _context| {
            let orders = reconciler.clone();
            async move { outcome(reconcile_quiet(&orders).await) }
        })
        .on(move |_job: ExpireDue, _context| {
            let orders = expirer.clone();
            async move { outcome(expire::expire_due(&orders).await.map(drop)) }
        })
        .on(move |_job: PruneKeys, _context| {
            let orders = pruner.clone();
            async move { outcome(prune(&orders).await) }
        })
        .every(orders.expiry.sweep, &ExpireDue {})
        .every(orders.reconcile, &payments::jobs::Reconcile {})
        .every(Duration::from_secs(3_600), &PruneKeys {})
}

/// What it could not settle it has told, and asks about again next time.
async fn reconcile_quiet(orders: &Orders) -> Result<(), OrderError> {
    let grace = chrono::TimeDelta::from_std(orders.reconcile).unwrap_or(chrono::TimeDelta::MAX);
    reconcile::reconcile(orders, reconcile::Scope::Quiet(grace, RECONCILING)).await.map(drop)
}

/// Everything here may work later: the database, the gateway and lost races come back.
fn outcome(result: Result<(), OrderError>) -> Outcome {
    result.into()
}

async fn prune(orders: &Orders) -> Result<(), OrderError> {
    let mut conn = orders.pool.get().await?;
    while kernel::idempotency::prune(&mut conn, orders.clock.now()).await? == 5_000 {}
    Ok(())
}

async fn send_mail(orders: &Orders, job: SendOrderMail) -> Outcome {
    deliver(orders, compose(orders, &job).await).await
}

/// Sends a mail that was composed, if there is anybody to write to.
pub(crate) async fn deliver(orders: &Orders, mail: Result<Option<Mail>, OrderError>) -> Outcome {
    let mail = match mail {
        Ok(Some(mail)) => mail,
        // What it is about, or whom it is for, is gone.
        Ok(None) => return Outcome::Done,
        Err(error) => return outcome(Err(error)),
    };
    match orders.mailer.send(&mail).await {
        Ok(()) => Outcome::Done,
        Err(error @ MailError::Transient(_)) => Outcome::from(Err(error)),
        Err(error @ MailError::Permanent(_)) => match Outcome::from(Err(error)) {
            Outcome::Retry(why) => Outcome::GiveUp(why),
            other => other,
        },
    }
}

async fn compose(orders: &Orders, job: &SendOrderMail) -> Result<Option<Mail>, OrderError> {
    let mut conn = orders.pool.get().await?;
    let Some(order) = query::find(&mut conn, job.order_id).await? else { return Ok(None) };
    let Some(buyer) = accounts::contact(&mut conn, order.customer_id).await? else { return Ok(None) };
    let currency = &order.currency;
    let amount = |minor| crate::api::dto::money(minor, currency).to_string();
    let lines: Vec<_> = order
        .lines
        .iter()
        .map(|line| json!({ "name": line.name, "sku": line.sku, "quantity": line.quantity, "total": amount(line.total_minor) }))
        .collect();
    let shipment = order.shipments.iter().find(|one| Some(one.id.as_uuid()) == job.about);
    let goods = order.returns.iter().find(|one| Some(one.id.as_uuid()) == job.about);
    let named = |position, quantity| {
        let line = order.line(position).ok()?;
        Some(
            json!({ "name": line.name, "sku": line.sku, "quantity": quantity, "total": amount(line.value_minor(quantity)) }),
        )
    };
    let about = match (shipment, goods) {
        (Some(parcel), _) => json!({
            "carrier": parcel.carrier, "tracking_number": parcel.tracking_number, "tracking_url": parcel.tracking_url,
            "reason": parcel.reason, "is_resent": job.mail == OrderMail::LostAndResent,
            "lines": parcel.lines.iter().filter_map(|one| named(one.position, one.quantity)).collect::<Vec<_>>(),
        }),
        (None, Some(goods)) => json!({
            "reason": goods.reason, "decision": goods.decision,
            "lines": goods.lines.iter().filter_map(|one| named(one.position, one.quantity)).collect::<Vec<_>>(),
        }),
        (None, None) => json!({}),
    };
    let remaining: Vec<_> = order
        .lines
        .iter()
        .filter(|line| line.active_quantity() > 0)
        .filter_map(|line| named(line.position, line.active_quantity()))
        .collect();
    let cancelled: i32 = order.lines.iter().map(|line| line.cancelled_quantity).sum();
    let came_back: i32 = order.lines.iter().map(|line| line.returned_quantity).sum();
    let subject = job.about.unwrap_or(order.id.as_uuid());
    Ok(Some(Mail {
        to: buyer.email,
        template: job.mail.template().to_owned(),
        context: json!({
            "username": buyer.username,
            "number": order.number,
            "total": amount(order.original_total_minor),
            "new_total": amount(order.total_minor),
            "due": amount(order.balance_due().max(0)),
            "refund": amount(order.sums.refunded),
            "payment_status": order.payment_status,
            "offline_method": order.offline_method,
            "lines": lines,
            "remaining": remaining,
            "about": about,
            "link": format!("{}/v1/orders/{}", orders.public_url, order.id),
        }),
        key: match job.mail {
            // Several refunds are several mails, and so are several cancellations and receipts; everything else happens to
            // an order, a parcel or a return once.
            OrderMail::Refunded => format!("order-refunded-{}-{}", order.id, order.sums.refunded),
            OrderMail::LinesCancelled => format!("order-lines-cancelled-{}-{cancelled}", order.id),
            OrderMail::ReturnReceived => format!("order-return-received-{subject}-{came_back}"),
            mail => format!("order-{}-{subject}", mail.as_str()),
        },
    }))
}
