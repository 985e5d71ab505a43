//! What the benchmarks share: a PostgreSQL that keeps what it commits, servers in processes of their own, the rulers, a crowd
//! of clients, and the table and file that say what came of it.

pub mod bare;
pub mod buyer;
#[path = "../../tests/it/support/client.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
pub mod client;
pub mod database;
pub mod load;
pub mod needle;
pub mod pgbench;
pub mod process;
pub mod reader;
pub mod redis;
pub mod report;
pub mod server;
pub mod shop;

/// The middle of some numbers.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 { numbers[middle] } else { f64::midpoint(numbers[middle - 1], numbers[middle]) }
}
