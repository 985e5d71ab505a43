//! What every request passes on its way in, and every answer on its way out.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use kernel::{
    Problem,
    problem::{INTERNAL, INVALID_REQUEST},
    request,
    trace::{self, Span},
};
use poem::{
    Endpoint, IntoResponse, Request, Response,
    http::{HeaderValue, Method, StatusCode, header},
};
use serde_json::Value;

use super::{
    access_log,
    address::TrustedProxies,
    body_limit,
    body_limit::Progress,
    cors::Cors,
    headers,
    limit::{self, RateLimit},
    meter,
    overload::Gate,
    problems,
    problems::{DEADLINE_EXCEEDED, HEADERS_TOO_LARGE, PAYLOAD_TOO_LARGE, REQUEST_TIMEOUT, TOO_BUSY, URI_TOO_LONG},
    request_id,
    routes::{Entry, Routes, UNKNOWN},
};
use crate::turnstile;

/// What a request may weigh and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a body.
    pub body: u64,
    /// Bytes of a body that brings a file: 10 MiB and its wrapping.
    pub upload: u64,
    /// Time for a request, its body included.
    pub deadline: Duration,
    /// Time for a request that brings a file.
    pub upload_deadline: Duration,
    /// Bytes of path and query.
    pub uri: usize,
    /// Bytes of all header names and values.
    pub headers: usize,
    /// Requests to the API that are worked on at once.
    pub in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 256 * 1024,
            upload: 10 * 1024 * 1024 + 64 * 1024,
            deadline: Duration::from_secs(10),
            upload_deadline: Duration::from_secs(30),
            uri: 8 * 1024,
            headers: 32 * 1024,
            in_flight: 512,
        }
    }
}

/// Headers that change what a request does. poem-openapi takes one that is not visible ASCII for absent, and a request
/// without its key or its condition is another request.
const MEANINGFUL: [&str; 4] = ["authorization", "idempotency-key", "if-match", "if-none-match"];

fn unreadable_header(request: &Request) -> Option<Problem> {
    let unreadable = |name: &&str| request.headers().get_all(*name).iter().any(|value| value.to_str().is_err());
    let name = MEANINGFUL.into_iter().find(|name| unreadable(name))?;
    let reason = "has to be visible ASCII";
    Some(INVALID_REQUEST.problem(format!("The header '{name}' {reason}.")).with_error(name, reason))
}

/// Routes with the edge around them.
pub struct Edge<E> {
    inner: E,
    routes: Routes,
    document: Arc<Value>,
    cors: Cors,
    limits: Limits,
    gate: Arc<Gate>,
    rates: Option<RateLimit>,
    proxies: TrustedProxies,
}

impl<E: Endpoint<Output = Response>> Edge<E> {
    /// Puts the edge around `inner`, whose paths are `routes`. Pages of `cors_origins` may call it from a browser.
    pub fn new(inner: E, routes: Routes, cors_origins: Vec<String>, limits: Limits) -> Self {
        let (document, cors, proxies) = (Arc::new(Value::Null), Cors::new(cors_origins), TrustedProxies::default());
        let gate = Arc::new(Gate::new(limits.in_flight));
        meter::watch(&gate);
        Self { inner, routes, document, cors, limits, gate, rates: None, proxies }
    }

    /// Counts requests, and refuses those that are too many.
    #[must_use]
    pub fn counting(mut self, rates: RateLimit) -> Self {
        self.rates = Some(rates);
        self
    }

    /// Believes these proxies when they say where a client is.
    #[must_use]
    pub fn behind(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Says which document describes the routes; refused bodies are compared with it, so that every wrong field is named.
    #[must_use]
    pub fn describing(mut self, document: Arc<Value>) -> Self {
        self.document = document;
        self
    }

    async fn answer(&self, request: Request, span: &mut Span) -> Response {
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let entry = self.routes.find(&path);
        let route = entry.map_or_else(|| UNKNOWN.clone(), |entry| entry.template.clone());
        let mut note = Note { method: method.clone(), route, began: Instant::now(), span, is_told: false };
        let origin = self.cors.origin(request.headers());
        let is_preflight =
            method == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let mut response = if method == Method::OPTIONS {
            options(entry)
        } else {
            let (response, wait) = turnstile::watching(Box::pin(self.counted(request, &path, entry))).await;
            let mut response = response.unwrap_or_else(IntoResponse::into_response);
            limit::come_back(&mut response, wait);
            response
        };
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            problems::allow(&mut response, entry);
        }
        headers::apply(&mut response, path.starts_with("/v1/"));
        self.cors.apply(&mut response, origin, is_preflight);
        note.tell(response.status().as_u16());
        response
    }

    /// Runs the request unless it is one too many.
    async fn counted(&self, request: Request, path: &str, entry: Option<&Entry>) -> Result<Response, Problem> {
        let measured = match &self.rates {
            Some(rates) if !limit::is_free(path) => rates.measure(&request, request::address()).await,
            _ => None,
        };
        let Some(measured) = measured else { return self.limited(request, entry).await };
        let outcome = match measured.refusal() {
            Some(problem) => {
                meter::limited(measured.limit());
                Err(problem)
            }
            None => self.limited(request, entry).await,
        };
        let mut response = outcome.unwrap_or_else(IntoResponse::into_response);
        measured.tell(&mut response);
        Ok(response)
    }

    /// Runs the request within its limits.
    async fn limited(&self, mut request: Request, entry: Option<&Entry>) -> Result<Response, Problem> {
        let Limits { uri, headers, .. } = self.limits;
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        if target > uri {
            return Err(URI_TOO_LONG.problem(format!("Path and query may have {uri} bytes together.")));
        }
        if request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() > headers {
            return Err(HEADERS_TOO_LARGE.problem(format!("All headers may have {headers} bytes together.")));
        }
        if let Some(problem) = unreadable_header(&request) {
            return Err(problem);
        }
        let method = request.method().clone();
        let takes_file = entry.is_some_and(|entry| entry.takes_file(&method));
        let (limit, deadline) = if takes_file {
            (self.limits.upload, self.limits.upload_deadline)
        } else {
            (self.limits.body, self.limits.deadline)
        };
        let too_large = || PAYLOAD_TOO_LARGE.problem(format!("The body of this request may have {limit} bytes."));
        if body_limit::declares_too_much(&request, limit) {
            return Err(too_large());
        }
        let schema = entry.and_then(|entry| entry.body_schema(&method));
        // Health and the pages around the API are on their own: they cost nothing, and are needed most when there is no place.
        let gate = request.uri().path().starts_with("/v1/").then(|| self.gate.clone());
        let takes_body = entry.is_none_or(|entry| entry.takes_body(&method));
        let progress = body_limit::watch(&mut request, takes_body, limit, schema.is_some(), gate).await;
        if progress.is_shed() {
            return Err(too_busy());
        }
        let outcome = tokio::time::timeout(deadline, AssertUnwindSafe(self.inner.call(request)).catch_unwind()).await;
        if progress.is_too_large() {
            return Err(too_large());
        }
        if progress.is_shed() {
            return Err(too_busy());
        }
        match outcome {
            Ok(Ok(Ok(response))) => Ok(problems::checked(response)),
            Ok(Ok(Err(error))) => {
                let described = schema.map(|schema| (schema, self.document.as_ref()));
                Ok(problems::explain(error, &progress, entry, described))
            }
            Ok(Err(_panic)) => {
                kernel::panics::count();
                Err(INTERNAL.problem("We have logged it. If it stays, tell us the request id."))
            }
            Err(_elapsed) => Err(out_of_time(&progress, deadline)),
        }
    }
}

/// What is written down and counted of a request, once: how it was answered, or that its client did not wait.
struct Note<'a> {
    method: Method,
    route: Arc<str>,
    began: Instant,
    span: &'a mut Span,
    is_told: bool,
}

impl Note<'_> {
    /// The status of a request whose client hung up before there was an answer; nobody is sent it.
    const HUNG_UP: u16 = 499;

    fn tell(&mut self, status: u16) {
        self.is_told = true;
        let (method, route, took) = (meter::word(&self.method), &self.route, self.began.elapsed());
        access_log::write(&self.method, route, status, took);
        meter::record(method, route, status, took);
        self.span.rename(|| format!("{method} {route}"));
        self.span.say("http.response.status_code", i64::from(status));
        if status >= 500 {
            self.span.fail(status.to_string());
        }
    }
}

impl Drop for Note<'_> {
    fn drop(&mut self) {
        if !self.is_told {
            self.tell(Self::HUNG_UP);
        }
    }
}

fn too_busy() -> Problem {
    TOO_BUSY.problem("Nothing was done. Send the same request again in a moment.")
}

fn out_of_time(progress: &Progress, deadline: Duration) -> Problem {
    let seconds = deadline.as_secs();
    if progress.is_unfinished() {
        REQUEST_TIMEOUT.problem(format!("The body was not complete after {seconds} seconds."))
    } else {
        tracing::warn!(deadline_s = seconds, "request ran out of time");
        DEADLINE_EXCEEDED.problem(format!(
            "There is no answer after {seconds} seconds, and the outcome is not known. Send the same request again; with the same Idempotency-Key it has its effect once."
        ))
    }
}

fn options(entry: Option<&Entry>) -> Response {
    match entry {
        None => problems::no_route().into_response(),
        Some(entry) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            if let Ok(allow) = HeaderValue::from_str(&entry.allow()) {
                response.headers_mut().insert(header::ALLOW, allow);
            }
            response
        }
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Edge<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let parent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
        let mut span = Span::begin(trace::Kind::Server, "request", parent);
        let (context, address) = (request_id::context(&request, &span), self.proxies.client(&request));
        // Boxed, because a future is moved each time it is wrapped, and this one is large.
        let answer = Box::pin(request::scope(context.clone(), self.answer(request, &mut span)));
        let mut response = match address {
            Some(address) => request::from_address(address, answer).await,
            None => answer.await,
        };
        request_id::echo(&mut response, &context);
        Ok(response)
    }
}
