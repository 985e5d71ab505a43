//! S-06: who may call what. `authz.tsv` is the answer for every operation and every kind of caller, and here the real program
//! is asked: everybody calls every operation, on things that belong to somebody.
//!
//! `ok`: the door is open, and whatever is answered is about the request. `401`: log in first. `403`: not in this role, or not
//! with this key. `404`: it is somebody else's, and so it is not there.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    operation::{Operation, operations},
    source::read,
    strangers::{Estate, Owners, estate, path_to, picture, upload},
};
use crate::support::{
    answer::Answer,
    app::{Person, TestApp},
    shop::text,
};

const TABLE: &str = "tests/it/house/authz.tsv";
/// Who calls: nobody; the order's buyer with a token that has expired, and with one that has not; another customer; the member of
/// the business that sells it; the owner of another business; an operator; an administrator; an operator's program whose
/// key is good for everything that keys are good for; the same with a key that is good for something else.
const ACTORS: [&str; 10] =
    ["anonymous", "expired", "buyer", "stranger", "seller", "rival", "operator", "admin", "key", "other_key"];

type Row = BTreeMap<&'static str, String>;

fn table() -> BTreeMap<String, Row> {
    let text = read(TABLE);
    let mut lines = text.lines();
    let head: Vec<_> = lines.next().unwrap().split('\t').map(str::trim).collect();
    assert_eq!(head[1..], ACTORS, "{TABLE}: the columns");
    lines
        .map(|line| {
            let cells: Vec<_> = line.split('\t').map(str::trim).collect();
            assert_eq!(cells.len(), ACTORS.len() + 1, "{TABLE}: {line}");
            assert!(cells[1..].iter().all(|cell| matches!(*cell, "ok" | "401" | "403" | "404")), "{TABLE}: {line}");
            let row = ACTORS.into_iter().zip(cells[1..].iter().map(|cell| (*cell).to_owned())).collect();
            (cells[0].to_owned(), row)
        })
        .collect()
}

fn outcome(answer: &Answer) -> &'static str {
    let code = serde_json::from_slice::<Value>(&answer.body).map(|body| body["code"].clone()).unwrap_or_default();
    match (answer.status, code.as_str()) {
        (401, Some("unauthenticated")) => "401",
        (403, Some("forbidden" | "insufficient_scope")) => "403",
        (404, Some("not_found")) => "404",
        _ => "ok",
    }
}

/// The example of the document, about things that are there.
fn about(value: &mut Value, estate: &Estate) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "business_id" => *value = json!(estate.business),
                    "variant_id" => *value = json!(estate.variant),
                    "user_id" | "owner_id" => *value = json!(estate.bystander),
                    "category_id" | "parent_id" => *value = Value::Null,
                    // The example is everybody's password here, and whoever changes it is logged out.
                    "current_password" => *value = json!("another password"),
                    _ => about(value, estate),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| about(item, estate)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The world in which everybody tries everything.
struct Stage {
    app: TestApp,
    estate: Estate,
    owners: Owners,
    bearers: BTreeMap<&'static str, Option<String>>,
    /// A key that is good for orders only, and one for everything else.
    one_sided: [String; 2],
}

impl Stage {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let (estate, owners) = estate(&app).await;
        let (mallory, rival) = (app.customer("mallory").await, app.seller("rival").await.owner);
        let expired = owners.buyer.token();
        app.advance_minutes(16);
        let people: [(&'static str, &Person); 6] = [
            ("buyer", &owners.buyer),
            ("stranger", &mallory),
            ("seller", &owners.seller),
            ("rival", &rival),
            ("operator", &owners.operator),
            ("admin", &owners.admin),
        ];
        let mut bearers = BTreeMap::from([("anonymous", None), ("expired", Some(expired))]);
        for (name, person) in people {
            app.log_in(person).await;
            bearers.insert(name, Some(person.token()));
        }
        let key = async |scopes: Value| {
            let body = json!({ "name": "x", "owner_id": owners.operator.id.to_string(), "role": "operator", "scopes": scopes });
            text(&app.post(&owners.admin, "/api-keys", body).await.ok(201), "key")
        };
        let (orders, goods) =
            (["orders:read", "orders:write"], ["catalog:read", "catalog:write", "stock:read", "stock:write"]);
        bearers.insert("key", Some(key(json!([orders.as_slice(), goods.as_slice()].concat())).await));
        let one_sided = [key(json!(orders)).await, key(json!(goods)).await];
        // That the keys are used is written down before anything is compared.
        for key in one_sided.iter().chain(bearers["key"].iter()) {
            let bearer = format!("Bearer {key}");
            app.send(None, reqwest::Method::GET, "/me", &[("authorization", &bearer)], None)
                .await
                .problem(403, "insufficient_scope");
        }
        app.wiring.doors.write_down_use().await;
        Self { app, estate, owners, bearers, one_sided }
    }

    fn bearer(&self, actor: &str, operation: &Operation) -> Option<&String> {
        if actor != "other_key" {
            return self.bearers[actor].as_ref();
        }
        let is_about_orders = operation.value["x-scope"].as_str().is_some_and(|scope| scope.starts_with("orders"));
        Some(&self.one_sided[usize::from(is_about_orders)])
    }

    /// Something to delete that nothing else is about.
    async fn expendable(&self, operation: &Operation) -> Estate {
        let Stage { app, estate, owners, .. } = self;
        let mut spare = estate.clone();
        match operation.id.as_str() {
            "deleteProduct" => {
                let name = format!("SPARE-{}", app.next());
                let body = json!({ "business_id": estate.business, "name": name, "currency": "USD", "sku": name, "price_minor": 1 });
                spare.product = app.post(&owners.seller, "/products", body).await.ok(201);
            }
            "deleteVariant" => {
                let sku = format!("SPARE-{}", app.next());
                let path = format!("/products/{}/variants", text(&estate.product, "id"));
                let made = app.post(&owners.seller, &path, json!({ "sku": sku, "price_minor": 1 })).await.ok(201);
                let mut variants = made["variants"].as_array().unwrap().iter();
                spare.variant = text(variants.find(|variant| variant["sku"] == sku).unwrap(), "id");
            }
            "deleteProductImage" => spare.image = upload(app, &owners.seller, &estate.product).await.0,
            "deleteCategory" => {
                let name = format!("spare-{}", app.next());
                let made = app.post(&owners.operator, "/categories", json!({ "slug": name, "name": name })).await;
                spare.category = text(&made.ok(201), "id");
            }
            _ => {}
        }
        spare
    }

    async fn ask(&self, actor: &str, operation: &Operation, estate: &Estate) -> &'static str {
        let (app, key, form) = (&self.app, self.app.key(), picture());
        let bearer = self.bearer(actor, operation).map(|token| format!("Bearer {token}"));
        // They have seen the current version on the product's page.
        let mut headers = vec![("if-match", "\"1\"")];
        headers.extend(bearer.iter().map(|bearer| ("authorization", bearer.as_str())));
        if operation.parameters("header").iter().any(|(name, _)| *name == "Idempotency-Key") {
            headers.push(("idempotency-key", &key));
        }
        let body = match operation.body_type() {
            Some("multipart/form-data") => {
                headers.push(("content-type", form.0));
                Some(form.1)
            }
            _ => operation.example().map(|mut body| {
                about(&mut body, estate);
                body.to_string()
            }),
        };
        outcome(&app.send(None, operation.method.clone(), &path_to(operation, estate), &headers, body).await)
    }
}

#[tokio::test]
async fn s_06_everybody_may_do_what_the_table_says_and_nothing_else() {
    let table = table();
    let operations = operations();
    let stage = Stage::new().await;
    let mut wrong = Vec::new();

    // What is refused changes nothing.
    let before = stage.app.everything().await;
    let (mut refused, mut let_in) = (0, 0);
    for operation in &operations {
        let Some(row) = table.get(&operation.id) else { continue };
        for (actor, expected) in row.iter().filter(|(_, expected)| *expected != "ok") {
            let found = stage.ask(actor, operation, &stage.estate).await;
            refused += 1;
            if found != expected {
                wrong.push(format!("{}: {actor} is to get {expected} and gets {found}", operation.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{TABLE} says otherwise:\n{}", wrong.join("\n"));
    assert_eq!(stage.app.everything().await, before);

    for operation in &operations {
        let Some(row) = table.get(&operation.id) else { continue };
        for actor in ACTORS.into_iter().filter(|actor| row[actor] == "ok") {
            let estate = stage.expendable(operation).await;
            let found = stage.ask(actor, operation, &estate).await;
            let_in += 1;
            if found != "ok" {
                wrong.push(format!("{}: {actor} is to be let in and gets {found}", operation.id));
            }
        }
    }
    // Whoever adds an operation says who may call it.
    for operation in operations.iter().filter(|operation| !table.contains_key(&operation.id)) {
        let estate = stage.expendable(operation).await;
        let mut line = operation.id.clone();
        for actor in ACTORS {
            line = format!("{line}\t{}", stage.ask(actor, operation, &estate).await);
        }
        wrong.push(format!("no row; as it is now, it would be:\n{line}"));
    }
    assert!(wrong.is_empty(), "{TABLE} says otherwise:\n{}", wrong.join("\n"));
    println!(
        "S-06: {} operations by {} kinds of caller: {refused} refused, {let_in} let in",
        table.len(),
        ACTORS.len()
    );
    assert_eq!(stage.app.differences().await, vec![]);
}

/// The table is compared with the document: what is for staff by its path or its role is for staff in the table.
#[test]
fn s_06_the_table_says_what_the_document_says() {
    let table = table();
    let operations = operations();
    for operation in &operations {
        let Some(row) = table.get(&operation.id) else { panic!("{TABLE} has no row for {}", operation.id) };
        let is = |actor: &str, what: &str| assert_eq!(row[actor], what, "{}: {actor}", operation.id);
        if !operation.is_protected() {
            assert_eq!(row["anonymous"], row["buyer"], "{}: what is public is public for all", operation.id);
            continue;
        }
        is("anonymous", "401");
        is("expired", "401");
        is("other_key", "403");
        if operation.value.get("x-scope").is_none() {
            is("key", "403");
        }
        match operation.role() {
            Some("admin") => ["buyer", "stranger", "seller", "rival", "operator", "key"].map(|actor| is(actor, "403")),
            Some("operator") => {
                ["buyer", "stranger", "seller", "rival", "buyer", "seller"].map(|actor| is(actor, "403"))
            }
            Some("customer" | "seller") => [(); 6],
            other => panic!("{}: {other:?}", operation.id),
        };
        let is_staffs = operation.path.starts_with("/v1/admin/") || operation.path.starts_with("/v1/api-keys");
        assert!(!is_staffs || matches!(operation.role(), Some("operator" | "admin")), "{}", operation.id);
    }
    let gone: Vec<_> = table.keys().filter(|id| !operations.iter().any(|operation| operation.id == **id)).collect();
    assert!(gone.is_empty(), "{TABLE} has rows for {gone:?}");
}
