//! The PostgreSQL of a run, with the shop in it.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use devdb::{Cluster, Settings};
use diesel_async::SimpleAsyncConnection;
use kernel::{
    PgConn,
    db::{self, PoolSettings},
};

use super::process;

/// A directory that is removed when it goes, also after a panic.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A database with the shop in it, on a cluster of its own. Stopped before its directory is removed.
pub struct Database {
    pub cluster: Cluster,
    pub url: String,
    folder: Folder,
}

impl Database {
    /// Starts one with the durability of production, migrates and fills it.
    pub async fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("oms-bench-{}", std::process::id()));
        let settings = Settings::new(directory.join("postgres"))
            .with("shared_buffers", "1GB")
            .with("max_wal_size", "8GB")
            .with("checkpoint_timeout", "15min");
        let start = move || Cluster::start(&devdb::find_binaries(None).unwrap(), &settings).unwrap();
        let cluster = tokio::task::spawn_blocking(start).await.unwrap();
        let database = Self { url: cluster.url("postgres"), cluster, folder: Folder(directory) };
        open_shop(&database.url).await;
        database
    }

    /// Where its files are, and those of whoever uses it.
    pub fn directory(&self) -> &Path {
        &self.folder.0
    }

    pub async fn connect(&self) -> PgConn {
        connect(&self.url).await
    }

    /// The address of another database with a shop of its own, in the same cluster.
    pub async fn another(&self, name: &str) -> String {
        self.connect().await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let url = self.cluster.url(name);
        open_shop(&url).await;
        url
    }

    /// So that every round begins with the same debts: what the rounds before have left to vacuum and to write would otherwise be
    /// paid in some of them.
    pub async fn settle(&self) {
        let mut conn = self.connect().await;
        for sql in ["SET statement_timeout = 0", "VACUUM (ANALYZE)", "CHECKPOINT"] {
            conn.batch_execute(sql).await.unwrap();
        }
    }

    /// Processor time of the whole database server so far, in seconds.
    pub fn cpu(&self) -> f64 {
        let postmaster = fs::read_to_string(self.directory().join("postgres/postmaster.pid")).unwrap();
        process::cpu_of_family(postmaster.lines().next().unwrap().parse().unwrap())
    }

    /// Audits what the benchmark has left, and removes it. Answers how many orders were looked at.
    pub async fn finish(self) -> i64 {
        let orders = audit(&self.url).await;
        let cluster = self.cluster;
        tokio::task::spawn_blocking(move || cluster.stop()).await.unwrap();
        orders
    }
}

pub async fn connect(url: &str) -> PgConn {
    db::connect(url, &PoolSettings::default()).await.unwrap()
}

async fn open_shop(url: &str) {
    oms::migrations::apply(url).await.unwrap();
    let mut conn = connect(url).await;
    conn.batch_execute(include_str!("../rulers/shop.sql")).await.unwrap();
    conn.batch_execute("VACUUM ANALYZE").await.unwrap();
}

/// Panics unless the books agree; answers how many orders were looked at.
pub async fn audit(url: &str) -> i64 {
    let report = oms::audit::audit(url, &[]).await.unwrap();
    assert_eq!(report.differences, vec![]);
    println!("audit: no differences in {} orders, {:.1} s", report.orders, report.took.as_secs_f64());
    report.orders
}

/// An address that is free now.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
