//! The pages around the API: what this is, its document, its two readers, and the list of problems.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use kernel::problem::NOT_FOUND;
use poem::{
    Endpoint, IntoResponse, Request, Response,
    endpoint::make_sync,
    http::{StatusCode, header},
};
use serde_json::json;

use crate::problems as all_problems;

/// Which scripts a page may run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scripts {
    /// None at all.
    None,
    /// Those that are written in the page; nothing is fetched from elsewhere.
    Inline,
}

impl Scripts {
    const fn policy(self) -> &'static str {
        match self {
            Self::None => {
                "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            }
            Self::Inline => {
                "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; \
                 font-src data:; connect-src 'self'; worker-src blob:; child-src blob:; base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'none'"
            }
        }
    }
}

fn html(status: StatusCode, body: impl Into<poem::Body>, scripts: Scripts) -> Response {
    Response::builder()
        .status(status)
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, scripts.policy())
        .header(header::VARY, "Accept")
        .body(body)
}

fn wants_html(request: &Request) -> bool {
    request.header(header::ACCEPT).is_some_and(|accept| accept.contains("text/html"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>body{{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}}\
         code{{background:#8882;padding:.1em .3em;border-radius:.2em}}td,th{{text-align:left;padding:.2em 1em .2em 0}}\
         :root{{color-scheme:light dark}}</style></head><body>{body}</body></html>"
    )
}

/// `GET /`: what this is and where to go.
pub(super) fn home() -> impl Endpoint<Output = Response> {
    make_sync(|request: Request| {
        if wants_html(&request) {
            let body = format!(
                "<h1>oms {}</h1><p>Order management: accounts, catalog, orders and payments behind one API.</p>\
                 <ul><li><a href=\"/docs\">/docs</a>: try the API (Swagger UI)</li>\
                 <li><a href=\"/redoc\">/redoc</a>: read the API (ReDoc)</li>\
                 <li><a href=\"/openapi.json\">/openapi.json</a>: the document behind both</li>\
                 <li><a href=\"/problems\">/problems</a>: every refusal and what it means</li>\
                 <li><a href=\"/healthz\">/healthz</a>, <a href=\"/readyz\">/readyz</a>: how the process is</li></ul>\
                 <p>Everything else is under <code>/v1</code>.</p>",
                crate::VERSION
            );
            return html(StatusCode::OK, document("oms", &body), Scripts::None);
        }
        let body = json!({
            "name": "oms", "version": crate::VERSION,
            "about": "Order management: accounts, catalog, orders and payments behind one API.",
            "api": "/v1", "docs": "/docs", "redoc": "/redoc", "openapi": "/openapi.json", "problems": "/problems",
            "health": { "live": "/healthz", "ready": "/readyz" },
        });
        Response::builder().content_type("application/json").header(header::VARY, "Accept").body(body.to_string())
    })
}

/// A text that never changes while the process lives.
pub(super) fn json(text: Bytes) -> impl Endpoint<Output = Response> {
    make_sync(move |_request| {
        Response::builder()
            .content_type("application/json")
            .header(header::CACHE_CONTROL, "public, max-age=60")
            .header(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
            .body(text.clone())
    })
}

/// A page that never changes while the process lives, made when somebody first asks for it: the readers of the API document
/// are megabytes, and most processes are never asked. Answers share it.
pub(super) fn page(make: impl Fn() -> String + Send + Sync, scripts: Scripts) -> impl Endpoint<Output = Response> {
    let text = OnceLock::new();
    make_sync(move |_request| {
        let text = text.get_or_init(|| Bytes::from(make()));
        let mut response = html(StatusCode::OK, text.clone(), scripts);
        response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("public, max-age=60"));
        response
    })
}

fn row(kind: &kernel::Kind) -> String {
    let kernel::Kind { code, status, title } = kind;
    format!(
        "<tr><td><a href=\"/problems/{code}\"><code>{code}</code></a></td><td>{status}</td><td>{}</td></tr>",
        escaped(title)
    )
}

/// `GET /problems`: every kind of problem.
pub(super) fn problems() -> impl Endpoint<Output = Response> {
    let kinds = Arc::new(all_problems::kinds());
    make_sync(move |request: Request| {
        if wants_html(&request) {
            let rows: String = kinds.iter().map(row).collect();
            let body = format!(
                "<h1>Problems</h1><p>Every refusal is <code>application/problem+json</code> with one of these codes.</p>\
                 <table><tr><th>code</th><th>status</th><th>title</th></tr>{rows}</table>"
            );
            return html(StatusCode::OK, document("Problems", &body), Scripts::None);
        }
        let data: Vec<_> = kinds.iter().map(shown).collect();
        Response::builder()
            .content_type("application/json")
            .header(header::VARY, "Accept")
            .body(json!({ "data": data }).to_string())
    })
}

fn shown(kind: &kernel::Kind) -> serde_json::Value {
    json!({ "type": format!("/problems/{}", kind.code), "code": kind.code, "status": kind.status, "title": kind.title })
}

/// `GET /problems/{code}`: where the `type` of a problem leads to.
pub(super) fn problem() -> impl Endpoint<Output = Response> {
    let kinds = Arc::new(all_problems::kinds());
    make_sync(move |request: Request| {
        let code = request.raw_path_param("code").unwrap_or_default();
        let Some(kind) = kinds.iter().find(|kind| kind.code == code) else {
            return NOT_FOUND.problem("There is no problem of this name. /problems lists all of them.").into_response();
        };
        if wants_html(&request) {
            let body = format!(
                "<h1>{}</h1><p>Code <code>{}</code>, status {}. The problem's <code>detail</code> says what happened and what to \
                 do; name its <code>request_id</code> when you ask for help.</p><p><a href=\"/problems\">All problems</a></p>",
                escaped(kind.title),
                kind.code,
                kind.status
            );
            return html(StatusCode::OK, document(kind.code, &body), Scripts::None);
        }
        Response::builder()
            .content_type("application/json")
            .header(header::VARY, "Accept")
            .body(shown(kind).to_string())
    })
}
