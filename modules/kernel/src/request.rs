//! What is known about the request that is being served: carried along with the task, into jobs, logs and events.

use std::{future::Future, net::IpAddr};

use serde_json::Value;

tokio::task_local! {
    static CURRENT: Context;
    static ADDRESS: IpAddr;
}

/// The request that is being served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// `X-Request-Id`, taken from the client or minted.
    pub request_id: Option<String>,
    /// W3C `traceparent` of the piece of work that is being done: what it asks others to do is told it.
    pub traceparent: Option<String>,
}

impl Context {
    /// As it is kept with what outlives the request: a job, a payment at the gateway.
    pub fn to_meta(&self) -> Value {
        let members = [("request_id", &self.request_id), ("traceparent", &self.traceparent)];
        let said = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())));
        Value::Object(said.collect())
    }

    /// What [`Context::to_meta`] kept.
    pub fn from_meta(meta: &Value) -> Self {
        let text = |name: &str| meta.get(name).and_then(Value::as_str).map(str::to_owned);
        Self { request_id: text("request_id"), traceparent: text("traceparent") }
    }
}

/// Runs `work` as part of the request described by `context`. (Not an `async fn`, which would hold `work` twice.)
pub fn scope<F: Future>(context: Context, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(context, work)
}

/// The present request; empty outside of one.
pub fn current() -> Context {
    with(Clone::clone)
}

/// Looks at the present request.
pub fn with<T>(look: impl Fn(&Context) -> T) -> T {
    CURRENT.try_with(&look).unwrap_or_else(|_outside| look(&Context::default()))
}

/// The present request's id.
pub fn id() -> Option<String> {
    CURRENT.try_with(|context| context.request_id.clone()).ok().flatten()
}

/// Runs `work` on behalf of a client at `address`. Known to the request's own task only: what goes on without the client
/// has no business with it.
pub fn from_address<F: Future>(address: IpAddr, work: F) -> impl Future<Output = F::Output> {
    ADDRESS.scope(address, work)
}

/// Where the client of the present request is; `None` outside of one.
pub fn address() -> Option<IpAddr> {
    ADDRESS.try_with(|address| *address).ok()
}
