//! What orders ask of stock. Everything here joins the caller's transaction.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use diesel::{QueryResult, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{BusinessId, OrderId, PgConn, ProductId, UserId, VariantId, cached_sql};

use super::{Balance, Movement, MovementKind, UNITS_MAX};
use crate::CatalogError;

/// What placing must know about one variant, read under its row lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The variant.
    pub variant_id: VariantId,
    /// Its product.
    pub product_id: ProductId,
    /// Who sells it.
    pub business_id: BusinessId,
    /// Its stock keeping unit.
    pub sku: String,
    /// The product's name and, when the variant has one, the variant's: `Shirt, blue M`.
    pub name: String,
    /// What a buyer pays for one, discount taken off. A line costs this times its quantity.
    pub unit_price_minor: i64,
    /// What one costs without the discount.
    pub list_price_minor: i64,
    /// The currency of both.
    pub currency: String,
    /// Whether it can be ordered at all: product active, neither product nor variant deleted.
    pub sellable: bool,
    /// What is there.
    pub on_hand: i32,
    /// What is promised to open orders.
    pub reserved: i32,
    /// How much may be promised beyond what is there.
    pub backorder_limit: i32,
    /// How often the counters have changed.
    pub version: i64,
}

type OfferSql = (
    (st::Uuid, st::Uuid, st::Uuid, st::Text, st::Text, st::BigInt, st::BigInt, st::Text),
    (st::Bool, st::Integer, st::Integer, st::Integer, st::BigInt),
);
type OfferRow = ((VariantId, ProductId, BusinessId, String, String, i64, i64, String), (bool, i32, i32, i32, i64));

cached_sql! {
    /// What is offered stands in the locked row itself: the database keeps it equal to `catalog.offers`.
    LockOffers(variants: st::Array<st::Uuid> = Vec<VariantId>) -> OfferSql,
    "SELECT variant_id, product_id, business_id, sku, name, unit_price_minor, list_price_minor, currency, \
            sellable, on_hand, reserved, backorder_limit, version \
     FROM catalog.stock WHERE variant_id = ANY($1) ORDER BY variant_id FOR UPDATE"
}

/// Locks the stock rows of `variants`, sorted, and reads what placing must know, in one statement. A variant that does
/// not exist is missing from the answer. The connection is shared so that statements can go out in one flight.
/// Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn lock_offers(conn: &PgConn, variants: &Vec<VariantId>) -> QueryResult<Vec<Offer>> {
    let rows: Vec<OfferRow> = LockOffers { variants }.load(&mut &*conn).await?;
    Ok(rows
        .into_iter()
        .map(
            |(
                (variant_id, product_id, business_id, sku, name, unit_price_minor, list_price_minor, currency),
                (sellable, on_hand, reserved, backorder_limit, version),
            )| Offer {
                variant_id,
                product_id,
                business_id,
                sku,
                name,
                unit_price_minor,
                list_price_minor,
                currency,
                sellable,
                on_hand,
                reserved,
                backorder_limit,
                version,
            },
        )
        .collect())
}

cached_sql! {
    /// Each variant's counters become those of its last movement, provided that its first one follows on the row's version.
    Append(variants: st::Array<st::Uuid> = Vec<VariantId>, kinds: st::Array<st::Text> = Vec<&'static str>,
        on_hand_deltas: st::Array<st::Integer> = Vec<i32>, reserved_deltas: st::Array<st::Integer> = Vec<i32>,
        on_hand_afters: st::Array<st::Integer> = Vec<i32>, reserved_afters: st::Array<st::Integer> = Vec<i32>,
        versions: st::Array<st::BigInt> = Vec<i64>, orders: st::Array<st::Nullable<st::Uuid>> = Vec<Option<OrderId>>,
        reasons: st::Array<st::Nullable<st::Text>> = Vec<Option<&'a str>>,
        actors: st::Array<st::Nullable<st::Uuid>> = Vec<Option<UserId>>,
        ats: st::Array<st::Timestamptz> = Vec<DateTime<Utc>>,
        moved: st::Array<st::Uuid> = Vec<VariantId>, on_hands: st::Array<st::Integer> = Vec<i32>,
        reserved: st::Array<st::Integer> = Vec<i32>, last_versions: st::Array<st::BigInt> = Vec<i64>,
        first_versions: st::Array<st::BigInt> = Vec<i64>) -> st::Untyped,
    "WITH written AS ( \
         INSERT INTO catalog.stock_movements (variant_id, kind, on_hand_delta, reserved_delta, on_hand_after, \
             reserved_after, version_after, order_id, reason, actor, at) \
         SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9), \
             unnest($10), unnest($11)) \
     UPDATE catalog.stock s SET on_hand = m.on_hand, reserved = m.reserved, version = m.last \
     FROM (SELECT unnest($12) AS variant_id, unnest($13) AS on_hand, unnest($14) AS reserved, unnest($15) AS last, \
         unnest($16) AS first) AS m \
     WHERE s.variant_id = m.variant_id AND s.version = m.first - 1"
}

/// Appends the movements and sets each variant's counters to the balances of its last one, in one statement. Callers
/// hold the row locks and compute the balances from what they read under them; the answer is the number of stock rows
/// that were set, which is the number of variants among the movements unless a caller did not. No movements, no flight.
/// Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn append(conn: &PgConn, movements: &[Movement]) -> QueryResult<usize> {
    if movements.is_empty() {
        return Ok(0);
    }
    // Each variant with its last movement and the version of its first one.
    let mut places = HashMap::with_capacity(movements.len());
    let mut ends: Vec<(&Movement, i64)> = Vec::with_capacity(movements.len());
    for movement in movements {
        let place = *places.entry(movement.variant_id).or_insert(ends.len());
        match ends.get_mut(place) {
            Some((last, _)) => *last = movement,
            None => ends.push((movement, movement.version_after)),
        }
    }
    Append {
        variants: &movements.iter().map(|movement| movement.variant_id).collect(),
        kinds: &movements.iter().map(|movement| movement.kind.as_str()).collect(),
        on_hand_deltas: &movements.iter().map(|movement| movement.on_hand_delta).collect(),
        reserved_deltas: &movements.iter().map(|movement| movement.reserved_delta).collect(),
        on_hand_afters: &movements.iter().map(|movement| movement.on_hand_after).collect(),
        reserved_afters: &movements.iter().map(|movement| movement.reserved_after).collect(),
        versions: &movements.iter().map(|movement| movement.version_after).collect(),
        orders: &movements.iter().map(|movement| movement.order_id).collect(),
        reasons: &movements.iter().map(|movement| movement.reason.as_deref()).collect(),
        actors: &movements.iter().map(|movement| movement.actor).collect(),
        ats: &movements.iter().map(|movement| movement.at).collect(),
        moved: &ends.iter().map(|(last, _)| last.variant_id).collect(),
        on_hands: &ends.iter().map(|(last, _)| last.on_hand_after).collect(),
        reserved: &ends.iter().map(|(last, _)| last.reserved_after).collect(),
        last_versions: &ends.iter().map(|(last, _)| last.version_after).collect(),
        first_versions: &ends.iter().map(|(_, first)| *first).collect(),
    }
    .execute(&mut &*conn)
    .await
}

cached_sql! {
    LockBalances(variants: st::Array<st::Uuid> = Vec<VariantId>) -> (st::Uuid, st::Integer, st::Integer, st::Integer, st::BigInt),
    "SELECT variant_id, on_hand, reserved, backorder_limit, version FROM catalog.stock \
     WHERE variant_id = ANY($1) ORDER BY variant_id FOR UPDATE"
}

/// Locks the rows of `variants`, sorted, and reads their counters. Joins the caller's transaction.
pub(super) async fn lock_balances(
    conn: &mut PgConn,
    variants: &Vec<VariantId>,
) -> QueryResult<BTreeMap<VariantId, Balance>> {
    let rows: Vec<(VariantId, i32, i32, i32, i64)> = LockBalances { variants }.load(conn).await?;
    Ok(rows
        .into_iter()
        .map(|(variant_id, on_hand, reserved, backorder_limit, version)| {
            (variant_id, Balance { variant_id, on_hand, reserved, backorder_limit, version })
        })
        .collect())
}

/// Writes movements whose rows this module has locked itself. Joins the caller's transaction.
pub(super) async fn append_locked(conn: &mut PgConn, movements: &[Movement]) -> Result<(), CatalogError> {
    let mut variants: Vec<VariantId> = movements.iter().map(|movement| movement.variant_id).collect();
    variants.sort_unstable();
    variants.dedup();
    let set = append(conn, movements).await?;
    if set == variants.len() { Ok(()) } else { Err(CatalogError::StockNotAsLocked { expected: variants.len(), set }) }
}

/// What an order does to one variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderMove {
    /// The variant.
    pub variant_id: VariantId,
    /// What.
    pub kind: MovementKind,
    /// To how many units.
    pub quantity: i32,
}

/// Moves the stock of an order: locks the rows sorted and appends one movement for each move, in the order given. All
/// of them or none. Whether the products are still on sale is not asked. Joins the caller's transaction.
///
/// # Errors
/// [`CatalogError::NotEnough`] when units are to be promised or sent that are not there, [`CatalogError::StockTooLarge`] when
/// more come back than there can be. More units given back than
/// are promised, a variant without a stock row, and what the database said mean that the caller's book and ours
/// disagree; nothing may be committed then.
pub async fn move_for_order(
    conn: &mut PgConn,
    order_id: OrderId,
    moves: &[OrderMove],
    actor: Option<UserId>,
    at: DateTime<Utc>,
) -> Result<(), CatalogError> {
    if moves.is_empty() {
        return Ok(());
    }
    let mut variants: Vec<VariantId> = moves.iter().map(|one| one.variant_id).collect();
    variants.sort_unstable();
    variants.dedup();
    let mut balances = lock_balances(conn, &variants).await?;
    let mut movements = Vec::with_capacity(moves.len());
    for &OrderMove { variant_id, kind, quantity } in moves {
        let impossible = CatalogError::ImpossibleQuantity { variant_id, quantity };
        let Some(balance) = balances.get_mut(&variant_id).filter(|_| quantity > 0) else { return Err(impossible) };
        let (on_hand, reserved) = kind.deltas(quantity);
        let available = balance.sellable();
        let Some(movement) = balance.step(kind, on_hand, reserved, at) else {
            return Err(match kind {
                MovementKind::Reserve => CatalogError::NotEnough { variant_id, available },
                MovementKind::Ship => CatalogError::NotEnough { variant_id, available: i64::from(balance.on_hand) },
                MovementKind::Return => CatalogError::StockTooLarge(UNITS_MAX),
                _ => impossible,
            });
        };
        movements.push(Movement { order_id: Some(order_id), actor, ..movement });
    }
    append_locked(conn, &movements).await
}
