//! The API of all modules as one service, and the document that describes exactly what it does.

mod harden;
mod links;
mod scopes;

use poem::{EndpointExt, Route, endpoint::BoxEndpoint};
use poem_openapi::{LicenseObject, OpenApiService};
use serde_json::Value;

use crate::wiring::Wiring;

const TITLE: &str = "OMS";
const ABOUT: &str = "Order management: accounts, catalog, orders and payments.\n\n\
    Log in, send the access token as `Authorization: Bearer …`; programs send an API key in its place. Amounts are integers in minor units with a currency. Lists \
    answer `data` and `next_cursor`; send that back as `cursor` for the next page. Send an `Idempotency-Key` with every request \
    that moves money or stock, and repeat the request with the same key when you get no answer. `RateLimit` and \
    `RateLimit-Policy` say how many requests are left; 429 says in `Retry-After` when to come back. Every refusal is \
    `application/problem+json` with a stable `code`; see `/problems`.";

/// The Apis of all modules, in the order in which they are documented.
type Apis = (accounts::AuthApi, accounts::MeApi, People, catalog::Api, orders::Apis, payments::Api);

/// What administrators do about people and programs.
type People = (accounts::AdminApi, accounts::ApiKeysApi);

fn apis(wiring: &Wiring) -> Apis {
    let pool = &wiring.api_pool;
    (
        accounts::AuthApi::new(wiring.accounts(pool)),
        accounts::MeApi::new(wiring.accounts(pool)),
        (accounts::AdminApi::new(wiring.accounts(pool)), accounts::ApiKeysApi::new(wiring.accounts(pool))),
        catalog::api(&wiring.catalog(pool)),
        orders::apis(&wiring.orders(pool)),
        wiring.payments_api(),
    )
}

fn openapi(wiring: &Wiring) -> OpenApiService<Apis, ()> {
    OpenApiService::new(apis(wiring), TITLE, crate::VERSION)
        .description(ABOUT)
        .license(LicenseObject::new("MIT").url("https://opensource.org/license/mit"))
        .server("/")
        .url_prefix("/v1")
}

/// Everything under `/v1`, with what its handlers look up in a request.
pub fn service(wiring: &Wiring) -> BoxEndpoint<'static, poem::Response> {
    Route::new().nest("/", openapi(wiring)).data(wiring.verifier()).before(scopes::announce).boxed()
}

/// Why the document cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is not JSON.
    #[error("the API document is not JSON")]
    Json(#[from] serde_json::Error),
}

/// The API document.
pub struct Document(Value);

/// Describes the API as it is.
///
/// # Errors
/// When poem-openapi writes something that is not JSON.
pub fn document(wiring: &Wiring) -> Result<Document, DocumentError> {
    let mut document = serde_json::from_str(&openapi(wiring).spec())?;
    harden::harden(&mut document);
    links::link(&mut document);
    Ok(Document(document))
}

impl Document {
    /// The document.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The document as it is served.
    ///
    /// # Errors
    /// Never with a document of ours.
    pub fn compact(&self) -> Result<String, DocumentError> {
        Ok(serde_json::to_string(&self.0)?)
    }

    /// The document as it is committed.
    ///
    /// # Errors
    /// Never with a document of ours.
    pub fn pretty(&self) -> Result<String, DocumentError> {
        Ok(serde_json::to_string_pretty(&self.0)?)
    }
}

/// Swagger UI with a compact document; loads nothing from elsewhere.
pub fn swagger_ui(document: &str) -> String {
    let reader = reader();
    let page = put_into(&reader.swagger_ui_html(), &reader.spec(), document);
    format!("<!DOCTYPE html>{}", page.replace("<title>Swagger UI</title>", "<title>OMS API</title>"))
}

/// ReDoc with a compact document; loads nothing from elsewhere.
pub fn redoc(document: &str) -> String {
    let reader = reader();
    let page = put_into(&reader.redoc_html(), &reader.spec(), document);
    let fonts = "<link href=\"https://fonts.googleapis.com/css?family=Montserrat:300,400,700|Roboto:300,400,700\" rel=\"stylesheet\">";
    let logo = "https://cdn.redoc.ly/redoc/logo-mini.svg";
    let nothing = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E";
    page.replace(fonts, "")
        .replace(logo, nothing)
        .replace("<title>Redoc</title>", "<title>OMS API</title>")
        .trim_start()
        .to_owned()
}

/// The page of a reader that was made for the document `empty`, with another in its place.
fn put_into(page: &str, empty: &str, document: &str) -> String {
    // '<' is written as an escape, so that no text in the document can end the script it stands in.
    let document = document.replace('<', "\\u003c");
    page.replacen(&format!("let spec = {empty}"), &format!("let spec = {document}"), 1)
}

/// A service without operations, for its pages.
fn reader() -> OpenApiService<(), ()> {
    OpenApiService::new((), "", "")
}

#[cfg(test)]
pub(crate) fn harden_for_tests(document: &mut Value) {
    harden::harden(document);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_operation_that_demands_a_key_exists_and_says_so() {
        let document = document(&Wiring::for_description().unwrap()).unwrap();
        for operation in harden::KEYED {
            let found = document.value()["paths"]
                .as_object()
                .unwrap()
                .values()
                .flat_map(|item| item.as_object().unwrap().values())
                .find(|found| found["operationId"] == operation);
            let parameters =
                found.unwrap_or_else(|| panic!("no operation {operation}"))["parameters"].as_array().unwrap();
            assert!(parameters.iter().any(|p| p["name"] == "Idempotency-Key" && p["required"] == true), "{operation}");
        }
    }

    #[tokio::test]
    async fn the_readers_hold_the_document_and_nothing_from_elsewhere() {
        let document = document(&Wiring::for_description().unwrap()).unwrap();
        let compact = document.compact().unwrap();
        for page in [swagger_ui(&compact), redoc(&compact)] {
            assert!(page.contains("placeOrder") && page.contains("<title>OMS API</title>"));
            for foreign in ["<link href=\"http", "<script src", "cdn.redoc.ly/redoc/logo"] {
                assert!(!page.contains(foreign), "{foreign}");
            }
        }
    }
}
