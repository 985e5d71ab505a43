//! An answer that is checked before anybody looks at it: against the API document, and against what we promise of refusals.

use std::{collections::BTreeMap, sync::OnceLock};

use kernel::Kind;
use oms::{http::Routes, openapi, wiring::Wiring};
use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

/// The API document of this build.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| std::thread::spawn(describe).join().unwrap())
}

/// The parts of a process want a runtime around them; not every test has one.
fn describe() -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    openapi::document(&Wiring::for_description().unwrap()).unwrap().value().clone()
}

fn routes() -> &'static Routes {
    static ROUTES: OnceLock<Routes> = OnceLock::new();
    ROUTES.get_or_init(|| Routes::from_document(document()))
}

fn kinds() -> &'static BTreeMap<&'static str, Kind> {
    static KINDS: OnceLock<BTreeMap<&'static str, Kind>> = OnceLock::new();
    KINDS.get_or_init(|| oms::problems::kinds().into_iter().map(|kind| (kind.code, kind)).collect())
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked, for messages.
    pub asked: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads an answer and checks it.
    pub async fn read(method: &Method, url: &reqwest::Url, response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap().to_vec();
        let answer = Self { asked: format!("{method} {url}"), status, headers, body };
        answer.check_against_document(method, url.path());
        answer.check_refusal();
        answer
    }

    /// An operation answers nothing that its document does not mention.
    fn check_against_document(&self, method: &Method, path: &str) {
        // What the HTTP server itself refuses belongs to no operation.
        if matches!(self.status, 405 | 408 | 414 | 431) || !path.starts_with("/v1/") {
            return;
        }
        let Some(entry) = routes().find(path) else { return };
        let method = method.as_str().to_lowercase();
        let Some(operation) = document()["paths"][&*entry.template].get(&method) else { return };
        let answers = operation["responses"].as_object().unwrap();
        assert!(answers.contains_key(&self.status.to_string()), "not documented: {self:?} {}", self.text());
    }

    /// A refusal is a problem with a known code and a request id, and never our own fault.
    fn check_refusal(&self) {
        let is_page = self.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        if self.status < 400 || is_page {
            return;
        }
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}: {}", self.asked, self.text());
        let problem = self.json();
        // A gateway that does not answer is somebody else's fault.
        let is_ours = self.status >= 500 && problem["code"] != "gateway_unavailable";
        assert!(!is_ours, "{}: {} {}", self.asked, self.status, self.text());
        let code = problem["code"].as_str().unwrap_or_else(|| panic!("no code: {} {problem}", self.asked));
        let kind = kinds().get(code).unwrap_or_else(|| panic!("not listed in docs/problems.md: {problem}"));
        assert_eq!((kind.status, Some(u64::from(kind.status))), (self.status, problem["status"].as_u64()), "{problem}");
        assert_eq!(problem["type"], format!("/problems/{code}"));
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{problem}");
        assert!(problem["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "says nothing: {problem}");
        if self.status == 401 && code == "unauthenticated" {
            assert!(self.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")), "{}", self.asked);
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.asked, self.text()))
    }

    /// The body, when the answer has this status.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem, when it is this one.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.ok(status);
        assert_eq!(problem["code"], code, "{}: {problem}", self.asked);
        problem
    }
}
