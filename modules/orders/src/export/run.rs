//! Writing the file of an export, page by page, so that it never lies in memory as a whole.
//!
//! Each page is a statement of its own, and no connection is held while the store takes it in. An order is therefore in the
//! file as it was when its page was read; what was placed after the export was asked for is not in it. The file is there when
//! its last part is, so a crash leaves nothing to be read, and the next attempt writes the same file again.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use kernel::{OrderId, Outcome, job::JobContext};
use object_store::{ObjectStoreExt, WriteMultipart};

use super::{
    ExportId, ExportState, ExportWhat, Files, KEPT_HOURS,
    csv::{LINE_COLUMNS, ORDER_COLUMNS, Sheet},
};
use crate::{
    Orders,
    error::OrderError,
    query::{self, AfterOnDesk, DeskFilter},
    schema::orders::exports,
    store,
};

/// Orders in a page.
const ORDERS_A_PAGE: u32 = 2_000;
/// Orders in a page when their lines are wanted: each may have a hundred.
const ORDERS_A_PAGE_OF_LINES: u32 = 200;
/// Parts of five megabytes that may be on their way to the store at once.
const PARTS_AT_ONCE: usize = 2;

/// Writes the file, unless that was done already.
pub(super) async fn run(orders: &Orders, id: ExportId, context: &JobContext) -> Outcome {
    let outcome = Outcome::from(write(orders, id).await);
    match outcome {
        Outcome::Retry(why) if context.attempt >= context.max_attempts => match give_up(orders, id).await {
            Ok(()) => Outcome::GiveUp(why),
            // The sweep gives it up later.
            Err(error) => Outcome::from(Err(error)),
        },
        outcome => outcome,
    }
}

async fn give_up(orders: &Orders, id: ExportId) -> Result<(), OrderError> {
    // A file may be there whose end could not be written down.
    orders.files.remove(id).await?;
    let mut conn = orders.pool.get().await?;
    diesel::update(exports::table.find(id).filter(exports::state.eq_any([ExportState::Queued, ExportState::Running])))
        .set((exports::state.eq(ExportState::Failed), exports::finished_at.eq(Some(orders.clock.now()))))
        .execute(&mut *conn)
        .await?;
    Ok(())
}

async fn write(orders: &Orders, id: ExportId) -> Result<(), OrderError> {
    let Some((what, filter)) = begin(orders, id).await? else { return Ok(()) };
    let upload = orders.files.store().put_multipart(&Files::path(id)).await?;
    let mut upload = WriteMultipart::new(upload);
    let (rows, bytes) = match copy(orders, id, what, &filter, &mut upload).await {
        Ok(written) => written,
        Err(error) => {
            // What is left of the parts when this fails too is the store's own to clear up (see docs/status.md).
            let _already_failing = upload.abort().await;
            return Err(error);
        }
    };
    upload.finish().await?;
    let now = orders.clock.now();
    let mut conn = orders.pool.get().await?;
    diesel::update(exports::table.find(id).filter(exports::state.eq(ExportState::Running)))
        .set((
            exports::state.eq(ExportState::Done),
            exports::row_count.eq(Some(rows)),
            exports::size_bytes.eq(Some(bytes)),
            exports::finished_at.eq(Some(now)),
            exports::expires_at.eq(Some(now + chrono::TimeDelta::hours(KEPT_HOURS))),
        ))
        .execute(&mut *conn)
        .await?;
    Ok(())
}

/// Says that it is being written; `None` when there is nothing to write.
async fn begin(orders: &Orders, id: ExportId) -> Result<Option<(ExportWhat, DeskFilter)>, OrderError> {
    let mut conn = orders.pool.get().await?;
    let begun: Option<(ExportWhat, serde_json::Value)> = diesel::update(
        exports::table.find(id).filter(exports::state.eq_any([ExportState::Queued, ExportState::Running])),
    )
    .set((exports::state.eq(ExportState::Running), exports::started_at.eq(Some(orders.clock.now()))))
    .returning((exports::what, exports::filter))
    .get_result(&mut *conn)
    .await
    .optional()?;
    let Some((what, filter)) = begun else { return Ok(None) };
    let filter = serde_json::from_value(filter)
        .map_err(|error| OrderError::Inconsistent(format!("the filter of export {id} cannot be read: {error}")))?;
    Ok(Some((what, filter)))
}

/// Copies every row; answers how many there were, and how many bytes.
async fn copy(
    orders: &Orders,
    id: ExportId,
    what: ExportWhat,
    filter: &DeskFilter,
    upload: &mut WriteMultipart,
) -> Result<(i64, i64), OrderError> {
    let (mut rows, mut bytes, mut sheet, mut after) = (0_i64, 0_i64, Sheet::default(), None::<AfterOnDesk>);
    let limit = match what {
        ExportWhat::Orders => ORDERS_A_PAGE,
        ExportWhat::Lines => ORDERS_A_PAGE_OF_LINES,
    };
    match what {
        ExportWhat::Orders => sheet.header(&ORDER_COLUMNS),
        ExportWhat::Lines => sheet.header(&LINE_COLUMNS),
    }
    let before = OrderId::from_uuid(id.as_uuid());
    loop {
        let mut conn = orders.pool.get().await?;
        let page = query::desk_before(&mut conn, filter, after, before, limit).await?;
        match what {
            ExportWhat::Orders => {
                page.iter().for_each(|order| sheet.order(order));
                rows = rows.saturating_add(i64::try_from(page.len()).unwrap_or(i64::MAX));
            }
            ExportWhat::Lines => {
                let ids: Vec<OrderId> = page.iter().map(|order| order.id).collect();
                let mut lines = store::lines_of(&mut conn, &ids).await?;
                // Who looks for a seller wants that seller's lines.
                lines.retain(|line| filter.business_id.is_none_or(|business| line.business_id == business));
                for order in &page {
                    let first = lines.partition_point(|line| line.order_id < order.id);
                    for line in lines.iter().skip(first).take_while(|line| line.order_id == order.id) {
                        sheet.line(order, line);
                        rows = rows.saturating_add(1);
                    }
                }
            }
        }
        drop(conn);
        let text = sheet.take();
        bytes = bytes.saturating_add(i64::try_from(text.len()).unwrap_or(i64::MAX));
        upload.wait_for_capacity(PARTS_AT_ONCE).await?;
        upload.write(text.as_bytes());
        after = page.last().map(AfterOnDesk::from);
        if page.len() < usize::try_from(limit).unwrap_or(usize::MAX) {
            return Ok((rows, bytes));
        }
    }
}
