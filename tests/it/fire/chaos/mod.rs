//! The chaos run: 32 clients do everything that can be done, for minutes, while a seeded nemesis kills and freezes every process; then
//! everything is counted. `make chaos SEED=… SECONDS=…`; docs/chaos.md says what it checks and what it has caught.

mod acts;
mod checker;
mod clients;
mod history;
mod nemesis;
mod scene;
mod settling;
mod shop;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::json;

use self::{checker::Checker, clients::Client, history::History, nemesis::Nemesis, scene::Scene, shop::Shop};

const CLIENTS: usize = 32;
/// So many writes, and so many of each kind of command, make a run that tells something.
const MARK: (usize, usize) = (10_000, 200);
/// From this length on a run has to reach the mark. What is missing when its time is over is made up for without faults, for as
/// long again at most.
const WHOLE: Duration = Duration::from_secs(180);

#[expect(clippy::disallowed_methods, reason = "settings of the tests, not of the program")]
fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/chaos")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "fire: 5 minutes"]
async fn the_chaos_run_loses_nothing_and_doubles_nothing() {
    let seed: u64 = setting("CHAOS_SEED").parse().unwrap_or(20_261_122);
    let seconds: u64 = setting("CHAOS_SECONDS").parse().unwrap_or(180);
    let length = Duration::from_secs(seconds);
    println!("chaos: seed {seed}, {seconds} s");
    let mut scene = Scene::new().await;
    let mut conn = scene.database.connect().await;
    let history = History::new(&directory(), seed);
    let shop = Shop::open(&scene.site, scene.addresses(), &mut conn, &history, length).await;
    drop(conn);

    let mut clients: Vec<_> = (0..CLIENTS).map(|number| Client::new(&shop, number, seed)).collect();
    let checker = Checker::new(&scene);
    let rage = async {
        // The last fault heals before the clients stop.
        let nemesis = Nemesis::new(seed, &setting("CHAOS_FAULTS"), &history, shop.ends - Duration::from_secs(12));
        nemesis.rages(&mut scene).await
    };
    let (_, faults, audits) =
        tokio::join!(join_all(clients.iter_mut().map(Client::lives)), rage, checker.watches(&shop));

    let healed = Instant::now();
    let settled = settling::settles(&shop, &scene, &mut clients[0]).await;
    let mut asked_again = 0;
    for client in &mut clients {
        asked_again += client.asks_again().await;
    }
    let books = checker.closes(&shop, &scene).await;
    let report = json!({
        "seed": seed,
        "seconds": seconds,
        "made_up_for_seconds": (healed - shop.ends).as_secs_f64(),
        "nemesis": nemesis::tally(&faults),
        "history": history.summary(),
        "settled_after_seconds": settled.map(|took| took.as_secs_f64()),
        "audits_meanwhile": audits,
        "asked_again_at_the_end": asked_again,
        "checked": books,
    });
    let path = directory().join(format!("report-{seed}.json"));
    fs::write(&path, serde_json::to_string_pretty(&report).unwrap()).unwrap();
    println!("chaos: {}", serde_json::to_string_pretty(&report).unwrap());
    println!("chaos: report in {}, history in {}", path.display(), history.path().display());
    println!(
        "chaos: seed {seed}, {} faults of {} kinds, {} acknowledged writes, lost {}, doubled {}, settled after {:.1} s, checked in {:.1} s",
        report["nemesis"]["faults"],
        report["nemesis"]["kinds"],
        report["history"]["acknowledged"],
        books["lost"],
        books["doubled"],
        settled.unwrap_or_default().as_secs_f64(),
        healed.elapsed().as_secs_f64(),
    );
    assert!(history.violations().is_empty(), "{:#?}", history.violations());
    let missing = shop.missing();
    assert!(missing.is_empty() || length < WHOLE, "the mark of {MARK:?} was not reached: {missing:?}");
}
