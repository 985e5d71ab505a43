//! Reading stock: the counters of a variant and what happened to them. For members of its business and for staff.

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{Caller, OrderId, PgConn, UserId, VariantId, cached_sql};
use serde::{Deserialize, Serialize};

use super::{Balance, Movement, MovementKind};
use crate::CatalogError;

/// The counters of a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockLevels {
    /// Whose.
    pub variant_id: VariantId,
    /// What is there.
    pub on_hand: i32,
    /// What is promised to open orders.
    pub reserved: i32,
    /// How much may be promised beyond what is there.
    pub backorder_limit: i32,
    /// How often the counters changed.
    pub version: i64,
}

impl From<Balance> for StockLevels {
    fn from(balance: Balance) -> Self {
        let Balance { variant_id, on_hand, reserved, backorder_limit, version } = balance;
        Self { variant_id, on_hand, reserved, backorder_limit, version }
    }
}

impl StockLevels {
    /// What is there and not promised; below zero when units are on back order.
    pub fn available(&self) -> i32 {
        self.on_hand.saturating_sub(self.reserved)
    }
}

type LevelsRow = (VariantId, i32, i32, i32, i64);
type LevelsSql = (st::Uuid, st::Integer, st::Integer, st::Integer, st::BigInt);

macro_rules! own_levels {
    () => {
        "SELECT s.variant_id, s.on_hand, s.reserved, s.backorder_limit, s.version FROM catalog.stock s \
         JOIN catalog.variants v ON v.id = s.variant_id \
         WHERE s.variant_id = $1 AND ($2 OR EXISTS (SELECT 1 FROM catalog.members m \
         WHERE m.business_id = v.business_id AND m.user_id = $3))"
    };
}
cached_sql! {
    OwnLevels(variant: st::Uuid = VariantId, staff: st::Bool = bool, user: st::Uuid = UserId) -> LevelsSql,
    own_levels!()
}
cached_sql! {
    LockOwnLevels(variant: st::Uuid = VariantId, staff: st::Bool = bool, user: st::Uuid = UserId) -> LevelsSql,
    concat!(own_levels!(), " FOR UPDATE OF s")
}

fn balance(row: Option<LevelsRow>) -> Result<Balance, CatalogError> {
    let (variant_id, on_hand, reserved, backorder_limit, version) = row.ok_or(CatalogError::NotFound("variant"))?;
    Ok(Balance { variant_id, on_hand, reserved, backorder_limit, version })
}

/// Locks the counters of a variant of the caller's. Joins the caller's transaction.
pub(super) async fn lock_own(conn: &mut PgConn, caller: &Caller, variant: VariantId) -> Result<Balance, CatalogError> {
    let statement = LockOwnLevels { variant: &variant, staff: &caller.is_staff(), user: &caller.user_id };
    balance(statement.get_result(conn).await.optional()?)
}

/// The counters of a variant, deleted or not.
///
/// # Errors
/// Not the caller's variant; what the database said.
pub async fn get_levels(conn: &mut PgConn, caller: &Caller, variant: VariantId) -> Result<StockLevels, CatalogError> {
    let statement = OwnLevels { variant: &variant, staff: &caller.is_staff(), user: &caller.user_id };
    balance(statement.get_result(conn).await.optional()?).map(StockLevels::from)
}

/// The place of a movement in the list of a variant's movements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovementKey {
    movement: i64,
}

/// A page of a variant's movements.
pub type Movements = (Vec<Movement>, Option<MovementKey>);

type MovementSql = (
    (st::Text, st::Integer, st::Integer, st::Integer, st::Integer, st::BigInt),
    (st::Nullable<st::Uuid>, st::Nullable<st::Text>, st::Nullable<st::Uuid>, st::Timestamptz),
);
type MovementRow =
    ((String, i32, i32, i32, i32, i64), (Option<OrderId>, Option<String>, Option<UserId>, DateTime<Utc>));

cached_sql! {
    ListMovements(variant: st::Uuid = VariantId, before: st::BigInt = i64, limit: st::BigInt = i64) -> MovementSql,
    "SELECT kind, on_hand_delta, reserved_delta, on_hand_after, reserved_after, version_after, order_id, reason, actor, at \
     FROM catalog.stock_movements WHERE variant_id = $1 AND version_after < $2 ORDER BY version_after DESC LIMIT $3"
}

/// What happened to a variant's stock, the latest first.
///
/// # Errors
/// Not the caller's variant; what the database said.
pub async fn list_movements(
    conn: &mut PgConn,
    caller: &Caller,
    variant: VariantId,
    after: Option<MovementKey>,
    limit: u32,
) -> Result<Movements, CatalogError> {
    let variant_id = get_levels(conn, caller, variant).await?.variant_id;
    let before = after.map_or(i64::MAX, |key| key.movement);
    let rows: Vec<MovementRow> =
        ListMovements { variant: &variant, before: &before, limit: &(i64::from(limit) + 1) }.load(conn).await?;
    let mut movements = rows
        .into_iter()
        .map(|((kind, on_hand_delta, reserved_delta, on_hand_after, reserved_after, version_after), why)| {
            let (order_id, reason, actor, at) = why;
            Ok(Movement {
                variant_id,
                kind: MovementKind::parse(&kind).ok_or(CatalogError::BadRow("kind of movement"))?,
                on_hand_delta,
                reserved_delta,
                on_hand_after,
                reserved_after,
                version_after,
                order_id,
                reason,
                actor,
                at,
            })
        })
        .collect::<Result<Vec<_>, CatalogError>>()?;
    let next = crate::page::cut(&mut movements, limit, |last| MovementKey { movement: last.version_after });
    Ok((movements, next))
}
