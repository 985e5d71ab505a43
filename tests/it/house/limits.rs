//! The largest, smallest and strangest values that the document allows, on things that exist: taken or refused, but never
//! too much for us.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    operation::{Operation, operations, resolve},
    strangers::{Estate, body_of, estate, path_to},
};
use crate::support::app::{Person, TestApp};

/// As many letters as there may be, each of four bytes and each another one, so that nothing about them can be compressed.
fn long(length: u64) -> String {
    let letters = (0_u32..20_000).map(|at| char::from_u32(0x2_0000 + at * 7 % 40_000).unwrap());
    letters.cycle().take(usize::try_from(length).unwrap()).collect()
}

/// Values at the edge of what `schema` allows; not all of them may be allowed.
fn edges(schema: &'static Value) -> Vec<Value> {
    let schema = resolve(schema);
    match schema["type"].as_str() {
        Some("string") => {
            let mut edges: Vec<_> =
                ["%_\\", "' OR 1=1 --", "&|!():*<->", "\u{202e}abc", "{{7*7}}", "\u{fdfd}", "e\u{301}", " x "]
                    .map(|text| json!(text))
                    .to_vec();
            edges.extend(schema["maxLength"].as_u64().map(|length| json!(long(length))));
            edges
                .extend(schema["maxLength"].as_u64().map(|length| json!("W".repeat(usize::try_from(length).unwrap()))));
            edges.extend(schema["enum"].as_array().into_iter().flatten().cloned());
            edges
        }
        Some("integer") => ["minimum", "maximum"].iter().filter_map(|bound| schema.get(bound)).cloned().collect(),
        Some("array") => {
            let item = resolve(&schema["items"]);
            let (Some(item), Some(count)) = (item.get("example"), schema["maxItems"].as_u64()) else {
                return vec![json!([])];
            };
            vec![json!([]), json!(vec![item.clone(); usize::try_from(count).unwrap()])]
        }
        _ => vec![Value::Null],
    }
}

/// The version that somebody has seen who has just looked.
async fn version(app: &TestApp, operation: &Operation, estate: &Estate) -> String {
    let from = if operation.path.contains("/stock/") {
        format!("catalog.stock WHERE variant_id = '{}'", estate.variant)
    } else if operation.path.starts_with("/v1/businesses/") {
        format!("catalog.businesses WHERE id = '{}'", estate.business)
    } else {
        format!("catalog.products WHERE id = (SELECT product_id FROM catalog.variants WHERE id = '{}')", estate.variant)
    };
    format!("\"{}\"", app.number(&format!("SELECT version FROM {from}")).await)
}

#[tokio::test]
async fn nothing_that_the_document_allows_is_too_much() {
    let app = TestApp::new().await;
    let (mine, people) = estate(&app).await;
    let olga = people.operator.clone();
    let mut taken = 0;
    for operation in operations() {
        let owner: &Person = match operation.role() {
            Some("seller") => &people.seller,
            Some("operator") => &olga,
            Some("admin") => &people.admin,
            _ => &people.buyer,
        };
        let is_elsewhere = operation.path.starts_with("/v1/categories/") || operation.id == "changePassword";
        let (Some(schema), Some(example), false) = (operation.body_schema(), body_of(&operation, &mine), is_elsewhere)
        else {
            continue;
        };
        for (field, property) in schema["properties"].as_object().unwrap() {
            for edge in edges(property) {
                let mut body = example.clone();
                body[field] = edge;
                let (key, version) = (app.key(), version(&app, &operation, &mine).await);
                let headers = [("idempotency-key", key.as_str()), ("if-match", version.as_str())];
                let path = if operation.path.contains("{gateway}") {
                    "/webhooks/payments/mock".to_owned()
                } else {
                    path_to(&operation, &mine)
                };
                let who = operation.is_protected().then_some(owner);
                let answer = app.send(who, operation.method.clone(), &path, &headers, Some(body.to_string())).await;
                taken += u32::from(answer.status < 300);
            }
        }
    }
    assert!(taken > 50, "{taken}");
    assert_eq!(app.differences().await, vec![]);
}

#[tokio::test]
async fn i_05_nothing_that_can_be_looked_for_is_too_strange() {
    let app = TestApp::new().await;
    let (mine, people) = estate(&app).await;
    let olga = people.operator.clone();
    for operation in operations().iter().filter(|operation| operation.method == Method::GET) {
        let who = match operation.role() {
            Some("seller") => &people.seller,
            Some("operator") => &olga,
            Some("admin") => &people.admin,
            _ => &people.buyer,
        };
        let parameters = operation.parameters("query");
        if parameters.is_empty() {
            continue;
        }
        let path = path_to(operation, &mine);
        for (name, schema) in parameters {
            for edge in edges(schema) {
                let text = edge.as_str().map_or_else(|| edge.to_string(), str::to_owned);
                let mut url = reqwest::Url::parse("http://127.0.0.1").unwrap();
                url.query_pairs_mut().append_pair(name, &text);
                let path = format!("{path}?{}", url.query().unwrap());
                let who = operation.is_protected().then_some(who);
                app.send(who, Method::GET, &path, &[], None).await;
            }
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn an_order_cannot_cost_more_than_can_be_paid() {
    let app = TestApp::new().await;
    let alice = app.customer("alice").await;
    let palace = app.variant().price(1_000_000_000_000).stock(1_001).create().await;
    app.try_place(&alice, &[(&palace, 1_001)]).await.problem(409, "total_too_large");
    let order = app.place(&alice, &[(&palace, 1_000)]).await;
    app.pay(&alice, &order).await;
    assert_eq!(app.standing(&alice, &order).await, "confirmed paid 1000000000000000 0 0");
    app.finish().await;
}
