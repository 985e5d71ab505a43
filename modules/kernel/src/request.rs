//! What is known about the request that is being served: carried along with the task, into jobs, logs and events.

use std::{future::Future, net::IpAddr};

tokio::task_local! {
    static CURRENT: Context;
    static ADDRESS: IpAddr;
}

/// The request that is being served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// `X-Request-Id`, taken from the client or minted.
    pub request_id: Option<String>,
    /// W3C `traceparent`, when the client sent one.
    pub traceparent: Option<String>,
}

/// Runs `work` as part of the request described by `context`.
pub async fn scope<F: Future>(context: Context, work: F) -> F::Output {
    CURRENT.scope(context, work).await
}

/// The present request; empty outside of one.
pub fn current() -> Context {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// The present request's id.
pub fn id() -> Option<String> {
    CURRENT.try_with(|context| context.request_id.clone()).ok().flatten()
}

/// Runs `work` on behalf of a client at `address`. Known to the request's own task only: what goes on without the client
/// has no business with it.
pub async fn from_address<F: Future>(address: IpAddr, work: F) -> F::Output {
    ADDRESS.scope(address, work).await
}

/// Where the client of the present request is; `None` outside of one.
pub fn address() -> Option<IpAddr> {
    ADDRESS.try_with(|address| *address).ok()
}
