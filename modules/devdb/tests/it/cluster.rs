//! Clusters that live as long as their process, against the real PostgreSQL of this machine.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use crate::support::{Scratch, answers, binaries, eventually, server_pid, signal};
use devdb::{Cluster, DevDbError, Settings, TempCluster, find_binaries, is_process_alive, is_root, reset};

fn quick(scratch: &Scratch) -> Settings {
    Settings { durable: false, max_connections: 20, ..Settings::new(scratch.path("data")) }
}

#[test]
fn a_second_start_finds_the_data_and_the_port_of_the_first() {
    let scratch = Scratch::new("restart");
    let settings = quick(&scratch);
    let cluster = Cluster::start(&binaries(), &settings).unwrap();
    assert!(answers(&cluster));
    assert!(!cluster.reused());
    println!("cold start: {:?}", cluster.took());
    crate::support::sql(&cluster, "CREATE TABLE kept (note text); INSERT INTO kept VALUES ('still here')");
    let port = cluster.port();
    let pid = server_pid(cluster.data_dir());
    cluster.stop();
    assert!(!is_process_alive(pid), "stop waits for the end");

    let cluster = Cluster::start(&binaries(), &settings).unwrap();
    println!("warm start: {:?}", cluster.took());
    assert_eq!(crate::support::sql(&cluster, "SELECT note FROM kept"), "still here");
    assert_eq!(cluster.port(), port);
}

#[test]
fn the_server_speaks_utc_and_listens_on_loopback_only() {
    let scratch = Scratch::new("parameters");
    let settings = quick(&scratch).with("work_mem", "5MB");
    let cluster = Cluster::start(&binaries(), &settings).unwrap();
    let show = |name: &str| crate::support::sql(&cluster, &format!("SHOW {name}"));
    assert_eq!(show("listen_addresses"), "127.0.0.1");
    assert_eq!(show("unix_socket_directories"), "");
    assert_eq!(show("timezone"), "UTC");
    assert_eq!(show("server_encoding"), "UTF8");
    assert_eq!(show("fsync"), "off");
    assert_eq!(show("work_mem"), "5MB");
    assert_eq!(show("max_connections"), "20");
}

#[test]
fn ctrl_c_in_the_terminal_does_not_reach_the_server() {
    let scratch = Scratch::new("group");
    let cluster = Cluster::start(&binaries(), &quick(&scratch)).unwrap();
    let pid = server_pid(cluster.data_dir()).to_string();
    let group = Command::new("ps").args(["-o", "pgid=", "-p", &pid]).output().unwrap();
    assert_eq!(String::from_utf8(group.stdout).unwrap().trim(), pid, "it has a process group of its own");
}

#[test]
fn a_port_that_was_asked_for_is_used_or_refused_with_its_number() {
    let scratch = Scratch::new("port");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let settings = Settings { port: Some(port), ..quick(&scratch) };
    let error = Cluster::start(&binaries(), &settings).unwrap_err();
    assert!(matches!(error, DevDbError::PortTaken { port: named } if named == port), "{error}");
    drop(taken);
    assert_eq!(Cluster::start(&binaries(), &settings).unwrap().port(), port);
}

#[test]
fn a_remembered_port_that_is_taken_gives_way_to_a_free_one() {
    let scratch = Scratch::new("moved");
    let settings = quick(&scratch);
    let first = Cluster::start(&binaries(), &settings).unwrap().port();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", first)).unwrap();
    let cluster = Cluster::start(&binaries(), &settings).unwrap();
    assert_ne!(cluster.port(), first);
    assert!(answers(&cluster));
}

#[test]
fn a_server_that_was_killed_is_started_again_over_its_stale_pid_file() {
    let scratch = Scratch::new("killed");
    let settings = quick(&scratch);
    let cluster = Cluster::start(&binaries(), &settings).unwrap();
    crate::support::sql(&cluster, "CREATE TABLE kept (n int); INSERT INTO kept SELECT generate_series(1, 1000)");
    // Busy: a session that does not notice its postmaster's death at once.
    let mut busy =
        crate::support::psql(&cluster, "SELECT count(*) FROM generate_series(1, 100000000)").spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    signal(server_pid(cluster.data_dir()), "KILL");
    drop(cluster);
    assert!(scratch.path("data/postmaster.pid").exists(), "a killed server leaves its pid file");
    let cluster = Cluster::start(&binaries(), &settings).unwrap();
    assert!(!cluster.reused());
    assert_eq!(crate::support::sql(&cluster, "SELECT count(*) FROM kept"), "1000");
    let _ = busy.kill();
    let _ = busy.wait();
}

#[test]
fn a_pid_file_that_names_an_innocent_process_does_not_stop_the_start() {
    let scratch = Scratch::new("innocent");
    let settings = quick(&scratch);
    Cluster::start(&binaries(), &settings).unwrap().stop();
    let own = std::process::id();
    let data = scratch.path("data");
    fs::write(data.join("postmaster.pid"), format!("{own}\n{}\n1\n1\n\n127.0.0.1\n1 1\nready\n", data.display()))
        .unwrap();
    let cluster = Cluster::start(&binaries(), &settings).unwrap();
    assert!(!cluster.reused());
    assert!(answers(&cluster));
}

#[test]
fn two_starts_on_one_directory_share_one_server_and_only_the_first_stops_it() {
    let scratch = Scratch::new("twice");
    let settings = quick(&scratch);
    let first = Cluster::start(&binaries(), &settings).unwrap();
    let second = Cluster::start(&binaries(), &settings).unwrap();
    assert!(second.reused());
    assert_eq!(second.port(), first.port());
    second.stop();
    assert!(answers(&first), "the server belongs to the first");
    let error = reset(first.data_dir()).unwrap_err();
    assert!(matches!(error, DevDbError::StillRunning { .. }), "{error}");
    drop(first);
    reset(&settings.data_dir).unwrap();
    assert!(!settings.data_dir.exists());
}

#[test]
fn starts_at_the_same_moment_agree_on_one_server() {
    let scratch = Scratch::new("race");
    let settings = quick(&scratch);
    let clusters: Vec<Cluster> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| Cluster::start(&binaries(), &settings).unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert_eq!(clusters.iter().filter(|cluster| !cluster.reused()).count(), 1);
    assert!(clusters.iter().all(|cluster| cluster.port() == clusters[0].port()));
}

#[test]
#[cfg(target_os = "linux")]
fn a_killed_process_takes_its_server_along() {
    let scratch = Scratch::new("orphan");
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["cluster::helper_that_holds_a_cluster", "--exact", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(holder.stdin.as_mut().unwrap(), "{}", scratch.path("data").display()).unwrap();
    let started = BufReader::new(holder.stdout.take().unwrap()).lines().any(|line| line.unwrap().contains("holding"));
    assert!(started);
    let pid = server_pid(&scratch.path("data"));
    assert!(is_process_alive(pid));
    holder.kill().unwrap(); // SIGKILL: no destructor runs.
    holder.wait().unwrap();
    assert!(
        eventually(Duration::from_secs(10), || !scratch.path("data/postmaster.pid").exists()),
        "it shuts down cleanly"
    );
}

/// Not a test: the process that [`a_killed_process_takes_its_server_along`] kills.
#[test]
#[ignore = "run by another test, as a process of its own"]
fn helper_that_holds_a_cluster() {
    let mut data_dir = String::new();
    std::io::stdin().read_line(&mut data_dir).unwrap();
    if data_dir.trim().is_empty() {
        return;
    }
    let settings = Settings { durable: false, ..Settings::new(PathBuf::from(data_dir.trim())) };
    // Started from a thread that ends: the server must outlive it.
    let cluster = std::thread::spawn(move || Cluster::start(&binaries(), &settings).unwrap()).join().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(answers(&cluster));
    println!("holding");
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_directory_that_cannot_be_used_is_named_with_the_reason() {
    let error = Cluster::start(&binaries(), &Settings::new("/proc/oms/data")).unwrap_err();
    assert!(error.to_string().contains("/proc/oms"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_directory_the_server_may_not_enter_is_named_with_the_remedy() {
    if !is_root() {
        return; // Only root has to hand over to another account.
    }
    let scratch = Scratch::new("closed");
    let closed = scratch.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let error = Cluster::start(&binaries(), &Settings::new(closed.join("data"))).unwrap_err();
    assert!(matches!(error, DevDbError::NotTraversable { .. }), "{error}");
    assert!(error.to_string().contains(&format!("chmod o+x '{}'", closed.display())), "{error}");
}

#[test]
fn a_directory_with_other_things_in_it_is_left_alone() {
    let scratch = Scratch::new("other");
    fs::create_dir(scratch.path("data")).unwrap();
    fs::write(scratch.path("data/letter.txt"), "dear").unwrap();
    let error = Cluster::start(&binaries(), &quick(&scratch)).unwrap_err();
    assert!(matches!(error, DevDbError::NotACluster { .. }), "{error}");
    assert!(scratch.path("data/letter.txt").exists());
}

#[test]
fn data_of_another_major_version_is_refused_with_the_way_out() {
    let scratch = Scratch::new("version");
    fs::create_dir(scratch.path("data")).unwrap();
    fs::write(scratch.path("data/PG_VERSION"), "9\n").unwrap();
    let error = Cluster::start(&binaries(), &quick(&scratch)).unwrap_err();
    assert!(matches!(error, DevDbError::VersionMismatch { .. }), "{error}");
    assert!(error.to_string().contains("--reset"), "{error}");
}

#[test]
fn a_server_that_does_not_start_shows_what_it_logged() {
    let scratch = Scratch::new("broken");
    let settings = quick(&scratch).with("shared_buffers", "nonsense");
    let error = Cluster::start(&binaries(), &settings).unwrap_err();
    assert!(matches!(error, DevDbError::Exited { .. }), "{error}");
    assert!(error.to_string().contains("shared_buffers"), "{error}");
}

#[test]
fn a_temporary_cluster_leaves_nothing_behind() {
    let cluster = TempCluster::start(&find_binaries(None).unwrap()).unwrap();
    assert!(answers(&cluster));
    let directory = cluster.directory().to_owned();
    assert!(directory.exists());
    drop(cluster);
    assert!(!directory.exists());
}

#[test]
fn the_leftovers_of_a_killed_temporary_cluster_are_removed_by_the_next() {
    let mut gone = Command::new("true").spawn().unwrap();
    let pid = gone.id();
    gone.wait().unwrap();
    let left = std::env::temp_dir().join(format!("oms-temp-{pid}-0"));
    fs::create_dir_all(left.join("data")).unwrap();
    let _cluster = TempCluster::start(&binaries()).unwrap();
    assert!(!left.exists());
}
