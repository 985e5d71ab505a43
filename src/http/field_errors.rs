//! Which fields of a refused body are wrong: the body compared with the schema in the API document.
//!
//! The server has already refused the body when this is asked; here it is only explained, all of it at once.

use kernel::FieldError;
use serde_json::{Map, Value};

/// How many are reported at most.
const MOST: usize = 20;

/// What is wrong with `body`, field by field, in the order of the schema.
pub(super) fn find(body: &Value, schema: &Value, document: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    check(body, schema, document, "", &mut errors, 0);
    errors.truncate(MOST);
    errors
}

fn resolve<'a>(schema: &'a Value, document: &'a Value) -> &'a Value {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| document.pointer(reference.trim_start_matches('#')))
        .unwrap_or(schema)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

fn check(value: &Value, schema: &Value, document: &Value, path: &str, errors: &mut Vec<FieldError>, depth: usize) {
    if depth > 32 || errors.len() >= MOST {
        return;
    }
    let schema = resolve(schema, document);
    let mut wrong = |message: String| errors.push(FieldError { field: path.to_owned(), message });
    if value.is_null() && schema.get("nullable").and_then(Value::as_bool) == Some(true) {
        return;
    }
    if let Some(options) = schema.get("enum").and_then(Value::as_array) {
        if !options.contains(value) {
            let names: Vec<&str> = options.iter().filter_map(Value::as_str).collect();
            wrong(format!("must be one of: {}", names.join(", ")));
        }
        return;
    }
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        check(value, part, document, path, errors, depth + 1);
    }
    match (schema.get("type").and_then(Value::as_str), value) {
        (Some("object"), Value::Object(fields)) => object(fields, schema, document, path, errors, depth),
        (Some("array"), Value::Array(items)) => array(items, schema, document, path, errors, depth),
        (Some("string"), Value::String(text)) => errors.extend(string(text, schema).map(|message| at(path, message))),
        (Some("integer"), Value::Number(number)) if number.is_f64() => {
            errors.push(at(path, "must be a whole number".to_owned()))
        }
        (Some("integer" | "number"), Value::Number(number)) => {
            errors.extend(range(number.as_f64().unwrap_or_default(), schema).map(|message| at(path, message)));
        }
        (Some("boolean"), Value::Bool(_)) | (None, _) => {}
        (Some(kind), _) => errors.push(at(path, format!("must be {}", article(kind)))),
    }
}

fn at(path: &str, message: String) -> FieldError {
    FieldError { field: path.to_owned(), message }
}

fn article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {kind}")
}

fn object(
    fields: &Map<String, Value>,
    schema: &Value,
    document: &Value,
    path: &str,
    errors: &mut Vec<FieldError>,
    depth: usize,
) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            errors.push(at(&join(path, name), "is required".to_owned()));
        }
    }
    for (name, property) in properties.into_iter().flatten() {
        if let Some(value) = fields.get(name) {
            check(value, property, document, &join(path, name), errors, depth + 1);
        }
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        for name in fields.keys().filter(|name| properties.is_none_or(|known| !known.contains_key(*name))) {
            // The name is the client's own; a very long one says nothing.
            let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            errors.push(at(&join(path, &name), "is not a field of this request".to_owned()));
        }
    }
}

fn array(items: &[Value], schema: &Value, document: &Value, path: &str, errors: &mut Vec<FieldError>, depth: usize) {
    let bound = |name| schema.get(name).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok());
    if let Some(min) = bound("minItems").filter(|min| items.len() < *min) {
        errors.push(at(path, format!("must have at least {min} items")));
    }
    if let Some(max) = bound("maxItems").filter(|max| items.len() > *max) {
        errors.push(at(path, format!("must have at most {max} items")));
    }
    for (index, item) in items.iter().enumerate() {
        if let Some(schema) = schema.get("items") {
            check(item, schema, document, &join(path, &index.to_string()), errors, depth + 1);
        }
    }
}

fn string(text: &str, schema: &Value) -> Option<String> {
    let length = text.chars().count();
    let bound = |name| schema.get(name).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok());
    if let Some(min) = bound("minLength").filter(|min| length < *min) {
        return Some(format!("must have at least {min} characters"));
    }
    if let Some(max) = bound("maxLength").filter(|max| length > *max) {
        return Some(format!("must have at most {max} characters"));
    }
    if schema.get("format").and_then(Value::as_str) == Some("uuid") && uuid::Uuid::parse_str(text).is_err() {
        return Some("must be a UUID".to_owned());
    }
    let pattern = schema.get("pattern").and_then(Value::as_str)?;
    let matches = kernel::regex::Regex::new(pattern).is_ok_and(|regex| regex.is_match(text));
    (!matches).then(|| format!("must match {pattern}"))
}

fn range(number: f64, schema: &Value) -> Option<String> {
    let bound = |name| schema.get(name).and_then(Value::as_f64);
    if let Some(min) = bound("minimum").filter(|min| number < *min) {
        return Some(format!("must be at least {min}"));
    }
    bound("maximum").filter(|max| number > *max).map(|max| format!("must be at most {max}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_wrong_is_named_with_its_path() {
        let document = json!({"components": {"schemas": {
            "NewOrder": {"type": "object", "required": ["lines", "currency"], "additionalProperties": false, "properties": {
                "currency": {"type": "string", "enum": ["VND", "USD"]},
                "note": {"type": "string", "maxLength": 3, "nullable": true},
                "lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Line"}},
            }},
            "Line": {"type": "object", "required": ["variant_id"], "properties": {
                "variant_id": {"type": "string", "format": "uuid"},
                "quantity": {"type": "integer", "minimum": 1, "maximum": 10},
            }},
        }}});
        let schema = json!({"$ref": "#/components/schemas/NewOrder"});
        let body = json!({"note": null, "lines": [{"variant_id": "x", "quantity": 11}, {"quantity": 1.5}], "extra": 1});
        let errors: Vec<String> = find(&body, &schema, &document)
            .into_iter()
            .map(|error| format!("{} {}", error.field, error.message))
            .collect();
        assert_eq!(
            errors,
            [
                "currency is required",
                "lines/0/quantity must be at most 10",
                "lines/0/variant_id must be a UUID",
                "lines/1/variant_id is required",
                "lines/1/quantity must be a whole number",
                "extra is not a field of this request",
            ]
        );
        assert!(
            find(&json!({"currency": "VND", "lines": [{"variant_id": uuid::Uuid::nil()}]}), &schema, &document)
                .is_empty()
        );
        assert_eq!(find(&json!([]), &schema, &document)[0].message, "must be an object");
    }
}
