//! The merchant's API: JSON from server to server.

use kernel::{
    Currency, Cursor, DbError, Kind, Money, Problem, Text,
    idempotency::{self, IdempotencyKey},
    problem::{INVALID_REQUEST, NOT_FOUND},
};
use poem::{
    Body, IntoResponse, Request, Response, handler,
    http::StatusCode,
    web::{Data, Json, Path},
};
use reqwest::Url;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Gateway, auth, book,
    capture::{NewCapture, capture},
    chaos,
    create::{NewPayment, create},
    decide,
    error::GatewayError,
    payment::{Capture, CaptureId, CaptureMethod, Payment, PaymentId, PaymentStatus, Refund, RefundId, RefundStatus},
    problem::TOO_LARGE,
    refund::{NewRefund, refund},
    store,
};

const BODY_LIMIT_BYTES: usize = 64 * 1024;
const AMOUNT_MAX: i64 = 1_000_000_000_000_000;
const BOOK_LIMIT_DEFAULT: u32 = 100;
const BOOK_LIMIT_MAX: u32 = 1_000;
const FOUND_MAX: i64 = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PaymentRequest {
    amount: i64,
    currency: Currency,
    reference: String,
    description: String,
    webhook_url: String,
    return_url: Option<String>,
    #[serde(default)]
    capture_method: CaptureMethod,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaptureRequest {
    amount: i64,
    reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefundRequest {
    amount: i64,
    reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FindQuery {
    reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BookQuery {
    cursor: Option<String>,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct PaymentAnswer {
    id: PaymentId,
    status: PaymentStatus,
    capture_method: CaptureMethod,
    amount: i64,
    currency: &'static str,
    reference: String,
    captured: i64,
    refunded: i64,
    pay_url: String,
    expires_at: String,
}

impl PaymentAnswer {
    fn new(gateway: &Gateway, payment: Payment) -> Self {
        Self {
            id: payment.id,
            status: payment.status_at(gateway.clock.now()),
            capture_method: payment.capture_method,
            amount: payment.amount_minor,
            currency: payment.currency.code(),
            captured: payment.captured_minor,
            refunded: payment.refunded_minor,
            pay_url: gateway.pay_url(&payment.token),
            expires_at: payment.expires_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            reference: payment.reference,
        }
    }
}

#[derive(Serialize)]
struct CaptureAnswer {
    id: CaptureId,
    payment_id: PaymentId,
    amount: i64,
    currency: &'static str,
    reference: String,
}

impl From<Capture> for CaptureAnswer {
    fn from(capture: Capture) -> Self {
        Self {
            id: capture.id,
            payment_id: capture.payment_id,
            amount: capture.charged.minor,
            currency: capture.charged.currency.code(),
            reference: capture.reference,
        }
    }
}

#[derive(Serialize)]
struct RefundAnswer {
    id: RefundId,
    payment_id: PaymentId,
    amount: i64,
    reference: String,
    status: RefundStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<Refund> for RefundAnswer {
    fn from(refund: Refund) -> Self {
        Self {
            id: refund.id,
            payment_id: refund.payment_id,
            amount: refund.amount_minor,
            reference: refund.reference,
            status: refund.status,
            reason: refund.reason,
        }
    }
}

pub(crate) fn invalid(field: &str, what: impl ToString) -> Problem {
    INVALID_REQUEST.problem("Correct the field and send the request again.").with_error(field, what.to_string())
}

pub(crate) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    let bytes = body.into_bytes_limit(BODY_LIMIT_BYTES).await.map_err(|error| match error {
        poem::error::ReadBodyError::PayloadTooLarge => TOO_LARGE.problem("A request has at most 64 KiB."),
        other => INVALID_REQUEST.problem(format!("The body cannot be read: {other}.")),
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| INVALID_REQUEST.problem(format!("The body is not what is asked for: {error}.")))
}

fn key(request: &Request) -> Result<String, Problem> {
    let value = request.headers().get("idempotency-key").ok_or_else(idempotency::missing)?;
    let text = value.to_str().map_err(|error| invalid("Idempotency-Key", error))?;
    IdempotencyKey::parse(text).map(IdempotencyKey::into_string).map_err(|error| invalid("Idempotency-Key", error))
}

fn text<const MAX: usize>(field: &str, value: String) -> Result<String, Problem> {
    Text::<1, MAX>::parse(value).map(Text::into_string).map_err(|error| invalid(field, error))
}

fn amount(value: i64) -> Result<i64, Problem> {
    if (1..=AMOUNT_MAX).contains(&value) { Ok(value) } else { Err(invalid("amount", "must be from 1 to 10^15")) }
}

/// A web address, written the one way that browsers and HTTP clients read it.
fn web_address(field: &str, value: String) -> Result<String, Problem> {
    let url = Url::parse(&text::<2048>(field, value)?).map_err(|error| invalid(field, error))?;
    let usable = matches!(url.scheme(), "http" | "https") && url.has_host() && url.as_str().len() <= 2048;
    if usable {
        Ok(url.into())
    } else {
        Err(invalid(field, "must be an http or https address of at most 2048 characters"))
    }
}

pub(crate) fn id(text: &str) -> Result<PaymentId, Problem> {
    text.parse().map_err(|_not_an_id| NOT_FOUND.problem("There is no payment with this id."))
}

pub(crate) fn json(status: StatusCode, value: impl Serialize + Send) -> Response {
    Json(value).with_status(status).into_response()
}

/// Opens a payment.
#[handler]
pub(crate) async fn create_payment(gateway: Data<&Gateway>, request: &Request, body: Body) -> poem::Result<Response> {
    auth::check(request, &gateway.api_key)?;
    let idempotency_key = key(request)?;
    let asked: PaymentRequest = read(body).await?;
    let new = NewPayment {
        idempotency_key,
        amount: Money::new(amount(asked.amount)?, asked.currency),
        reference: text::<128>("reference", asked.reference)?,
        description: text::<200>("description", asked.description)?,
        webhook_url: web_address("webhook_url", asked.webhook_url)?,
        capture_method: asked.capture_method,
        return_url: asked.return_url.map(|url| web_address("return_url", url)).transpose()?,
    };
    let (pool, at) = (gateway.pool.clone(), gateway.clock.now());
    let call = async {
        let payment = kernel::run(move || {
            let (pool, new) = (pool.clone(), new.clone());
            async move { create(&mut *pool.get().await?, &new, at).await }
        })
        .await?;
        Ok(json(StatusCode::CREATED, PaymentAnswer::new(&gateway, payment)))
    };
    Ok(chaos::carry_out(&gateway, None, call).await?)
}

/// Shows a payment.
#[handler]
pub(crate) async fn get_payment(
    gateway: Data<&Gateway>,
    request: &Request,
    path: Path<String>,
) -> poem::Result<Response> {
    auth::check(request, &gateway.api_key)?;
    let id = id(&path.0)?;
    let found = async {
        let mut conn = gateway.pool.get().await?;
        Ok::<_, GatewayError>(store::find_payment(&mut conn, id).await?)
    };
    let payment = found.await.map_err(Problem::from)?.ok_or(GatewayError::UnknownPayment).map_err(Problem::from)?;
    Ok(json(StatusCode::OK, PaymentAnswer::new(&gateway, payment)))
}

#[derive(Serialize)]
struct FoundPayment {
    #[serde(flatten)]
    entry: book::BookEntry,
    pay_url: String,
}

#[derive(Serialize)]
struct FoundPayments {
    data: Vec<FoundPayment>,
}

/// Shows the payments that the merchant knows by a name, as they stand in the book and with their pay pages: for a merchant
/// that got no answer.
#[handler]
pub(crate) async fn find_payments(gateway: Data<&Gateway>, request: &Request) -> poem::Result<Response> {
    auth::check(request, &gateway.api_key)?;
    let query: FindQuery = request
        .params()
        .map_err(|error| INVALID_REQUEST.problem(format!("The query is not what is asked for: {error}.")))?;
    let reference = text::<128>("reference", query.reference)?;
    let now = gateway.clock.now();
    let read = async {
        let mut conn = gateway.pool.get().await?;
        let payments = store::payments_called(&mut conn, &reference, FOUND_MAX).await?;
        let pay_urls: Vec<_> = payments.iter().map(|payment| gateway.pay_url(&payment.token)).collect();
        let entries = book::entries(&mut conn, payments, now).await?;
        let data = entries.into_iter().zip(pay_urls).map(|(entry, pay_url)| FoundPayment { entry, pay_url }).collect();
        Ok::<_, GatewayError>(FoundPayments { data })
    };
    Ok(json(StatusCode::OK, read.await.map_err(Problem::from)?))
}

/// Takes a pending or an authorised payment back.
#[handler]
pub(crate) async fn void_payment(
    gateway: Data<&Gateway>,
    request: &Request,
    path: Path<String>,
) -> poem::Result<Response> {
    auth::check(request, &gateway.api_key)?;
    let id = id(&path.0)?;
    let (pool, at) = (gateway.pool.clone(), gateway.clock.now());
    let call = async {
        let payment = kernel::run(move || {
            let pool = pool.clone();
            async move { decide::void(&mut *pool.get().await?, id, at).await }
        })
        .await?;
        Ok(json(StatusCode::OK, PaymentAnswer::new(&gateway, payment)))
    };
    Ok(chaos::carry_out(&gateway, Some(id), call).await?)
}

/// Takes what an authorised payment holds, or a part of it; the rest is let go.
#[handler]
pub(crate) async fn create_capture(
    gateway: Data<&Gateway>,
    request: &Request,
    path: Path<String>,
    body: Body,
) -> poem::Result<Response> {
    auth::check(request, &gateway.api_key)?;
    let payment_id = id(&path.0)?;
    let idempotency_key = key(request)?;
    let asked: CaptureRequest = read(body).await?;
    let new = NewCapture {
        payment_id,
        idempotency_key,
        amount_minor: amount(asked.amount)?,
        reference: text::<128>("reference", asked.reference)?,
    };
    let (pool, at) = (gateway.pool.clone(), gateway.clock.now());
    let call = async {
        let capture = kernel::run(move || {
            let (pool, new) = (pool.clone(), new.clone());
            async move { capture(&mut *pool.get().await?, &new, at).await }
        })
        .await?;
        Ok(json(StatusCode::CREATED, CaptureAnswer::from(capture)))
    };
    Ok(chaos::carry_out(&gateway, Some(payment_id), call).await?)
}

/// Gives money back.
#[handler]
pub(crate) async fn create_refund(
    gateway: Data<&Gateway>,
    request: &Request,
    path: Path<String>,
    body: Body,
) -> poem::Result<Response> {
    auth::check(request, &gateway.api_key)?;
    let payment_id = id(&path.0)?;
    let idempotency_key = key(request)?;
    let asked: RefundRequest = read(body).await?;
    let new = NewRefund {
        payment_id,
        idempotency_key,
        amount_minor: amount(asked.amount)?,
        reference: text::<128>("reference", asked.reference)?,
    };
    let (pool, at) = (gateway.pool.clone(), gateway.clock.now());
    let call = async {
        let refund = kernel::run(move || {
            let (pool, new) = (pool.clone(), new.clone());
            async move { refund(&mut *pool.get().await?, &new, at).await }
        })
        .await?;
        Ok(json(StatusCode::CREATED, RefundAnswer::from(refund)))
    };
    Ok(chaos::carry_out(&gateway, Some(payment_id), call).await?)
}

/// Shows a page of the book.
#[handler]
pub(crate) async fn get_book(gateway: Data<&Gateway>, request: &Request) -> poem::Result<Response> {
    auth::check(request, &gateway.api_key)?;
    let query: BookQuery = request
        .params()
        .map_err(|error| INVALID_REQUEST.problem(format!("The query is not what is asked for: {error}.")))?;
    let limit = query.limit.unwrap_or(BOOK_LIMIT_DEFAULT);
    if !(1..=BOOK_LIMIT_MAX).contains(&limit) {
        return Err(invalid("limit", "must be from 1 to 1000").into());
    }
    let after = query
        .cursor
        .map(|cursor| Cursor::parse(cursor).map_err(|error| invalid("cursor", error))?.decode::<PaymentId>())
        .transpose()?;
    let read = async {
        let mut conn = gateway.pool.get().await?;
        Ok::<_, GatewayError>(book::page(&mut conn, after, limit, gateway.clock.now()).await?)
    };
    Ok(json(StatusCode::OK, read.await.map_err(Problem::from)?))
}

/// Says whether the gateway can work.
#[handler]
pub(crate) async fn health(gateway: Data<&Gateway>) -> poem::Result<Response> {
    let asked = async {
        let mut conn = gateway.pool.get().await?;
        Ok::<_, DbError>(store::payments_after(&mut conn, None, 1).await?)
    };
    asked.await.map_err(Problem::from)?;
    Ok(json(StatusCode::OK, serde_json::json!({"status": "ok"})))
}

/// What poem refuses by itself, as a problem.
pub(crate) fn framework_error(error: &poem::Error) -> Problem {
    const OTHER: Kind = INVALID_REQUEST;
    match error.status() {
        StatusCode::NOT_FOUND => NOT_FOUND.problem("There is nothing at this path. Look at POST /api/payments."),
        StatusCode::METHOD_NOT_ALLOWED => {
            crate::problem::METHOD_NOT_ALLOWED.problem("The path is right and the method is not.")
        }
        status if status.is_server_error() => Problem::internal(error),
        _ => OTHER.problem(error.to_string()),
    }
}
