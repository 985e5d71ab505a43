//! What the API document says about a path: its template, its methods, and what they take.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use poem::http::Method;
use serde_json::Value;

/// Where a request goes that goes nowhere.
pub static UNKNOWN: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("unknown"));

/// A path of the application.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `/v1/orders/{id}`.
    pub template: Arc<str>,
    segments: Vec<Option<String>>,
    operations: Vec<Operation>,
}

/// What the document says about one of its methods.
#[derive(Debug, Clone)]
struct Operation {
    method: Method,
    takes_body: bool,
    takes_file: bool,
    schema: Option<Value>,
}

impl Entry {
    fn new(template: &str) -> Self {
        let segments = template.split('/').map(|part| (!part.starts_with('{')).then(|| part.to_owned())).collect();
        Self { template: Arc::from(template), segments, operations: Vec::new() }
    }

    fn matches(&self, path: &[&str]) -> bool {
        self.segments.iter().zip(path).all(|(segment, part)| segment.as_deref().is_none_or(|text| text == *part))
    }

    /// The name of a path parameter. poem-openapi calls them `param0`, `param1`, … in its errors.
    pub fn parameter<'a>(&'a self, name: &'a str) -> &'a str {
        let position = name.strip_prefix("param").and_then(|position| position.parse().ok());
        let mut names = self.template.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        position.and_then(|position| names.nth(position)).unwrap_or(name)
    }

    /// The value of `Allow`.
    pub fn allow(&self) -> String {
        let mut methods: Vec<&str> = self.operations.iter().map(|operation| operation.method.as_str()).collect();
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.push("OPTIONS");
        methods.join(", ")
    }

    fn operation(&self, method: &Method) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.method == *method)
    }

    /// Whether the operation takes a body.
    pub fn takes_body(&self, method: &Method) -> bool {
        self.operation(method).is_some_and(|operation| operation.takes_body)
    }

    /// Whether the operation takes a file.
    pub fn takes_file(&self, method: &Method) -> bool {
        self.operation(method).is_some_and(|operation| operation.takes_file)
    }

    /// The schema of the operation's JSON body.
    pub fn body_schema(&self, method: &Method) -> Option<&Value> {
        self.operation(method)?.schema.as_ref()
    }
}

/// All paths of the application.
#[derive(Debug, Clone, Default)]
pub struct Routes(HashMap<usize, Vec<Entry>>);

impl Routes {
    /// The paths of an API document.
    pub fn from_document(document: &Value) -> Self {
        let mut routes = Self::default();
        for (template, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
            let mut entry = Entry::new(template);
            for (method, operation) in item.as_object().into_iter().flatten() {
                let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
                let content = operation.pointer("/requestBody/content").and_then(Value::as_object);
                let takes_file = content.is_some_and(|types| {
                    types.keys().any(|name| name == "multipart/form-data" || name.starts_with("image/"))
                });
                let schema = content
                    .and_then(|types| types.get("application/json"))
                    .and_then(|media| media.get("schema"))
                    .cloned();
                entry.operations.push(Operation { method, takes_body: content.is_some(), takes_file, schema });
            }
            routes.add(entry);
        }
        routes
    }

    /// Adds a page that can be read.
    pub fn add_page(&mut self, template: &str) {
        let mut entry = Entry::new(template);
        entry.operations.push(Operation { method: Method::GET, takes_body: false, takes_file: false, schema: None });
        self.add(entry);
    }

    fn add(&mut self, entry: Entry) {
        let group = self.0.entry(entry.segments.len()).or_default();
        group.push(entry);
        // What is spelt out goes before what is a parameter: '/orders/export' before '/orders/{id}'.
        group.sort_by_key(|entry| entry.segments.iter().map(Option::is_none).collect::<Vec<_>>());
    }

    /// The entry that `path` belongs to.
    pub fn find(&self, path: &str) -> Option<&Entry> {
        let parts: Vec<&str> = path.split('/').collect();
        self.0.get(&parts.len())?.iter().find(|entry| entry.matches(&parts))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_find_their_templates() {
        let document = json!({"paths": {
            "/v1/orders/{id}": {"get": {}, "patch": {}},
            "/v1/orders/export": {"get": {}},
            "/v1/products/{id}/images": {"post": {"requestBody": {"content": {"multipart/form-data": {}}}}},
        }});
        let mut routes = Routes::from_document(&document);
        routes.add_page("/");
        let template = |path| routes.find(path).map(|entry| entry.template.clone());
        assert_eq!(template("/v1/orders/7").as_deref(), Some("/v1/orders/{id}"));
        assert_eq!(template("/v1/orders/export").as_deref(), Some("/v1/orders/export"));
        assert_eq!(template("/").as_deref(), Some("/"));
        assert_eq!(template("/v1/orders/7/8"), None);
        assert_eq!(routes.find("/v1/orders/7").unwrap().allow(), "GET, PATCH, HEAD, OPTIONS");
        assert!(routes.find("/v1/products/7/images").unwrap().takes_file(&Method::POST));
        assert!(routes.find("/v1/products/7/images").unwrap().takes_body(&Method::POST));
        let order = routes.find("/v1/orders/7").unwrap();
        assert!(
            !order.takes_file(&Method::PATCH) && !order.takes_body(&Method::PATCH) && !order.takes_body(&Method::PUT)
        );
    }
}
