//! All routes of the gateway, to be served on a listener of its own.

use kernel::{
    Problem, request,
    trace::{self, Span},
};
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, Route, get, http::HeaderValue, post, put};

use crate::{Gateway, api, chaos_api, page, payment::DeliveryId};

/// The gateway's API and pay pages.
pub fn routes(gateway: Gateway) -> impl Endpoint<Output = Response> + 'static {
    Route::new()
        .at("/", get(page::home))
        .at("/health", get(api::health))
        .at("/api/chaos", get(chaos_api::get_chaos).put(chaos_api::put_chaos))
        .at("/api/payments", get(api::find_payments).post(api::create_payment))
        .at("/api/payments/:id", get(api::get_payment))
        .at("/api/payments/:id/chaos", put(chaos_api::put_payment_chaos))
        .at("/api/payments/:id/captures", post(api::create_capture))
        .at("/api/payments/:id/refunds", post(api::create_refund))
        .at("/api/payments/:id/void", post(api::void_payment))
        .at("/api/book", get(api::get_book))
        .at("/pay/:token", get(page::show))
        .at("/pay/:token/approve", post(page::approve))
        .at("/pay/:token/decline", post(page::decline))
        .data(gateway)
        .catch_all_error(async |error: poem::Error| {
            if error.is_from_response() || error.is::<Problem>() {
                error.into_response()
            } else {
                api::framework_error(&error).into_response()
            }
        })
        .around(with_request_id)
}

/// Carries the merchant's request id, or a new one, through the request and back.
async fn with_request_id<E: Endpoint<Output = Response>>(
    endpoint: std::sync::Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    let given = request
        .header("x-request-id")
        .filter(|id| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()));
    let id = given.map_or_else(|| DeliveryId::new().to_string(), str::to_owned);
    let span = Span::begin(trace::Kind::Server, "gateway request", request.header("traceparent"));
    let context = request::Context { request_id: Some(id.clone()), traceparent: Some(span.traceparent().to_owned()) };
    let mut response = request::scope(context, endpoint.call(request)).await?;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    Ok(response)
}
