//! Whether everything is there that was acknowledged, once, and nothing else: the history against the database.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::TimeDelta;
use diesel::{QueryableByName, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{Clock, PgConn, SystemClock, db, db::PoolSettings};
use payments::{Gateway, HttpGateway};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    history::{End, Sent},
    scene::Scene,
    shop::Shop,
};
use crate::support::client;

/// How often the books are audited while everything happens.
const AUDIT_EVERY: Duration = Duration::from_secs(15);
/// How many examples of one kind of finding are told.
const EXAMPLES: usize = 5;

/// The event that tells of a command on an order; all of these are a person's.
const TOLD_BY: &[(&str, &str)] = &[
    ("place", "placed"),
    ("record", "payment_recorded"),
    ("confirm", "confirmed"),
    ("cancel", "cancelled"),
    ("hold", "held"),
    ("release", "released"),
    ("capture", "capture_requested"),
    ("void", "void_requested"),
    ("pack", "shipment_packed"),
    ("unpack", "shipment_cancelled"),
    ("ship", "shipment_shipped"),
    ("deliver", "shipment_delivered"),
    ("lose", "shipment_lost"),
    ("complete", "completed"),
    ("request_return", "return_requested"),
    ("approve_return", "return_approved"),
    ("reject_return", "return_rejected"),
    ("receive_return", "return_received"),
    ("close_return", "return_closed"),
    ("cancel_return", "return_cancelled"),
];
/// These are told by one event or by several.
const TOLD_SOMEHOW: &[&str] =
    &["cancel_lines", "cancel_seller_lines", "refund_amount", "refund_lines", "refund_goodwill", "refund_full"];

/// What makes something new, and the table where it is.
const MAKES: &[(&[&str], &str)] = &[
    (&["place"], "orders.orders"),
    (&["pack"], "orders.shipments"),
    (&["request_return"], "orders.returns"),
    (&["pay", "pay_held"], "payments.attempts WHERE gateway = 'mock'"),
    (&["register"], "accounts.users WHERE username LIKE 'register%'"),
];

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = st::Text)]
    a: String,
    #[diesel(sql_type = st::Text)]
    b: String,
    #[diesel(sql_type = st::Text)]
    c: String,
}

async fn rows(conn: &mut PgConn, select: &str) -> Vec<Row> {
    diesel::sql_query(select).load(conn).await.unwrap()
}

/// Compares what was acknowledged with what is there.
pub struct Checker {
    url: String,
    book: HttpGateway,
}

/// What the comparison finds.
#[derive(Default)]
struct Findings {
    lost: Vec<String>,
    doubled: Vec<String>,
    unasked: Vec<String>,
    changed: Vec<String>,
}

impl Checker {
    /// A checker of that scene.
    pub fn new(scene: &Scene) -> Self {
        Self { url: scene.database.url(), book: scene.site.book() }
    }

    /// Audits the books while everything happens: they agree at any moment at which they can be read.
    pub async fn watches(&self, shop: &Shop<'_>) -> usize {
        let mut audits = 0;
        loop {
            let began = std::time::Instant::now();
            while began.elapsed() < AUDIT_EVERY {
                if shop.is_closing() {
                    return audits;
                }
                sleep(Duration::from_millis(200)).await;
            }
            // A database that is away or frozen is somebody else's finding.
            let audit = tokio::time::timeout(Duration::from_secs(60), oms::audit::audit(&self.url, &[]));
            if let Ok(Ok(report)) = audit.await {
                audits += 1;
                self.tells(shop, "audit", report.differences.iter().map(|one| format!("{one:?}")).collect());
            }
            let settings = PoolSettings::default();
            if let Ok(mut conn) = db::connect(&self.url, &settings).await {
                self.tells(shop, "deadlock", deadlocks(&mut conn).await);
            }
        }
    }

    fn tells(&self, shop: &Shop<'_>, what: &str, found: Vec<String>) {
        if !found.is_empty() {
            let (count, examples) = (found.len(), found.into_iter().take(EXAMPLES).collect::<Vec<_>>());
            shop.history.violated(format!("{what} ({count}): {}", examples.join("; ")));
        }
    }

    /// Compares everything, at rest.
    pub async fn closes(&self, shop: &Shop<'_>, scene: &Scene) -> Value {
        let settings = PoolSettings { statement_timeout: Duration::from_secs(120), ..PoolSettings::default() };
        let mut conn = db::connect(&self.url, &settings).await.unwrap();
        let writes = shop.history.writes();
        let mut found = Findings::default();
        keys(&mut conn, &writes, &mut found).await;
        events(&mut conn, &writes, &mut found).await;
        things(&mut conn, &writes, &mut found).await;
        movements(&mut conn, &writes, &mut found).await;
        buttons(&mut conn, &writes, &mut found).await;
        self.edits(&mut conn, shop, &mut found).await;
        webhooks(&mut conn, &mut found).await;
        self.tells(shop, "deadlock", deadlocks(&mut conn).await);
        let mails = mails(&mut conn, shop, scene, &mut found).await;
        let book: &dyn Gateway = &self.book;
        let report = oms::audit::audit(&self.url, &[]).await.unwrap();
        // Everything is settled, so nothing that the gateway did last is on its way any more.
        let later = SystemClock.now() + TimeDelta::hours(1);
        let booked = payments::audit_book_at(&mut conn, book, later).await.unwrap();
        let differences: Vec<_> = report.differences.iter().chain(&booked).map(|one| format!("{one:?}")).collect();
        let summary = json!({
            "lost": found.lost.len(),
            "doubled": found.doubled.len(),
            "without_a_request": found.unasked.len(),
            "answers_that_changed": found.changed.len(),
            "audit_differences": differences.len(),
            "mails": mails,
            "orders": report.orders,
            "movements": report.movements,
        });
        self.tells(shop, "lost", found.lost);
        self.tells(shop, "doubled", found.doubled);
        self.tells(shop, "effect without a request", found.unasked);
        self.tells(shop, "answer that changed", found.changed);
        self.tells(shop, "audit", differences);
        summary
    }

    /// Edits of one product: each acknowledged one made a version of its own, and the last one is what is shown.
    async fn edits(&self, conn: &mut PgConn, shop: &Shop<'_>, found: &mut Findings) {
        let Some((version, key)) = shop.last_edit() else { return };
        let shown = rows(conn, "SELECT version::text AS a, description AS b, '' AS c FROM catalog.products").await;
        let (stored, description): (i64, _) = (shown[0].a.parse().unwrap(), &shown[0].b);
        if stored < version || (stored == version && *description != key) {
            found
                .lost
                .push(format!("{key} made version {version}, and there is version {stored} with '{description}'"));
        }
    }
}

/// Locks are taken in one order everywhere, so nobody ever waits in a circle. (The database forgets this count when it is killed.)
async fn deadlocks(conn: &mut PgConn) -> Vec<String> {
    let select = "SELECT deadlocks::text AS a, '' AS b, '' AS c FROM pg_stat_database WHERE datname = current_database() AND deadlocks > 0";
    let found = diesel::sql_query(select).load::<Row>(conn).await.unwrap_or_default();
    found.into_iter().map(|row| format!("{} times somebody waited in a circle", row.a)).collect()
}

/// A webhook counts once, however often it came.
async fn webhooks(conn: &mut PgConn, found: &mut Findings) {
    let select = "SELECT webhook_id AS a, count(*)::text AS b, '' AS c FROM payments.inbox GROUP BY gateway, webhook_id HAVING count(*) > 1";
    let twice = rows(conn, select).await;
    found.doubled.extend(twice.into_iter().map(|row| format!("webhook {} is in the inbox {} times", row.a, row.b)));
}

/// The stored answers: of what was acknowledged, exactly; of what was refused, none.
async fn keys(conn: &mut PgConn, writes: &BTreeMap<String, Sent>, found: &mut Findings) {
    let stored = rows(
        conn,
        "SELECT caller_id || ' ' || key AS a, coalesce(status::text, '') AS b, coalesce(encode(sha256(body), 'hex'), '') AS c \
         FROM kernel.idempotency_keys",
    )
    .await;
    let stored: BTreeMap<_, _> = stored.into_iter().map(|row| (row.a, (row.b, row.c))).collect();
    let asked: BTreeSet<_> = writes.iter().map(|(key, sent)| format!("{} {key}", sent.caller)).collect();
    found.unasked.extend(stored.keys().filter(|name| !asked.contains(*name)).map(|name| format!("key {name}")));
    for (key, sent) in writes.iter().filter(|(_, sent)| is_keyed(sent.op)) {
        let there = stored.get(&format!("{} {key}", sent.caller));
        match (&sent.end, there) {
            (End::Done { status, digest, .. }, Some((stored, hash)))
                if (&status.to_string(), digest) != (stored, hash) =>
            {
                found.changed.push(format!("{key} was answered {status} {digest} and {stored} {hash} is stored"));
            }
            (End::Done { .. }, None) => found.lost.push(format!("{key} was acknowledged and its answer is not stored")),
            (End::Refused(status, code), Some(_)) if sent.is_certain => {
                found.unasked.push(format!("{key} was refused ({status} {code}) and has an answer"));
            }
            _ => {}
        }
    }
}

fn is_keyed(op: &str) -> bool {
    !matches!(op, "approve" | "decline" | "register" | "refresh" | "log_in" | "edit_product")
}

/// The events: those of one key are of one sending of it, and there are some for whatever was acknowledged.
async fn events(conn: &mut PgConn, writes: &BTreeMap<String, Sent>, found: &mut Findings) {
    let told = rows(
        conn,
        "SELECT coalesce(request_id, '') AS a, kind AS b, order_id::text AS c FROM orders.events WHERE actor_kind <> 'system'",
    )
    .await;
    let mut by_key: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for row in &told {
        match row.a.rsplit_once('.') {
            Some((key, attempt)) if writes.contains_key(key) => by_key.entry(key).or_default().push((attempt, &row.b)),
            _ => found.unasked.push(format!("event {} of order {} in request {}", row.b, row.c, row.a)),
        }
    }
    let told_by: BTreeMap<_, _> = TOLD_BY.iter().copied().collect();
    for (key, sent) in writes {
        let events = by_key.get(key.as_str()).map(Vec::as_slice).unwrap_or_default();
        let sendings: BTreeSet<_> = events.iter().map(|(attempt, _)| attempt).collect();
        // A payment that the gateway never opened is begun anew when it is asked for again.
        if sendings.len() > 1 && !matches!(sent.op, "pay" | "pay_held") {
            found.doubled.push(format!("{key} had effects in sendings {sendings:?}: {events:?}"));
        }
        match &sent.end {
            End::Done { .. } => {
                let expected = told_by.get(sent.op);
                let count = events.iter().filter(|(_, kind)| Some(kind) == expected).count();
                if expected.is_some() && count == 0 || TOLD_SOMEHOW.contains(&sent.op) && events.is_empty() {
                    found.lost.push(format!("{key} was acknowledged and no event tells of it: {events:?}"));
                } else if expected.is_some() && count > 1 {
                    found.doubled.push(format!("{key} is told {count} times"));
                }
            }
            End::Refused(status, code) if sent.is_certain && !events.is_empty() => {
                found.unasked.push(format!("{key} was refused ({status} {code}) and has events {events:?}"));
            }
            _ => {}
        }
    }
}

/// What was made: every id that was answered is there, no id was answered to two requests, and nothing is there that nobody
/// asked for.
async fn things(conn: &mut PgConn, writes: &BTreeMap<String, Sent>, found: &mut Findings) {
    for (ops, table) in MAKES {
        let there = rows(conn, &format!("SELECT id::text AS a, '' AS b, '' AS c FROM {table}")).await;
        let there: BTreeSet<_> = there.into_iter().map(|row| row.a).collect();
        let of_these = || writes.iter().filter(|(_, sent)| ops.contains(&sent.op));
        let mut answered: BTreeMap<&str, &str> = BTreeMap::new();
        for (key, sent) in of_these() {
            let End::Done { id: Some(id), .. } = &sent.end else { continue };
            if !there.contains(id) {
                found.lost.push(format!("{key} was answered {id}, which is not in {table}"));
            }
            let before = answered.insert(id, key);
            // While a pay page is open, another request for a payment is answered the same payment.
            if let Some(before) = before.filter(|_| !ops.contains(&"pay")) {
                found.doubled.push(format!("{key} and {before} are both answered {id}"));
            }
        }
        // Requests that were given up, and may have been heard all the same.
        let doubtful = of_these().filter(|(_, sent)| !matches!(sent.end, End::Done { .. }) && !sent.is_certain).count();
        let unknown: Vec<_> = there.iter().filter(|id| !answered.contains_key(id.as_str())).collect();
        if unknown.len() > doubtful {
            let count = unknown.len() - doubtful;
            found.unasked.push(format!("{count} rows of {table} that no request asked for, among {unknown:?}"));
        }
    }
}

/// Goods that came in, and counts: one movement for each that was acknowledged.
async fn movements(conn: &mut PgConn, writes: &BTreeMap<String, Sent>, found: &mut Findings) {
    let booked = rows(
        conn,
        "SELECT coalesce(reason, '') AS a, count(*)::text AS b, '' AS c FROM catalog.stock_movements \
         WHERE reason LIKE 'receive\\_stock%' OR reason LIKE 'count\\_stock%' GROUP BY reason",
    )
    .await;
    let booked: BTreeMap<_, usize> = booked.into_iter().map(|row| (row.a, row.b.parse().unwrap())).collect();
    for (key, sent) in writes.iter().filter(|(_, sent)| matches!(sent.op, "receive_stock" | "count_stock")) {
        match (&sent.end, booked.get(key).copied().unwrap_or_default()) {
            (_, count @ 2..) => found.doubled.push(format!("{key} is booked {count} times")),
            (End::Done { .. }, 0) => found.lost.push(format!("{key} was acknowledged and is not booked")),
            (End::Refused(..), 1) if sent.is_certain => found.unasked.push(format!("{key} was refused and is booked")),
            _ => {}
        }
    }
}

/// Buttons that were pressed: the gateway's payment is decided.
async fn buttons(conn: &mut PgConn, writes: &BTreeMap<String, Sent>, found: &mut Findings) {
    let payments = rows(conn, "SELECT token AS a, status AS b, '' AS c FROM gateway.payments").await;
    let payments: BTreeMap<_, _> = payments.into_iter().map(|row| (row.a, row.b)).collect();
    for (key, sent) in writes.iter().filter(|(_, sent)| matches!(sent.op, "approve" | "decline")) {
        let End::Done { id: Some(token), .. } = &sent.end else { continue };
        match payments.get(token).map(String::as_str) {
            None | Some("pending") => found.lost.push(format!("{key} was acknowledged and the payment is not decided")),
            Some(_) => {}
        }
    }
}

/// The mails that were sent since the sink last forgot: each of them came. Answers how many.
async fn mails(conn: &mut PgConn, shop: &Shop<'_>, scene: &Scene, found: &mut Findings) -> usize {
    let due = rows(
        conn,
        &format!(
            "SELECT 'order-' || (args ->> 'mail') || '-' || (args ->> 'order_id') || '@example.com' AS a, '' AS b, '' AS c FROM jobs.jobs \
             WHERE kind = 'orders.send_mail' AND state = 'finished' AND attempted_at > '{}' AND args ->> 'about' IS NULL \
               AND args ->> 'mail' IN ('placed', 'confirmed', 'cancelled', 'expired', 'delivered')",
            scene.mail_since.to_rfc3339()
        ),
    )
    .await;
    let (mut window, mut came) = (client::Client::new(&[scene.site.mail], 0), BTreeSet::new());
    for buyer in &shop.buyers {
        let path = format!("/api/messages?limit=1000&to={}@example.com", buyer.name);
        let caught = window.send("GET", &path, &[], "").await.unwrap().json();
        let ids = caught["data"].as_array().into_iter().flatten().filter_map(|mail| mail["message_id"].as_str());
        came.extend(ids.map(str::to_owned));
    }
    found.lost.extend(due.iter().filter(|row| !came.contains(&row.a)).map(|row| format!("mail {}", row.a)));
    due.len()
}
