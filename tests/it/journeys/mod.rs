//! What only several processes can show: races for the last unit, repeated requests, and processes that die.

pub mod arrange;
mod commands;
mod hanging_up;
mod keys;
mod mail;
mod power_cuts;
mod stock;
