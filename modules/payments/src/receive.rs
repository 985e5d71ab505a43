//! Receiving a webhook: stored once, byte for byte, together with the job that settles it.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{PgConn, job};

use crate::{EventId, PaymentError, jobs::SettlePayment, store};

/// A webhook whose signature holds.
#[derive(Debug, Clone)]
pub(crate) struct Verified {
    pub gateway: String,
    pub webhook_id: String,
    pub body: Vec<u8>,
}

/// Puts the webhook into the inbox; `false` when it is there already. A use case of its own.
pub(crate) async fn receive(conn: &mut PgConn, webhook: &Verified, at: DateTime<Utc>) -> Result<bool, PaymentError> {
    conn.transaction(async |conn| {
        let event_id = EventId::new();
        let new = store::insert_event(conn, event_id, &webhook.gateway, &webhook.webhook_id, &webhook.body, at).await?;
        if new {
            job::enqueue(conn, &SettlePayment { event_id }).await?;
        }
        Ok(new)
    })
    .await
}
