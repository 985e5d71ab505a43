//! Keeps what strangers see of the catalog in Redis for a moment, so that a rush on the shop window is not a rush on the
//! database.
//!
//! * Only GET requests without credentials are answered from it, and only what was answered with 200 is kept.
//! * Whatever changes the catalog over the API makes everything that was kept before worthless, after its COMMIT and before its
//!   answer, so that nobody misses their own change. Orders change what is available and do not: that is why a product is kept
//!   for two seconds only.
//! * Of many who ask for the same at the same time, one asks the database; whoever has waited a tenth of a second for it asks too.
//! * Without Redis, or when it does not answer in time, everybody asks the database, as if there were no cache.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use kernel::metrics::{self, Counter, KeyValue};
use poem::{
    Endpoint, Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};
use redis::pipe;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::redis_link::RedisLink;

/// How long what shows stock is kept, counted from when it was asked for: so long may it be out of date.
const PRODUCTS: Duration = Duration::from_secs(2);
/// How long everything else is kept, should the news of a change be lost.
const CATEGORIES: Duration = Duration::from_secs(10);
/// How long somebody waits for another's answer to the same question.
const COMPANY: Duration = Duration::from_millis(100);
/// Larger answers are not kept.
const BODY: usize = 512 * 1024;
/// Counts the changes of the catalog. What was kept names the count at which it was read.
const CHANGES: &str = "oms:catalog:changes";

static LOOKS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let about =
        "Strangers' looks at the catalog: kept (hit), asked of the database (miss), or that without Redis (bypass).";
    metrics::counter("oms_catalog_cache", about)
});

fn count(outcome: &'static str) {
    LOOKS.add(1, &[KeyValue::new("outcome", outcome)]);
}

/// The application with the cache in front of it.
pub(super) struct CatalogCache<E> {
    inner: E,
    redis: RedisLink,
    flights: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// How long the answer to a request may be kept; `None` for everything that is not a stranger's look at the catalog.
fn lifetime(request: &Request) -> Option<Duration> {
    let headers = request.headers();
    // Conditions are compared where the answer is made.
    let is_plain =
        [header::AUTHORIZATION, header::COOKIE, header::IF_NONE_MATCH].iter().all(|name| !headers.contains_key(name));
    if request.method() != Method::GET || !is_plain {
        return None;
    }
    let path = request.uri().path();
    if path == "/v1/products" || path.strip_prefix("/v1/products/").is_some_and(|rest| !rest.contains('/')) {
        Some(PRODUCTS)
    } else if path == "/v1/category-tree" || path == "/v1/categories" {
        Some(CATEGORIES)
    } else {
        None
    }
}

/// Whether a request may change what strangers see.
fn is_change(request: &Request) -> bool {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let mut parts = request.uri().path().split('/').skip(1);
    !is_safe
        && parts.next() == Some("v1")
        && parts.next().is_some_and(|noun| ["products", "variants", "categories", "businesses"].contains(&noun))
}

/// What is kept of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    etag: Option<String>,
    body: Bytes,
}

impl Kept {
    /// As it is stored: the ETag on the first line, the body below it.
    fn packed(&self) -> Vec<u8> {
        let etag = self.etag.as_deref().unwrap_or_default();
        [etag.as_bytes(), b"\n", self.body.as_ref()].concat()
    }

    fn unpacked(packed: &[u8]) -> Option<Self> {
        let end = packed.iter().position(|byte| *byte == b'\n')?;
        let (etag, body) = (packed.get(..end)?, packed.get(end + 1..)?);
        let etag = std::str::from_utf8(etag).ok()?;
        let etag = (!etag.is_empty()).then(|| etag.to_owned());
        Some(Self { etag, body: Bytes::copy_from_slice(body) })
    }

    fn into_response(self) -> Response {
        let mut response = Response::builder().content_type("application/json; charset=utf-8").body(self.body);
        if let Some(etag) = self.etag.and_then(|etag| HeaderValue::from_str(&etag).ok()) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

/// What Redis knows about a question.
enum Known {
    Answer(Kept),
    /// Nothing; whoever finds the answer may keep it under this count of changes.
    Nothing {
        changes: i64,
    },
}

fn etag(headers: &HeaderMap) -> Option<String> {
    headers.get(header::ETAG)?.to_str().ok().map(str::to_owned)
}

impl<E: Endpoint<Output = Response>> CatalogCache<E> {
    /// Puts the cache in front of `inner`.
    pub(super) fn new(inner: E, redis: RedisLink) -> Self {
        Self { inner, redis, flights: Mutex::default() }
    }

    /// Looks, and counts what needs no look at the database, or has to go without this one.
    async fn look(&self, key: &str) -> Option<Known> {
        let known = self.ask(key).await;
        match &known {
            None => count("bypass"),
            Some(Known::Answer(_)) => count("hit"),
            Some(Known::Nothing { .. }) => {}
        }
        known
    }

    async fn ask(&self, key: &str) -> Option<Known> {
        let entry = format!("oms:catalog:{key}");
        let (changes, entry) = self
            .redis
            .ask(async |mut conn| {
                let mut both = pipe();
                both.get(CHANGES).hmget(&entry, &["changes", "answer"]);
                both.query_async::<(Option<i64>, (Option<i64>, Option<Vec<u8>>))>(&mut conn).await
            })
            .await?;
        let changes = changes.unwrap_or(0);
        let answer = match entry {
            (Some(at), Some(packed)) if at == changes => Kept::unpacked(&packed),
            _ => None,
        };
        Some(answer.map_or(Known::Nothing { changes }, Known::Answer))
    }

    async fn keep(&self, key: &str, changes: i64, lifetime: Duration, kept: &Kept) {
        let (entry, packed) = (format!("oms:catalog:{key}"), kept.packed());
        let milliseconds = i64::try_from(lifetime.as_millis()).unwrap_or(1).max(1);
        let _kept = self
            .redis
            .ask(async |mut conn| {
                let mut both = pipe();
                both.atomic().hset(&entry, "changes", changes).ignore().hset(&entry, "answer", packed).ignore();
                both.pexpire(&entry, milliseconds).ignore();
                both.query_async::<()>(&mut conn).await
            })
            .await;
    }

    /// Whoever holds it asks the database.
    fn flight(&self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, flight| Arc::strong_count(flight) > 1);
        flights.entry(key.to_owned()).or_default().clone()
    }

    async fn read(&self, request: Request, lifetime: Duration) -> poem::Result<Response> {
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        let key = hex::encode(Sha256::digest(target));
        match self.look(&key).await {
            None => return self.inner.call(request).await,
            Some(Known::Answer(kept)) => return Ok(kept.into_response()),
            Some(Known::Nothing { .. }) => {}
        }
        let flight = self.flight(&key);
        let _turn = timeout(COMPANY, flight.lock()).await;
        // Somebody else may have found the answer while we waited.
        let changes = match self.look(&key).await {
            None => return self.inner.call(request).await,
            Some(Known::Answer(kept)) => return Ok(kept.into_response()),
            Some(Known::Nothing { changes }) => changes,
        };
        count("miss");
        let asked = Instant::now();
        let response = self.inner.call(request).await?;
        let is_json = response.content_type().is_some_and(|kind| kind.starts_with("application/json"));
        if response.status() != StatusCode::OK || !is_json {
            return Ok(response);
        }
        let etag = etag(response.headers());
        let (parts, body) = response.into_parts();
        let body = body.into_bytes().await?;
        let lifetime = lifetime.saturating_sub(asked.elapsed());
        if body.len() <= BODY && !lifetime.is_zero() {
            self.keep(&key, changes, lifetime, &Kept { etag, body: body.clone() }).await;
        }
        Ok(Response::from_parts(parts, body.into()))
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for CatalogCache<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if let Some(lifetime) = lifetime(&request) {
            return self.read(request, lifetime).await;
        }
        let is_change = is_change(&request);
        let response = self.inner.call(request).await?;
        if is_change && response.status().is_success() {
            // Lost with Redis, and with a client who does not wait for the answer: then what was kept holds for its few seconds.
            let _told = self
                .redis
                .ask(async |mut conn| redis::cmd("INCR").arg(CHANGES).query_async::<i64>(&mut conn).await)
                .await;
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, path: &str) -> Request {
        Request::builder().method(method).uri(path.parse().unwrap()).finish()
    }

    #[test]
    fn only_what_strangers_see_of_the_catalog_is_kept() {
        for (path, expected) in [
            ("/v1/products", Some(PRODUCTS)),
            ("/v1/products?q=tea", Some(PRODUCTS)),
            ("/v1/products/0190", Some(PRODUCTS)),
            ("/v1/products/0190/images", None),
            ("/v1/category-tree", Some(CATEGORIES)),
            ("/v1/orders", None),
            ("/v1/variants/0190/stock", None),
        ] {
            assert_eq!(lifetime(&request(Method::GET, path)), expected, "{path}");
            assert_eq!(lifetime(&request(Method::POST, path)), None, "{path}");
        }
        for name in ["authorization", "if-none-match", "cookie"] {
            let known = Request::builder().uri("/v1/products".parse().unwrap()).header(name, "x").finish();
            assert_eq!(lifetime(&known), None, "{name}");
        }
    }

    #[test]
    fn whatever_can_change_the_catalog_is_a_change() {
        for path in ["/v1/products", "/v1/variants/0190/stock/count", "/v1/categories/0190", "/v1/businesses/0190/logo"]
        {
            assert!(is_change(&request(Method::POST, path)), "{path}");
            assert!(!is_change(&request(Method::GET, path)), "{path}");
        }
        assert!(!is_change(&request(Method::POST, "/v1/orders")));
    }

    #[test]
    fn what_is_kept_comes_back_as_it_was() {
        for etag in [None, Some("\"3.0123\"".to_owned())] {
            let kept = Kept { etag, body: Bytes::from_static(b"{\n}\n") };
            assert_eq!(Kept::unpacked(&kept.packed()), Some(kept));
        }
        assert_eq!(Kept::unpacked(b"nonsense"), None);
    }
}
