//! Orders as clients see them, over HTTP, paid at the real mock gateway.

mod cancelling;
mod crowd;
mod desk;
mod expiring;
mod exports;
mod notes;
mod paying;
mod placing;
mod reading;
mod webhooks;
