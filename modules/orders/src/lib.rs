//! Orders: placing them, being paid for them, calling them off, and what happened to them.
//!
//! The only module that knows its siblings: it reserves stock through `catalog::stock`, starts payments through
//! `payments`, and asks `accounts` whom to write to. Whatever changes money or stock locks the order's row first.
#![forbid(unsafe_code)]

mod address;
pub mod api;
mod audit;
mod cancel;
mod cancel_lines;
mod change;
mod command;
mod complete;
mod error;
mod event;
mod expire;
mod explain;
mod export;
pub mod fulfil;
mod guidance;
mod hold;
pub mod jobs;
#[cfg(test)]
mod lives;
mod machines;
mod metrics;
mod notes;
mod number;
mod once;
mod order;
mod pay;
pub mod paying;
pub mod place;
#[doc(hidden)]
pub mod query;
mod reconcile;
pub mod returning;
mod returns;
#[rustfmt::skip]
mod schema;
mod settle;
mod shipment;
mod status;
mod store;
mod tags;
mod viewer;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub use address::{Address, OrderAddress};
pub use api::{Apis, apis, problem::problems};
pub use audit::audit;
pub use cancel::Cancel;
pub use cancel_lines::{CancelLines, CancelSellerLines};
pub use command::{Command, Subject, execute};
pub use complete::Complete;
pub use error::OrderError;
pub use event::{Actor, ActorKind, EventKind};
pub use expire::expire_due;
pub use export::{ExportId, Files, RunExport, SweepExports};
pub use hold::{Hold, Release};
pub use jobs::register;
pub use machines::{Machine, machines};
pub use once::Answer;
pub use order::{Adjustment, Line, Order};
pub use pay::{Terms, start_payment};
pub use reconcile::{Reconciled, Scope, reconcile};
pub use returns::{ReturnId, ReturnState};
pub use shipment::{ShipmentId, ShipmentState, Units};
pub use status::{FulfillmentStatus, OfflineMethod, OrderStatus, PaymentStatus, ReturnStatus};

/// When unpaid orders expire.
#[derive(Debug, Clone, Copy)]
pub struct Expiry {
    /// How long a buyer has to pay.
    pub after: Duration,
    /// How often the sweep runs.
    pub sweep: Duration,
}

/// Everything the module works with. Cheap to clone.
#[derive(Clone)]
pub struct Orders {
    /// The database.
    pub pool: kernel::Pool,
    /// The time.
    pub clock: kernel::SharedClock,
    /// The door for new orders.
    pub intake: place::Intake,
    /// The payment gateways by name.
    pub gateways: Arc<BTreeMap<String, Arc<dyn payments::Gateway>>>,
    /// Who carries mail.
    pub mailer: Arc<dyn kernel::mail::Mailer>,
    /// Where we are reached, without a slash at the end.
    pub public_url: String,
    /// Where payment gateways reach us.
    pub webhook_url: String,
    /// When unpaid orders expire.
    pub expiry: Expiry,
    /// How often gateways are asked about what is not settled, and how long it must have been quiet.
    pub reconcile: Duration,
    /// Where files that were asked for lie.
    pub files: Files,
}
