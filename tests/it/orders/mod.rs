//! Orders as clients see them, over HTTP, paid at the real mock gateway.

mod cancelling;
mod expiring;
mod paying;
mod placing;
mod reading;
mod webhooks;
