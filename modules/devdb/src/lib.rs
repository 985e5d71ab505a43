//! A private PostgreSQL, started from the binaries that are already on the machine.
//!
//! `oms dev` and the tests need a database without anybody having to set one up. This crate finds PostgreSQL's
//! programs, makes a data directory, runs the server on 127.0.0.1 and a free port, and stops it again. Nothing is
//! downloaded and nothing outside the data directory's own folder is touched.
//!
//! Three kinds of cluster, by how long they live:
//!
//! * [`Cluster`] keeps its data and runs as long as the process that started it (`oms dev`); a process that is killed
//!   takes its server along.
//! * [`TempCluster`] is the same on a directory of its own, deleted at the end.
//! * [`SharedCluster`] serves many short processes (tests) and stops by itself when the last one has been gone for a while.
//!
//! The server accepts every local user as superuser `oms` without a password (`-A trust`): it is for development, on
//! a machine you trust the users of. It never listens on anything but 127.0.0.1.
//!
//! Only this crate may contain `unsafe`; all of it is in `sys.rs`.

mod account;
mod binaries;
mod cluster;
mod data_dir;
mod error;
mod keeper;
mod process;
mod server;
mod settings;
mod shared;
mod sys;
mod temporary;

pub use binaries::{Binaries, find_binaries};
pub use cluster::Cluster;
pub use data_dir::{default_data_dir, reset};
pub use error::DevDbError;
pub use process::{is_process_alive, is_root};
pub use settings::Settings;
pub use shared::{SharedCluster, SharedSettings};
pub use temporary::TempCluster;
