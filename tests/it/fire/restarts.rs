//! servers and workers that are asked to stop, and do so without anybody noticing.

use std::{
    cell::Cell,
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::future::{join, join_all};
use testkit::TestDatabase;
use tokio::time::{sleep, sleep_until};

use crate::{
    journeys::arrange::{assert_sound, buyers, count, order, shelf},
    support::{
        client::Client,
        load::Dice,
        processes::{Process, Site, free_address},
    },
};

const RESTARTS: usize = 20;
/// Requests a second, half of them orders, from so many connections.
const RATE: u32 = 200;
const CLIENTS: u32 = 20;
const EXIT: Duration = Duration::from_secs(30);
/// How long all the mails may take, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);

/// haproxy before some servers. It asks for readiness, and neither it nor anybody behind it tries anything twice.
struct Proxy {
    address: SocketAddr,
    child: Child,
}

impl Proxy {
    async fn before(servers: &[SocketAddr], directory: &Path) -> Self {
        let address = free_address();
        let mut text = format!(
            "defaults\n mode http\n retries 0\n no option redispatch\n timeout connect 2s\n timeout client 60s\n timeout server 30s\n \
             timeout check 2s\n frontend shop\n bind {address}\n stats enable\n stats uri /proxy\n default_backend servers\n\
             backend servers\n balance roundrobin\n option httpchk GET /readyz\n http-check expect status 200\n"
        );
        for (number, server) in servers.iter().enumerate() {
            text.push_str(&format!(" server s{number} {server} check inter 250ms fall 2 rise 1\n"));
        }
        let config = directory.join("haproxy.cfg");
        fs::write(&config, text).unwrap();
        let program = ["/usr/sbin/haproxy", "haproxy"].into_iter().find(|path| Path::new(path).exists());
        let child = Command::new(program.unwrap_or("haproxy"))
            .arg("-db")
            .arg("-f")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("haproxy is installed: scripts/need.sh haproxy");
        let proxy = Self { address, child };
        proxy.until_all_are_up(servers.len()).await;
        proxy
    }

    /// Waits until it has seen that every server is ready.
    async fn until_all_are_up(&self, servers: usize) {
        let (mut client, began) = (Client::new(&[self.address], 0), Instant::now());
        loop {
            let seen =
                client.send("GET", "/proxy;csv", &[], "").await.map_or_else(|_| String::new(), |page| page.text());
            let up = seen.lines().filter(|line| line.starts_with("servers,s") && line.contains(",UP,")).count();
            if up == servers {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{up} of {servers} servers are up:\n{seen}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks it to stop; readiness falls at once, and the process ends by itself and well. Answers how long that took.
async fn stop(server: &mut Process) -> Duration {
    let asked = Instant::now();
    server.ask_to_stop();
    let mut client = Client::new(&[server.address()], 0);
    loop {
        // Nobody listening any more is as clear an answer.
        let Ok(ready) = client.send("GET", "/readyz", &[], "").await else { break };
        if ready.status == 503 {
            break;
        }
        assert!(asked.elapsed() < Duration::from_secs(2), "{} is still ready", server.name);
        sleep(Duration::from_millis(10)).await;
    }
    let status = server.ended(EXIT).await;
    assert!(status.success(), "{} ended with {status}:\n{}", server.name, server.said());
    asked.elapsed()
}

#[tokio::test]
#[ignore = "fire: 90 s"]
async fn r_08_twenty_rolling_restarts_behind_a_proxy_fail_no_request() {
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await.set("OMS_DRAIN_DELAY_SECONDS", "2");
    let mut conn = database.connect().await;
    let people = buyers(&site, &mut conn, 20).await;
    let variants = shelf(&mut conn, &[1_000_000; 3]).await;
    let mut servers = [site.serve().await, site.another().await];
    let proxy = Proxy::before(&servers.each_ref().map(Process::address), site.media().parent().unwrap()).await;

    let (over, began) = (Cell::new(false), Instant::now());
    let load = join_all(people.iter().zip(0_u32..).map(async |(buyer, number)| {
        let mut client = Client::new(&[proxy.address], 0);
        let (mut failed, mut placed, mut next) =
            (Vec::new(), 0_i64, began + Duration::from_millis(u64::from(number) * 5));
        for round in 0_u32.. {
            sleep_until(next.into()).await;
            if over.get() {
                break;
            }
            next += Duration::from_secs(u64::from(CLIENTS)) / RATE;
            let body = order(&[(variants[usize::try_from(round % 3).unwrap()], 1)]);
            let outcome = if round % 2 == 0 {
                buyer.post(&mut client, "/v1/orders", &format!("roll-{round}"), &body).await
            } else {
                client.send("GET", "/v1/products", &[], "").await
            };
            match outcome {
                Ok(answer) if answer.status == 201 => placed += 1,
                Ok(answer) if answer.status == 200 => {}
                Ok(answer) => failed.push(format!("{:?}: {} {}", began.elapsed(), answer.status, answer.text())),
                Err(error) => failed.push(format!("{:?}: {error}", began.elapsed())),
            }
        }
        (failed, placed)
    }));
    let restarts = async {
        let mut longest = Duration::ZERO;
        for round in 0..RESTARTS {
            sleep(Duration::from_millis(200)).await;
            let server = &mut servers[round % 2];
            longest = longest.max(stop(server).await);
            server.start().await;
            proxy.until_all_are_up(2).await;
        }
        over.set(true);
        longest
    };
    let (outcomes, longest) = join(load, restarts).await;
    let took = began.elapsed().as_secs_f64();
    let placed: i64 = outcomes.iter().map(|(_, placed)| placed).sum();
    let failed: Vec<_> = outcomes.iter().flat_map(|(failed, _)| failed).collect();
    println!(
        "R-08: {RESTARTS} rolling restarts of 2 servers in {took:.0} s at {RATE} requests a second: {} failed, {placed} orders; \
         a server stops within {longest:?}",
        failed.len()
    );
    assert!(failed.is_empty(), "R-08: {:#?}", failed.iter().take(10).collect::<Vec<_>>());
    assert_eq!(count(&mut conn, "orders.orders").await, placed);
    assert_sound(&database, &[]).await;
}

#[tokio::test]
#[ignore = "fire: 30 s"]
async fn r_08_a_worker_that_is_asked_to_stop_finishes_or_gives_back_what_it_has() {
    const MAILS: usize = 600;
    let database = TestDatabase::new().await;
    let site = Site::new(database.url()).await;
    let mut conn = database.connect().await;
    let people = buyers(&site, &mut conn, 20).await;
    let jobs: Vec<_> =
        (0..MAILS).map(|number| accounts::SendPasswordChanged { user_id: people[number % 20].id }).collect();
    kernel::job::enqueue_many(&mut conn, &jobs).await.unwrap();
    let _catcher = site.mailcatcher(2 * MAILS).await;
    let (mut dice, mut stops, mut longest) = (Dice::new(8), 0, Duration::ZERO);
    let began = Instant::now();
    while count(&mut conn, "jobs.jobs WHERE kind = 'accounts.send_password_changed' AND state <> 'finished'").await > 0
    {
        assert!(began.elapsed() < PATIENCE, "the mails never end");
        let mut worker = site.worker().await;
        while count(&mut conn, "jobs.workers").await == 0 {
            assert!(began.elapsed() < PATIENCE, "the worker does not begin");
            sleep(Duration::from_millis(10)).await;
        }
        sleep(Duration::from_millis(50 + dice.throw(400))).await;
        let asked = Instant::now();
        worker.ask_to_stop();
        let status = worker.ended(EXIT).await;
        assert!(status.success(), "{status}: {}", worker.said());
        longest = longest.max(asked.elapsed());
        stops += 1;
        // At once, without anybody's lease having to end.
        assert_eq!(count(&mut conn, "jobs.jobs WHERE state = 'in_progress'").await, 0, "a job was left behind");
        assert_eq!(count(&mut conn, "jobs.workers").await, 0, "the worker did not sign off");
    }
    // Nothing was begun twice, because nothing was broken off.
    let mut window = Client::new(&[site.mail], 0);
    let totals = window.send("GET", "/api/messages?limit=1", &[], "").await.unwrap().json();
    println!(
        "R-08: {stops} × SIGTERM in the middle of {MAILS} mails: {} sent, exit 0 within {longest:?}",
        totals["received"]
    );
    assert_eq!(totals["distinct"], MAILS);
    assert_eq!(totals["received"], MAILS);
    assert_eq!(count(&mut conn, "jobs.jobs WHERE attempt <> 1 AND kind = 'accounts.send_password_changed'").await, 0);
    assert_sound(&database, &[]).await;
}
