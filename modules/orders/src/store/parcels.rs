//! Rows of parcels and returns.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension, QueryResult, prelude::*};
use diesel_async::RunQueryDsl;
use kernel::{BusinessId, OrderId, PgConn, UserId};

use crate::{
    order::Order,
    returns::{Return, ReturnId, ReturnLine, ReturnState},
    schema::orders::{return_lines, returns, shipment_lines, shipments},
    shipment::{Shipment, ShipmentId, ShipmentState, Units},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = shipments)]
struct ShipmentRow {
    id: ShipmentId,
    order_id: OrderId,
    business_id: BusinessId,
    state: ShipmentState,
    carrier: Option<String>,
    tracking_number: Option<String>,
    tracking_url: Option<String>,
    reason: Option<String>,
    packed_at: DateTime<Utc>,
    shipped_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    updated_at: DateTime<Utc>,
}

/// The parcels of an order, oldest first.
pub async fn shipments_of(conn: &mut PgConn, order: OrderId) -> QueryResult<Vec<Shipment>> {
    let rows: Vec<ShipmentRow> = shipments::table
        .filter(shipments::order_id.eq(order))
        .order(shipments::id)
        .select(ShipmentRow::as_select())
        .load(conn)
        .await?;
    if rows.is_empty() {
        return Ok(vec![]);
    }
    let ids: Vec<ShipmentId> = rows.iter().map(|row| row.id).collect();
    let lines: Vec<(ShipmentId, i16, i32)> = shipment_lines::table
        .filter(shipment_lines::shipment_id.eq_any(ids))
        .order((shipment_lines::shipment_id, shipment_lines::position))
        .load(conn)
        .await?;
    let mut by_shipment: BTreeMap<ShipmentId, Vec<Units>> = BTreeMap::new();
    for (id, position, quantity) in lines {
        by_shipment.entry(id).or_default().push(Units { position, quantity });
    }
    Ok(rows
        .into_iter()
        .map(|row| Shipment {
            lines: by_shipment.remove(&row.id).unwrap_or_default(),
            id: row.id,
            business_id: row.business_id,
            state: row.state,
            carrier: row.carrier,
            tracking_number: row.tracking_number,
            tracking_url: row.tracking_url,
            reason: row.reason,
            packed_at: row.packed_at,
            shipped_at: row.shipped_at,
            delivered_at: row.delivered_at,
            updated_at: row.updated_at,
        })
        .collect())
}

/// The order of a parcel. Joins the caller's transaction.
pub async fn order_of_shipment(conn: &mut PgConn, id: ShipmentId) -> QueryResult<Option<OrderId>> {
    shipments::table.find(id).select(shipments::order_id).first(conn).await.optional()
}

/// Writes the parcels that are new or changed. Joins the caller's transaction.
pub async fn save_shipments(conn: &mut PgConn, was: &Order, is: &Order) -> QueryResult<()> {
    for shipment in is.shipments.iter().filter(|shipment| !was.shipments.contains(shipment)) {
        if was.shipments.iter().any(|known| known.id == shipment.id) {
            diesel::update(shipments::table.find(shipment.id))
                .set((
                    shipments::state.eq(shipment.state),
                    shipments::carrier.eq(&shipment.carrier),
                    shipments::tracking_number.eq(&shipment.tracking_number),
                    shipments::tracking_url.eq(&shipment.tracking_url),
                    shipments::reason.eq(&shipment.reason),
                    shipments::shipped_at.eq(shipment.shipped_at),
                    shipments::delivered_at.eq(shipment.delivered_at),
                    shipments::updated_at.eq(shipment.updated_at),
                ))
                .execute(conn)
                .await?;
            continue;
        }
        let row = ShipmentRow {
            id: shipment.id,
            order_id: is.id,
            business_id: shipment.business_id,
            state: shipment.state,
            carrier: shipment.carrier.clone(),
            tracking_number: shipment.tracking_number.clone(),
            tracking_url: shipment.tracking_url.clone(),
            reason: shipment.reason.clone(),
            packed_at: shipment.packed_at,
            shipped_at: shipment.shipped_at,
            delivered_at: shipment.delivered_at,
            updated_at: shipment.updated_at,
        };
        diesel::insert_into(shipments::table).values(&row).execute(conn).await?;
        let lines: Vec<_> = shipment
            .lines
            .iter()
            .map(|line| {
                (
                    shipment_lines::shipment_id.eq(shipment.id),
                    shipment_lines::position.eq(line.position),
                    shipment_lines::quantity.eq(line.quantity),
                )
            })
            .collect();
        diesel::insert_into(shipment_lines::table).values(&lines).execute(conn).await?;
    }
    Ok(())
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = returns)]
struct ReturnRow {
    id: ReturnId,
    order_id: OrderId,
    business_id: BusinessId,
    state: ReturnState,
    reason: String,
    decision: Option<String>,
    requested_by: Option<UserId>,
    requested_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The returns of an order, oldest first.
pub async fn returns_of(conn: &mut PgConn, order: OrderId) -> QueryResult<Vec<Return>> {
    let rows: Vec<ReturnRow> = returns::table
        .filter(returns::order_id.eq(order))
        .order(returns::id)
        .select(ReturnRow::as_select())
        .load(conn)
        .await?;
    if rows.is_empty() {
        return Ok(vec![]);
    }
    let ids: Vec<ReturnId> = rows.iter().map(|row| row.id).collect();
    let lines: Vec<(ReturnId, i16, i32, i32, i32)> = return_lines::table
        .filter(return_lines::return_id.eq_any(ids))
        .order((return_lines::return_id, return_lines::position))
        .load(conn)
        .await?;
    let mut by_return: BTreeMap<ReturnId, Vec<ReturnLine>> = BTreeMap::new();
    for (id, position, quantity, resellable_quantity, damaged_quantity) in lines {
        by_return.entry(id).or_default().push(ReturnLine { position, quantity, resellable_quantity, damaged_quantity });
    }
    Ok(rows
        .into_iter()
        .map(|row| Return {
            lines: by_return.remove(&row.id).unwrap_or_default(),
            id: row.id,
            business_id: row.business_id,
            state: row.state,
            reason: row.reason,
            decision: row.decision,
            requested_by: row.requested_by,
            requested_at: row.requested_at,
            updated_at: row.updated_at,
        })
        .collect())
}

/// The order of a return. Joins the caller's transaction.
pub async fn order_of_return(conn: &mut PgConn, id: ReturnId) -> QueryResult<Option<OrderId>> {
    returns::table.find(id).select(returns::order_id).first(conn).await.optional()
}

/// Writes the returns that are new or changed. Joins the caller's transaction.
pub async fn save_returns(conn: &mut PgConn, was: &Order, is: &Order) -> QueryResult<()> {
    for goods in is.returns.iter().filter(|goods| !was.returns.contains(goods)) {
        if was.returns.iter().any(|known| known.id == goods.id) {
            diesel::update(returns::table.find(goods.id))
                .set((
                    returns::state.eq(goods.state),
                    returns::decision.eq(&goods.decision),
                    returns::updated_at.eq(goods.updated_at),
                ))
                .execute(conn)
                .await?;
            for line in &goods.lines {
                diesel::update(return_lines::table.find((goods.id, line.position)))
                    .set((
                        return_lines::resellable_quantity.eq(line.resellable_quantity),
                        return_lines::damaged_quantity.eq(line.damaged_quantity),
                    ))
                    .execute(conn)
                    .await?;
            }
            continue;
        }
        let row = ReturnRow {
            id: goods.id,
            order_id: is.id,
            business_id: goods.business_id,
            state: goods.state,
            reason: goods.reason.clone(),
            decision: goods.decision.clone(),
            requested_by: goods.requested_by,
            requested_at: goods.requested_at,
            updated_at: goods.updated_at,
        };
        diesel::insert_into(returns::table).values(&row).execute(conn).await?;
        let lines: Vec<_> = goods
            .lines
            .iter()
            .map(|line| {
                (
                    return_lines::return_id.eq(goods.id),
                    return_lines::position.eq(line.position),
                    return_lines::quantity.eq(line.quantity),
                    return_lines::resellable_quantity.eq(line.resellable_quantity),
                    return_lines::damaged_quantity.eq(line.damaged_quantity),
                )
            })
            .collect();
        diesel::insert_into(return_lines::table).values(&lines).execute(conn).await?;
    }
    Ok(())
}
