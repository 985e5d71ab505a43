//! What the tests share: a database, a paid attempt, a webhook in the inbox.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{Currency, Money, OrderId, PgConn, Pool};
use serde_json::{Value, json};
use testkit::TestDatabase;

use crate::{
    Applied, Attempt, AttemptId, EventId, Opened, PaymentError, RefundId, RefundOutcome, apply, opened, query,
    refund_answered, start, store,
};

/// Where the tests' clocks stand.
pub fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

/// An hour before the database's own time: old enough for every audit.
pub fn long_ago() -> DateTime<Utc> {
    kernel::Clock::now(&kernel::SystemClock) - TimeDelta::hours(1)
}

pub fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

/// A database with helpers.
pub struct House {
    pub pool: Pool,
    _database: TestDatabase,
}

impl House {
    pub async fn new() -> Self {
        let database = TestDatabase::new().await;
        Self { pool: database.pool(), _database: database }
    }

    /// An attempt that the gateway has opened.
    pub async fn pending(&self, amount: Money) -> Attempt {
        self.pending_of(OrderId::new(), amount, noon()).await
    }

    pub async fn pending_of(&self, order: OrderId, amount: Money, at: DateTime<Utc>) -> Attempt {
        let mut conn = self.pool.get().await.unwrap();
        let attempt = start(&mut conn, order, "mock", amount, at).await.unwrap();
        opened(&mut conn, attempt.id, &answer(attempt.id), at).await.unwrap()
    }

    /// An attempt with the money in.
    pub async fn captured(&self, amount: Money) -> Attempt {
        self.captured_of(OrderId::new(), amount, noon()).await
    }

    pub async fn captured_of(&self, order: OrderId, amount: Money, at: DateTime<Utc>) -> Attempt {
        let attempt = self.pending_of(order, amount, at).await;
        let event = self.event(&captured(&attempt)).await;
        let applied = self.settle_at(event, at).await;
        assert_eq!(applied, Applied::Captured { attempt: attempt.id, amount });
        self.attempt(attempt.id).await
    }

    /// A webhook with this body in the inbox.
    pub async fn event(&self, body: &Value) -> EventId {
        let mut conn = self.pool.get().await.unwrap();
        let id = EventId::new();
        let (webhook_id, body) = (format!("msg_{id}"), body.to_string());
        assert!(store::insert_event(&mut conn, id, "mock", &webhook_id, body.as_bytes(), noon()).await.unwrap());
        id
    }

    pub async fn settle(&self, event: EventId) -> Applied {
        self.settle_at(event, noon()).await
    }

    pub async fn settle_at(&self, event: EventId, at: DateTime<Utc>) -> Applied {
        let mut conn = self.pool.get().await.unwrap();
        settle(&mut conn, event, at).await.unwrap()
    }

    pub async fn answer(&self, refund: RefundId, outcome: RefundOutcome) -> Applied {
        let mut conn = self.pool.get().await.unwrap();
        let conn: &mut PgConn = &mut conn;
        conn.transaction(async |conn| refund_answered(conn, refund, outcome, noon()).await).await.unwrap()
    }

    pub async fn attempt(&self, id: AttemptId) -> Attempt {
        let mut conn = self.pool.get().await.unwrap();
        store::lock_attempt(&mut conn, id).await.unwrap().unwrap()
    }

    pub async fn sums(&self, order: OrderId) -> query::Sums {
        query::sums(&mut self.pool.get().await.unwrap(), order).await.unwrap()
    }

    /// How many rows a query over our tables finds.
    pub async fn count(&self, from_where: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            count: i64,
        }
        let sql = format!("SELECT count(*) AS count FROM {from_where}");
        let count: Count = diesel::sql_query(sql).get_result(&mut *self.pool.get().await.unwrap()).await.unwrap();
        count.count
    }

    pub async fn execute(&self, sql: &str) -> diesel::QueryResult<usize> {
        diesel::sql_query(sql).execute(&mut *self.pool.get().await.unwrap()).await
    }

    /// Nothing contradicts itself.
    pub async fn sound(&self) {
        let differences = crate::audit(&mut self.pool.get().await.unwrap()).await.unwrap();
        assert!(differences.is_empty(), "{differences:?}");
    }
}

pub async fn settle(conn: &mut PgConn, event: EventId, at: DateTime<Utc>) -> Result<Applied, PaymentError> {
    conn.transaction(async |conn| apply(conn, event, at).await).await
}

/// The gateway's answer to opening an attempt.
pub fn answer(id: AttemptId) -> Opened {
    Opened { reference: format!("pay-{id}"), pay_url: format!("http://127.0.0.1/pay/{id}") }
}

fn body(kind: &str, attempt: &Attempt, amount: Money) -> Value {
    json!({"type": kind, "timestamp": "2026-09-21T12:00:00Z", "data": {
        "payment_id": format!("pay-{}", attempt.id), "reference": attempt.id,
        "amount": amount.minor, "currency": amount.currency, "status": "…",
    }})
}

pub fn captured(attempt: &Attempt) -> Value {
    captured_as(attempt, attempt.amount)
}

pub fn captured_as(attempt: &Attempt, amount: Money) -> Value {
    body("payment.captured", attempt, amount)
}

pub fn failed(attempt: &Attempt, status: &str) -> Value {
    let mut body = body("payment.failed", attempt, attempt.amount);
    body["data"]["status"] = status.into();
    body
}

pub fn refund_news(kind: &str, attempt: &Attempt, refund: RefundId, amount: Money) -> Value {
    let mut body = body(kind, attempt, amount);
    body["data"]["refund_id"] = format!("ref-{refund}").into();
    body["data"]["refund_reference"] = refund.to_string().into();
    body
}

/// Every order of `0..n`.
pub fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in permutations(n - 1) {
        for place in 0..n {
            let mut longer = shorter.clone();
            longer.insert(place, n - 1);
            all.push(longer);
        }
    }
    all
}
