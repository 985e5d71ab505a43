//! Orders as clients see them, over HTTP, paid at the real mock gateway.

mod cancelling;
mod capturing;
mod changing_minds;
mod chaos;
mod crowd;
mod desk;
mod dry_runs;
mod expiring;
mod exports;
mod fulfilment;
mod machines;
mod notes;
mod paying;
mod placing;
mod reading;
mod refunds;
mod returns;
mod seasons;
mod sharing;
mod twice;
mod webhooks;
