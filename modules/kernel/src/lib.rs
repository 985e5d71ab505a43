//! The words every module shares: ids, money, time, text, problems, callers, jobs and idempotency.
//!
//! The kernel is small on purpose, because everything waits for it. It knows no business rule and, of the
//! database, only its own schema `kernel` and the one statement that puts a job into the queue.
#![forbid(unsafe_code)]

mod audit;
mod caller;
mod clock;
mod cursor;
pub mod database;
pub mod db;
mod id;
pub mod idempotency;
pub mod job;
pub mod limit;
pub mod mail;
pub mod metrics;
pub mod migration;
mod money;
pub mod panics;
mod polite;
pub mod problem;
pub mod request;
mod scope;
mod text;
pub mod trace;
pub mod trail;
mod use_case;
pub mod wire;

pub use audit::Difference;
pub use caller::{Admin, Caller, Customer, Operator, Role, Seller, SharedVerifier, Verified, VerifyToken};
pub use clock::{Clock, SharedClock, SystemClock, TestClock};
pub use cursor::{Cursor, LIMIT_DEFAULT, LIMIT_MAX};
pub use db::{DbError, PgConn, Pool};
pub use id::{ApiKeyId, BusinessId, MediaId, OrderId, ProductId, UserId, VariantId};
pub use job::{Job, Outcome, Queue, enqueue, enqueue_many};
pub use limit::{Limiter, Quota, SharedLimiter, TooMany};
pub use money::{CURRENCIES, Currency, Money, MoneyError, split_by_largest_remainder};
pub use polite::{Interrupted, politely};
pub use problem::{FieldError, Kind, Problem};
pub use scope::{NeededScope, Scope, Scopes};
#[doc(hidden)]
pub use text::check_text;
pub use text::{CountryCode, EmailAddress, Phone, Prose, Text, TextError};
pub use use_case::{detached, run};

#[doc(hidden)]
pub use diesel;
#[doc(hidden)]
pub use poem_openapi;
#[doc(hidden)]
pub use regex;
#[doc(hidden)]
pub use serde_json;
#[doc(hidden)]
pub use uuid;
