//! One connection: HTTP/1.1 or HTTP/2, closed when it idles, drips, or does not take its answers.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use poem::{
    Endpoint,
    endpoint::BoxEndpoint,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};

use super::shutdown::Shutdown;

/// From the first byte of a request's head to its last; also from the connection to the first byte.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection may do nothing between requests. Longer than the usual 60 s of load balancers, so that they
/// close first and never send into a closing connection.
const IDLE: Duration = Duration::from_secs(75);
/// How long a connection that is being closed may take.
const CLOSING: Duration = Duration::from_secs(20);
/// What a request's head may weigh; hyper answers 431 to a heavier one.
const HEAD_BYTES: usize = 64 * 1024;

/// What has happened on a connection, in milliseconds since it was opened.
struct Activity {
    opened: Instant,
    /// Requests that have no answer yet.
    running: AtomicUsize,
    /// The last answer that was finished, or the last bytes that were written.
    settled_ms: AtomicU64,
    /// The first byte that was read after that; 0 when there was none.
    reading_ms: AtomicU64,
    /// Whether a request was ever complete.
    requests: AtomicUsize,
}

impl Activity {
    fn new() -> Self {
        Self {
            opened: Instant::now(),
            running: AtomicUsize::new(0),
            settled_ms: AtomicU64::new(0),
            reading_ms: AtomicU64::new(0),
            requests: AtomicUsize::new(0),
        }
    }

    fn now_ms(&self) -> u64 {
        // Never 0, which stands for "not".
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn read(&self) {
        if self.reading_ms.load(Ordering::Relaxed) == 0 {
            self.reading_ms.store(self.now_ms(), Ordering::Relaxed);
        }
    }

    fn settle(&self) {
        self.settled_ms.store(self.now_ms(), Ordering::Relaxed);
        self.reading_ms.store(0, Ordering::Relaxed);
    }

    /// When the connection has been useless for too long, unless something happens.
    fn deadline(&self) -> Option<Instant> {
        if self.running.load(Ordering::Relaxed) > 0 {
            // The request's own deadline is at work.
            return None;
        }
        let reading = self.reading_ms.load(Ordering::Relaxed);
        let (since, allowed) = if reading > 0 {
            (reading, HEAD)
        } else if self.requests.load(Ordering::Relaxed) == 0 {
            (0, HEAD)
        } else {
            (self.settled_ms.load(Ordering::Relaxed), IDLE)
        };
        Some(self.opened + Duration::from_millis(since) + allowed)
    }

    /// Waits until the deadline has passed.
    async fn expired(&self) {
        loop {
            match self.deadline() {
                Some(at) if at <= Instant::now() => return,
                Some(at) => tokio::time::sleep_until(at).await,
                None => tokio::time::sleep(HEAD).await,
            }
        }
    }
}

/// Counts a request as running for as long as it lives.
struct Running(Arc<Activity>);

impl Running {
    fn new(activity: Arc<Activity>) -> Self {
        activity.requests.fetch_add(1, Ordering::Relaxed);
        activity.running.fetch_add(1, Ordering::Relaxed);
        Self(activity)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
        self.0.settle();
    }
}

/// A socket that tells its [`Activity`] what passes.
struct Watched {
    stream: TcpStream,
    activity: Arc<Activity>,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.read();
        }
        outcome
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, buf);
        if matches!(outcome, Poll::Ready(Ok(written)) if written > 0) {
            self.activity.settle();
        }
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        if matches!(outcome, Poll::Ready(Ok(written)) if written > 0) {
            self.activity.settle();
        }
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Serves a connection until one side has had enough.
pub async fn serve(
    stream: TcpStream,
    local: SocketAddr,
    peer: SocketAddr,
    app: Arc<BoxEndpoint<'static, poem::Response>>,
    mut shutdown: Shutdown,
) {
    let activity = Arc::new(Activity::new());
    let leaving = shutdown.clone();
    let service = service_fn(|request: Request<Incoming>| {
        let (app, leaving) = (app.clone(), leaving.clone());
        let running = Running::new(activity.clone());
        async move {
            let is_http1 = request.version() < poem::http::Version::HTTP_2;
            let request: poem::Request =
                (request, LocalAddr(local.into()), RemoteAddr(peer.into()), Scheme::HTTP).into();
            let mut response = app.get_response(request).await;
            if is_http1 && leaving.is_leaving() {
                // Clients turn away by themselves before the port is closed, so none sends into a closed connection.
                response.headers_mut().insert("connection", poem::http::HeaderValue::from_static("close"));
            }
            drop(running);
            Ok::<Response<_>, Infallible>(response.into())
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(HEAD_BYTES);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(128).max_header_list_size(64 * 1024);
    let io = TokioIo::new(Watched { stream, activity: activity.clone() });
    let mut connection = pin!(builder.serve_connection(io, service));
    tokio::select! {
        // Broken connections are everyday life and nobody's fault.
        _ = connection.as_mut() => return,
        () = activity.expired() => {}
        () = shutdown.stopping() => {}
    }
    connection.as_mut().graceful_shutdown();
    let closing = if shutdown.is_leaving() { CLOSING } else { HEAD };
    // Whatever is not finished by now is cut off.
    let _finished = tokio::time::timeout(closing, connection).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds_left(activity: &Activity) -> Option<u64> {
        // Half a second of slack for the time the test takes.
        activity.deadline().map(|at| (at + Duration::from_millis(500)).duration_since(Instant::now()).as_secs())
    }

    #[test]
    fn a_connection_has_a_deadline_unless_a_request_is_running() {
        let activity = Arc::new(Activity::new());
        assert_eq!(seconds_left(&activity), Some(HEAD.as_secs()), "nothing has come yet");
        activity.read();
        assert_eq!(seconds_left(&activity), Some(HEAD.as_secs()), "a head is on its way");
        let running = Running::new(activity.clone());
        assert_eq!(seconds_left(&activity), None, "the request has a deadline of its own");
        drop(running);
        assert_eq!(seconds_left(&activity), Some(IDLE.as_secs()), "between requests");
        activity.read();
        assert_eq!(seconds_left(&activity), Some(HEAD.as_secs()), "the next head is on its way");
    }

    #[test]
    fn dripping_does_not_extend_the_time_for_a_head() {
        let activity = Activity::new();
        activity.read();
        let first = activity.deadline();
        std::thread::sleep(Duration::from_millis(20));
        activity.read();
        assert_eq!(activity.deadline(), first);
    }
}
