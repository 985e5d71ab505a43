//! The API document of the catalog.

use serde_json::Value;

use crate::support::Shop;

#[tokio::test]
async fn every_operation_is_named_and_described() {
    let shop = Shop::open().await;
    let document: Value = serde_json::from_str(&shop.document).unwrap();
    let operations: Vec<&Value> =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values()).collect();
    assert!(operations.len() > 25);
    for operation in operations {
        let name = operation["operationId"].as_str().unwrap();
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name}");
        assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{name}");
        for status in ["500", "503"] {
            assert!(operation["responses"][status].is_object(), "{name} {status}");
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{name} {parameter}");
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{name} {status}");
        }
    }
    let picture = &document["paths"]["/media/{name}"]["get"]["responses"]["200"]["content"];
    assert_eq!(picture.as_object().unwrap().keys().collect::<Vec<_>>(), ["image/*"]);
    let show = &document["paths"]["/products/{id}"]["get"]["security"];
    assert_eq!(show.to_string(), r#"[{"customer":[]},{}]"#);
}
