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

use super::overload::{Gate, Place};

/// What is known about a body that is being read.
#[derive(Default)]
pub(super) struct Progress {
    too_large: AtomicBool,
    unfinished: AtomicBool,
    kept: Mutex<Vec<Bytes>>,
    shed: AtomicBool,
    place: Mutex<Option<Place>>,
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

    /// Whether the request was to be worked on, and there was no place for it.
    pub(super) fn is_shed(&self) -> bool {
        self.shed.load(Ordering::Relaxed)
    }

    /// Takes a place for the request, which it keeps until this is dropped; false when there is none.
    pub(super) async fn enter(&self, gate: &Gate) -> bool {
        let place = gate.enter().await;
        let entered = place.is_some();
        self.shed.store(!entered, Ordering::Relaxed);
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
        entered
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

/// Lets at most `limit` bytes of the body through, and keeps a reference to them when `keep` is set. At its end the
/// request takes its place at the `gate`, if there is one: whoever drips takes nobody's place.
pub(super) async fn watch(request: &mut Request, limit: u64, keep: bool, gate: Option<Arc<Gate>>) -> Arc<Progress> {
    let progress = Arc::new(Progress::default());
    let body = request.take_body();
    if body.is_empty() {
        if let Some(gate) = gate {
            progress.enter(&gate).await;
        }
        return progress;
    }
    progress.unfinished.store(true, Ordering::Relaxed);
    let state = (Box::pin(body.into_bytes_stream()), 0_u64, progress.clone());
    let watched = stream::unfold(state, move |(mut chunks, seen, progress)| {
        let gate = gate.clone();
        async move {
            let outcome = match chunks.next().await {
                None => {
                    progress.unfinished.store(false, Ordering::Relaxed);
                    match gate {
                        Some(gate) if !progress.is_shed() && !progress.enter(&gate).await => {
                            let refused = Err(io::Error::other("there is no place for the request"));
                            return Some((refused, (chunks, seen, progress)));
                        }
                        _ => return None,
                    }
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
        }
    });
    request.set_body(Body::from_bytes_stream(watched));
    progress
}
