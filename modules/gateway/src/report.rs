//! Telling the merchant: a report is written down, byte for byte, in the transaction that it tells of, together with the
//! job that sends it.

use chrono::{DateTime, SecondsFormat, Utc};
use diesel::QueryResult;
use kernel::{PgConn, job};
use serde::Serialize;

use crate::{
    chaos::ChaosMode,
    jobs::DeliverWebhook,
    payment::{DeliveryId, Payment, PaymentStatus, Refund, RefundStatus},
    store::{self, Delivery},
};

#[derive(Serialize)]
struct Report<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: ReportData<'a>,
}

#[derive(Serialize)]
struct ReportData<'a> {
    payment_id: String,
    reference: &'a str,
    amount: i64,
    currency: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_reference: Option<&'a str>,
}

/// Reports where a payment has come to. Joins the caller's transaction.
pub(crate) async fn payment_moved(conn: &mut PgConn, payment: &Payment, at: DateTime<Utc>) -> QueryResult<()> {
    let (kind, amount) = match payment.status {
        PaymentStatus::Authorized => ("payment.authorized", payment.amount_minor),
        PaymentStatus::Captured => ("payment.captured", payment.captured_minor),
        _ => ("payment.failed", payment.amount_minor),
    };
    let data = ReportData {
        payment_id: payment.id.to_string(),
        reference: &payment.reference,
        amount,
        currency: payment.charged_in().code(),
        status: payment.status.as_str(),
        refund_id: None,
        refund_reference: None,
    };
    post(conn, payment, kind, data, at).await
}

/// Reports what a refund came to. Joins the caller's transaction.
pub(crate) async fn refund_ended(
    conn: &mut PgConn,
    payment: &Payment,
    refund: &Refund,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let kind = match refund.status {
        RefundStatus::Succeeded => "refund.succeeded",
        RefundStatus::Failed => "refund.failed",
    };
    let data = ReportData {
        payment_id: payment.id.to_string(),
        reference: &payment.reference,
        amount: refund.amount_minor,
        currency: payment.charged_in().code(),
        status: refund.status.as_str(),
        refund_id: Some(refund.id.to_string()),
        refund_reference: Some(&refund.reference),
    };
    post(conn, payment, kind, data, at).await
}

async fn post(
    conn: &mut PgConn,
    payment: &Payment,
    kind: &'static str,
    data: ReportData<'_>,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let timestamp = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let body = serde_json::to_string(&Report { kind, timestamp, data })
        .map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
    let id = DeliveryId::new();
    let chaos = store::chaos_of(conn, Some(payment.id)).await?.of_webhook();
    let is_dropped = chaos.contains(&ChaosMode::Drop);
    let delivery = Delivery {
        message_id: format!("msg_{}", id.as_uuid().simple()),
        webhook_url: payment.webhook_url.clone(),
        body,
        delivered_at: None,
        payment_id: payment.id,
        chaos,
    };
    store::insert_delivery(conn, id, kind, &delivery, at).await?;
    if is_dropped { Ok(()) } else { job::enqueue(conn, &DeliverWebhook { delivery_id: id }).await }
}
