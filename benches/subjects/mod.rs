//! What is measured, one subject in each file.

pub mod few;
pub mod flame;
pub mod growth;
pub mod hot;
pub mod jobs;
pub mod overload;
pub mod placing;
pub mod reads;
pub mod start;
pub mod two;
pub mod versus;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::support::{
    buyer::{Wanted, buyers},
    database::Database,
    load::{Crowd, crowd},
    report::{Report, Turn},
    server::Server,
};

/// Connections of a full house.
pub const CONNECTIONS: usize = 64;

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub rounds: usize,
    pub run: Duration,
    pub warm_up: Duration,
    /// So many times shorter than a real run.
    pub shorter: u32,
}

impl Pace {
    /// A real run, or one that shows whether everything works.
    pub fn new(is_quick: bool) -> Self {
        let second = Duration::from_secs(1);
        if is_quick {
            Self { rounds: 1, run: second, warm_up: second / 4, shorter: 50 }
        } else {
            Self { rounds: 3, run: 10 * second, warm_up: 2 * second, shorter: 1 }
        }
    }

    /// Half as long as usual, but whole seconds.
    pub fn half(&self) -> Duration {
        Duration::from_secs((self.run.as_secs() / 2).max(1))
    }
}

/// What every subject works with.
pub struct Bench {
    pub database: Database,
    pub report: Report,
    pub pace: Pace,
    /// How many orders the large database has.
    pub large: usize,
}

impl Bench {
    /// A server on a database that owes nothing to the disk.
    pub async fn server(&self) -> Server {
        self.database.settle().await;
        Server::start(&self.database, true).await
    }

    /// What a crowd sees, and its turn with the processor time that it cost PostgreSQL and the servers.
    pub async fn turn(&self, servers: &[&Server], crowd: impl Future<Output = Crowd>) -> (Turn, Crowd) {
        let cpu = || [self.database.cpu(), servers.iter().map(|server| server.cpu()).sum()];
        let before = cpu();
        let crowd = crowd.await;
        let after = cpu();
        (Turn::of(&crowd, [after[0] - before[0], after[1] - before[1]]), crowd)
    }

    /// Orders at some servers, of which none may be refused, after a warm-up.
    pub async fn ordering(&self, servers: &[&Server], connections: usize, wanted: Wanted, run: Duration) -> Turn {
        let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.api).collect();
        let all = || buyers(&addresses, connections, wanted);
        crowd(self.pace.warm_up, all()).await.all_right();
        let (turn, crowd) = self.turn(servers, crowd(run, all())).await;
        crowd.all_right();
        turn
    }

    /// Measures a subject and says how long that took.
    pub async fn measure<F: AsyncFnOnce(&mut Self)>(&mut self, name: &'static str, subject: F) {
        let began = Instant::now();
        self.report.begin(name);
        subject(self).await;
        println!("  {name} took {:.0} s", began.elapsed().as_secs_f64());
    }
}
