//! What is generated is what is committed, and the document says enough to work with.

use std::collections::BTreeSet;

use oms::{config, order_life, problems};
use serde_json::Value;

use super::{
    operation::{operations, resolve},
    source::read,
};
use crate::support::answer::document;

/// Says how to bring a file up to date.
#[track_caller]
fn assert_fresh(path: &str, printed: &str, command: &str) {
    assert!(read(path).trim_end() == printed.trim_end(), "{path} is not what '{command}' prints: print it again");
}

#[test]
fn committed_pages_are_what_the_program_prints() {
    assert_fresh("openapi.json", &serde_json::to_string_pretty(document()).unwrap(), "oms openapi");
    assert_fresh("docs/problems.md", &problems::markdown(), "oms openapi --problems");
    assert_fresh("docs/configuration.md", &config::markdown(), "oms config --markdown");
    assert_fresh("docs/order-life.md", &order_life::markdown(), "oms openapi --order-life");
    assert_fresh(".env.example", &config::env_example(), "oms config --env");
}

#[test]
fn the_life_of_an_order_names_operations_that_exist() {
    let page = order_life::markdown();
    let mut named = 0;
    for words in page.split('`').skip(1).step_by(2) {
        let Some((method, path)) = words.split_once(char::is_whitespace) else { continue };
        if !path.starts_with("/v1/") {
            continue;
        }
        let operation = &document()["paths"][path][method.to_lowercase()];
        assert!(operation.is_object(), "there is no {words}");
        named += 1;
    }
    assert!(named > 20, "{named}");
}

#[test]
fn every_operation_says_what_it_does_and_how_it_refuses() {
    let mut ids = BTreeSet::new();
    for operation in operations() {
        let (value, name) = (operation.value, &operation.id);
        assert!(ids.insert(name.clone()), "{name} twice");
        let verb_noun = name.chars().next().is_some_and(|first| first.is_ascii_lowercase())
            && name.chars().any(|letter| letter.is_ascii_uppercase())
            && name.chars().all(|letter| letter.is_ascii_alphanumeric());
        assert!(verb_noun, "{name} is not verbNoun");
        assert!(
            value["tags"].as_array().is_some_and(|tags| tags.len() == 1),
            "{name} has no place in the table of contents"
        );
        assert!(
            value["summary"].as_str().is_some_and(|text| text.len() > 5 && !text.ends_with('.')),
            "{name}: no summary"
        );
        let answers: BTreeSet<&str> = value["responses"].as_object().unwrap().keys().map(String::as_str).collect();
        assert!(answers.iter().any(|status| status.starts_with('2')), "{name} never succeeds");
        for needed in ["400", "500", "503"] {
            assert!(answers.contains(needed), "{name} does not say that it may answer {needed}");
        }
        assert_eq!(
            operation.is_protected(),
            answers.contains("401") && !operation.tells_strangers_apart(),
            "{name}: 401"
        );
        if operation.path.contains('{') {
            assert!(answers.contains("404"), "{name} takes something from its path and finds everything");
        }
        if operation.role() == Some("operator") || operation.role() == Some("admin") {
            assert!(answers.contains("403"), "{name} is for staff and lets everybody in");
        }
        for (status, answer) in value["responses"].as_object().unwrap() {
            assert!(
                answer["description"].as_str().is_some_and(|text| text.len() > 3),
                "{name} {status}: no description"
            );
            if status.as_str() >= "400" {
                let content = answer["content"].as_object().unwrap_or_else(|| panic!("{name} {status}: no content"));
                assert!(
                    content.keys().all(|kind| kind == "application/problem+json" || kind == "text/html"),
                    "{name} {status}: {content:?}"
                );
            }
        }
        for parameter in value["parameters"].as_array().into_iter().flatten() {
            assert!(
                parameter["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{name}: {}",
                parameter["name"]
            );
        }
    }
    assert!(ids.len() > 50, "{ids:?}");
}

/// Every property of every object, with where it is.
fn properties<'a>(name: &str, schema: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    for (field, property) in schema["properties"].as_object().into_iter().flatten() {
        found.push((format!("{name}.{field}"), property));
    }
}

#[test]
fn i_02_every_field_is_described_and_bounded() {
    let schemas = document()["components"]["schemas"].as_object().unwrap();
    let mut fields = Vec::new();
    for (name, schema) in schemas {
        assert!(schema["description"].as_str().is_some_and(|text| !text.is_empty()), "{name} is not described");
        properties(name, schema, &mut fields);
    }
    for (field, property) in &fields {
        let described =
            property.get("$ref").is_some() || property["description"].as_str().is_some_and(|text| !text.is_empty());
        assert!(described, "{field} is not described");
    }
    for operation in operations() {
        let Some(schema) = operation.body_schema() else { continue };
        assert!(
            schema.get("additionalProperties") == Some(&Value::Bool(false)),
            "{} takes unknown fields",
            operation.id
        );
        assert_bounded(&operation.id, schema);
        for place in ["path", "query", "header"] {
            for (name, schema) in operation.parameters(place) {
                assert_bounded(&format!("{} {name}", operation.id), schema);
            }
        }
    }
}

/// Nothing that comes in is as large as somebody likes, however deep it lies.
fn assert_bounded(name: &str, schema: &'static Value) {
    let schema = resolve(schema);
    let has = |bounds: &[&str]| bounds.iter().any(|bound| schema.get(bound).is_some());
    match schema["type"].as_str() {
        Some("integer" | "number") => assert!(has(&["minimum"]) && has(&["maximum"]), "{name} is unbounded"),
        Some("string") => assert!(has(&["maxLength", "enum", "format"]), "{name} is unbounded"),
        Some("array") => {
            assert!(has(&["maxItems"]), "{name} is unbounded");
            assert_bounded(&format!("{name}[]"), &schema["items"]);
        }
        Some("object") => {
            assert_eq!(schema["additionalProperties"], false, "{name} takes unknown fields");
            for (field, property) in schema["properties"].as_object().into_iter().flatten() {
                assert_bounded(&format!("{name}.{field}"), property);
            }
        }
        _ => {}
    }
}

/// The links of the document lead somewhere, and along the whole life of an order.
#[test]
fn i_01_links_lead_along_the_life_of_an_order() {
    let all = operations();
    let mut next: std::collections::BTreeMap<&str, BTreeSet<&str>> = std::collections::BTreeMap::new();
    for operation in &all {
        for (status, response) in operation.value["responses"].as_object().unwrap() {
            for (name, link) in response["links"].as_object().into_iter().flatten() {
                let to = link["operationId"].as_str().unwrap();
                let target = all.iter().find(|other| other.id == to).unwrap_or_else(|| panic!("{name} leads nowhere"));
                for (parameter, value) in link["parameters"].as_object().unwrap() {
                    assert!(target.path.contains(&format!("{{{parameter}}}")), "{to} has no {parameter}");
                    let Some(pointer) = value.as_str().unwrap().strip_prefix("$response.body#/") else { continue };
                    let mut schema =
                        resolve(&operation.value["responses"][status]["content"]["application/json"]["schema"]);
                    for part in pointer.split('/') {
                        let inner = if part == "0" { &schema["items"] } else { &schema["properties"][part] };
                        assert!(inner.is_object(), "{} answers no {pointer}", operation.id);
                        schema = resolve(inner);
                    }
                }
                next.entry(operation.id.as_str()).or_default().insert(to);
            }
        }
    }
    let (mut reached, mut open) = (BTreeSet::new(), vec!["placeOrder"]);
    while let Some(here) = open.pop() {
        if reached.insert(here) {
            open.extend(next.get(here).into_iter().flatten().copied());
        }
    }
    for step in [
        "startPayment",
        "confirmOrder",
        "createShipment",
        "shipShipment",
        "deliverShipment",
        "requestReturn",
        "approveReturn",
        "receiveReturn",
        "closeReturn",
        "refundOrder",
        "completeOrder",
        "cancelOrder",
        "releaseOrder",
    ] {
        assert!(reached.contains(step), "no link leads from placing to {step}: {reached:?}");
    }
}
