//! What is generated is what is committed, and the document says enough to work with.

use std::collections::BTreeSet;

use oms::{config, order_life, problems};
use serde_json::Value;

use super::{operation::operations, source::read};
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
fn every_field_is_described_and_every_number_bounded() {
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
        let mut fields = Vec::new();
        properties(&operation.id, schema, &mut fields);
        for (field, property) in fields {
            match property["type"].as_str() {
                Some("integer" | "number") => {
                    assert!(
                        property.get("minimum").is_some() && property.get("maximum").is_some(),
                        "{field} is unbounded"
                    );
                }
                Some("string") => {
                    let bounded = ["maxLength", "enum", "format"].iter().any(|bound| property.get(bound).is_some());
                    assert!(bounded, "{field} is unbounded");
                }
                Some("array") => assert!(property.get("maxItems").is_some(), "{field} is unbounded"),
                _ => {}
            }
        }
    }
}
