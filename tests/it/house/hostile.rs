//! Requests that no client of ours would send: every operation refuses them as a problem and nothing changes.

use serde_json::{Value, json};

use super::operation::{Operation, operations, resolve};
use crate::support::{
    answer::Answer,
    app::{Person, TestApp},
};

/// A request that must be refused, and what is wrong with it.
struct Wrong {
    what: String,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
}

/// Values that are none of this schema's, whatever else they are.
fn not_of(schema: &Value) -> Vec<Value> {
    let huge = || serde_json::from_str::<Value>("99999999999999999999999").unwrap();
    match schema["type"].as_str() {
        Some("string") => {
            let mut bad = vec![json!(7), json!(true), json!([]), json!({ "a": 1 }), json!(-1), json!("a\u{0}b")];
            bad.push(json!("x".repeat(100_000)));
            if schema.get("enum").is_some() || schema.get("format").is_some() {
                bad.extend([json!("nonsense"), json!("")]);
            }
            if schema["minLength"].as_u64() > Some(0) {
                bad.push(json!(""));
            }
            bad
        }
        Some("integer" | "number") => {
            let mut bad =
                vec![json!("7"), json!("x"), json!(1.5), json!(true), json!([]), json!({}), json!(1e300), huge()];
            bad.extend(schema["minimum"].as_i64().map(|minimum| json!(minimum - 1)));
            bad.extend(schema["maximum"].as_i64().map(|maximum| json!(maximum + 1)));
            bad
        }
        Some("boolean") => vec![json!("true"), json!(1), json!([]), json!("")],
        Some("array") => vec![json!("x"), json!(1), json!({}), json!(vec![Value::Null; 1_000])],
        _ => vec![json!("x"), json!(1), json!([1]), json!(true)],
    }
}

/// Every way to spoil one value below `at` in `body`.
fn spoil(body: &Value, at: &str, schema: &'static Value, spoilt: &mut Vec<(String, Value)>) {
    let schema = resolve(schema);
    let put = |path: &str, value: Value| {
        let mut body = body.clone();
        *body.pointer_mut(path).unwrap() = value;
        body
    };
    if !at.is_empty() {
        for bad in not_of(schema) {
            let said: String = bad.to_string().chars().take(40).collect();
            spoilt.push((format!("{at} = {said}"), put(at, bad)));
        }
    }
    match body.pointer(at) {
        Some(Value::Object(fields)) => {
            let mut more = fields.clone();
            more.insert("no_such_field".to_owned(), json!(1));
            spoilt.push((format!("{at} with an unknown field"), put(at, Value::Object(more))));
            for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                let mut less = fields.clone();
                less.remove(required);
                spoilt.push((format!("{at} without {required}"), put(at, Value::Object(less))));
                spoilt.push((format!("{at}/{required} = null"), put(&format!("{at}/{required}"), Value::Null)));
            }
            for field in fields.keys() {
                if let Some(property) = schema["properties"].get(field) {
                    spoil(body, &format!("{at}/{field}"), property, spoilt);
                }
            }
        }
        Some(Value::Array(items)) if !items.is_empty() => spoil(body, &format!("{at}/0"), &schema["items"], spoilt),
        _ => {}
    }
}

fn encoded(text: &str) -> String {
    let bytes = text
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    bytes.collect()
}

/// Values of a path or query parameter that are none of it.
fn bad_words(schema: &Value) -> Vec<String> {
    let mut bad: Vec<String> = ["a\u{0}b", "'; DROP TABLE orders; --"].map(str::to_owned).to_vec();
    bad.push("x".repeat(3_000));
    match schema["type"].as_str() {
        Some("integer" | "number") => {
            bad.extend(["", "x", "1.5", "99999999999999999999999", "-99999999999999999999999"].map(str::to_owned));
            bad.extend(schema["minimum"].as_i64().map(|minimum| (minimum - 1).to_string()));
            bad.extend(schema["maximum"].as_i64().map(|maximum| (maximum + 1).to_string()));
        }
        Some("boolean") => bad.extend(["7", "maybe"].map(str::to_owned)),
        Some("string") if schema.get("enum").is_some() || schema.get("format").is_some() => {
            bad.extend(["nonsense", "-1", "0192f3a1-7c54-7d10-9a3e"].map(str::to_owned));
        }
        Some("string") => {
            // Free text may look like SQL.
            bad.retain(|word| !word.contains("DROP"));
            if schema
                .get("pattern")
                .is_some_and(|pattern| pattern.as_str().is_some_and(|text| text.starts_with("^[a-z")))
            {
                bad.push("ÄÖÜ ß".to_owned());
            }
        }
        _ => {}
    }
    bad
}

/// Everything that is wrong in one way.
fn wrongs(operation: &Operation) -> Vec<Wrong> {
    let (fine, example) = (operation.path_to_nothing(), operation.example());
    let body = example.as_ref().map(Value::to_string);
    let mut all = Vec::new();
    let mut wrong = |what: String, path: String, headers: Vec<(&'static str, String)>, body: Option<String>| {
        all.push(Wrong { what, path, headers, body });
    };
    for (name, schema) in operation.parameters("path") {
        for word in bad_words(schema) {
            let path =
                operation.path_with(|other| if other == name { encoded(&word) } else { uuid::Uuid::nil().to_string() });
            wrong(format!("path {name}"), path, vec![], body.clone());
        }
        let path = operation
            .path_with(|other| if other == name { "%FF%FE".to_owned() } else { uuid::Uuid::nil().to_string() });
        wrong(format!("path {name} of bytes"), path, vec![], body.clone());
    }
    for (name, schema) in operation.parameters("query") {
        for word in bad_words(schema) {
            let said: String = word.chars().take(30).collect();
            wrong(format!("{name}={said}"), format!("{fine}?{name}={}", encoded(&word)), vec![], body.clone());
        }
    }
    for (name, _) in operation.parameters("header") {
        for word in ["", "a b\tc", "\"", "W/\"1\", nonsense", "-1"] {
            // An empty condition is none, and strangers to the gateway are told apart by what they sign.
            let value = if word.is_empty() { "x".repeat(2_000) } else { word.to_owned() };
            // Whatever is visible is a key.
            let is_a_key = name == "Idempotency-Key" && matches!(word, "\"" | "-1");
            if name.starts_with("If-None") || name.starts_with("webhook") && word == "-1" || is_a_key {
                continue;
            }
            wrong(format!("{name}: {value:.20}"), fine.clone(), vec![(name, value)], body.clone());
        }
    }
    match operation.body_type() {
        Some("application/json") => {
            let (example, schema) = (example.unwrap(), operation.body_schema().unwrap());
            let mut spoilt = Vec::new();
            spoil(&example, "", schema, &mut spoilt);
            for (what, body) in spoilt {
                wrong(what, fine.clone(), vec![], Some(body.to_string()));
            }
            let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
            for text in ["", "{", "[]", "null", "7", "\"x\"", "{}x", "\u{feff}{}", deep.as_str()] {
                let said: String = text.chars().take(10).collect();
                wrong(format!("body {said:?}"), fine.clone(), vec![], Some(text.to_owned()));
            }
            wrong(
                "bytes".to_owned(),
                fine.clone(),
                vec![("content-encoding", "gzip".to_owned())],
                Some("{".to_owned()),
            );
            for kind in
                ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", "x"]
            {
                wrong(
                    kind.to_owned(),
                    fine.clone(),
                    vec![("content-type", kind.to_owned())],
                    Some(example.to_string()),
                );
            }
        }
        Some(kind) => {
            for text in ["", "{}", "--cut--", "--cut\r\n\r\n", "token=&token=&x=%00"] {
                let kind = format!("{kind}; boundary=cut");
                wrong(format!("body {text:?}"), fine.clone(), vec![("content-type", kind)], Some(text.to_owned()));
            }
            wrong("JSON".to_owned(), fine.clone(), vec![], Some("{}".to_owned()));
        }
        None => {}
    }
    all
}

async fn send(app: &TestApp, person: &Person, operation: &Operation, wrong: Wrong) -> Answer {
    let key = app.key();
    let mut headers: Vec<(&str, &str)> = wrong.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("idempotency-key")) {
        headers.push(("idempotency-key", &key));
    }
    let person = operation.is_protected().then_some(person);
    app.send(person, operation.method.clone(), &wrong.path, &headers, wrong.body).await
}

/// Every refusal is checked by [`Answer`] itself: a problem with a known code, never a 5xx.
#[tokio::test]
async fn i_02_nonsense_is_refused_and_changes_nothing() {
    let app = TestApp::new().await;
    let ada = app.admin().await;
    let before = app.everything().await;
    let (mut sent, mut taken) = (0, Vec::new());
    for operation in operations() {
        for wrong in wrongs(&operation) {
            let what = format!("{} {}", operation.id, wrong.what);
            let answer = send(&app, &ada, &operation, wrong).await;
            sent += 1;
            if !(400..500).contains(&answer.status) {
                taken.push(format!("{what}: {} {:.200}", answer.status, answer.text()));
            }
        }
    }
    assert!(taken.is_empty(), "{} of {sent} were taken:\n{}", taken.len(), taken.join("\n"));
    assert!(sent > 1_000, "{sent}");
    assert_eq!(app.everything().await, before);
    app.finish().await;
}

/// An example that the server would not take is a bad example.
#[tokio::test]
async fn the_documents_own_examples_are_well_formed() {
    let app = TestApp::new().await;
    let ada = app.admin().await;
    for operation in operations() {
        let Some(example) = operation.example() else { continue };
        let wrong = Wrong {
            what: "the example".to_owned(),
            path: operation.path_to_nothing(),
            headers: vec![("if-match", "\"1\"".to_owned())],
            body: Some(example.to_string()),
        };
        // The webhook's example is not signed, and the password in an example is not Ada's.
        let answer = send(&app, &ada, &operation, wrong).await;
        let is_refused_unread = matches!(answer.status, 415 | 422 | 428)
            || answer.status == 400
                && answer.json()["errors"].as_array().is_some_and(|errors| !errors.is_empty())
                && operation.id != "receivePaymentWebhook";
        assert!(!is_refused_unread, "{}: {}", operation.id, answer.text());
    }
    app.finish().await;
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let app = TestApp::new().await;
    let ada = app.admin().await;
    for path in ["/nothing", "/orders/", "/orders/x/y/z/", "//orders", "/%00", "/..%2f..%2fetc/passwd"] {
        assert_eq!(app.get(&ada, path).await.status / 100, 4, "{path}");
    }
    for operation in operations() {
        let answer = app.send(Some(&ada), reqwest::Method::TRACE, &operation.path_to_nothing(), &[], None).await;
        assert_eq!(answer.status, 405, "{}", operation.id);
        assert!(
            answer.header("allow").is_some_and(|allow| allow.contains(operation.method.as_str())),
            "{}",
            operation.id
        );
    }
    app.finish().await;
}
