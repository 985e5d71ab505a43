//! Watching the program from outside: its log, its numbers, its traces, its health.

mod health;
mod numbers;
mod story;
mod traces;
