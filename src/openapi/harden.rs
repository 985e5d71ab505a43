//! Makes the document say what the server does, where poem-openapi leaves it open.

use std::collections::{BTreeMap, BTreeSet};

use poem::http::Method;
use serde_json::{Map, Value, json};

use super::scopes;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Applies every correction.
pub(super) fn harden(document: &mut Value) {
    strip_charsets(document);
    let requests = schemas_of_requests(document);
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        for (name, schema) in schemas.iter_mut() {
            if requests.contains(name) {
                close(schema);
                accept_null(schema);
            }
        }
    }
    bound_unsigned(document);
    whole_bounds(document);
    for_each_operation(document, |method, path, operation| {
        close_forms(operation);
        parameters(operation);
        one_bearer(operation);
        keys(method, path, operation);
        framework_answers(path, operation);
    });
    one_scheme(document);
    describe_answers(document);
    if let Some(root) = document.as_object_mut() {
        root.insert("openapi".to_owned(), json!("3.0.3"));
    }
}

pub(super) fn for_each_operation(document: &mut Value, mut change: impl FnMut(&str, &str, &mut Map<String, Value>)) {
    for (path, item) in document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if let Some(operation) = operation.as_object_mut().filter(|_| METHODS.contains(&method.as_str())) {
                change(method, path, operation);
            }
        }
    }
}

/// A media type is compared without its parameters.
fn strip_charsets(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Object(content)) = map.get_mut("content") {
                let old = std::mem::take(content);
                for (kind, media) in old {
                    content.insert(kind.trim_end_matches("; charset=utf-8").to_owned(), media);
                }
            }
            map.values_mut().for_each(strip_charsets);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_charsets),
        _ => {}
    }
}

/// The names of all schemas that can be reached from a request body.
fn schemas_of_requests(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Value> = Vec::new();
    for item in document.get("paths").and_then(Value::as_object).into_iter().flat_map(Map::values) {
        open.extend(
            item.as_object().into_iter().flat_map(Map::values).filter_map(|operation| operation.get("requestBody")),
        );
    }
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                if let Some(name) = map.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next())
                    && found.insert(name.to_owned())
                {
                    open.extend(document.pointer(&format!("/components/schemas/{name}")));
                }
                open.extend(map.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found
}

/// Requests refuse fields that they do not know.
fn close(schema: &mut Value) {
    if let Some(schema) = schema.as_object_mut()
        && schema.get("type") == Some(&json!("object"))
        && schema.contains_key("properties")
    {
        schema.entry("additionalProperties").or_insert(json!(false));
    }
}

/// Forms refuse fields that they do not know, too; their schemas are written in place.
fn close_forms(operation: &mut Map<String, Value>) {
    let content = operation.get_mut("requestBody").and_then(|body| body.get_mut("content"));
    for media in content.and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        if let Some(schema) = media.get_mut("schema") {
            close(schema);
        }
    }
}

/// Operations that refuse a request without an `Idempotency-Key`. Their handlers take it as optional, so that its absence
/// has a code of its own. (Placing and cancelling demand one only when they are not a dry run; no schema can say that.)
pub(super) const KEYED: [&str; 5] = ["startPayment", "receiveStock", "countStock", "writeOrderNote", "createExport"];

fn parameters(operation: &mut Map<String, Value>) {
    let is_keyed = operation.get("operationId").and_then(Value::as_str).is_some_and(|id| KEYED.contains(&id));
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        match parameter.get("name").and_then(Value::as_str) {
            Some("Idempotency-Key") if is_keyed => {
                parameter.as_object_mut().and_then(|parameter| parameter.insert("required".to_owned(), json!(true)));
            }
            // A cursor is opaque: no example is one that we have handed out.
            Some("cursor") => {
                parameter.get_mut("schema").and_then(Value::as_object_mut).and_then(|schema| schema.remove("example"));
            }
            _ => {}
        }
    }
}

/// What a request may leave out it may also send as null. (Responses leave out what they do not have.)
fn accept_null(schema: &mut Value) {
    let required: Vec<String> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    for (name, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        // A field with a default is not an Option: it may be left out, and null is refused.
        if required.contains(name) || property.get("default").is_some() {
            continue;
        }
        if property.get("$ref").is_some() {
            *property = json!({ "allOf": [property.take()], "nullable": true });
        } else if let Some(property) = property.as_object_mut() {
            property.insert("nullable".to_owned(), json!(true));
            if let Some(options) = property.get_mut("enum").and_then(Value::as_array_mut) {
                options.push(Value::Null);
            }
        }
    }
}

/// Unsigned formats carry their bounds.
fn bound_unsigned(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let maximum = match map.get("format").and_then(Value::as_str) {
                Some("uint8") => Some(u64::from(u8::MAX)),
                Some("uint16") => Some(u64::from(u16::MAX)),
                Some("uint32") => Some(u64::from(u32::MAX)),
                _ => None,
            };
            if let Some(maximum) = maximum {
                map.entry("minimum").or_insert(json!(0));
                map.entry("maximum").or_insert(json!(maximum));
            }
            map.values_mut().for_each(bound_unsigned);
        }
        Value::Array(items) => items.iter_mut().for_each(bound_unsigned),
        _ => {}
    }
}

/// Bounds are kept as floats by poem-openapi; those of integers are written as integers.
fn whole_bounds(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.get("type").and_then(Value::as_str) == Some("integer") {
                for name in ["minimum", "maximum"] {
                    let whole = map.get(name).filter(|bound| bound.is_f64()).map(|bound| bound.to_string());
                    let whole =
                        whole.and_then(|text| text.strip_suffix(".0").and_then(|text| text.parse::<i64>().ok()));
                    if let Some(whole) = whole {
                        map.insert(name.to_owned(), json!(whole));
                    }
                }
            }
            map.values_mut().for_each(whole_bounds);
        }
        Value::Array(items) => items.iter_mut().for_each(whole_bounds),
        _ => {}
    }
}

/// Roles are ours; to a client there is one kind of token. The role is kept as `x-role`.
fn one_bearer(operation: &mut Map<String, Value>) {
    let schemes = operation.get("security").and_then(Value::as_array).cloned().unwrap_or_default();
    let role = schemes.first().and_then(Value::as_object).and_then(|scheme| scheme.keys().next()).cloned();
    // Some operations show more to those who are known, and are open to everybody.
    let open_to_all = schemes.iter().any(|scheme| scheme.as_object().is_some_and(Map::is_empty));
    match role {
        Some(_) if open_to_all => {
            operation.insert("security".to_owned(), json!([{ "bearer": [] }, {}]));
        }
        Some(role) => {
            operation.insert("security".to_owned(), json!([{ "bearer": [] }]));
            operation.insert("x-role".to_owned(), json!(role));
        }
        None => {
            operation.insert("security".to_owned(), json!([]));
            // A login checks credentials that are in its body; what has no body checks none.
            if !operation.contains_key("requestBody")
                && let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut)
            {
                responses.remove("401");
            }
        }
    }
}

/// What an API key needs, where one is taken, is kept as `x-scope`; and everything that wants to know who asks may find that
/// a key is not good for it.
fn keys(method: &str, path: &str, operation: &mut Map<String, Value>) {
    if !operation.contains_key("x-role") {
        return;
    }
    let method = method.to_uppercase().parse::<Method>().ok();
    let needed = method.and_then(|method| scopes::needed(&method, path.strip_prefix("/v1").unwrap_or(path)));
    if let Some(scope) = needed {
        operation.insert("security".to_owned(), json!([{ "bearer": [] }, { "api_key": [] }]));
        operation.insert("x-scope".to_owned(), json!(scope.name()));
    }
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        responses.entry("403").or_insert_with(|| refusal("The API key is not good for this"));
    }
}

fn refusal(about: &str) -> Value {
    json!({
        "description": about,
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}

fn one_scheme(document: &mut Value) {
    let Some(root) = document.as_object_mut() else { return };
    let components = root.entry("components").or_insert(json!({}));
    if let Some(components) = components.as_object_mut() {
        components.insert(
            "securitySchemes".to_owned(),
            json!({ "bearer": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "The access token of a login. What an operation demands of its owner is its `x-role`.",
            }, "api_key": {
                "type": "http", "scheme": "bearer", "bearerFormat": "oms_live_…",
                "description": "An API key that an administrator made, for programs. It acts as its owner; what an operation demands of it is its `x-scope`.",
            } }),
        );
    }
}

/// What the edge of the server answers before an operation is asked.
fn framework_answers(path: &str, operation: &mut Map<String, Value>) {
    let has_body = operation.contains_key("requestBody");
    let has_input = has_body
        || path.contains('{')
        || operation.get("parameters").and_then(Value::as_array).is_some_and(|parameters| !parameters.is_empty());
    let mut answers = vec![
        ("500", "Something went wrong on our side"),
        ("503", "Too busy, or the database is away; try again in a moment"),
    ];
    if has_input {
        answers.push(("400", "The request is not valid"));
    }
    if has_body {
        answers.push(("413", "The body is too large"));
        answers.push(("415", "The operation does not take this type of body"));
    }
    // The gateway is not limited.
    let is_limited = !path.starts_with("/v1/webhooks/");
    if is_limited {
        answers.push(("429", "Too many requests, or too many attempts"));
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for (status, about) in answers {
        responses.entry(status).or_insert_with(|| refusal(about));
    }
    if let Some(too_many) = responses.get_mut("429").filter(|_| is_limited).and_then(Value::as_object_mut) {
        let about = "In how many seconds to come back";
        let wait = json!({ "description": about, "schema": { "type": "integer", "minimum": 1 } });
        too_many.insert("headers".to_owned(), json!({ "Retry-After": wait }));
    }
    responses.sort_keys();
}

/// An answer that nobody described is what its schema says it is.
fn describe_answers(document: &mut Value) {
    let abouts: BTreeMap<String, String> = document
        .pointer("/components/schemas")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, schema)| Some((name.clone(), schema.get("description")?.as_str()?.to_owned())))
        .collect();
    for_each_operation(document, |_method, _path, operation| {
        for answer in
            operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut)
        {
            if answer.get("description").and_then(Value::as_str).is_none_or(|about| !about.is_empty()) {
                continue;
            }
            let media = answer.get("content").and_then(Value::as_object).and_then(|content| content.values().next());
            let schema = media.and_then(|media| media.pointer("/schema/$ref")).and_then(Value::as_str);
            let about = schema.and_then(|path| path.rsplit('/').next()).and_then(|name| abouts.get(name));
            let about = about.map_or("What was asked for", String::as_str).to_owned();
            if let Some(answer) = answer.as_object_mut() {
                answer.insert("description".to_owned(), json!(about));
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hardened() -> Value {
        let mut document = json!({
            "paths": { "/v1/things/{id}": {
                "get": { "responses": { "200": {}, "401": {} } },
                "post": {
                    "security": [{ "operator": [] }],
                    "requestBody": { "content": { "application/json; charset=utf-8": { "schema": { "$ref": "#/components/schemas/NewThing" } } } },
                    "responses": { "201": { "content": { "application/json; charset=utf-8": {} } }, "401": {} },
                },
            } },
            "components": { "schemas": {
                "NewThing": { "type": "object", "required": ["name"], "properties": {
                    "name": { "type": "string" },
                    "kind": { "type": "string", "enum": ["a"] },
                    "inner": { "$ref": "#/components/schemas/Inner" },
                    "limit": { "type": "integer", "format": "uint8", "default": 3, "minimum": 1.0 },
                } },
                "Inner": { "type": "object", "properties": { "x": { "type": "string" } } },
                "Shown": { "type": "object", "properties": { "x": { "type": "string" } } },
            } },
        });
        harden(&mut document);
        document
    }

    #[test]
    fn requests_are_closed_and_take_null_for_what_is_optional() {
        let document = hardened();
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["NewThing"]["additionalProperties"], false);
        assert_eq!(schemas["Inner"]["additionalProperties"], false);
        assert!(schemas["Shown"].get("additionalProperties").is_none());
        let fields = &schemas["NewThing"]["properties"];
        assert!(fields["name"].get("nullable").is_none());
        assert_eq!(fields["kind"], json!({ "type": "string", "enum": ["a", null], "nullable": true }));
        assert_eq!(fields["inner"], json!({ "allOf": [{ "$ref": "#/components/schemas/Inner" }], "nullable": true }));
        assert!(fields["limit"].get("nullable").is_none());
        assert!(schemas["Shown"]["properties"]["x"].get("nullable").is_none());
        assert_eq!(fields["limit"]["maximum"], 255);
        assert_eq!(fields["limit"]["minimum"].to_string(), "1");
    }

    #[test]
    fn a_key_is_required_where_its_absence_is_refused() {
        let parameters = json!([{ "name": "Idempotency-Key", "required": false }, { "name": "cursor", "schema": { "example": "x" } }]);
        let mut document = json!({ "paths": { "/orders": {
            "post": { "operationId": "startPayment", "parameters": parameters, "responses": {} },
            "patch": { "operationId": "other", "parameters": parameters, "responses": {} },
        } } });
        harden(&mut document);
        let item = &document["paths"]["/orders"];
        assert_eq!(item["post"]["parameters"][0]["required"], true);
        assert_eq!(item["patch"]["parameters"][0]["required"], false);
        assert_eq!(item["post"]["parameters"][1]["schema"], json!({}));
    }

    #[test]
    fn operations_say_who_may_and_what_the_edge_answers() {
        let document = hardened();
        let (get, post) = (&document["paths"]["/v1/things/{id}"]["get"], &document["paths"]["/v1/things/{id}"]["post"]);
        assert_eq!(get["security"], json!([]));
        assert!(get["responses"].get("401").is_none());
        assert_eq!(post["security"], json!([{ "bearer": [] }]));
        assert_eq!(post["x-role"], "operator");
        for status in ["400", "401", "413", "415", "429", "500", "503"] {
            assert!(post["responses"].get(status).is_some(), "{status}");
        }
        assert!(get["responses"].get("415").is_none());
        assert!(post["requestBody"]["content"].get("application/json").is_some());
        assert_eq!(document["components"]["securitySchemes"].as_object().unwrap().len(), 2);
        assert_eq!(document["openapi"], "3.0.3");
    }
}
