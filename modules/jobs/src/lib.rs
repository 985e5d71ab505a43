//! Work that is done later, and done for certain: the queue engine.
//!
//! A job is a row that commits with the work that asked for it ([`kernel::enqueue`]). The engine claims rows of our
//! own table, in one statement for all idle workers of a queue, and hands them to fang's worker pool; what fang sees is a
//! ticket, and it never writes. Every claim is a lease: the process keeps it alive from a thread of its own, loses it
//! when it falls silent, and cannot write the end of a job it has lost.
//!
//! | promise | kept by |
//! |---|---|
//! | no job is lost | the row is there until its end is written, and that is tried for ever |
//! | none is stuck | a reaper in every process gives back the jobs of workers that have gone silent |
//! | none runs twice at once | one claiming statement, leases, and ends fenced by lease, attempt and state |
//! | no worker dies | panics are caught, unknown kinds put off, an absent database waited for |
//! | bulk does not starve urgent | each queue has its own workers and its own claims |
#![forbid(unsafe_code)]

pub mod admin;
mod announcer;
mod audit;
mod claim;
mod end;
mod engine;
mod error;
mod fang_workers;
mod lease;
mod outage;
mod prune;
mod reap;
mod run;
mod schedule;
mod schema;
mod settings;
mod shared;
mod signal;
mod sql;
mod state;
mod stats;
mod supervise;

pub use audit::audit;
pub use engine::{Engine, Watch, start};
pub use error::JobsError;
pub use settings::{Observer, Settings, pool_settings};
pub use signal::{Notifier, notify_only};
pub use state::State;
pub use stats::{Ended, Run, Stats};
