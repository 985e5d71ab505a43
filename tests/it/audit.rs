//! `oms audit` finds what is wrong, and finds it fast.

use std::panic::AssertUnwindSafe;

use diesel_async::SimpleAsyncConnection;
use futures_util::FutureExt;
use serde_json::json;
use testkit::TestDatabase;

use crate::support::{acts::came_back, app::TestApp};

/// A sound database of `orders` orders, each of two lines, two thirds of them paid for, some cancelled, some expired.
/// Built by statements over the tables, because a hundred thousand orders through the door would take minutes.
async fn a_shop_with(orders: u32) -> TestDatabase {
    let db = TestDatabase::new().await;
    let mut conn = db.connect().await;
    let sql = include_str!("audit/shop.sql").replace(":orders", &orders.to_string());
    conn.batch_execute(&sql).await.unwrap();
    conn.batch_execute("ANALYZE").await.unwrap();
    db
}

async fn checks_that_fail(db: &TestDatabase) -> Vec<&'static str> {
    let mut checks: Vec<_> =
        oms::audit::audit(db.url(), &[]).await.unwrap().differences.into_iter().map(|found| found.check).collect();
    checks.dedup();
    checks
}

/// Plants a corruption behind the back of constraints' triggers, and expects the audit to name it.
async fn planted(sql: &str, expected: &str) {
    let db = a_shop_with(60).await;
    let clean = oms::audit::audit(db.url(), &[]).await.unwrap();
    assert_eq!(clean.differences, vec![], "the shop is not sound to begin with");
    let mut conn = db.connect().await;
    conn.batch_execute("SET session_replication_role = replica").await.unwrap();
    conn.batch_execute(sql).await.unwrap();
    let found = checks_that_fail(&db).await;
    assert!(found.contains(&expected), "planted {sql:?}; expected {expected}, found {found:?}");
}

macro_rules! corruptions {
    ($($name:ident: $sql:expr => $check:expr;)+) => {
        $(#[tokio::test]
        async fn $name() {
            planted($sql, $check).await;
        })+
    };
}

corruptions! {
    finds_a_stock_counter_that_was_changed_by_hand:
        "UPDATE catalog.stock SET on_hand = on_hand + 1 WHERE variant_id = (SELECT min(variant_id::text)::uuid FROM catalog.stock)"
        => "stock.on_hand_equals_movements";
    finds_a_movement_that_is_missing:
        "DELETE FROM catalog.stock_movements WHERE ctid = (SELECT max(ctid) FROM catalog.stock_movements WHERE kind = 'reserve')"
        => "stock.versions_without_gaps";
    finds_a_reservation_that_was_not_given_back:
        "UPDATE orders.orders SET status = 'cancelled', closed_at = now() WHERE id = (SELECT min(id::text)::uuid FROM orders.orders WHERE status = 'pending')"
        => "audit.reserved_equals_open_orders";
    finds_an_order_whose_total_is_not_its_lines:
        "UPDATE orders.orders SET total_minor = total_minor + 1 WHERE id = (SELECT min(id::text)::uuid FROM orders.orders WHERE status = 'confirmed')"
        => "orders.total_equals_lines_and_adjustments";
    finds_a_payment_status_that_is_not_its_sums:
        "UPDATE orders.orders SET payment_status = 'paid' WHERE id = (SELECT min(id::text)::uuid FROM orders.orders WHERE status = 'pending')"
        => "orders.payment_status_follows_sums";
    finds_money_that_the_order_does_not_know_of:
        "UPDATE payments.attempts SET captured_minor = captured_minor + 5 WHERE id = (SELECT min(id::text)::uuid FROM payments.attempts WHERE captured_minor > 0)"
        => "audit.order_sums_equal_payments";
    finds_a_capture_that_nobody_wrote_down:
        "DELETE FROM payments.transactions WHERE id = (SELECT min(id::text)::uuid FROM payments.transactions WHERE kind = 'capture')"
        => "payments.captured_equals_transactions";
    finds_a_gap_in_a_history:
        "DELETE FROM orders.events WHERE seq = 1 AND order_id = (SELECT min(id::text)::uuid FROM orders.orders WHERE status = 'confirmed')"
        => "orders.events_have_no_gaps";
    finds_an_order_without_lines:
        "DELETE FROM orders.lines WHERE order_id = (SELECT min(id::text)::uuid FROM orders.orders WHERE status = 'expired')"
        => "orders.every_order_has_lines";
    finds_lines_without_an_order:
        "DELETE FROM orders.orders WHERE id = (SELECT min(id::text)::uuid FROM orders.orders WHERE status = 'expired')"
        => "orders.every_line_has_its_order";
    finds_a_job_that_nobody_works_on:
        "INSERT INTO jobs.jobs (queue, kind, args, state, attempt, lease_token, attempted_at) VALUES ('bulk', 'orders.send_mail', '{}', 'in_progress', 1, gen_random_uuid(), now())"
        => "jobs.in_progress_has_a_live_worker";
    finds_a_refund_that_no_job_will_send:
        "INSERT INTO payments.refunds (id, attempt_id, order_id, amount_minor, currency, state, reason, created_at, updated_at) \
         SELECT gen_random_uuid(), id, order_id, 1, currency, 'pending', 'x', now(), now() FROM payments.attempts WHERE captured_minor > 0 LIMIT 1"
        => "audit.open_refunds_have_a_job";
    finds_a_status_that_its_history_does_not_tell:
        "UPDATE orders.orders SET status = 'completed', closed_at = now() WHERE id = (SELECT min(id::text)::uuid FROM orders.orders WHERE status = 'confirmed')"
        => "orders.status_is_the_last_one_told";
    finds_an_answer_without_its_order:
        "INSERT INTO kernel.idempotency_keys (caller_id, key, fingerprint, status, body, created_at) \
         SELECT id, 'k', sha256('x'), 201, convert_to('{\"id\":\"' || gen_random_uuid() || '\",\"number\":\"1\",\"original_total\":{}}', 'UTF8'), now() FROM accounts.users LIMIT 1"
        => "audit.answers_have_their_order";
    finds_an_answer_without_its_effect:
        "INSERT INTO kernel.idempotency_keys (caller_id, key, fingerprint, status, body, created_at) \
         SELECT id, 'k', sha256('x'), 200, convert_to('{\"shipment\":{\"id\":\"' || gen_random_uuid() || '\"}}', 'UTF8'), now() FROM accounts.users LIMIT 1"
        => "audit.answers_have_their_effect";
    finds_a_promise_that_never_runs_out:
        "UPDATE orders.orders SET expires_at = NULL WHERE id = (SELECT min(id::text)::uuid FROM orders.orders WHERE status = 'pending')"
        => "orders.pending_orders_expire_and_confirmed_ones_do_not";
    finds_an_order_whose_money_was_never_given_up:
        "UPDATE orders.orders SET payment_status = 'voided' WHERE id = (SELECT min(id::text)::uuid FROM orders.orders WHERE status = 'pending')"
        => "audit.voided_orders_have_a_voided_payment";
    finds_an_order_that_knows_nothing_of_money_that_was_given_up:
        "INSERT INTO payments.attempts (id, order_id, gateway, amount_minor, currency, state, created_at, updated_at) \
         SELECT id, id, 'mock', 1, 'USD', 'voided', now(), now() FROM orders.orders WHERE status = 'pending' LIMIT 1"
        => "audit.voided_orders_have_a_voided_payment";
    finds_units_paid_back_of_which_no_history_tells:
        "UPDATE orders.lines SET refunded_quantity = 1 WHERE position = 1 AND order_id = (SELECT min(id::text)::uuid FROM orders.orders WHERE status = 'pending')"
        => "orders.events_add_up";
    finds_another_total_than_was_agreed:
        "UPDATE orders.orders SET original_total_minor = 1 WHERE id = (SELECT min(id::text)::uuid FROM orders.orders WHERE status = 'pending')"
        => "orders.events_add_up";
    finds_an_order_in_another_currency_than_its_payment:
        "UPDATE orders.orders SET currency = 'EUR' WHERE id = (SELECT min(id::text)::uuid FROM orders.orders WHERE status = 'confirmed')"
        => "audit.payments_are_in_the_orders_currency";
    finds_a_hold_of_which_no_history_tells:
        "UPDATE orders.orders SET hold_reason = 'why' WHERE id = (SELECT min(id::text)::uuid FROM orders.orders WHERE status = 'pending')"
        => "orders.hold_is_as_told";
    finds_an_order_that_is_sent_unpaid_by_hand:
        "UPDATE orders.orders SET offline_method = 'other' WHERE id = (SELECT min(id::text)::uuid FROM orders.orders WHERE status = 'confirmed')"
        => "orders.offline_method_is_as_told";
    finds_a_history_that_no_machine_allows:
        "UPDATE orders.events SET kind = 'completed' WHERE seq = 2 AND order_id = (SELECT min(id::text)::uuid FROM orders.orders WHERE status = 'confirmed')"
        => "orders.history_is_a_legal_path";
}

#[tokio::test]
async fn a_hundred_thousand_orders_are_audited_in_under_five_seconds() {
    let db = a_shop_with(100_000).await;
    let report = oms::audit::audit(db.url(), &[]).await.unwrap();
    println!("{} orders, {} movements: {:?}", report.orders, report.movements, report.took);
    assert_eq!((report.orders, report.differences), (100_000, vec![]));
    assert!(report.took < std::time::Duration::from_secs(5), "took {:?}", report.took);
}

/// An order that lived: paid, one parcel of two units arrived, one unit is back and can be sold again, one is on its way.
async fn a_life() -> TestApp {
    let app = TestApp::new().await;
    let sam = app.default_shop().await.owner.clone();
    let alice = app.customer("alice").await;
    let shirt = app.variant().stock(5).create().await;
    let order = app.place(&alice, &[(&shirt, 4)]).await;
    app.pay(&alice, &order).await;
    app.bring(&sam, &order, &[(1, 2)]).await;
    let goods = app.request_return(&alice, &order, &[(1, 2)]).await;
    app.goods(&sam, &goods, "approve", json!({})).await.ok(200);
    app.goods(&sam, &goods, "receive", came_back(&[(1, 1, 0)])).await.ok(200);
    app.run_jobs().await;
    assert_eq!(app.differences().await, vec![], "the life is not sound to begin with");
    app
}

/// What the audit must find of a life, and what is changed behind its back for it.
const IN_A_LIFE: &[(&str, &str)] = &[
    ("orders.lines_equal_shipments", "UPDATE orders.lines SET packed_quantity = packed_quantity + 1"),
    ("orders.lines_equal_shipments", "DELETE FROM orders.shipment_lines"),
    ("orders.lines_equal_shipments", "UPDATE orders.shipments SET state = 'lost', delivered_at = NULL"),
    ("orders.lines_equal_returns", "UPDATE orders.lines SET returning_quantity = returning_quantity - 1"),
    ("orders.lines_equal_returns", "UPDATE orders.return_lines SET damaged_quantity = damaged_quantity + 1"),
    ("orders.parcels_are_as_told", "UPDATE orders.shipments SET state = 'shipped', delivered_at = NULL"),
    ("orders.parcels_are_as_told", "UPDATE orders.events SET kind = 'shipment_lost' WHERE kind = 'shipment_delivered'"),
    ("orders.returns_are_as_told", "UPDATE orders.returns SET state = 'approved'"),
    ("orders.returns_are_as_told", "UPDATE orders.events SET kind = 'held' WHERE kind = 'return_approved'"),
    ("orders.parcels_and_returns_are_one_sellers", "UPDATE orders.shipments SET business_id = gen_random_uuid()"),
    ("orders.fulfillment_status_follows_lines", "UPDATE orders.orders SET fulfillment_status = 'delivered'"),
    ("orders.return_status_follows_lines", "UPDATE orders.orders SET return_status = 'returned'"),
    (
        "orders.events_add_up",
        "UPDATE orders.events SET data = data #- '{effects,money,captured}' WHERE kind = 'payment_captured'",
    ),
    (
        "orders.events_add_up",
        "UPDATE orders.events SET data = data #- '{effects,lines}' WHERE kind = 'shipment_shipped'",
    ),
    ("audit.order_sums_equal_payments", "UPDATE orders.orders SET refunding_minor = 1"),
    ("orders.placed_as_told", "UPDATE orders.orders SET customer_id = gen_random_uuid()"),
    ("orders.placed_as_told", "UPDATE orders.orders SET currency = 'EUR'"),
    ("orders.placed_as_told", "UPDATE orders.orders SET original_total_minor = original_total_minor + 1"),
    (
        "audit.shelf_moves_equal_order_lines",
        "UPDATE catalog.stock_movements SET kind = 'receive', order_id = NULL, reason = 'x' WHERE kind = 'return'",
    ),
    (
        "audit.nothing_is_kept_beyond_the_total",
        "UPDATE orders.orders SET total_minor = 0; UPDATE orders.lines SET returned_quantity = 0",
    ),
];

#[tokio::test]
async fn m_13_finds_what_does_not_fit_in_the_life_of_an_order() {
    let app = a_life().await;
    let mut conn = app.database.connect().await;
    for (expected, sql) in IN_A_LIFE {
        // Planted, found, and taken away again: the audit reads what is committed.
        let copies = "lines shipments shipment_lines returns return_lines orders events"
            .split(' ')
            .map(|t| format!("orders.{t}"));
        let copies: Vec<String> = copies.chain(["catalog.stock_movements".to_owned()]).collect();
        let keep = |table: &String| format!("CREATE TEMP TABLE \"{table}\" AS TABLE {table};");
        let restore = |table: &String| {
            format!("DELETE FROM {table}; INSERT INTO {table} TABLE \"{table}\"; DROP TABLE \"{table}\";")
        };
        conn.batch_execute("SET session_replication_role = replica").await.unwrap();
        conn.batch_execute(&copies.iter().map(keep).collect::<String>()).await.unwrap();
        conn.batch_execute(sql).await.unwrap();
        let found: Vec<_> = app.differences().await.into_iter().map(|found| found.check).collect();
        assert!(found.contains(expected), "planted {sql:?}; expected {expected}, found {found:?}");
        conn.batch_execute(&copies.iter().map(restore).collect::<String>()).await.unwrap();
    }
    drop(conn);
    app.finish().await;
}

/// How we know that the audit runs at the end of every test that writes: a shop that goes away without it, or in which
/// something does not add up, fails its test.
#[tokio::test]
async fn m_05_no_test_ends_without_the_audit() {
    let forgotten = TestApp::new().await;
    assert!(std::panic::catch_unwind(AssertUnwindSafe(move || drop(forgotten))).is_err());

    let robbed = TestApp::new().await;
    let shirt = robbed.variant().stock(3).create().await;
    let sql = format!("UPDATE catalog.stock SET on_hand = 2 WHERE variant_id = '{shirt}'");
    robbed.database.connect().await.batch_execute(&sql).await.unwrap();
    assert!(AssertUnwindSafe(robbed.finish()).catch_unwind().await.is_err());

    let sound = TestApp::new().await;
    sound.variant().stock(3).create().await;
    sound.finish().await;
}
