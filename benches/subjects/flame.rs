//! The server under orders, watched by `perf`; `scripts/flame.sh` draws what it has seen.

use std::{path::Path, process::Command, time::Duration};

use super::{Bench, CONNECTIONS};
use crate::support::buyer::Wanted;

const WATCHED: Duration = Duration::from_secs(10);
/// Longer than that, so that nobody is watched who has nothing to do.
const BUSY: Duration = Duration::from_secs(12);

pub async fn measure(bench: &mut Bench, kept: &Path) {
    let server = bench.server().await;
    let mut perf = Command::new("perf");
    perf.args(["record", "-q", "-F", "999", "-g", "-p", &server.pid().to_string(), "-o"]).arg(kept);
    perf.args(["--", "sleep", &WATCHED.as_secs().to_string()]);
    let servers = [&server];
    let ordering = bench.ordering(&servers, CONNECTIONS, Wanted::Any, BUSY);
    let warm_up = bench.pace.warm_up;
    let watching = async {
        tokio::time::sleep(warm_up).await;
        tokio::task::spawn_blocking(move || perf.status().unwrap()).await.unwrap()
    };
    let (turn, status) = tokio::join!(ordering, watching);
    assert!(status.success(), "perf does not work here");
    bench.report.row("oms, watched by perf", &[turn]);
}
