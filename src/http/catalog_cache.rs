//! Keeps what strangers see of the catalog for a moment, so that a rush on the shop window is not a rush on the database.
//!
//! * Only GET requests without credentials are answered from it, and only what was answered with 200 is kept, by each process
//!   in its own memory.
//! * Whatever changes the catalog over the API makes everything that was kept before worthless, in every process, after its
//!   COMMIT and before its answer, so that nobody misses their own change: it leaves a stamp in Redis, and what was kept under
//!   another stamp is not shown. A change of one product leaves the other products' pages alone. Orders change what is
//!   available and leave no stamp: that is why a product is kept for two seconds only.
//! * When its two seconds are over and the product is what it was, it is kept for two more. Whether it is, is asked for many
//!   products at once, which costs less than reading one of them; those that were looked at and whose time is over soon are
//!   asked for along with it.
//! * The stamps are asked for after the request has come, never remembered; whoever is waiting for them shares one question.
//! * Of many who ask for the same at the same time, one asks the database; whoever has waited a tenth of a second for it asks too.
//! * Without Redis, or when it does not answer in time, everybody asks the database, as if there were no cache.

mod changes;
mod kept;
mod together;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError, atomic::AtomicBool},
    time::{Duration, Instant},
};

use bytes::Bytes;
use catalog::product::{self, ProductStamp};
use kernel::metrics::{self, Counter, KeyValue};
use kernel::{Pool, ProductId};
use poem::{
    Endpoint, Request, Response,
    http::{Method, StatusCode, header},
};
use tokio::time::timeout;
use uuid::Uuid;

use self::{
    changes::{Changed, Changes, Stamp},
    kept::{Kept, Shelf},
    together::Together,
};
use crate::redis_link::RedisLink;

/// How long what shows stock is kept, counted from when it was asked for: so long may it be out of date.
const PRODUCTS: Duration = Duration::from_secs(2);
/// How long everything else is kept, should the news of a change be lost.
const CATEGORIES: Duration = Duration::from_secs(10);
/// How long somebody waits for another's answer to the same question.
const COMPANY: Duration = Duration::from_millis(100);
/// Larger answers are not kept.
const BODY: usize = 512 * 1024;
static LOOKS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let about = "Strangers' looks at the catalog: kept (hit), kept and still right (confirmed), asked of the database (miss), or that without Redis (bypass).";
    metrics::counter("oms_catalog_cache", about)
});

fn count(outcome: &'static str) {
    LOOKS.add(1, &[KeyValue::new("outcome", outcome)]);
}

/// The application with the cache in front of it.
pub(super) struct CatalogCache<E> {
    inner: E,
    changes: Changes,
    /// What products are now, as far as the database says it.
    products: Together<ProductId, Option<ProductStamp>>,
    kept: Arc<Shelf>,
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

/// The product that a path is about, if it is about one.
fn product_of(path: &str) -> Option<Uuid> {
    path.strip_prefix("/v1/products/")?.split('/').next()?.parse().ok()
}

/// What strangers see that a request may change.
fn changed(request: &Request) -> Option<Changed> {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let mut parts = request.uri().path().split('/').skip(1);
    let is_about_the_catalog = parts.next() == Some("v1")
        && parts.next().is_some_and(|noun| ["products", "variants", "categories", "businesses"].contains(&noun));
    if is_safe || !is_about_the_catalog {
        return None;
    }
    let path = request.uri().path();
    Some(match product_of(path) {
        Some(product) => Changed::Product(product),
        // A product that is new is on no other product's page.
        None if path == "/v1/products" => Changed::Lists,
        None => Changed::Anything,
    })
}

/// What is known about a question.
enum Known {
    Answer(Arc<Kept>),
    /// Nothing, or what was right until a moment ago; whoever finds the answer may keep it under this stamp.
    Nothing {
        stamp: Stamp,
        before: Option<Arc<Kept>>,
    },
}

/// What each product is now, in one question. Those that are kept and soon to be asked for are looked after by the way.
async fn stamps(pool: Pool, shelf: Arc<Shelf>, products: Vec<ProductId>) -> Vec<Option<ProductStamp>> {
    let (asked, soon) = (Instant::now(), shelf.soon_over(Instant::now()));
    let by_the_way = soon.iter().filter_map(|(_, kept)| kept.product.map(|(id, _)| id));
    let all: Vec<ProductId> = products.iter().copied().chain(by_the_way).collect();
    let stamps = async {
        let mut conn = pool.get().await.ok()?;
        product::stamps(&mut conn, &all).await.ok()
    };
    // Whoever asked has given up by then.
    let stamps = timeout(COMPANY, stamps).await.ok().flatten().unwrap_or_default();
    for (target, kept) in soon {
        if kept.is_right(kept.product.and_then(|(id, _)| stamps.get(&id).copied()), asked) {
            shelf.keep(target, kept.kept_until(asked + PRODUCTS));
        }
    }
    products.iter().map(|product| stamps.get(product).copied()).collect()
}

impl<E: Endpoint<Output = Response>> CatalogCache<E> {
    /// Puts the cache in front of `inner`.
    pub(super) fn new(inner: E, redis: RedisLink, pool: Pool) -> Self {
        let kept = Arc::new(Shelf::new());
        let shelf = kept.clone();
        let products = Together::new(move |products| stamps(pool.clone(), shelf.clone(), products));
        Self { inner, changes: Changes::new(redis), products, kept, flights: Mutex::default() }
    }

    /// Looks, and counts what needs no look at the database, or has to go without this one.
    async fn look(&self, product: Option<Uuid>, target: &str) -> Option<Known> {
        let Some(stamp) = self.changes.last(product).await else {
            count("bypass");
            return None;
        };
        match self.kept.get(target).filter(|kept| kept.stamp == stamp) {
            Some(kept) if Instant::now() < kept.until => {
                count("hit");
                Some(Known::Answer(kept))
            }
            before => Some(Known::Nothing { stamp, before }),
        }
    }

    /// Whoever holds it asks the database.
    fn flight(&self, target: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, flight| Arc::strong_count(flight) > 1);
        flights.entry(target.to_owned()).or_default().clone()
    }

    async fn read(&self, request: Request, lifetime: Duration) -> poem::Result<Response> {
        let target = request.uri().path_and_query().map_or("", |target| target.as_str()).to_owned();
        let product = product_of(request.uri().path());
        match self.look(product, &target).await {
            None => return self.inner.call(request).await,
            Some(Known::Answer(kept)) => return Ok(kept.response()),
            Some(Known::Nothing { .. }) => {}
        }
        let flight = self.flight(&target);
        let _turn = timeout(COMPANY, flight.lock()).await;
        // Somebody else may have found the answer while we waited.
        let (stamp, before) = match self.look(product, &target).await {
            None => return self.inner.call(request).await,
            Some(Known::Answer(kept)) => return Ok(kept.response()),
            Some(Known::Nothing { stamp, before }) => (stamp, before),
        };
        let now = Instant::now();
        let until = now + lifetime;
        let product = product.map(ProductId::from_uuid);
        let is = match product {
            Some(id) => timeout(COMPANY, self.products.ask(id)).await.ok().flatten().flatten(),
            None => None,
        };
        if let Some(kept) = before.filter(|kept| kept.is_right(is, now)) {
            count("confirmed");
            self.kept.keep(target, kept.kept_until(until));
            return Ok(kept.response());
        }
        count("miss");
        let response = self.inner.call(request).await?;
        let is_json = response.content_type().is_some_and(|kind| kind.starts_with("application/json"));
        if response.status() != StatusCode::OK || !is_json {
            return Ok(response);
        }
        let etag = response.headers().get(header::ETAG).cloned();
        let (parts, body) = response.into_parts();
        let body = body.into_bytes().await?;
        if body.len() <= BODY && Instant::now() < until {
            // Copied, because a buffer that was written to may be twice as large as what is in it.
            let copy = Bytes::copy_from_slice(&body);
            let is_wanted = AtomicBool::new(false);
            self.kept
                .keep(target, Kept { stamp, product: product.zip(is), since: now, until, etag, body: copy, is_wanted });
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
        let changed = changed(&request);
        let response = self.inner.call(request).await?;
        if let Some(changed) = changed.filter(|_| response.status().is_success()) {
            // Lost with Redis, and with a request that is given up before its answer: then what was kept holds for its few seconds.
            self.changes.stamp(changed).await;
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
    fn a_product_is_known_by_its_id_however_it_is_written() {
        let id = Uuid::from_u128(0xabc);
        for path in [format!("/v1/products/{id}"), format!("/v1/products/{}/images", id.to_string().to_uppercase())] {
            assert_eq!(product_of(&path), Some(id), "{path}");
        }
        for path in ["/v1/products", "/v1/products/nonsense", "/v1/variants/00000000-0000-0000-0000-000000000abc"] {
            assert_eq!(product_of(path), None, "{path}");
        }
    }

    #[test]
    fn whatever_can_change_the_catalog_is_a_change() {
        let is_change = |request: &Request| changed(request).is_some();
        for path in ["/v1/products", "/v1/variants/0190/stock/count", "/v1/categories/0190", "/v1/businesses/0190/logo"]
        {
            assert!(is_change(&request(Method::POST, path)), "{path}");
            assert!(!is_change(&request(Method::GET, path)), "{path}");
        }
        assert!(!is_change(&request(Method::POST, "/v1/orders")));
        assert_eq!(changed(&request(Method::POST, "/v1/products")), Some(Changed::Lists));
        let (id, path) = (Uuid::from_u128(7), format!("/v1/products/{}/images", Uuid::from_u128(7)));
        assert_eq!(changed(&request(Method::POST, &path)), Some(Changed::Product(id)));
        assert_eq!(changed(&request(Method::POST, "/v1/variants/7/stock/count")), Some(Changed::Anything));
    }
}
