//! The API document says what the operations do.

use std::{collections::HashSet, sync::Arc};

use kernel::{SystemClock, db::PoolSettings};
use poem_openapi::OpenApiService;
use serde_json::Value;

use super::support::{RecordingMailer, SECRET};
use crate::{Accounts, AdminApi, ApiKeysApi, AuthApi, Doors, Hasher, MeApi, TokenKeys, problems};

fn document() -> Value {
    let keys = Arc::new(TokenKeys::new(SECRET, Arc::new(SystemClock)).unwrap());
    let pool = kernel::db::pool("postgres://127.0.0.1:1/none", PoolSettings::default());
    let mailer = Arc::new(RecordingMailer::default());
    let doors = Arc::new(Doors::new(pool.clone(), Arc::new(SystemClock), keys));
    let accounts = Accounts::new(pool, Arc::new(SystemClock), doors, mailer, "http://x", Hasher::default());
    let apis = (
        AuthApi::new(accounts.clone()),
        MeApi::new(accounts.clone()),
        AdminApi::new(accounts.clone()),
        ApiKeysApi::new(accounts),
    );
    let service = OpenApiService::new(apis, "accounts", "1");
    serde_json::from_str(&service.spec()).unwrap()
}

#[tokio::test]
async fn every_operation_has_an_id_a_summary_a_tag_and_its_problems() {
    let document = document();
    let mut ids = HashSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{name}");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{name}");
            assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{name}");
            for status in ["400", "500", "503"] {
                let content = operation["responses"][status]["content"].as_object().unwrap();
                assert_eq!(content.keys().collect::<Vec<_>>(), ["application/problem+json"], "{name} {status}");
            }
            assert_eq!(operation.get("security").is_some(), !path.starts_with("/auth"), "{name}");
        }
    }
    assert_eq!(ids.len(), 23, "{ids:?}");
}

#[tokio::test]
async fn every_field_is_described_and_every_request_has_an_example() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            let described = property.get("description").is_some()
                || property.get("$ref").is_some()
                || property.get("allOf").is_some();
            assert!(described, "{name}.{field}");
        }
    }
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            for content in operation["requestBody"]["content"].as_object().into_iter().flatten() {
                let name = content.1["schema"]["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
                assert!(schemas[name]["example"].is_object(), "{name}");
                assert_eq!(schemas[name]["additionalProperties"], Value::Null, "the document's post-processor says it");
            }
        }
    }
}

#[test]
fn codes_are_unique_and_not_the_kernels() {
    let own = problems();
    let mut codes: HashSet<&str> = own.iter().map(|kind| kind.code).collect();
    assert_eq!(codes.len(), own.len());
    for kind in kernel::problem::kinds() {
        assert!(codes.insert(kind.code), "{}", kind.code);
    }
}
