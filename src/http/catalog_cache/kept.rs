//! Answers that are kept, and which of them are soon to be confirmed.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use catalog::product::ProductStamp;
use kernel::ProductId;
use poem::{
    Response,
    http::{HeaderValue, header},
};
use quick_cache::{Weighter, sync::Cache};

use super::changes::Stamp;

/// How long a product is kept that is what it was, as far as the database says it: what is written by hand past the API may
/// not show there.
const CONFIRMED: Duration = Duration::from_secs(30);
/// What all answers together may weigh; those that are asked for least go first.
const MEMORY: u64 = 32 * 1024 * 1024;
/// What an answer weighs besides its bytes: the entry, the shared pointers, what the allocator rounds up.
const ENTRY: usize = 256;
/// So long before its time is over a product is confirmed along with others.
const SOON: Duration = Duration::from_millis(250);
/// So many at once; more than are kept between two questions, so that the line does not grow.
const MANY: usize = 1_024;

/// An answer that is kept.
pub(super) struct Kept {
    /// The last change before it was read.
    pub(super) stamp: Stamp,
    /// What its product was before it was read, if it shows one.
    pub(super) product: Option<(ProductId, ProductStamp)>,
    /// Since when it is known.
    pub(super) since: Instant,
    pub(super) until: Instant,
    pub(super) etag: Option<HeaderValue>,
    pub(super) body: Bytes,
    /// Whether somebody was shown it since it was kept.
    pub(super) is_wanted: AtomicBool,
}

impl Kept {
    pub(super) fn response(&self) -> Response {
        if !self.is_wanted.load(Ordering::Relaxed) {
            self.is_wanted.store(true, Ordering::Relaxed);
        }
        let content_type = HeaderValue::from_static("application/json; charset=utf-8");
        let mut response = Response::builder().header(header::CONTENT_TYPE, content_type).body(self.body.clone());
        if let Some(etag) = &self.etag {
            response.headers_mut().insert(header::ETAG, etag.clone());
        }
        response
    }

    /// Whether its product is still what it was, by what it was asked to be at `asked`.
    pub(super) fn is_right(&self, product: Option<ProductStamp>, asked: Instant) -> bool {
        product.is_some() && self.product.map(|(_id, was)| was) == product && asked < self.since + CONFIRMED
    }

    /// The same for longer.
    pub(super) fn kept_until(&self, until: Instant) -> Self {
        Self {
            until,
            etag: self.etag.clone(),
            body: self.body.clone(),
            is_wanted: AtomicBool::new(false),
            stamp: self.stamp,
            product: self.product,
            since: self.since,
        }
    }
}

/// An answer weighs what it takes of memory.
#[derive(Clone)]
struct Bytewise;

impl Weighter<String, Arc<Kept>> for Bytewise {
    fn weight(&self, target: &String, kept: &Arc<Kept>) -> u64 {
        u64::try_from(ENTRY + target.len() + kept.body.len()).unwrap_or(u64::MAX)
    }
}

/// All answers that are kept.
pub(super) struct Shelf {
    kept: Cache<String, Arc<Kept>, Bytewise>,
    /// Those that show a product, in the order in which their time is over. Some are not kept any more.
    line: Mutex<VecDeque<(String, Weak<Kept>)>>,
}

impl Shelf {
    pub(super) fn new() -> Self {
        Self { kept: Cache::with_weighter(1_000, MEMORY, Bytewise), line: Mutex::default() }
    }

    pub(super) fn get(&self, target: &str) -> Option<Arc<Kept>> {
        self.kept.get(target)
    }

    pub(super) fn keep(&self, target: String, kept: Kept) {
        let kept = Arc::new(kept);
        if kept.product.is_some() {
            self.line.lock().unwrap_or_else(PoisonError::into_inner).push_back((target.clone(), Arc::downgrade(&kept)));
        }
        self.kept.insert(target, kept);
    }

    /// Products that somebody wants and whose time is over soon, each once.
    pub(super) fn soon_over(&self, now: Instant) -> Vec<(String, Arc<Kept>)> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |kept: &Weak<Kept>| kept.upgrade().is_none_or(|kept| kept.until <= now + SOON);
        let over = line.iter().take(MANY).take_while(|(_, kept)| is_over(kept)).count();
        line.drain(..over)
            .filter_map(|(target, kept)| Some((target, kept.upgrade()?)))
            .filter(|(_, kept)| kept.is_wanted.load(Ordering::Relaxed))
            .filter(|(target, kept)| self.get(target).is_some_and(|there| Arc::ptr_eq(&there, kept)))
            .collect()
    }
}
