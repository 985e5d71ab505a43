//! How soon a server answers, and what it weighs when nothing happens.

use std::time::Duration;

use super::Bench;
use crate::support::{median, server::Server};

const STARTS: usize = 5;
const QUIET: Duration = Duration::from_secs(1);

pub async fn measure(bench: &mut Bench) {
    let [mut ready, mut idle] = [const { Vec::new() }; 2];
    for _start in 0..STARTS {
        let server = Server::start(&bench.database, true).await;
        ready.push(server.ready_after.as_secs_f64() * 1000.0);
        tokio::time::sleep(QUIET).await;
        idle.push(server.memory_mb("VmRSS"));
    }
    bench.report.number("first_answer_ms", median(ready));
    bench.report.number("idle_mb", median(idle));
}
