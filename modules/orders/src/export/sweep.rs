//! Clearing up behind exports: files go after a day, and what nobody writes any more is given up.

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{ExportId, ExportState, KEPT_HOURS};
use crate::{Orders, error::OrderError, schema::orders::exports};

/// Files removed in one go.
const BATCH: i64 = 100;

pub(super) async fn sweep(orders: &Orders) -> Result<(), OrderError> {
    let now = orders.clock.now();
    let mut conn = orders.pool.get().await?;
    // A worker that died at its last attempt could not say so; its file may be there.
    let unfinished = [ExportState::Queued, ExportState::Running];
    let abandoned: Vec<ExportId> = exports::table
        .filter(exports::state.eq_any(unfinished))
        .filter(exports::created_at.lt(now - TimeDelta::hours(KEPT_HOURS)))
        .limit(BATCH)
        .select(exports::id)
        .load(&mut *conn)
        .await?;
    for id in abandoned {
        orders.files.remove(id).await?;
        diesel::update(exports::table.find(id).filter(exports::state.eq_any(unfinished)))
            .set((exports::state.eq(ExportState::Failed), exports::finished_at.eq(Some(now))))
            .execute(&mut *conn)
            .await?;
    }
    loop {
        let old: Vec<ExportId> = exports::table
            .filter(exports::state.eq(ExportState::Done))
            .filter(exports::expires_at.le(now))
            .order(exports::expires_at)
            .limit(BATCH)
            .select(exports::id)
            .load(&mut *conn)
            .await?;
        for id in &old {
            // The file first: a row that still says `done` is looked at again.
            orders.files.remove(*id).await?;
            diesel::update(exports::table.find(id).filter(exports::state.eq(ExportState::Done)))
                .set(exports::state.eq(ExportState::Expired))
                .execute(&mut *conn)
                .await?;
        }
        if old.is_empty() {
            return Ok(());
        }
    }
}
