//! What the tests share: a database, a paid attempt, a webhook in the inbox.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{Currency, Money, OrderId, PgConn, Pool};
use serde_json::{Value, json};
use testkit::TestDatabase;

use crate::{
    Applied, Attempt, AttemptId, CaptureMethod, CaptureOutcome, EventId, Opened, PaymentError, RefundId, RefundOutcome,
    VoidOutcome, apply, capture_answered, opened, query, refund_answered, request_capture, request_void, start, store,
    void_answered,
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
        self.opened_of(order, amount, CaptureMethod::Automatic, at).await
    }

    async fn opened_of(&self, order: OrderId, amount: Money, method: CaptureMethod, at: DateTime<Utc>) -> Attempt {
        let mut conn = self.pool.get().await.unwrap();
        let attempt = start(&mut conn, order, "mock", amount, method, at).await.unwrap();
        opened(&mut conn, attempt.id, &answer(attempt.id), at).await.unwrap()
    }

    /// An attempt with the money held.
    pub async fn authorized(&self, amount: Money) -> Attempt {
        self.authorized_of(OrderId::new(), amount).await
    }

    pub async fn authorized_of(&self, order: OrderId, amount: Money) -> Attempt {
        let attempt = self.opened_of(order, amount, CaptureMethod::Manual, noon()).await;
        let event = self.event(&authorized(&attempt)).await;
        assert_eq!(self.settle(event).await, Applied::Authorized { attempt: attempt.id, amount });
        self.attempt(attempt.id).await
    }

    /// Asks for this much of the attempt to be captured; answers the attempt as it is then.
    pub async fn capturing(&self, attempt: &Attempt, amount_minor: i64) -> Attempt {
        let mut conn = self.pool.get().await.unwrap();
        let promised =
            request_capture(&mut conn, attempt.order_id, amount_minor, Some(attempt.id), noon()).await.unwrap();
        assert_eq!(promised, amount_minor);
        drop(conn);
        self.attempt(attempt.id).await
    }

    /// Asks for the attempt to be let go; answers it as it is then.
    pub async fn voiding(&self, attempt: &Attempt) -> Attempt {
        let mut conn = self.pool.get().await.unwrap();
        let asked = request_void(&mut conn, attempt.order_id, Some(attempt.id), noon()).await.unwrap();
        assert_eq!(asked, [attempt.id]);
        drop(conn);
        self.attempt(attempt.id).await
    }

    pub async fn capture_answer(&self, attempt: AttemptId, outcome: CaptureOutcome) -> Applied {
        let mut conn = self.pool.get().await.unwrap();
        let conn: &mut PgConn = &mut conn;
        conn.transaction(async |conn| capture_answered(conn, attempt, outcome, noon()).await).await.unwrap()
    }

    pub async fn void_answer(&self, attempt: AttemptId, outcome: VoidOutcome) -> Applied {
        let mut conn = self.pool.get().await.unwrap();
        let conn: &mut PgConn = &mut conn;
        conn.transaction(async |conn| void_answered(conn, attempt, outcome, noon()).await).await.unwrap()
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

pub fn authorized(attempt: &Attempt) -> Value {
    authorized_as(attempt, attempt.amount)
}

pub fn authorized_as(attempt: &Attempt, amount: Money) -> Value {
    body("payment.authorized", attempt, amount)
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
