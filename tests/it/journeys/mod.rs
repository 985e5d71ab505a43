//! What only several processes can show: races for the last unit, repeated requests, and processes that die.

pub mod arrange;
mod batches;
pub mod commands;
mod hanging_up;
mod keys;
mod mail;
pub mod power_cuts;
mod schemas;
mod secrets;
mod stock;
