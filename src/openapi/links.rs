//! What leads where: OpenAPI links from the answer of one operation to those that go on with it. Readers see the life of an
//! order, and Schemathesis walks along it.

use serde_json::{Map, Value, json};

use super::harden::for_each_operation;

/// An answer, the parameter it fills, where in the answer its value is, and whose parameter it is.
type Link = (&'static str, &'static str, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const LINKS: [Link; 19] = [
    ("placeOrder", "id", "$response.body#/id",
        &["getOrder", "explainOrder", "listOrderEvents", "listOrderPayments", "startPayment", "recordPayment", "confirmOrder", "cancelOrder",
          "cancelOrderLines", "holdOrder", "setOrderTags", "writeOrderNote", "listOrderNotes"]),
    ("confirmOrder", "id", "$response.body#/id",
        &["createShipment", "cancelOrderLines", "cancelOrder", "recordPayment", "refundOrder", "getOrder"]),
    ("recordPayment", "id", "$response.body#/id", &["createShipment", "refundOrder", "cancelOrder", "getOrder"]),
    ("holdOrder", "id", "$response.body#/id", &["releaseOrder", "cancelOrder"]),
    ("releaseOrder", "id", "$response.body#/id", &["createShipment", "startPayment"]),
    ("cancelOrder", "id", "$response.body#/id", &["getOrder", "listOrderEvents"]),
    ("startPayment", "id", "$request.path.id", &["listOrderPayments", "cancelOrder"]),
    ("createShipment", "id", "$response.body#/shipment/id", &["shipShipment", "cancelShipment", "getShipment"]),
    ("shipShipment", "id", "$response.body#/shipment/id", &["deliverShipment", "loseShipment", "getShipment"]),
    ("deliverShipment", "id", "$response.body#/order/id", &["requestReturn", "completeOrder", "refundOrder", "getOrder"]),
    ("loseShipment", "id", "$response.body#/order/id", &["createShipment", "refundOrder"]),
    ("requestReturn", "id", "$response.body#/return/id", &["approveReturn", "rejectReturn", "cancelReturn", "getReturn"]),
    ("approveReturn", "id", "$response.body#/return/id", &["receiveReturn", "closeReturn", "cancelReturn", "getReturn"]),
    ("receiveReturn", "id", "$response.body#/return/id", &["closeReturn", "getReturn"]),
    ("createBusiness", "id", "$response.body#/id", &["getBusiness", "updateBusiness", "listMembers", "listBusinessOrders"]),
    ("createProduct", "id", "$response.body#/id", &["getProduct", "updateProduct", "addVariant", "deleteProduct"]),
    ("createProduct", "id", "$response.body#/variants/0/id", &["receiveStock", "getStock", "listStockMovements"]),
    ("createCategory", "id", "$response.body#/id", &["getCategory", "updateCategory", "deleteCategory"]),
    ("createExport", "id", "$response.body#/id", &["getExport"]),
];

/// Operations that ask for units of lines: the example says one of the first line, and that is there.
const BY_EXAMPLE: [&str; 5] = ["createShipment", "requestReturn", "receiveReturn", "cancelOrderLines", "confirmOrder"];

/// Writes the links into the document.
pub(super) fn link(document: &mut Value) {
    let mut examples = Map::new();
    let read = document.clone();
    for_each_operation(document, |_method, _path, operation| {
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
        let schema = operation.get("requestBody").and_then(|body| body.pointer("/content/application~1json/schema"));
        let name = schema.and_then(|schema| schema.get("$ref")).and_then(Value::as_str).unwrap_or_default();
        let example = read.pointer(&format!("{}/example", name.trim_start_matches('#')));
        if let (true, Some(example)) = (BY_EXAMPLE.contains(&id), example) {
            examples.insert(id.to_owned(), example.clone());
        }
    });
    for_each_operation(document, |_method, _path, operation| {
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
        // A dry run answers 200 where the real thing answers 201: what it made is not there.
        let status = if responses.contains_key("201") { "201" } else { "200" };
        let Some(response) = responses.get_mut(status).and_then(Value::as_object_mut) else { return };
        for (_, parameter, value, targets) in LINKS.iter().filter(|(from, ..)| *from == id) {
            for target in *targets {
                let mut link = json!({ "operationId": target, "parameters": { *parameter: value } });
                if let (Some(link), Some(example)) = (link.as_object_mut(), examples.get(*target)) {
                    link.insert("requestBody".to_owned(), example.clone());
                }
                let links = response.entry("links").or_insert(json!({}));
                links.as_object_mut().and_then(|links| links.insert((*target).to_owned(), link));
            }
        }
    });
}
