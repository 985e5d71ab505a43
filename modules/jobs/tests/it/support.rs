//! A queue of its own for every test, and the jobs that are put into it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use diesel::sql_types as st;
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use jobs::{Engine, Settings, Stats};
use kernel::{
    Job, Outcome, PgConn, Pool, Queue, db,
    job::{JobContext, Registry},
};
use serde::{Deserialize, Serialize};
use testkit::TestDatabase;

/// Writes down that it ran, in memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Note {
    pub n: i64,
}
impl Job for Note {
    const KIND: &'static str = "test.note";
    const QUEUE: Queue = Queue::Urgent;
}

/// Takes its time, then writes down that it ran. In the other queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Slow {
    pub n: i64,
    pub ms: u64,
}
impl Job for Slow {
    const KIND: &'static str = "test.slow";
    const QUEUE: Queue = Queue::Bulk;
}

/// Has its effect and its end in one transaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Effect {
    pub n: i64,
}
impl Job for Effect {
    const KIND: &'static str = "test.effect";
    const QUEUE: Queue = Queue::Urgent;
}

/// Does what it is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Mood {
    Retry,
    GiveUp,
    Panic,
    PanicEarly,
    Hang,
}
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Moody {
    pub mood: Mood,
    pub good_from_attempt: i16,
}
impl Job for Moody {
    const KIND: &'static str = "test.moody";
    const QUEUE: Queue = Queue::Urgent;
    const MAX_ATTEMPTS: i16 = 2;
}

/// A kind nobody has a handler for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stranger {}
impl Job for Stranger {
    const KIND: &'static str = "test.stranger";
    const QUEUE: Queue = Queue::Urgent;
}

/// What ran: number → when each run began.
pub type Diary = Arc<Mutex<HashMap<i64, Vec<Instant>>>>;

pub struct TestQueue {
    pub database: TestDatabase,
    /// The handlers' and the test's.
    pub pool: Pool,
    pub diary: Diary,
}

impl TestQueue {
    pub async fn new() -> Self {
        let database = TestDatabase::new().await;
        let pool = database.pool();
        let queue = Self { pool, database, diary: Diary::default() };
        queue.sql("CREATE TABLE public.effects (n bigint NOT NULL)").await;
        queue
    }

    /// A pool like that of the machinery.
    pub fn machinery(&self) -> Pool {
        machinery(self.database.url())
    }

    pub fn registry(&self) -> Registry {
        registry(&self.pool, &self.diary)
    }

    pub async fn start(&self, settings: Settings) -> Engine {
        self.start_with(self.registry(), settings).await
    }

    pub async fn start_with(&self, registry: Registry, settings: Settings) -> Engine {
        jobs::start(self.database.url(), self.machinery(), registry, settings).await.unwrap()
    }

    pub async fn sql(&self, statements: &str) {
        self.pool.get().await.unwrap().batch_execute(statements).await.unwrap();
    }

    /// A transaction that has done this, and is not over.
    pub async fn under_way(&self, statement: &str) -> PgConn {
        let mut conn = PgConn::establish(self.database.url()).await.unwrap();
        conn.batch_execute(&format!("BEGIN; {statement}")).await.unwrap();
        conn
    }

    /// A job in progress at the only worker, which knows nothing of it.
    pub async fn stray(&self, queue: &str) {
        self.sql(&format!(
            "INSERT INTO jobs.jobs (queue, kind, args, state, attempt, lease_token) \
             SELECT '{queue}', 'test.note', '{{\"n\": 1}}', 'in_progress', 1, token FROM jobs.workers"
        ))
        .await;
    }

    pub async fn number(&self, query: &str) -> i64 {
        number(&mut self.pool.get().await.unwrap(), query).await
    }

    pub async fn enqueue<J: Job>(&self, job: &J) {
        kernel::enqueue(&mut self.pool.get().await.unwrap(), job).await.unwrap();
    }

    pub async fn enqueue_many<J: Job>(&self, jobs: &[J]) {
        kernel::enqueue_many(&mut self.pool.get().await.unwrap(), jobs).await.unwrap();
    }

    /// Waits until a query answers `expected`.
    pub async fn until(&self, query: &str, expected: i64) {
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let found = self.number(query).await;
            if found == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{query}: expected {expected}, still {found}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How often each number ran.
    pub fn runs(&self) -> HashMap<i64, usize> {
        self.diary.lock().unwrap().iter().map(|(n, runs)| (*n, runs.len())).collect()
    }

    /// The module's own opinion of its tables.
    pub async fn assert_sound(&self) {
        assert_eq!(jobs::audit(&mut self.pool.get().await.unwrap()).await.unwrap(), []);
    }
}

pub fn machinery(url: &str) -> Pool {
    db::pool(url, jobs::pool_settings())
}

pub fn registry(pool: &Pool, diary: &Diary) -> Registry {
    let (pool, diary, slow_diary) = (pool.clone(), Arc::clone(diary), Arc::clone(diary));
    let note = |diary: &Diary, n: i64| diary.lock().unwrap().entry(n).or_default().push(Instant::now());
    Registry::new()
        .on::<Note, _, _>(move |job, _| {
            note(&diary, job.n);
            async { Outcome::Done }
        })
        .on::<Slow, _, _>(move |job, _| {
            note(&slow_diary, job.n);
            async move {
                tokio::time::sleep(Duration::from_millis(job.ms)).await;
                Outcome::Done
            }
        })
        .on::<Effect, _, _>(move |job, context| {
            let pool = pool.clone();
            async move { effect(pool, job, context).await.into() }
        })
        .on::<Moody, _, _>(|job, context| {
            assert!(
                !(matches!(job.mood, Mood::PanicEarly) && context.attempt < job.good_from_attempt),
                "before there is a future"
            );
            async move {
                if context.attempt >= job.good_from_attempt {
                    return Outcome::Done;
                }
                match job.mood {
                    Mood::Retry => Outcome::Retry("not yet\0".to_owned()),
                    Mood::GiveUp => Outcome::GiveUp("never".to_owned()),
                    Mood::Panic | Mood::PanicEarly => panic!("in the handler"),
                    Mood::Hang => std::future::pending().await,
                }
            }
        })
}

async fn effect(pool: Pool, job: Effect, context: JobContext) -> Result<(), kernel::DbError> {
    let mut conn = pool.get().await?;
    let conn: &mut PgConn = &mut conn;
    conn.transaction(async |conn| {
        diesel::sql_query("INSERT INTO public.effects VALUES ($1)").bind::<st::BigInt, _>(job.n).execute(conn).await?;
        tokio::time::sleep(Duration::from_millis(5)).await;
        context.complete_in(conn).await?;
        Ok(())
    })
    .await
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = st::BigInt)]
    number: i64,
}

pub async fn number(conn: &mut PgConn, query: &str) -> i64 {
    let row: Number = diesel::sql_query(format!("SELECT ({query})::bigint AS number")).get_result(conn).await.unwrap();
    row.number
}

/// Impatient settings: a lease of a second.
pub fn settings() -> Settings {
    Settings {
        queues: vec![(Queue::Urgent, 4), (Queue::Bulk, 4)],
        lease: Duration::from_millis(1500),
        heartbeat: Duration::from_millis(200),
        poll: Duration::from_millis(200),
        grace: Duration::from_secs(5),
        ..Settings::default()
    }
}

/// Waits until what `stats` counts is as `holds` wants it.
pub async fn until(engine: &Engine, holds: impl Fn(&Stats) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !holds(&engine.stats()) {
        assert!(Instant::now() < deadline, "still {:?}", engine.stats());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
