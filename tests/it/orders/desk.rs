//! The operator's desk: finding orders among everybody's, whatever one looks for, without reading everything.

use diesel::{QueryableByName, sql_types as st};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use kernel::{Clock, PgConn, SystemClock};
use orders::{
    FulfillmentStatus, OrderStatus, PaymentStatus, ReturnStatus,
    query::{counts::counts_statement, desk::DeskFilter, desk::statement},
};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::TestDatabase;

use super::crowd::{BUYER, SELLERS, fill, fill_into};
use crate::support::{
    app::{Person, TestApp},
    rows::{number, words},
    shop::text,
};

#[derive(QueryableByName)]
struct Explained {
    #[diesel(sql_type = st::Json, column_name = "QUERY PLAN")]
    plan: Value,
}

/// How many orders a word is in.
#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = st::Text)]
    word: String,
    #[diesel(sql_type = st::BigInt)]
    orders: i64,
}

/// What a statement read.
#[derive(Debug, Default)]
pub struct Read {
    /// Tables that were read from one end to the other.
    pub whole: Vec<String>,
    /// Rows that were looked at, whatever became of them.
    rows: f64,
    /// Pages of 8 kB.
    pub pages: i64,
}

impl Read {
    fn add(&mut self, node: &Value) {
        let number = |name: &str| node[name].as_f64().unwrap_or(0.0);
        let (kind, loops) = (node["Node Type"].as_str().unwrap(), number("Actual Loops"));
        // Returns are few, and those that are open fit on a page. A way that is not taken reads nothing.
        if let ("Seq Scan", Some(table @ ("orders" | "lines")), true) =
            (kind, node["Relation Name"].as_str(), loops > 0.0)
        {
            self.whole.push(table.to_owned());
        }
        if kind.ends_with("Scan") && node.get("Relation Name").is_some() {
            let removed = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
            self.rows += (number("Actual Rows") + removed) * loops;
        }
        node["Plans"].as_array().into_iter().flatten().for_each(|node| self.add(node));
    }
}

#[derive(QueryableByName)]
struct Somebody {
    #[diesel(sql_type = st::Text)]
    buyer: String,
    #[diesel(sql_type = st::Text)]
    number: String,
}

/// Runs a statement; answers what it read, and its plan.
pub async fn read(conn: &mut PgConn, statement: &str) -> (Read, Value) {
    let sql = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}");
    let row: Explained = diesel::sql_query(sql).get_result(conn).await.unwrap();
    let plan = row.plan[0]["Plan"].clone();
    let mut read = Read::default();
    read.add(&plan);
    read.pages = plan["Shared Hit Blocks"].as_i64().unwrap() + plan["Shared Read Blocks"].as_i64().unwrap();
    (read, plan)
}

/// Every filter alone, and some together.
fn filters(ago: impl Fn(i64) -> chrono::DateTime<chrono::Utc>, buyer: &str, number: &str) -> Vec<(String, DeskFilter)> {
    let none = DeskFilter::default;
    let mut all = vec![("nothing".to_owned(), none())];
    let mut add = |name: &str, filter: DeskFilter| all.push((name.to_owned(), filter));
    for status in OrderStatus::ALL {
        add(&format!("status={status}"), DeskFilter { status: Some(*status), ..none() });
    }
    for status in PaymentStatus::ALL {
        add(&format!("payment_status={status}"), DeskFilter { payment_status: Some(*status), ..none() });
    }
    for status in FulfillmentStatus::ALL {
        add(&format!("fulfillment_status={status}"), DeskFilter { fulfillment_status: Some(*status), ..none() });
    }
    for status in ReturnStatus::ALL {
        add(&format!("return_status={status}"), DeskFilter { return_status: Some(*status), ..none() });
    }
    for tag in ["newsletter", "vip", "fragile", "nobody"] {
        add(&format!("tag={tag}"), DeskFilter { tag: Some(tag.to_owned()), ..none() });
    }
    for business in SELLERS {
        add(&format!("business_id={business}"), DeskFilter { business_id: business.parse().ok(), ..none() });
    }
    for flag in [true, false] {
        add(&format!("on_hold={flag}"), DeskFilter { on_hold: Some(flag), ..none() });
        add(&format!("to_ship={flag}"), DeskFilter { to_ship: Some(flag), ..none() });
        add(&format!("return_open={flag}"), DeskFilter { return_open: Some(flag), ..none() });
    }
    add("customer_id", DeskFilter { customer_id: buyer.parse().ok(), ..none() });
    add("number", DeskFilter { number: Some(number.to_owned()), ..none() });
    for q in ["Zebulon", "Hanoi", "Alice Nguyen", "hue", "blue doo", "quux zeb", number, "nobody", "da nan"] {
        add(&format!("q={q}"), DeskFilter { q: Some(q.to_owned()), ..none() });
    }
    for days in [1, 10, 33] {
        let (from, to) = (Some(ago(days)), Some(ago(days - 1)));
        add(&format!("placed_from={days} days ago"), DeskFilter { placed_from: from, ..none() });
        add(&format!("placed_to={days} days ago"), DeskFilter { placed_to: from, ..none() });
        add(&format!("placed {days} days ago"), DeskFilter { placed_from: from, placed_to: to, ..none() });
    }
    let (sold, paid) = (SELLERS[2].parse().ok(), Some(PaymentStatus::Paid));
    let done = Some(OrderStatus::Completed);
    add(
        "status, payment_status",
        DeskFilter { status: done, payment_status: Some(PaymentStatus::PartiallyRefunded), ..none() },
    );
    add("status, rare seller", DeskFilter { status: done, business_id: sold, ..none() });
    add("rare seller, rare tag", DeskFilter { business_id: sold, tag: Some("fragile".to_owned()), ..none() });
    add("buyer, payment_status", DeskFilter { customer_id: buyer.parse().ok(), payment_status: paid, ..none() });
    add("rare word, status", DeskFilter { q: Some("zebulon".to_owned()), status: done, ..none() });
    add("short beginning, buyer", DeskFilter { q: Some("0f".to_owned()), customer_id: buyer.parse().ok(), ..none() });
    add("rare word, days", DeskFilter { q: Some("zebulon".to_owned()), placed_to: Some(ago(3)), ..none() });
    add("days, tag", DeskFilter { placed_to: Some(ago(30)), tag: Some("vip".to_owned()), ..none() });
    add("days, status", DeskFilter { placed_to: Some(ago(30)), status: done, ..none() });
    add("on hold, big seller", DeskFilter { on_hold: Some(true), business_id: SELLERS[0].parse().ok(), ..none() });
    all
}

#[tokio::test]
async fn whatever_is_looked_for_is_found_without_reading_everything() {
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    fill_into(&mut conn, 50_000).await;
    let some: Somebody = diesel::sql_query(format!(
        "SELECT {BUYER}::text AS buyer, (SELECT number FROM orders.orders ORDER BY id OFFSET 4000 LIMIT 1) AS number"
    ))
    .get_result(&mut conn)
    .await
    .unwrap();
    let (buyer, number, now) = (some.buyer, some.number, SystemClock.now());
    let filters = filters(|days| now - chrono::TimeDelta::days(days), &buyer, &number);
    let mut wrong = Vec::new();
    for (name, filter) in &filters {
        // The tabs are the statuses.
        let tabs = DeskFilter { status: None, to_ship: None, ..filter.clone() };
        for (what, statement, rows_max, pages_max) in [
            ("page", statement(filter, None, 21), 3_000.0, 1_500),
            // Eight tabs of up to a thousand; a tab that has nothing for a filter is looked through from end to end.
            ("counts", counts_statement(&tabs), 200_000.0, 60_000),
        ] {
            let (read, plan) = read(&mut conn, &statement).await;
            println!(
                "{what:7} {name:45} {:8} rows {:6} pages, {} ms",
                read.rows, read.pages, plan["Actual Total Time"]
            );
            let is_fine = read.whole.is_empty() && read.rows <= rows_max && read.pages <= pages_max;
            if !is_fine {
                wrong.push(format!("{what} {name}: {read:?}\n{statement}\n{plan:#}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} read too much:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_word_that_nobody_has_is_looked_for_in_no_order_beside_one_that_everybody_has() {
    const ORDERS: u32 = 10_000;
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    fill_into(&mut conn, ORDERS).await;
    let sql = "UPDATE orders.orders SET note = 'thank you'; VACUUM (ANALYZE) orders.orders";
    for sql in sql.split("; ") {
        diesel::sql_query(sql).execute(&mut conn).await.unwrap();
    }
    for q in ["thank nobody", "you thank nobody", "nobody thank", "nobody"] {
        let filter = DeskFilter { q: Some(q.to_owned()), ..DeskFilter::default() };
        for (what, statement) in [("page", statement(&filter, None, 21)), ("counts", counts_statement(&filter))] {
            let (read, plan) = read(&mut conn, &statement).await;
            println!("{what:7} {q:20} {:8} rows {:6} pages, {} ms", read.rows, read.pages, plan["Actual Total Time"]);
            assert!(read.whole.is_empty() && read.rows <= 2_000.0, "{what} {q}: {read:?}\n{statement}\n{plan:#}");
        }
    }
}

/// Whether an index gathered a beginning: every place of every word that begins so.
async fn gathers(conn: &mut PgConn, statement: &str) -> bool {
    fn is_gathered(node: &Value) -> bool {
        let ran = node["Actual Loops"].as_f64().unwrap_or(0.0) > 0.0;
        ran && node["Index Cond"].as_str().is_some_and(|condition| condition.contains("':*"))
            || node["Plans"].as_array().into_iter().flatten().any(is_gathered)
    }
    // What `orders.found` is asked is not in a plan.
    let (beginning, _) = statement.split_once(", found AS").unwrap();
    let asked = words(conn, &format!("{beginning} SELECT query::text AS word FROM asked")).await;
    let (_, plan) = read(conn, statement).await;
    asked.iter().any(|query| query.contains(":*")) || is_gathered(&plan)
}

#[tokio::test]
async fn a_rare_word_is_found_without_gathering_all_that_begin_like_the_last_one() {
    let app = TestApp::new().await;
    let olga = app.operator().await;
    fill(&app, 50_000).await;
    let mut conn = app.database.connect().await;
    let search = |q: &str| DeskFilter { q: Some(q.to_owned()), ..DeskFilter::default() };
    for (q, expected) in [("zebulon han", false), ("zebulon da n", false), ("zebulon", true), ("blue hano", true)] {
        for (what, statement) in [("page", statement(&search(q), None, 21)), ("counts", counts_statement(&search(q)))] {
            assert_eq!(gathers(&mut conn, &statement).await, expected, "{what} {q}: {statement}");
        }
    }
    // Whichever way is taken, the same is found.
    let names = "name = 'Zebulon Quux'";
    for (q, condition) in [
        ("zebulon", names.to_owned()),
        ("quux zeb", names.to_owned()),
        ("zebulon da n", format!("{names} AND city = 'Da Nang'")),
        ("zebulon han", format!("{names} AND city = 'Hanoi'")),
        ("tran 123 da", "name = 'Bob Tran 123' AND city = 'Da Nang'".to_owned()),
        ("tran 123 h", "name = 'Bob Tran 123' AND city LIKE 'H%'".to_owned()),
    ] {
        let sql = format!(
            "SELECT count(*) FROM (SELECT status, ship_to ->> 'name' AS name, ship_to ->> 'city' AS city FROM orders.orders) x \
             WHERE {condition}"
        );
        let expected = usize::try_from(app.number(&sql).await).unwrap();
        let there = found(&app, &olga, &format!("q={}&limit=100", encoded(q))).await;
        assert_eq!(there.len(), expected, "{q}");
        let counts = app.get(&olga, &format!("/admin/orders/counts?q={}", encoded(q))).await.ok(200);
        let done = app.number(&format!("{sql} AND status = 'completed'")).await;
        assert_eq!(counts["completed"]["count"], json!(done), "{q}");
    }
}

#[tokio::test]
async fn an_order_is_taken_apart_into_words_only_if_the_letters_are_in_its_text() {
    const PENDING: i64 = 500;
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    fill_into(&mut conn, 5_000).await;
    let calls = "SELECT coalesce(sum(calls), 0) FROM pg_stat_xact_user_functions WHERE funcname = 'search_words'";
    for (q, least, most) in
        [("zebulon", 0, 1), ("Bob Tran 7", 1, PENDING * 2 / 3), ("nobody", 0, 0), ("nobodé", PENDING, PENDING)]
    {
        let statement = statement(&DeskFilter { q: Some(q.to_owned()), ..DeskFilter::default() }, None, 21);
        // What has been called is told within a transaction only, with what was called shortly before.
        conn.batch_execute("BEGIN; SET LOCAL track_functions = 'all'").await.unwrap();
        let before = number(&mut conn, calls).await;
        conn.batch_execute(&statement).await.unwrap();
        let taken_apart = number(&mut conn, calls).await - before;
        conn.batch_execute("ROLLBACK").await.unwrap();
        println!("{q}: {taken_apart}");
        assert!(least <= taken_apart && taken_apart <= most, "{q}: {taken_apart} orders\n{statement}");
    }
}

/// Five hundred orders of those that are `states` (a condition), and no others, with texts of letters, numbers and whatever PostgreSQL
/// may see in them: addresses, tags, marks, several alphabets. `public.searches` is what to look for.
pub async fn strange_words(conn: &mut PgConn, states: &str) {
    fill_into(conn, 2_000).await;
    conn.batch_execute(&format!(
        r#"DELETE FROM orders.orders WHERE NOT ({states});
           DELETE FROM orders.orders WHERE id NOT IN (SELECT id FROM orders.orders ORDER BY id LIMIT 500);
           WITH texts AS (
               SELECT t, string_agg(part, '' ORDER BY n) AS text
               FROM generate_series(1, 2000) AS t, generate_series(1, 1 + t % 7) AS n,
                    LATERAL (SELECT ARRAY['a', 'B', 'zz', '1', '23', '0', 'e', 'E5', 'x', ' ', '  ', '-', '.', ',', '/', '@', ':', '_', '+', '&',
                        '<', '>', '''', '"', E'\\', '#', '%', ';', '=', 'é', 'Đ', 'İ', U&'\212A', 'ß', U&'\FB01', '٣', '中', U&'e\0301',
                        U&'\00AD', U&'\200B']) AS all_of_them (parts),
                    LATERAL (SELECT parts[1 + abs(hashint8extended(t * 10 + n, 7) % cardinality(parts))] AS part) AS one
               GROUP BY t),
           numbered AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM orders.orders)
           UPDATE orders.orders o SET note = note.text,
               ship_to = ship_to || jsonb_build_object('name', name.text, 'city', city.text)
           FROM numbered, texts AS name, texts AS city, texts AS note
           WHERE o.id = numbered.id AND name.t = n AND city.t = 500 + n AND note.t = 1000 + n;
           CREATE TABLE public.searches AS
           SELECT lower(word) AS word
           FROM orders.orders, regexp_split_to_table(concat_ws(' ', number, ship_to ->> 'name', ship_to ->> 'city', note), '[^a-zA-Z0-9]') AS word
           WHERE word <> ''
           UNION SELECT word FROM orders.orders, unnest(tsvector_to_array(orders.search_words(number, ship_to, note))) AS word
           WHERE word ~ '^[a-z0-9]+$';
           -- A number, and then a word.
           UPDATE orders.orders SET note = '0E5%Be' WHERE id = (SELECT min(id::text)::uuid FROM orders.orders);
           INSERT INTO public.searches VALUES ('0e5b')"#
    ))
    .await
    .unwrap();
}

#[tokio::test]
async fn pending_orders_are_found_by_the_same_words_as_the_index_would_find_them_by() {
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    strange_words(&mut conn, "status = 'pending'").await;
    let searches: Vec<Found> = diesel::sql_query(
        "SELECT word, (SELECT count(*) FROM orders.orders WHERE orders.search_words(number, ship_to, note) \
            @@ to_tsquery('pg_catalog.simple', '''' || word || ''':*')) AS orders FROM public.searches",
    )
    .load(&mut conn)
    .await
    .unwrap();
    let (mut looked_for, mut found) = (0, 0);
    for Found { word, orders } in searches {
        let filter = DeskFilter { q: Some(word.clone()), ..DeskFilter::default() };
        let sql = format!("SELECT count(*) FROM ({}) x", statement(&filter, None, 1_000));
        assert_eq!(number(&mut conn, &sql).await, orders, "{word}");
        looked_for += 1;
        found += orders;
    }
    assert!(looked_for > 200 && found > 3 * looked_for, "{looked_for} {found}");
}

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|order| text(order, "id")).collect()
}

async fn found(app: &TestApp, person: &Person, filter: &str) -> Vec<String> {
    ids(&app.get(person, &format!("/admin/orders?{filter}")).await.ok(200))
}

async fn tag(app: &TestApp, person: &Person, order: &str, tags: Value) -> crate::support::answer::Answer {
    let path = format!("/orders/{order}/tags");
    app.send(Some(person), Method::PUT, &path, &[], Some(json!({ "tags": tags }).to_string())).await
}

#[tokio::test]
async fn orders_are_found_by_their_words_and_tags() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = |name: &str, city: &str, note: &str| {
        json!({ "lines": [{ "variant_id": shirt, "quantity": 1 }], "note": note,
            "ship_to": { "name": name, "line1": "12 Hang Bac", "city": city, "country": "VN" } })
    };
    let mut placed = Vec::new();
    for (name, city, note) in [
        ("Anna-Maria Östberg", "Huế", "Leave it at no. 7/3"),
        ("Bob O'Neill", "Hanoi", "bob@example.com; ring <twice>"),
    ] {
        let answer = app.command(&alice, "/orders", &app.key(), order(name, city, note)).await.ok(201);
        placed.push(text(&answer, "id"));
    }
    let [anna, bob] = [&placed[0], &placed[1]];
    // The first one leaves the pending ones, and is found by another index.
    app.pay(&alice, anna).await;
    let number = text(&app.order(&olga, anna).await, "number");
    let (head, tail) = number.split_once('-').unwrap();
    for (q, expected) in [
        ("anna", vec![anna]),
        ("Maria", vec![anna]),
        ("öst", vec![anna]),
        ("östberg anna-m", vec![anna]),
        ("huế", vec![anna]),
        ("7/3", vec![anna]),
        ("neill", vec![bob]),
        ("o'neill", vec![bob]),
        ("example", vec![bob]),
        ("twice", vec![bob]),
        ("hanoi ring", vec![bob]),
        ("hanoi anna", vec![]),
        ("nn", vec![]),
        ("'|!", vec![]),
        (number.as_str(), vec![anna]),
        (head, vec![anna]),
        (&tail[..2], vec![anna]),
    ] {
        let found = ids(&app
            .send(Some(&olga), Method::GET, &format!("/admin/orders?q={}", encoded(q)), &[], None)
            .await
            .ok(200));
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{q}");
    }

    let tags = tag(&app, &olga, anna, json!(["vip", "gift-wrap", "vip"])).await.ok(200);
    assert_eq!(tags, json!({ "tags": ["gift-wrap", "vip"] }));
    assert_eq!(found(&app, &olga, "tag=vip").await.iter().collect::<Vec<_>>(), [anna]);
    let list = app.get(&olga, "/admin/orders?tag=gift-wrap").await.ok(200);
    assert_eq!(list["data"][0]["tags"], json!(["gift-wrap", "vip"]));
    let hers = app.get(&alice, "/orders").await.ok(200);
    assert!(hers["data"].as_array().unwrap().iter().all(|order| order.get("tags").is_none()), "{hers}");
    assert_eq!(tag(&app, &olga, anna, json!([])).await.ok(200), json!({ "tags": [] }));
    assert_eq!(found(&app, &olga, "tag=vip").await, Vec::<String>::new());
    for bad in [json!(["Vip"]), json!(["a b"]), json!([""]), json!(["x".repeat(41)]), json!(vec!["a"; 21])] {
        tag(&app, &olga, anna, bad).await.problem(400, "invalid_request");
    }
    tag(&app, &alice, anna, json!(["vip"])).await.problem(403, "forbidden");
    tag(&app, &olga, "0192f3a1-7c54-7d10-9a3e-5b1f0c2d4e6f", json!(["vip"])).await.problem(404, "not_found");
    app.finish().await;
}

fn encoded(q: &str) -> String {
    let mut url = reqwest::Url::parse("http://127.0.0.1").unwrap();
    url.query_pairs_mut().append_pair("q", q);
    url.query().unwrap().trim_start_matches("q=").to_owned()
}

#[tokio::test]
async fn a_list_by_time_is_read_page_by_page() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().stock(100).create().await;
    let mut placed = Vec::new();
    let from = app.now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    for number in 0..7 {
        // Several in one moment, some pending and some not.
        app.advance_minutes(number % 2);
        let order = app.place(&alice, &[(&shirt, 1)]).await;
        if number % 3 == 0 {
            app.cancel(&alice, &order).await.ok(200);
        }
        placed.push(order);
    }
    placed.reverse();
    for filter in [format!("placed_from={from}&"), String::new(), "on_hold=false&".to_owned()] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = app.get(&olga, &format!("/admin/orders?{filter}limit=2{cursor}")).await.ok(200);
            seen.extend(ids(&page));
            let Some(next) = page.get("next_cursor").and_then(Value::as_str) else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, placed, "{filter}");
    }
    app.finish().await;
}

#[tokio::test]
async fn tabs_are_counted_as_far_as_anybody_wants_to_know() {
    let app = TestApp::new().await;
    let olga = app.operator().await;
    fill(&app, 5_000).await;
    let counts = app.get(&olga, "/admin/orders/counts").await.ok(200);
    let tab =
        |counts: &Value, tab: &str| (counts[tab]["count"].as_i64().unwrap(), counts[tab]["capped"] == json!(true));
    assert_eq!(tab(&counts, "pending"), (500, false));
    assert_eq!(tab(&counts, "confirmed"), (999, true));
    assert_eq!(tab(&counts, "completed"), (999, true));
    for (name, condition) in [
        ("on_hold", "hold_reason IS NOT NULL"),
        ("returns_open", "return_status = 'requested'"),
        ("cancelled", "status = 'cancelled'"),
        ("expired", "status = 'expired'"),
    ] {
        let expected = app.number(&format!("SELECT count(*) FROM orders.orders WHERE {condition}")).await;
        assert!(expected > 0, "{name}");
        assert_eq!(tab(&counts, name), (expected, false), "{name}");
    }
    let held = app.get(&olga, "/admin/orders?on_hold=true&limit=100").await.ok(200);
    assert_eq!(tab(&counts, "on_hold").0, i64::try_from(ids(&held).len()).unwrap());
    let returning = app.get(&olga, "/admin/orders?return_open=true&limit=100").await.ok(200);
    assert_eq!(tab(&counts, "returns_open").0, i64::try_from(ids(&returning).len()).unwrap());
    let zebulon = app.get(&olga, "/admin/orders/counts?q=zebulon").await.ok(200);
    assert_eq!(tab(&zebulon, "completed"), (1, false), "{zebulon}");
    let vips = app.get(&olga, "/admin/orders/counts?tag=vip").await.ok(200);
    let sql = "SELECT count(*) FROM orders.orders WHERE 'vip' = ANY (tags) AND status = 'confirmed' AND hold_reason IS NULL \
        AND fulfillment_status <> 'fulfilled'";
    assert_eq!(tab(&vips, "to_ship"), (app.number(sql).await, false));
}
