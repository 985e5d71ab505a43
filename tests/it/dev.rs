//! `oms dev` as people use it: the program itself, in a directory of its own.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// A directory that is deleted at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("oms-dev-test-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        Self(path)
    }

    /// The process number of the database server, also after it has ended.
    fn postgres(&self) -> Option<u32> {
        fs::read_to_string(self.0.join("postgres/postmaster.pid")).ok()?.lines().next()?.parse().ok()
    }

    fn keys(&self) -> String {
        fs::read_to_string(self.0.join("keys.json")).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oms"));
    command.args(["dev", "--data-dir"]).arg(directory).current_dir(std::env::temp_dir());
    // Nobody listens there: what runs on this machine is not asked through a proxy.
    command.env("HTTP_PROXY", "http://127.0.0.1:9");
    command
}

/// A running `oms dev`.
struct Dev {
    child: Child,
    lines: Receiver<String>,
    instance: Value,
    /// What it said before it was ready.
    said: Vec<String>,
}

impl Dev {
    /// Starts it and waits until it says that it is ready.
    fn start(directory: &Directory) -> Self {
        Self::start_with(directory, &[])
    }

    fn start_with(directory: &Directory, options: &[&str]) -> Self {
        let mut child = command(&directory.0).args(options).stdout(Stdio::piped()).spawn().unwrap();
        let (line, lines) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        let mut dev = Self { child, lines, instance: Value::Null, said: Vec::new() };
        dev.wait_for("ready in");
        dev.instance = serde_json::from_slice(&fs::read(directory.0.join("running.json")).unwrap()).unwrap();
        dev
    }

    fn wait_for(&mut self, beginning: &str) {
        let deadline = Instant::now() + Duration::from_secs(180);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).expect(beginning);
            if line.starts_with(beginning) {
                return;
            }
            self.said.push(line);
        }
    }

    fn url(&self, part: &str) -> String {
        self.instance[part].as_str().unwrap().to_owned()
    }

    fn interrupt(mut self) -> ExitStatus {
        assert!(Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn is_gone_within(limit: Duration, pid: u32) -> bool {
    let deadline = Instant::now() + limit;
    while devdb::is_process_alive(pid) {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

async fn status(url: &str) -> u16 {
    reqwest::get(url).await.unwrap().status().as_u16()
}

async fn json(url: &str, token: Option<&str>) -> Value {
    let request = reqwest::Client::new().get(url).bearer_auth(token.unwrap_or_default());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{url}");
    answer.json().await.unwrap()
}

/// What Alice sees of the demo shop: products, and how many of her orders are in which state.
async fn demo_shop(dev: &Dev) -> (usize, BTreeMap<String, usize>) {
    let api = dev.url("api");
    let login = serde_json::json!({ "login": "alice", "password": oms::seed::DEMO_PASSWORD });
    let answer = reqwest::Client::new().post(format!("{api}/v1/auth/login")).json(&login).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let token: Value = answer.json().await.unwrap();
    let orders = json(&format!("{api}/v1/orders?limit=100"), token["access_token"].as_str()).await;
    let mut states = BTreeMap::new();
    for order in orders["data"].as_array().unwrap() {
        let state = ["status", "payment_status", "fulfillment_status", "return_status"]
            .map(|field| order[field].as_str().unwrap().to_owned())
            .join(" ");
        *states.entry(state).or_default() += 1;
    }
    for state in [
        "pending unpaid unfulfilled none",
        "cancelled unpaid unfulfilled none",
        "cancelled refunded unfulfilled none",
        "expired unpaid unfulfilled none",
        "confirmed unpaid unfulfilled none",
        "confirmed authorized unfulfilled none",
        "confirmed paid unfulfilled none",
        "confirmed partially_refunded unfulfilled none",
        "confirmed paid partially_fulfilled none",
        "confirmed paid fulfilled none",
        "completed paid delivered none",
        "completed partially_refunded delivered none",
        "completed paid delivered requested",
        "completed overpaid delivered partially_returned",
        "completed partially_refunded delivered partially_returned",
    ] {
        assert!(states.contains_key(state), "no order is {state}: {states:#?}");
    }
    let products = json(&format!("{api}/v1/products?limit=100"), None).await;
    let products = products["data"].as_array().unwrap();
    for picture in products.iter().take(3).map(|product| product["images"][0]["url"].as_str().unwrap()) {
        // The address is of the run that made it unless the port is the same; the path stays.
        let path = picture.split_once("/v1/").unwrap().1;
        assert_eq!(status(&format!("{api}/v1/{path}")).await, 200);
    }
    (products.len(), states)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_stops_is_killed_and_starts_again_with_its_data() {
    let directory = Directory::new("life");
    let first = Dev::start(&directory);
    let shop = demo_shop(&first).await;
    assert_eq!(status(&format!("{}/readyz", first.url("api"))).await, 200);
    assert_eq!(status(&format!("{}/docs", first.url("api"))).await, 200);
    assert_eq!(status(&first.url("mail")).await, 200);
    let (postgres, keys) = (directory.postgres().unwrap(), directory.keys());

    // A second one says where the first is.
    let second: Output = command(&directory.0).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1));
    assert!(said.contains("already running") && said.contains(&first.url("api")), "{said}");

    // One with a directory of its own finds other ports.
    let elsewhere = Directory::new("elsewhere");
    let other = Dev::start_with(&elsewhere, &["--empty"]);
    assert_eq!(json(&format!("{}/v1/products", other.url("api")), None).await["data"], serde_json::json!([]));
    assert_ne!(other.url("api"), first.url("api"));
    assert_eq!(other.interrupt().code(), Some(0));

    // Ctrl-C stops everything and is no failure.
    assert_eq!(first.interrupt().code(), Some(0));
    assert!(is_gone_within(Duration::ZERO, postgres));
    assert!(!directory.0.join("running.json").exists());

    // kill -9 leaves nothing running either, and the next start does not wait for the remains.
    let mut killed = Dev::start(&directory);
    assert_eq!(directory.keys(), keys, "the keys stay");
    let postgres = directory.postgres().unwrap();
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    let third = Dev::start_with(&directory, &["--size", "m"]);
    assert!(
        third.said.iter().any(|line| line == "the shop is there already; --reset fills it anew"),
        "{:?}",
        third.said
    );
    assert!(is_gone_within(Duration::from_secs(10), postgres));
    assert_eq!(demo_shop(&third).await, shop, "the data stays");
    assert_eq!(third.interrupt().code(), Some(0));
}

#[test]
fn ctrl_c_before_it_is_ready_leaves_nothing_behind() {
    let directory = Directory::new("early");
    for pause in [0, 150, 400] {
        let mut child = command(&directory.0).arg("--empty").stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(pause));
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let status = child.wait().unwrap();
        // Right after the start nobody listens for the signal yet, and it simply ends the process.
        assert!(matches!(status.code(), Some(0) | None), "{status}");
        if let Some(postgres) = directory.postgres() {
            assert!(is_gone_within(Duration::from_secs(10), postgres));
        }
    }
    assert_eq!(Dev::start_with(&directory, &["--empty"]).interrupt().code(), Some(0));
}
