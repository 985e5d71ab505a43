//! Words in an old shop: the newest orders that have them, without gathering those of all the years.

use diesel_async::SimpleAsyncConnection;
use kernel::{OrderId, PgConn};
use orders::query::desk::{AfterOnDesk, DeskFilter, desk, statement};
use testkit::TestDatabase;

use super::{
    crowd::{fill_into, over_a_year},
    desk::{read, strange_words},
};
use crate::support::rows::words;

fn looking_for(q: &str) -> DeskFilter {
    DeskFilter { q: Some(q.to_owned()), ..DeskFilter::default() }
}

#[tokio::test]
async fn a_beginning_that_many_have_is_looked_for_among_the_newest_orders() {
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    fill_into(&mut conn, 20_000).await;
    over_a_year(&mut conn).await;
    // Nobody's name is common, but they all begin alike.
    conn.batch_execute(
        "DELETE FROM orders.orders WHERE status = 'pending'; \
         UPDATE orders.orders SET ship_to = ship_to || jsonb_build_object('name', 'Binh Nguyen' || 100000 + (hashtext(number) & 65535))",
    )
    .await
    .unwrap();
    for sql in ["VACUUM FULL orders.orders", "ANALYZE orders.orders"] {
        conn.batch_execute(sql).await.unwrap();
    }
    // What is planned once for each session has been planned.
    read(&mut conn, &statement(&looking_for("binh nguyen1"), None, 21)).await;
    for q in ["binh nguyen1", "nguyen11", "binh nguyen12", "nguyen", "binh nguyen1234"] {
        let (read, plan) = read(&mut conn, &statement(&looking_for(q), None, 21)).await;
        println!("{q}: {} pages, {} ms", read.pages, plan["Actual Total Time"]);
        assert!(read.whole.is_empty() && read.pages < 500, "{q}: {read:?}\n{plan:#}");
    }
}

/// The orders that a search finds, in pages of three.
async fn found(conn: &mut PgConn, filter: &DeskFilter) -> Vec<OrderId> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = desk(conn, filter, after, 3).await.unwrap();
        found.extend(page.iter().map(|row| row.id));
        // A page that is not full is the last one.
        let Some(last) = page.get(2) else { return found };
        after = Some(AfterOnDesk::from(last));
    }
}

#[tokio::test]
async fn the_same_orders_are_found_in_every_season() {
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    strange_words(&mut conn, "status <> 'pending'").await;
    over_a_year(&mut conn).await;
    // Some are pending, nobody bought anything for months, and somebody's clock was wrong.
    conn.batch_execute(
        "SET session_replication_role = replica; \
         UPDATE orders.orders SET status = 'pending', expires_at = placed_at, confirmed_at = NULL, closed_at = NULL, \
             payment_status = 'unpaid', fulfillment_status = 'unfulfilled', return_status = 'none', hold_reason = NULL, captured_minor = 0 \
             WHERE hashtext(number) % 7 = 0; \
         DELETE FROM orders.orders WHERE placed_at BETWEEN now() - interval '250 days' AND now() - interval '120 days'; \
         UPDATE orders.orders SET id = ('f' || substr(id::text, 2))::uuid WHERE id = (SELECT id FROM orders.orders ORDER BY id OFFSET 3 LIMIT 1); \
         SET session_replication_role = origin",
    )
    .await
    .unwrap();
    // Words that do not follow each other, and as long a word as PostgreSQL keeps.
    for (place, note) in [(5, "'0e5 then b'"), (1, "'中中'"), (2, "repeat('中', 682)"), (3, "'中中'"), (4, "'中中'")]
    {
        let order =
            format!("SELECT id FROM orders.orders WHERE status <> 'pending' ORDER BY id DESC OFFSET {place} LIMIT 1");
        conn.batch_execute(&format!("UPDATE orders.orders SET note = {note} WHERE id = ({order})")).await.unwrap();
    }
    let searches =
        "SELECT word FROM public.searches UNION SELECT 'zz ' || word FROM public.searches UNION SELECT '中中'";
    let searches = words(&mut conn, searches).await;
    for (has_rare_word, is_rare_beginning) in [(true, true), (true, false)] {
        // Whatever the statistics would say of these few.
        conn.batch_execute(&format!(
            "CREATE OR REPLACE FUNCTION orders.rarity(words text, beginning text, OUT has_rare_word boolean, OUT is_rare_beginning boolean) \
             LANGUAGE sql AS 'SELECT words <> '''' AND {has_rare_word}, {is_rare_beginning}'"
        ))
        .await
        .unwrap();
        let (mut looked_for, mut orders) = (0, 0);
        for q in &searches {
            let query = q.split(' ').map(|word| format!("''{word}''")).collect::<Vec<_>>().join(" & ");
            let expected = words(
                &mut conn,
                &format!(
                    "SELECT id::text AS word FROM orders.orders WHERE orders.search_words(number, ship_to, note) \
                     @@ to_tsquery('pg_catalog.simple', '{query}:*') ORDER BY id DESC"
                ),
            )
            .await;
            let found = found(&mut conn, &looking_for(q)).await;
            assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{q}");
            looked_for += 1;
            orders += found.len();
        }
        assert!(looked_for > 400 && orders > looked_for, "{looked_for} {orders}");
    }
}
