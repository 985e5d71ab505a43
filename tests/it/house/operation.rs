//! The operations of the API document, and requests made from it.

use serde_json::Value;

use crate::support::answer::document;

/// An operation of the document.
pub struct Operation {
    pub method: reqwest::Method,
    pub path: &'static str,
    pub id: String,
    pub value: &'static Value,
}

/// All of them.
pub fn operations() -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, item) in document()["paths"].as_object().unwrap() {
        for (method, value) in item.as_object().unwrap() {
            let Some(id) = value["operationId"].as_str() else { continue };
            let method = method.to_uppercase().parse().unwrap();
            found.push(Operation { method, path, id: id.to_owned(), value });
        }
    }
    assert!(found.len() > 50);
    found
}

impl Operation {
    /// Whether nobody may call it without a token.
    pub fn is_protected(&self) -> bool {
        let schemes = self.value["security"].as_array().unwrap_or_else(|| panic!("{} has no security", self.id));
        !schemes.is_empty() && schemes.iter().all(|scheme| scheme.as_object().is_some_and(|names| !names.is_empty()))
    }

    /// Whether it says 401 without asking for a token: to a wrong password, a spent refresh token, a wrong signature.
    pub fn tells_strangers_apart(&self) -> bool {
        matches!(self.id.as_str(), "logIn" | "refreshTokens" | "receivePaymentWebhook")
    }

    /// What somebody must be to call it.
    pub fn role(&self) -> Option<&str> {
        self.value["x-role"].as_str()
    }

    /// The path below `/v1`, with `value` for every parameter.
    pub fn path_with(&self, mut value: impl FnMut(&str) -> String) -> String {
        let path = self.path.strip_prefix("/v1").unwrap();
        let parts = path.split('/').map(|part| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => value(name),
            None => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join("/")
    }

    /// Its path for things that do not exist.
    pub fn path_to_nothing(&self) -> String {
        self.path_with(|name| match name {
            "name" => format!("{}.jpg", "0".repeat(64)),
            "gateway" => "nobody".to_owned(),
            _ => "0192f3a1-7c54-7d10-9a3e-5b1f0c2d4e6f".to_owned(),
        })
    }

    /// The media type of its body.
    pub fn body_type(&self) -> Option<&str> {
        self.value["requestBody"]["content"].as_object()?.keys().next().map(String::as_str)
    }

    /// The schema of its JSON body.
    pub fn body_schema(&self) -> Option<&'static Value> {
        self.value["requestBody"]["content"].get("application/json").map(|media| resolve(&media["schema"]))
    }

    /// The example of its JSON body.
    pub fn example(&self) -> Option<Value> {
        let schema = self.body_schema()?;
        Some(schema.get("example").unwrap_or_else(|| panic!("{}: a body without an example", self.id)).clone())
    }

    /// Its parameters in the query or among the headers.
    pub fn parameters(&self, place: &str) -> Vec<(&'static str, &'static Value)> {
        let all = self.value["parameters"].as_array().into_iter().flatten();
        all.filter(|each| each["in"] == place)
            .map(|each| (each["name"].as_str().unwrap(), resolve(&each["schema"])))
            .collect()
    }
}

/// The schema behind a reference, also when it is wrapped to be nullable.
pub fn resolve(schema: &'static Value) -> &'static Value {
    let target = schema.get("$ref").or_else(|| schema["allOf"].get(0).and_then(|first| first.get("$ref")));
    match target.and_then(Value::as_str) {
        Some(target) => resolve(document().pointer(target.trim_start_matches('#')).unwrap()),
        None => schema,
    }
}
