//! What somebody says is never a statement (guarantee I-05): fifty classics through everything that stores, filters and
//! searches. Each is kept as it was said, letter for letter, or finds nothing that it should not.

use reqwest::Method;
use serde_json::{Value, json};

use super::operation::operations;
use crate::support::{
    acts::units,
    answer::Answer,
    app::{Person, TestApp},
    shop::text,
};

const SAID: [&str; 50] = [
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\'",
    "';",
    "' --",
    "'/*",
    "*/",
    ");",
    "' OR '1'='1",
    "' OR 1=1 --",
    "\" OR \"\"=\"",
    "1 OR 1=1",
    "1; SELECT pg_sleep(10)",
    "'; SELECT pg_sleep(10); --",
    "' || pg_sleep(10) || '",
    "1 AND (SELECT 1 FROM pg_sleep(10)) IS NOT NULL",
    "'; DROP TABLE orders.orders; --",
    "'; DROP SCHEMA catalog CASCADE; --",
    "'; TRUNCATE accounts.users CASCADE; --",
    "'; UPDATE accounts.users SET role = 'admin'; --",
    "'; DELETE FROM payments.attempts; --",
    "x'); INSERT INTO accounts.users (role) VALUES ('admin'); --",
    "' UNION SELECT null --",
    "' UNION SELECT username FROM accounts.users --",
    "' UNION ALL SELECT oid FROM pg_catalog.pg_class --",
    "' AND 1 = CAST((SELECT version()) AS int) --",
    "'; COPY (SELECT '') TO PROGRAM 'touch pwned'; --",
    "'; COMMIT; SELECT 1; --",
    "'; ROLLBACK; --",
    "'; SET session_replication_role = replica; --",
    "'; LISTEN everything; --",
    "$$; DROP TABLE orders.lines; $$",
    "$1",
    "$1; SELECT 1",
    "?",
    ":name",
    "%s%s%s",
    "%",
    "_",
    "%' OR name LIKE '%",
    "a:* & !b | (c <-> d)",
    "E'\\x27'",
    "U&'\\0027'",
    "{\"$gt\": \"\"}",
    "{a,b,\"c\"}",
    "\u{ff07} OR 1=1 --",
    "\u{2bc}; DROP TABLE orders.orders; --",
];

/// Everything that was kept as it was said.
#[derive(Default)]
struct Count {
    kept: u32,
}

impl Count {
    /// Taken, and each of what is `found` afterwards is what was said.
    fn judge(&mut self, said: &str, answer: &Answer, found: impl IntoIterator<Item = Value>) {
        assert!(answer.status < 300, "{said:?}: {} {}", answer.status, answer.text());
        for value in found {
            assert_eq!(value, json!(said), "{}", answer.asked);
            self.kept += 1;
        }
    }
}

/// What the goods are called, whose they are, and how many there are.
async fn offer(app: &TestApp, seller: &Person, business: &str, said: &str, count: &mut Count) {
    let pair = json!([{ "name": said, "value": said }]);
    let body = json!({ "business_id": business, "name": said, "description": said, "currency": "USD", "attributes": pair,
        "variants": [{ "sku": format!("S-{}", app.next()), "name": said, "options": pair, "price_minor": 5 }] });
    let made = app.post(seller, "/products", body).await;
    let product = app.get(seller, &format!("/products/{}", text(&made.json(), "id"))).await.ok(200);
    let variant = product["variants"][0].clone();
    let kept = [&product["name"], &product["description"], &product["attributes"][0]["name"], &variant["name"]];
    count.judge(said, &made, kept.map(Value::clone));
    let options = [&product["attributes"][0]["value"], &variant["options"][0]["name"], &variant["options"][0]["value"]];
    count.judge(said, &made, options.map(Value::clone));

    let stock = format!("/variants/{}/stock", text(&variant, "id"));
    let received =
        app.command(seller, &format!("{stock}/receive"), &app.key(), json!({ "quantity": 1, "reason": said })).await;
    let movements = app.get(seller, &format!("{stock}/movements")).await.ok(200);
    count.judge(said, &received, [movements["data"][0]["reason"].clone()]);
}

/// What a buyer writes, and what becomes of a unit of theirs.
async fn order(app: &TestApp, [buyer, seller, staff]: [&Person; 3], variant: &str, said: &str, count: &mut Count) {
    let home = json!({ "name": said, "line1": said, "line2": said, "city": said, "region": said, "country": "VN" });
    let body = json!({ "lines": [{ "variant_id": variant, "quantity": 1 }], "ship_to": home, "note": said });
    let placed = app.command(buyer, "/orders", &app.key(), body).await;
    let order = text(&placed.ok(201), "id");
    let shown = app.order(buyer, &order).await;
    let home = ["name", "line1", "line2", "city", "region"].map(|field| shown["ship_to"][field].clone());
    count.judge(said, &placed, home.into_iter().chain([shown["note"].clone()]));

    let path = format!("/orders/{order}");
    let written = app
        .command(buyer, &format!("{path}/notes"), &app.key(), json!({ "body": said, "visibility": "customer" }))
        .await;
    let notes = app.get(buyer, &format!("{path}/notes")).await.ok(200);
    count.judge(said, &written, [notes["data"][0]["body"].clone()]);

    let held = app.act(staff, &format!("{path}/hold"), json!({ "reason": said })).await;
    count.judge(said, &held, []);
    app.act(staff, &format!("{path}/release"), json!({})).await.ok(200);
    let owed = json!({ "amount": shown["balance_due"], "method": "bank_transfer", "reference": said });
    count.judge(said, &app.act(staff, &format!("{path}/payments/offline"), owed).await, []);

    let parcel = app.pack(seller, &order, &[(1, 1)]).await;
    let by = json!({ "carrier": said, "tracking_number": said });
    let sent = app.parcel(seller, &parcel, "ship", by).await;
    let shown = app.get(seller, &format!("/shipments/{parcel}")).await.ok(200);
    count.judge(said, &sent, ["carrier", "tracking_number"].map(|field| shown["shipment"][field].clone()));
    app.parcel(seller, &parcel, "deliver", json!({})).await.ok(200);
    let wish = json!({ "lines": units(&[(1, 1)]), "reason": said });
    let asked = app.act(buyer, &format!("{path}/returns"), wish).await;
    let returned = text(&asked.ok(201)["return"], "id");
    let shown = app.get(buyer, &format!("/returns/{returned}")).await.ok(200);
    count.judge(said, &asked, [shown["return"]["reason"].clone()]);
    let decided = app.goods(staff, &returned, "reject", json!({ "decision": said })).await;
    count.judge(said, &decided, []);
    // The history tells it as it was told.
    let history = app.get(staff, &format!("{path}/events?limit=100")).await.ok(200).to_string();
    assert!(history.contains(json!(said).to_string().trim_matches('"')), "{said:?} is not in {history}");
}

#[tokio::test]
async fn i_05_what_is_stored_is_kept_as_it_was_said() {
    let app = TestApp::new().await;
    let (alice, olga, shop) = (app.customer("alice").await, app.operator().await, app.seller("sam").await);
    let soap = app.variant().of(&shop).stock(100).create().await;
    let mut count = Count::default();
    for said in SAID {
        let renamed =
            app.send(Some(&alice), Method::PATCH, "/me", &[], Some(json!({ "display_name": said }).to_string())).await;
        let me = app.get(&alice, "/me").await.ok(200);
        count.judge(said, &renamed, [me["display_name"].clone()]);

        let body = json!({ "name": said, "city": said, "country": "VN", "description": said });
        let opened = app.post(&shop.owner, "/businesses", body).await;
        let shown = app.get(&alice, &format!("/businesses/{}", text(&opened.json(), "id"))).await.ok(200);
        count.judge(said, &opened, ["name", "city", "description"].map(|field| shown[field].clone()));

        let named = app.post(&olga, "/categories", json!({ "name": said, "slug": format!("c-{}", app.next()) })).await;
        count.judge(said, &named, [named.json()["name"].clone()]);
        let slug = app.post(&olga, "/categories", json!({ "name": "Tea", "slug": said })).await;
        slug.problem(400, "invalid_request");

        offer(&app, &shop.owner, &shop.id, said, &mut count).await;
        order(&app, [&alice, &shop.owner, &olga], &soap, said, &mut count).await;
        let login = json!({ "login": said, "password": said }).to_string();
        app.send(None, Method::POST, "/auth/login", &[], Some(login)).await.problem(401, "invalid_credentials");
    }
    println!("I-05: {} strings kept letter for letter in {} fields", SAID.len(), count.kept);
    assert!(count.kept > 900, "{}", count.kept);
    app.finish().await;
}

#[tokio::test]
async fn i_05_what_is_looked_for_finds_nothing_else() {
    let app = TestApp::new().await;
    let (olga, alice) = (app.operator().await, app.customer("alice").await);
    let soap = app.variant().stock(5).create().await;
    app.place(&alice, &[(&soap, 1)]).await;
    let before = app.everything().await;
    let (mut sent, mut refused) = (0, 0);
    for operation in operations().iter().filter(|operation| operation.method == Method::GET) {
        for (name, _) in operation.parameters("query") {
            for said in SAID {
                let mut url = reqwest::Url::parse("http://127.0.0.1").unwrap();
                url.query_pairs_mut().append_pair(name, said);
                let path = format!("{}?{}", operation.path_to_nothing(), url.query().unwrap());
                let who = operation.is_protected().then_some(&olga);
                let answer = app.send(who, Method::GET, &path, &[], None).await;
                sent += 1;
                refused += u32::from(answer.status >= 400);
                // No number and no tag holds any of this, and nothing that is always true was added to the question.
                if answer.status < 300 && matches!(name, "number" | "tag") {
                    let rows = answer.json()["data"].as_array().map_or(0, Vec::len);
                    assert_eq!(rows, 0, "{said:?}: {}", answer.text());
                }
            }
        }
    }
    assert_eq!(app.everything().await, before);
    println!("I-05: {sent} searches and filters with {} strings, {refused} refused, nothing changed", SAID.len());
    app.finish().await;
}
