//! What goes wrong: a schedule that chance has made from the seed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use kernel::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{history::History, scene::Scene};
use crate::support::{load::Dice, processes::Process};

/// Something that can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    KillServer,
    KillWorker,
    KillDatabase,
    KillGateway,
    KillMail,
    KillRedis,
    FreezeServer,
    FreezeWorker,
    FreezeDatabase,
    FreezeGateway,
    FreezeRedis,
    RestartServer,
    RestartWorker,
    /// Both workers at once, without a word.
    KillWorkers,
    /// The gateway's webhooks come twice, late, out of order, forged, or before its answers.
    BadWebhooks,
    /// The gateway's webhooks do not come.
    LostWebhooks,
    /// The gateway does not answer what it did, or does not do it.
    BadAnswers,
    /// The gateway takes too much, too little, the wrong currency, or declines.
    BadMoney,
}

/// Every fault; those that hurt most come twice as often.
const DECK: &[Fault] = &[
    Fault::KillServer,
    Fault::KillServer,
    Fault::KillWorker,
    Fault::KillWorker,
    Fault::KillDatabase,
    Fault::KillDatabase,
    Fault::KillGateway,
    Fault::KillMail,
    Fault::KillRedis,
    Fault::FreezeServer,
    Fault::FreezeWorker,
    Fault::FreezeWorker,
    Fault::FreezeDatabase,
    Fault::FreezeGateway,
    Fault::FreezeRedis,
    Fault::RestartServer,
    Fault::RestartWorker,
    Fault::KillWorkers,
    Fault::BadWebhooks,
    Fault::LostWebhooks,
    Fault::BadAnswers,
    Fault::BadMoney,
];

impl Fault {
    fn name(self) -> String {
        format!("{self:?}")
    }
}

/// When what goes wrong.
pub struct Nemesis<'a> {
    dice: Dice,
    /// What can be drawn.
    all: Vec<Fault>,
    /// What is left of it.
    deck: Vec<Fault>,
    history: &'a History,
    ends: Instant,
    counts: BTreeMap<String, usize>,
}

impl<'a> Nemesis<'a> {
    /// Chance from the seed; nothing begins after `ends`. `only` names the faults to draw from; nothing: from all.
    pub fn new(seed: u64, only: &str, history: &'a History, ends: Instant) -> Self {
        let is_wanted = |fault: &Fault| only.is_empty() || only.split(',').any(|name| name == fault.name());
        let all: Vec<_> = DECK.iter().copied().filter(is_wanted).collect();
        assert!(!all.is_empty(), "there is none of these faults: {only}");
        let dice = Dice::new(seed ^ 0x006e_656d_6573_6973);
        Self { dice, all, deck: vec![], history, ends, counts: BTreeMap::new() }
    }

    /// Draws faults until the time is over, heals each, and answers how many there were of each kind.
    pub async fn rages(mut self, scene: &mut Scene) -> BTreeMap<String, usize> {
        loop {
            let pause = Duration::from_millis(2_000 + self.dice.throw(4_000));
            sleep(pause).await;
            if Instant::now() >= self.ends || self.history.is_broken() {
                return self.counts;
            }
            if self.deck.is_empty() {
                self.deck.clone_from(&self.all);
                self.dice.shuffle(&mut self.deck);
            }
            let fault = self.deck.pop().expect("it was filled");
            self.strikes(scene, fault).await;
        }
    }

    /// How long something is away or stands still.
    fn a_while(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.dice.throw(most - least))
    }

    async fn strikes(&mut self, scene: &mut Scene, fault: Fault) {
        let (which, began) = (self.dice.index(2), Instant::now());
        self.history.fault_begins(&json!({ "kind": fault.name(), "which": which + 1 }));
        match fault {
            Fault::KillServer => self.kills(&mut scene.servers[which]).await,
            Fault::KillWorker => self.kills(&mut scene.workers[which]).await,
            Fault::KillGateway => self.kills(&mut scene.gateway).await,
            Fault::KillMail => {
                self.kills(&mut scene.mail).await;
                // It keeps what it has caught in memory.
                scene.mail_since = SystemClock.now();
            }
            Fault::KillRedis => {
                scene.redis.kill();
                sleep(self.a_while(100, 3_000)).await;
                scene.redis.restart().await;
            }
            Fault::KillDatabase => {
                scene.database.kill();
                sleep(self.a_while(100, 3_000)).await;
                scene.database.start().await;
            }
            Fault::KillWorkers => {
                scene.workers.iter_mut().for_each(Process::kill);
                sleep(self.a_while(100, 4_000)).await;
                for worker in &mut scene.workers {
                    worker.start().await;
                }
            }
            Fault::FreezeServer => self.freezes(&scene.servers[which]).await,
            Fault::FreezeWorker => self.freezes(&scene.workers[which]).await,
            Fault::FreezeGateway => self.freezes(&scene.gateway).await,
            Fault::FreezeRedis => {
                scene.redis.freeze();
                sleep(self.a_while(2_000, 15_000)).await;
                scene.redis.thaw();
            }
            Fault::FreezeDatabase => {
                scene.database.freeze();
                sleep(self.a_while(2_000, 12_000)).await;
                scene.database.thaw();
            }
            Fault::BadWebhooks => {
                let modes = json!({ "duplicate": 40, "delay": 15, "reorder": 25, "bad_signature": 15, "stale_timestamp": 15, "webhook_first": 20 });
                self.lies(scene, &modes).await;
            }
            Fault::LostWebhooks => self.lies(scene, &json!({ "drop": 25, "duplicate": 10 })).await,
            Fault::BadAnswers => {
                self.lies(scene, &json!({ "charge_then_drop": 20, "error_500": 15, "slow": 10 })).await;
            }
            Fault::BadMoney => {
                self.lies(scene, &json!({ "wrong_amount": 10, "wrong_currency": 5, "decline": 15 })).await
            }
            Fault::RestartServer => self.restarts(&mut scene.servers[which]).await,
            Fault::RestartWorker => self.restarts(&mut scene.workers[which]).await,
        }
        self.history.fault_ends();
        *self.counts.entry(fault.name()).or_default() += 1;
        let (at, took) = (self.history.at().as_secs_f64(), began.elapsed().as_secs_f64());
        println!("chaos: {at:>6.1} s  {:<15} {} for {took:.1} s", fault.name(), which + 1);
    }

    async fn lies(&mut self, scene: &Scene, modes: &Value) {
        scene.misbehaves(modes).await;
        sleep(self.a_while(5_000, 12_000)).await;
        scene.misbehaves(&json!({})).await;
    }

    async fn kills(&mut self, process: &mut Process) {
        process.kill();
        sleep(self.a_while(100, 3_000)).await;
        process.start().await;
    }

    async fn freezes(&mut self, process: &Process) {
        process.freeze();
        sleep(self.a_while(2_000, 15_000)).await;
        process.thaw();
    }

    async fn restarts(&mut self, process: &mut Process) {
        process.ask_to_stop();
        let status = process.ended(Duration::from_secs(31)).await;
        if !status.success() {
            self.history.violated(format!("{} was asked to stop and ended with {status}", process.name));
        }
        process.start().await;
    }
}

/// How many faults of how many kinds.
pub fn tally(counts: &BTreeMap<String, usize>) -> Value {
    json!({ "faults": counts.values().sum::<usize>(), "kinds": counts.len(), "by_kind": counts })
}
