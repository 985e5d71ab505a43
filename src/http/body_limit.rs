//! How much a request may bring: refused by its declared length, and counted while it is read.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use poem::{Body, Request, http::header::CONTENT_LENGTH};

/// What is known about a body that is being read.
#[derive(Default)]
pub(super) struct Progress {
    too_large: AtomicBool,
    unfinished: AtomicBool,
    kept: Mutex<Vec<Bytes>>,
}

impl Progress {
    /// Whether more came than is allowed.
    pub(super) fn is_too_large(&self) -> bool {
        self.too_large.load(Ordering::Relaxed)
    }

    /// Whether the client still owes us some of it.
    pub(super) fn is_unfinished(&self) -> bool {
        self.unfinished.load(Ordering::Relaxed)
    }

    /// What was read of it, if it was to be kept.
    pub(super) fn kept(&self) -> Vec<u8> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut whole = BytesMut::with_capacity(kept.iter().map(Bytes::len).sum());
        kept.iter().for_each(|chunk| whole.extend_from_slice(chunk));
        whole.into()
    }
}

/// The request says that it brings more than `limit` bytes.
pub(super) fn declares_too_much(request: &Request, limit: u64) -> bool {
    request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok())
        .is_some_and(|declared| declared > limit)
}

/// Lets at most `limit` bytes of the body through, and keeps a reference to them when `keep` is set.
pub(super) fn watch(request: &mut Request, limit: u64, keep: bool) -> Arc<Progress> {
    let progress = Arc::new(Progress::default());
    let body = request.take_body();
    if body.is_empty() {
        return progress;
    }
    progress.unfinished.store(true, Ordering::Relaxed);
    let state = (Box::pin(body.into_bytes_stream()), 0_u64, progress.clone());
    let watched = stream::unfold(state, move |(mut chunks, seen, progress)| async move {
        let outcome = match chunks.next().await {
            None => {
                progress.unfinished.store(false, Ordering::Relaxed);
                return None;
            }
            Some(outcome) => outcome,
        };
        let length = outcome.as_ref().map_or(0, |chunk| u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        let seen = seen.saturating_add(length);
        let outcome = match outcome {
            Ok(_) if seen > limit => {
                progress.too_large.store(true, Ordering::Relaxed);
                Err(io::Error::other("the body is too large"))
            }
            Ok(chunk) => {
                if keep {
                    progress.kept.lock().unwrap_or_else(PoisonError::into_inner).push(chunk.clone());
                }
                Ok(chunk)
            }
            Err(error) => Err(error),
        };
        Some((outcome, (chunks, seen, progress)))
    });
    request.set_body(Body::from_bytes_stream(watched));
    progress
}
