//! A payment gateway over HTTP: the API that the mock gateway speaks.

use std::{
    fmt,
    sync::LazyLock,
    time::{Duration, Instant},
};

use kernel::{
    Currency, Money,
    metrics::{self, Histogram, KeyValue},
    request,
    trace::{self, Span},
};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url, redirect::Policy};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    AttemptId, BookPage, CaptureMethod, Captured, CreateCapture, CreatePayment, CreateRefund, Gateway, GatewayError,
    Opened, Refunded, Standing, Voided, store::shorten,
};

const TIMEOUT: Duration = Duration::from_secs(8);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// What an answer may weigh; a page of the book has some 300 KiB.
const ANSWER_LIMIT_BYTES: usize = 8 * 1024 * 1024;
/// What is kept of the reason for a refusal, in characters.
const REASON_MAX: usize = 500;

static CALLS: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    let about = "How long the payment gateway took. Outcome unknown: no answer that says whether it was done.";
    let boundaries = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 8.0];
    metrics::seconds("oms_gateway_request_duration", about, &boundaries)
});

/// The conflicts that are a "no" for good: the payment is over, or it holds less. Every other 409 is "still at it".
const FINAL_CONFLICTS: &[&str] = &["payment_not_pending", "payment_not_authorized", "capture_exceeds_authorized"];

/// Where a gateway is and how it knows us.
#[derive(Clone)]
pub struct HttpGatewaySettings {
    /// Its name, as in the path of its webhooks.
    pub name: String,
    /// Where it is: `http://127.0.0.1:8100`.
    pub base_url: String,
    /// The key that shows that it is us.
    pub api_key: String,
}

impl fmt::Debug for HttpGatewaySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpGatewaySettings")
            .field("name", &self.name)
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

/// A gateway that is reached over HTTP.
#[derive(Debug, Clone)]
pub struct HttpGateway {
    settings: HttpGatewaySettings,
    base: Url,
    client: Client,
}

/// What went wrong between us and the gateway.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("the address of the gateway is not usable")]
    Address(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the request failed")]
    Http(#[from] reqwest::Error),
    #[error("the gateway answered {0}")]
    Status(StatusCode),
    #[error("the answer is too large")]
    TooLarge,
    #[error("the answer cannot be read")]
    Unreadable(#[source] serde_json::Error),
    #[error("the answer holds no usable {0}")]
    Unusable(&'static str),
}

impl From<CallError> for GatewayError {
    fn from(error: CallError) -> Self {
        Self::NoAnswer(Box::new(error))
    }
}

#[derive(Deserialize)]
struct Payment {
    id: String,
    pay_url: String,
}

#[derive(Deserialize)]
struct Found {
    data: Vec<Standing>,
}

#[derive(Deserialize)]
struct Capture {
    id: String,
    amount: i64,
    currency: Currency,
}

#[derive(Deserialize)]
struct Void {
    id: String,
    status: String,
}

#[derive(Deserialize)]
struct Refund {
    id: String,
    status: String,
    reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Refusal {
    code: Option<String>,
    detail: Option<String>,
    title: Option<String>,
}

impl HttpGateway {
    /// A client of the gateway. It connects when it is first asked.
    ///
    /// # Errors
    /// When the address is none, or no client can be built.
    pub fn new(settings: HttpGatewaySettings) -> Result<Self, GatewayError> {
        let text = settings.base_url.trim_end_matches('/');
        let base = Url::parse(&format!("{text}/")).map_err(|error| CallError::Address(Box::new(error)))?;
        if base.scheme() != "http" {
            return Err(CallError::Address("it must begin with http://; this build speaks no TLS".into()).into());
        }
        let client = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(Policy::none())
            // The environment is read in one place of the program, and it is not here.
            .no_proxy()
            .build()
            .map_err(CallError::from)?;
        Ok(Self { settings, base, client })
    }

    /// The path made of `segments`, each escaped.
    fn address(&self, segments: &[&str]) -> Result<Url, CallError> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut path) => path.pop_if_empty().extend(segments),
            Err(()) => return Err(CallError::Address("it cannot have a path".into())),
        };
        Ok(url)
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url).bearer_auth(&self.settings.api_key)
    }

    /// Asks the gateway, and notes how long it took and what kind of answer came.
    async fn call<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<T, GatewayError> {
        let began = Instant::now();
        let mut span =
            Span::begin(trace::Kind::Client, format!("gateway {operation}"), request::current().traceparent.as_deref());
        let answer = Self::exchange(on_behalf(request, &span)).await;
        let outcome = match &answer {
            Ok(_) => "ok",
            Err(GatewayError::Refused(_)) => "refused",
            Err(_) => "unknown",
        };
        if outcome == "unknown" {
            span.fail("no usable answer");
        }
        let labels = [KeyValue::new("operation", operation), KeyValue::new("outcome", outcome)];
        CALLS.record(began.elapsed().as_secs_f64(), &labels);
        answer
    }

    async fn exchange<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, GatewayError> {
        let mut response = request.send().await.map_err(CallError::from)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(CallError::from)? {
            if body.len() + chunk.len() > ANSWER_LIMIT_BYTES {
                return Err(CallError::TooLarge.into());
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| CallError::Unreadable(error).into());
        }
        let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        if is_refusal(status, refusal.code.as_deref()) {
            let reason = refusal.detail.or(refusal.title);
            // It goes into ledger and history, which keep neither a NUL nor a book.
            let reason = reason.map(|reason| shorten(&reason, REASON_MAX));
            return Err(GatewayError::Refused(reason.unwrap_or_else(|| format!("it answered {status}"))));
        }
        Err(CallError::Status(status).into())
    }

    async fn post<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        segments: &[&str],
        key: String,
        body: &Value,
    ) -> Result<T, GatewayError> {
        let url = self.address(segments)?;
        self.call(operation, self.request(Method::POST, url).header("idempotency-key", key).json(body)).await
    }
}

/// Says for which request of ours the gateway is asked, and as which part of it.
fn on_behalf(mut request: RequestBuilder, span: &Span) -> RequestBuilder {
    if let Some(id) = request::id() {
        request = request.header("x-request-id", id);
    }
    request.header("traceparent", span.traceparent())
}

/// Whether an answer is a "no" to what was asked. "Not you" (401, 403), "not now" (408, 425, 429), "still at it" (409
/// without a code that says otherwise) and everything from 500 on say nothing about it: those are asked again.
fn is_refusal(status: StatusCode, code: Option<&str>) -> bool {
    match status.as_u16() {
        409 => code.is_some_and(|code| FINAL_CONFLICTS.contains(&code)),
        401 | 403 | 408 | 425 | 429 => false,
        _ => status.is_client_error(),
    }
}

/// A name that the gateway gave something, if it is one we can keep.
fn name(text: String, what: &'static str) -> Result<String, CallError> {
    if (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text)
    } else {
        Err(CallError::Unusable(what))
    }
}

/// A customer is sent there: nothing but a web address will do.
fn page_address(text: String) -> Result<String, CallError> {
    let is_web = text.len() <= 2048 && Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if is_web { Ok(text) } else { Err(CallError::Unusable("pay_url")) }
}

#[async_trait::async_trait]
impl Gateway for HttpGateway {
    fn name(&self) -> &str {
        &self.settings.name
    }

    async fn create_payment(&self, payment: &CreatePayment) -> Result<Opened, GatewayError> {
        let mut body = json!({
            "amount": payment.amount.minor,
            "currency": payment.amount.currency,
            "reference": payment.attempt_id,
            "description": payment.description,
            "webhook_url": payment.webhook_url,
        });
        if let Some(members) = body.as_object_mut() {
            if let Some(url) = &payment.return_url {
                members.insert("return_url".to_owned(), Value::from(url.as_str()));
            }
            // A gateway that does not know the word takes the money at once.
            if payment.capture == CaptureMethod::Manual {
                members.insert("capture_method".to_owned(), Value::from(payment.capture.as_str()));
            }
        }
        let answer: Payment = self.post("create", &["api", "payments"], payment.attempt_id.to_string(), &body).await?;
        Ok(Opened { reference: name(answer.id, "id")?, pay_url: page_address(answer.pay_url)? })
    }

    async fn capture(&self, capture: &CreateCapture) -> Result<Captured, GatewayError> {
        let body = json!({"amount": capture.amount.minor, "reference": capture.capture_id});
        let path = ["api", "payments", &capture.payment_reference, "captures"];
        let answer: Capture = self.post("capture", &path, capture.capture_id.to_string(), &body).await?;
        if answer.amount <= 0 {
            return Err(CallError::Unusable("amount").into());
        }
        Ok(Captured { reference: name(answer.id, "id")?, amount: Money::new(answer.amount, answer.currency) })
    }

    async fn void(&self, payment_reference: &str) -> Result<Voided, GatewayError> {
        let path = ["api", "payments", payment_reference, "void"];
        let answer: Void = self.post("void", &path, format!("void-{payment_reference}"), &json!({})).await?;
        match answer.status.as_str() {
            "voided" => Ok(Voided { reference: name(answer.id, "id")? }),
            _ => Err(CallError::Unusable("status").into()),
        }
    }

    async fn refund(&self, refund: &CreateRefund) -> Result<Refunded, GatewayError> {
        let body = json!({"amount": refund.amount.minor, "reference": refund.refund_id});
        let path = ["api", "payments", &refund.payment_reference, "refunds"];
        let answer: Refund = self.post("refund", &path, refund.refund_id.to_string(), &body).await?;
        let reference = name(answer.id, "id")?;
        match answer.status.as_str() {
            "succeeded" => Ok(Refunded { reference, failure: None }),
            "failed" => {
                let reason = answer.reason.unwrap_or_else(|| "declined without a reason".to_owned());
                Ok(Refunded { reference, failure: Some(reason) })
            }
            _ => Err(CallError::Unusable("status").into()),
        }
    }

    async fn find_payment(&self, attempt: AttemptId) -> Result<Option<Standing>, GatewayError> {
        let mut url = self.address(&["api", "payments"])?;
        url.query_pairs_mut().append_pair("reference", &attempt.to_string());
        let Found { data } = self.call("look_up", self.request(Method::GET, url)).await?;
        // There is one, because the attempt's id is the key it was opened with. Of several, the one with money counts.
        let Some(found) = data.into_iter().max_by_key(|payment| payment.captured) else { return Ok(None) };
        let pay_url = page_address(found.pay_url)?;
        Ok(Some(Standing { id: name(found.id, "id")?, pay_url, ..found }))
    }

    async fn book_page(&self, cursor: Option<&str>) -> Result<BookPage, GatewayError> {
        let mut url = self.address(&["api", "book"])?;
        url.query_pairs_mut().append_pair("limit", "1000");
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        self.call("book", self.request(Method::GET, url)).await
    }
}

#[cfg(test)]
#[path = "http_gateway_tests.rs"]
mod tests;
