//! Goods come in.

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use kernel::{Caller, PgConn, VariantId, idempotency::Ticket, trail};
use serde_json::json;

use super::{
    Answered, Balance, Movement, MovementKind, StockLevels, UNITS_MAX, face::append_locked, levels::lock_own, once,
};
use crate::{CatalogError, words::StockReason};

/// Goods that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// How many, at least one.
    pub quantity: i32,
    /// Where they came from, or whatever is worth knowing.
    pub reason: Option<StockReason>,
}

/// Adds the goods to a locked balance. Joins the caller's transaction.
async fn add(
    conn: &mut PgConn,
    caller: &Caller,
    mut balance: Balance,
    receipt: &Receipt,
    at: DateTime<Utc>,
) -> Result<StockLevels, CatalogError> {
    let Receipt { quantity, reason } = receipt;
    let (variant_id, quantity) = (balance.variant_id, *quantity);
    if quantity < 1 {
        return Err(CatalogError::ImpossibleQuantity { variant_id, quantity });
    }
    if balance.on_hand.checked_add(quantity).is_none_or(|on_hand| on_hand > UNITS_MAX) {
        return Err(CatalogError::StockTooLarge(UNITS_MAX));
    }
    let movement = balance
        .step(MovementKind::Receive, quantity, 0, at)
        .ok_or(CatalogError::ImpossibleQuantity { variant_id, quantity })?;
    let reason = reason.as_ref().map(|reason| reason.as_str().to_owned());
    append_locked(conn, &[Movement { reason, actor: Some(caller.user_id), ..movement }]).await?;
    let changes = json!({ "quantity": quantity, "on_hand": balance.on_hand });
    trail::record_staff(conn, caller, "stock.received", variant_id, changes, at).await?;
    Ok(balance.into())
}

/// Books goods that came in. For members of the variant's business and for staff.
///
/// # Errors
/// Not the caller's variant; more than we can count; what the database said.
pub async fn receive(
    conn: &mut PgConn,
    caller: &Caller,
    variant: VariantId,
    receipt: &Receipt,
    at: DateTime<Utc>,
) -> Result<StockLevels, CatalogError> {
    conn.transaction(async |conn| {
        let balance = lock_own(conn, caller, variant).await?;
        add(conn, caller, balance, receipt, at).await
    })
    .await
}

/// [`receive`] under an idempotency key: `render` makes the answer that is stored with the effect.
///
/// # Errors
/// As [`receive`], and what can be wrong with the key.
pub async fn receive_once(
    conn: &mut PgConn,
    caller: &Caller,
    ticket: &Ticket,
    variant: VariantId,
    receipt: &Receipt,
    at: DateTime<Utc>,
    render: fn(&StockLevels) -> Vec<u8>,
) -> Result<Answered, CatalogError> {
    conn.transaction(async |conn| {
        let balance = lock_own(conn, caller, variant).await?;
        if let Some(answered) = once::claimed(conn, ticket, at).await? {
            return Ok(answered);
        }
        let levels = add(conn, caller, balance, receipt, at).await?;
        once::completed(conn, ticket, render(&levels)).await
    })
    .await
}
