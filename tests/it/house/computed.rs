//! What the server computes is never taken from a request (guarantee M-12): whoever sends a total, a price or a state that is
//! not asked for is refused, by every operation and at every depth of its body.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::operation::{Operation, operations, resolve};
use crate::support::app::TestApp;

/// What nobody decides but us, whatever an operation is about.
const OURS: [&str; 32] = [
    "id",
    "number",
    "status",
    "payment_status",
    "fulfillment_status",
    "return_status",
    "state",
    "total",
    "total_minor",
    "original_total",
    "balance_due",
    "authorized",
    "captured",
    "refunded",
    "paid",
    "price",
    "unit_price",
    "unit_price_minor",
    "discount_minor",
    "tax_minor",
    "on_hand",
    "reserved",
    "available",
    "version",
    "created_at",
    "updated_at",
    "expires_at",
    "customer_id",
    "role",
    "is_admin",
    "email_verified",
    "no_such_field",
];

/// What an operation answers when it succeeds.
fn answered(operation: &Operation) -> BTreeSet<&'static str> {
    let responses = operation.value["responses"].as_object().unwrap();
    let mut names = BTreeSet::new();
    for (_, response) in responses.iter().filter(|(status, _)| status.starts_with('2')) {
        let Some(schema) = response.pointer("/content/application~1json/schema") else { continue };
        let schema = resolve(schema);
        // A command answers with what became of its order.
        for part in [Some(schema), schema["properties"].get("order").map(resolve)].into_iter().flatten() {
            names.extend(part["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()));
        }
    }
    names
}

/// Every object in `body`, the body itself first, with its schema.
fn objects(body: &Value, at: &str, schema: &'static Value, found: &mut Vec<(String, &'static Value)>) {
    let schema = resolve(schema);
    match body {
        Value::Object(fields) => {
            found.push((at.to_owned(), schema));
            for (field, value) in fields {
                if let Some(property) = schema["properties"].get(field) {
                    objects(value, &format!("{at}/{field}"), property, found);
                }
            }
        }
        Value::Array(items) => {
            if let Some(first) = items.first() {
                objects(first, &format!("{at}/0"), &schema["items"], found);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn m_12_what_the_server_computes_is_never_taken_from_a_request() {
    let app = TestApp::new().await;
    let ada = app.admin().await;
    let before = app.everything().await;
    let (mut sent, mut asked, mut taken) = (0, 0, Vec::new());
    for operation in operations() {
        // What the gateway says is signed, and may say more than we know.
        let (Some(example), false) = (operation.example(), operation.id == "receivePaymentWebhook") else { continue };
        asked += 1;
        let mut places = Vec::new();
        objects(&example, "", operation.body_schema().unwrap(), &mut places);
        let answered = answered(&operation);
        for (at, schema) in places {
            let accepted = schema["properties"].as_object().unwrap();
            let names = OURS.iter().copied().chain(answered.iter().copied()).collect::<BTreeSet<_>>();
            for name in names.into_iter().filter(|name| !accepted.contains_key(*name)) {
                let mut body = example.clone();
                body.pointer_mut(&at).unwrap()[name] = json!(1);
                let (key, who) = (app.key(), operation.is_protected().then_some(&ada));
                let headers = [("idempotency-key", key.as_str()), ("if-match", "\"1\"")];
                let path = operation.path_to_nothing();
                let answer = app.send(who, operation.method.clone(), &path, &headers, Some(body.to_string())).await;
                sent += 1;
                let field = format!("{at}/{name}").trim_start_matches('/').to_owned();
                let is_named = answer.status == 400
                    && answer.json()["errors"]
                        .as_array()
                        .is_some_and(|all| all.iter().any(|one| one["field"] == field));
                if !is_named {
                    taken.push(format!("{} {field}: {} {:.200}", operation.id, answer.status, answer.text()));
                }
            }
        }
    }
    assert!(taken.is_empty(), "{} of {sent} are not refused by name:\n{}", taken.len(), taken.join("\n"));
    assert!(asked > 40, "{asked}");
    assert_eq!(app.everything().await, before);
    println!("M-12: {sent} fields of ours sent to {asked} operations, every one refused with 400 and by its name");
    app.finish().await;
}

#[tokio::test]
async fn m_12_a_form_takes_nothing_that_is_not_asked_for() {
    let app = TestApp::new().await;
    let ada = app.admin().await;
    let part =
        |name: &str, more: &str| format!("--cut\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\nx\r\n");
    for operation in operations() {
        let Some(kind) = operation.body_type().filter(|kind| !kind.ends_with("json")) else { continue };
        let (kind, body) = if kind.starts_with("multipart") {
            let file = part("file", "; filename=\"a.png\"");
            ("multipart/form-data; boundary=cut", format!("{file}{}--cut--\r\n", part("price_minor", "")))
        } else {
            (kind, "token=x&password=correct+horse+battery&role=admin".to_owned())
        };
        let who = operation.is_protected().then_some(&ada);
        let headers = [("content-type", kind), ("if-match", "\"1\"")];
        let path = operation.path_to_nothing();
        let answer = app.send(who, operation.method.clone(), &path, &headers, Some(body)).await;
        assert_eq!(answer.status, 400, "{}: {}", operation.id, answer.text());
    }
    app.finish().await;
}
