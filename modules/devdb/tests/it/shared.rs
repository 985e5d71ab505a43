//! Clusters that many processes share, against the real PostgreSQL of this machine.

use std::{fs, path::Path, time::Duration};

use crate::support::{Scratch, binaries, eventually, psql_at, server_pid, signal};
use devdb::{SharedCluster, SharedSettings, is_process_alive};

fn settings(directory: &Path) -> SharedSettings {
    SharedSettings {
        directory: directory.to_owned(),
        max_connections: 20,
        parameters: vec![("shared_buffers".to_owned(), "16MB".to_owned())],
        idle: Duration::from_secs(4),
    }
}

fn answers(cluster: &SharedCluster) -> bool {
    psql_at(&cluster.url("postgres"), "SELECT 1").output().unwrap().stdout == b"1\n"
}

#[test]
fn the_second_comer_finds_the_server_and_it_stops_when_both_have_left() {
    let scratch = Scratch::new("shared");
    let settings = settings(&scratch.path("run"));
    let first = SharedCluster::join(&binaries(), &settings).unwrap();
    let second = SharedCluster::join(&binaries(), &settings).unwrap();
    assert!(!first.reused() && second.reused());
    assert_eq!(first.port(), second.port());
    println!("started in {:?}, found in {:?}", first.took(), second.took());
    let generation = first.generation().to_owned();
    let pid = server_pid(&generation.join("data"));
    drop(first);
    std::thread::sleep(Duration::from_secs(10)); // More than twice the idle time.
    assert!(answers(&second), "one user is enough to keep it");
    drop(second);
    assert!(eventually(Duration::from_secs(40), || !generation.exists()), "the watchdog cleans up");
    assert!(!is_process_alive(pid));
    let again = SharedCluster::join(&binaries(), &settings).unwrap();
    assert!(!again.reused());
    stop(again);
}

#[test]
fn a_server_without_a_watchdog_is_replaced() {
    let scratch = Scratch::new("unwatched");
    let settings = settings(&scratch.path("run"));
    let first = SharedCluster::join(&binaries(), &settings).unwrap();
    let pid = server_pid(&first.generation().join("data"));
    let watchdog = fs::read_to_string(first.generation().join("watchdog.pid")).unwrap().trim().parse().unwrap();
    signal(watchdog, "KILL");
    assert!(eventually(Duration::from_secs(5), || !is_process_alive(watchdog)), "a signal takes a moment to arrive");
    let second = SharedCluster::join(&binaries(), &settings).unwrap();
    assert!(!second.reused());
    assert!(!is_process_alive(pid), "the unwatched server was stopped");
    assert!(!first.generation().exists());
    assert!(answers(&second));
    stop(second);
}

/// Does not wait for the watchdog to notice that nobody is left.
fn stop(cluster: SharedCluster) {
    let generation = cluster.generation().to_owned();
    signal(server_pid(&generation.join("data")), "INT");
    assert!(eventually(Duration::from_secs(10), || !generation.exists()));
}
