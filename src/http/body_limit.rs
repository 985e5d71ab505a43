//! How much a request may bring: refused by its declared length, and counted while it is read.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
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

/// A body that is being read.
struct Watched<S> {
    chunks: S,
    /// The last chunk that came, until it is known that another follows or that the request has its place.
    held: Option<Bytes>,
    seen: u64,
    is_over: bool,
    gate: Option<Arc<Gate>>,
    progress: Arc<Progress>,
}

/// Lets at most `limit` bytes of the body through, and keeps a reference to them when `keep` is set. At its end the
/// request takes its place at the `gate`, if there is one: whoever drips takes nobody's place. Nobody has the whole body
/// before that, also not a reader that knows its end by its last bytes. `takes_body`: otherwise nobody will read it.
pub(super) async fn watch(
    request: &mut Request,
    takes_body: bool,
    limit: u64,
    keep: bool,
    gate: Option<Arc<Gate>>,
) -> Arc<Progress> {
    let progress = Arc::new(Progress::default());
    let body = request.take_body();
    if body.is_empty() || !takes_body {
        if let Some(gate) = gate {
            progress.enter(&gate).await;
        }
        return progress;
    }
    progress.unfinished.store(true, Ordering::Relaxed);
    let chunks = Box::pin(body.into_bytes_stream());
    let watched = Watched { chunks, held: None, seen: 0, is_over: false, gate, progress: progress.clone() };
    let watched = stream::unfold(watched, move |mut watched| async move {
        let next = watched.next(limit, keep).await?;
        Some((next, watched))
    });
    request.set_body(Body::from_bytes_stream(watched));
    progress
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Watched<S> {
    async fn next(&mut self, limit: u64, keep: bool) -> Option<io::Result<Bytes>> {
        while !self.is_over {
            let Some(chunk) = self.chunks.next().await else {
                self.is_over = true;
                self.progress.unfinished.store(false, Ordering::Relaxed);
                match self.gate.take() {
                    Some(gate) if !self.progress.enter(&gate).await => {
                        self.held = None;
                        return Some(Err(io::Error::other("there is no place for the request")));
                    }
                    _ => break,
                }
            };
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => return Some(Err(error)),
            };
            self.seen = self.seen.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            if self.seen > limit {
                self.progress.too_large.store(true, Ordering::Relaxed);
                return Some(Err(io::Error::other("the body is too large")));
            }
            if keep {
                self.progress.kept.lock().unwrap_or_else(PoisonError::into_inner).push(chunk.clone());
            }
            if let Some(before) = self.held.replace(chunk) {
                return Some(Ok(before));
            }
        }
        self.held.take().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload() -> Request {
        let chunks = ["--x\r\n", "all of it", "\r\n--x--"].map(|chunk| Ok::<_, io::Error>(Bytes::from(chunk)));
        Request::builder().body(Body::from_bytes_stream(stream::iter(chunks)))
    }

    #[tokio::test]
    async fn r_06_nobody_has_the_whole_body_before_there_is_a_place() {
        let gate = Arc::new(Gate::new(1));
        let taken = gate.enter().await;
        let mut request = upload();
        let progress = watch(&mut request, true, 100, false, Some(gate.clone())).await;
        let mut chunks = request.take_body().into_bytes_stream();
        let mut came = Vec::new();
        while let Some(chunk) = chunks.next().await {
            came.push(chunk.is_ok());
        }
        assert_eq!(
            (came, progress.is_shed()),
            (vec![true, true, false], true),
            "all but the last chunk, and the refusal"
        );

        drop((taken, progress, chunks));
        let mut request = upload();
        let progress = watch(&mut request, true, 100, true, Some(gate.clone())).await;
        assert_eq!(request.take_body().into_vec().await.unwrap(), progress.kept());
        assert!(!progress.is_shed() && !progress.is_unfinished() && progress.kept().ends_with(b"--x--"));
        assert!(gate.enter().await.is_none(), "the request has the only place");
    }

    #[tokio::test]
    async fn r_06_a_body_that_nobody_reads_is_no_way_around() {
        let gate = Arc::new(Gate::new(1));
        let _taken = gate.enter().await;
        let progress = watch(&mut upload(), false, 100, false, Some(gate)).await;
        assert!(progress.is_shed() && !progress.is_unfinished());
    }
}
