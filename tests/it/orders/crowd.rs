//! Many orders at once, as a shop has them after some years: written into the tables, not placed.

use diesel_async::SimpleAsyncConnection;
use kernel::PgConn;

use crate::support::app::TestApp;

/// Sellers: of nine lines in ten, of one in ten, and of a line now and then.
pub const SELLERS: [&str; 3] = [
    "0192f3a1-0000-7000-8000-000000000001",
    "0192f3a1-0000-7000-8000-000000000002",
    "0192f3a1-0000-7000-8000-000000000003",
];

/// Somebody with an order in two thousand.
pub const BUYER: &str = "md5('buyer 17')::uuid";

/// Fills the tables with `count` orders of two lines each, a minute apart. The newest 500 are pending, the 2,000 before them
/// confirmed, and most of the others completed.
pub async fn fill(app: &TestApp, count: u32) {
    app.is_made_up();
    fill_into(&mut app.database.connect().await, count).await;
}

/// The same without an application.
pub async fn fill_into(conn: &mut PgConn, count: u32) {
    let [big, small, rare] = SELLERS;
    let sql = format!(
        "INSERT INTO orders.orders (id, number, customer_id, status, payment_status, fulfillment_status, return_status, \
            hold_reason, currency, total_minor, original_total_minor, captured_minor, refunded_minor, ship_to, note, placed_at, \
            confirmed_at, updated_at, last_event, tags) \
         SELECT (substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-7' || substr(m, 1, 3) || '-8' || substr(m, 4, 3) || '-' \
            || substr(m, 7, 12))::uuid, substr(n, 1, 4) || '-' || substr(n, 5, 4), md5('buyer ' || i % 2000)::uuid, s, \
            CASE WHEN s IN ('pending', 'expired') OR s = 'cancelled' AND i % 40 = 0 THEN 'unpaid' WHEN s = 'cancelled' THEN 'refunded' \
                WHEN i % 50 = 3 THEN 'partially_refunded' ELSE 'paid' END, \
            CASE WHEN s = 'completed' THEN 'delivered' WHEN s = 'confirmed' AND i % 4 = 0 THEN 'partially_fulfilled' \
                ELSE 'unfulfilled' END, \
            CASE WHEN s <> 'completed' THEN 'none' WHEN i % 100 = 5 THEN 'returned' WHEN i % 500 = 7 THEN 'requested' \
                ELSE 'none' END, \
            CASE WHEN s = 'confirmed' AND i % 50 = 9 THEN '=cmd|looks odd' END, 'USD', 2000, 2000, \
            CASE WHEN s IN ('pending', 'expired', 'cancelled') THEN 0 ELSE 2000 END, 0, \
            jsonb_build_object('name', CASE WHEN i % 10000 = 33 THEN 'Zebulon Quux' WHEN i % 3 = 0 THEN 'Alice Nguyen' \
                ELSE 'Bob Tran ' || i % 1000 END, 'line1', '12 Hang Bac, 2nd floor', 'city', CASE WHEN i % 2 = 0 THEN 'Hanoi' \
                WHEN i % 37 = 0 THEN 'Hue' ELSE 'Da Nang' END, 'country', 'VN', 'phone', '+84901234567'), \
            CASE WHEN i % 400 = 9 THEN 'Please ring \"twice\" at the blue door' END, t, t, t, 1, \
            CASE WHEN i % 5000 = 11 THEN '{{fragile}}' WHEN i % 100 = 2 THEN '{{newsletter,vip}}' WHEN i % 2 = 0 THEN '{{newsletter}}' \
                ELSE '{{}}' END::text[] \
         FROM (SELECT i, t, upper(lpad(to_hex(i), 8, '0')) AS n, md5(i::text) AS m, \
                lpad(to_hex((extract(epoch FROM t) * 1000)::bigint), 12, '0') AS h, \
                CASE WHEN {count} - i < 500 THEN 'pending' WHEN {count} - i < 2500 THEN 'confirmed' WHEN i % 20 = 0 THEN 'cancelled' \
                    WHEN i % 20 = 1 THEN 'expired' ELSE 'completed' END AS s \
             FROM (SELECT i, now() - ({count} - i + 1) * interval '1 minute' AS t FROM generate_series(1, {count}) AS i) AS a) AS b; \
         INSERT INTO orders.lines (order_id, position, variant_id, product_id, business_id, sku, name, quantity, \
            list_price_minor, unit_price_minor, total_minor) \
         SELECT o.id, p, md5('v' || p)::uuid, md5('p' || p)::uuid, (CASE WHEN get_byte(uuid_send(o.id), 15) < 26 THEN '{small}' \
            WHEN p = 2 AND o.note IS NOT NULL AND get_byte(uuid_send(o.id), 14) < 50 THEN '{rare}' ELSE '{big}' END)::uuid, \
            'SKU-' || p, 'Thing, number ' || p, 1, 1000, 1000, 1000 FROM orders.orders o, generate_series(1, 2) AS p; \
         INSERT INTO orders.returns (id, order_id, business_id, state, reason, requested_at, updated_at) \
         SELECT gen_random_uuid(), o.id, '{big}', 'requested', 'Too small', o.placed_at, o.placed_at FROM orders.orders o \
         WHERE o.return_status = 'requested';"
    );
    conn.batch_execute(&sql).await.unwrap();
    // What PostgreSQL does by itself when nobody waits for it.
    for table in ["orders", "lines", "returns"] {
        conn.batch_execute(&format!("VACUUM ANALYZE orders.{table}")).await.unwrap();
    }
}

/// Places the orders of [`fill_into`] again: evenly over four hundred days.
pub async fn over_a_year(conn: &mut PgConn) {
    conn.batch_execute(
        "SET session_replication_role = replica;
         WITH numbered AS (SELECT id, now() - interval '400 days' * (row_number() OVER (ORDER BY id DESC)) / (count(*) OVER ()) AS at
                           FROM orders.orders),
              placed AS (SELECT id, at, lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS time FROM numbered)
         UPDATE orders.orders o SET placed_at = at, id = (substr(time, 1, 8) || '-' || substr(time, 9) || substr(o.id::text, 14))::uuid
         FROM placed WHERE placed.id = o.id;
         SET session_replication_role = origin",
    )
    .await
    .unwrap();
}
