//! The hosted pay page: plain HTML and one form for each button, no script.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use kernel::{Money, Problem};
use minijinja::{Environment, Value, context};
use poem::{
    Body, FromRequest, Request, RequestBody, Response, handler,
    http::{StatusCode, header},
    web::{Data, Form, Path},
};
use reqwest::Url;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::{
    Gateway,
    chaos::{Chaos, ChaosMode},
    decide::decide,
    error::GatewayError,
    payment::{CaptureMethod, Decision, Payment, PaymentStatus, random_token},
    store,
};

const FORM_LIMIT_BYTES: usize = 1024;

/// The templates; names that end in `.html` are escaped by default.
static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    for (name, source) in [
        ("layout.html", include_str!("templates/layout.html")),
        ("pay.html", include_str!("templates/pay.html")),
        ("message.html", include_str!("templates/message.html")),
    ] {
        if let Err(error) = templates.add_template(name, source) {
            tracing::error!(error = %error, template = name, "a template is broken");
        }
    }
    templates
});

/// A page with its headers: nothing may be loaded, nothing run, nothing framed, nothing kept.
fn page(status: StatusCode, template: &str, values: Value, form_target: Option<&str>) -> Response {
    let nonce = random_token();
    let rendered = TEMPLATES
        .get_template(template)
        .and_then(|template| template.render(context! { style_nonce => &nonce, ..values }));
    let html = match rendered {
        Ok(html) => html,
        Err(error) => return poem::IntoResponse::into_response(Problem::internal(&error)),
    };
    // Browsers hold the address that a form's answer leads to against `form-action` as well.
    let target = form_target.map(|origin| format!(" {origin}")).unwrap_or_default();
    Response::builder()
        .status(status)
        .content_type("text/html; charset=utf-8")
        .header(
            header::CONTENT_SECURITY_POLICY,
            format!(
                "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'{target}; base-uri 'none'; \
                 frame-ancestors 'none'"
            ),
        )
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::REFERRER_POLICY, "no-referrer")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::X_FRAME_OPTIONS, "DENY")
        .body(html)
}

fn message(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, "message.html", context! { title, text }, None)
}

fn unknown_page() -> Response {
    message(
        StatusCode::NOT_FOUND,
        "There is no such payment",
        "The link may be incomplete. Open it again from the shop that sent you here.",
    )
}

const RESERVED: &str = "The amount is reserved, not taken. The shop takes it, or a part of it, when it sends your order; what it \
     has not taken after seven days is released.";

/// What the page says: its tone, its title, and a sentence.
fn words(payment: &Payment, now: DateTime<Utc>) -> (&'static str, &'static str, String) {
    let is_manual = payment.capture_method == CaptureMethod::Manual;
    let (tone, title, text) = match payment.status_at(now) {
        PaymentStatus::Pending if is_manual => ("pending", "Authorise your payment", RESERVED),
        PaymentStatus::Pending => ("pending", "Confirm your payment", ""),
        PaymentStatus::Authorized => ("good", "Payment authorised", RESERVED),
        PaymentStatus::Captured if payment.captured_minor < payment.amount_minor => {
            let taken = Money::new(payment.captured_minor, payment.currency);
            let text = format!("{taken} was taken. The rest of the amount below was only reserved, and is released.");
            return ("good", "Payment successful", text);
        }
        PaymentStatus::Captured => {
            ("good", "Payment successful", "Thank you. The shop has been told; you can close this page.")
        }
        PaymentStatus::Failed => ("bad", "Payment declined", "Nothing was charged. You can start again from the shop."),
        PaymentStatus::Voided if payment.authorized_at.is_some() => {
            ("bad", "Payment cancelled", "The shop released the amount. Nothing was charged.")
        }
        PaymentStatus::Voided => ("bad", "Payment cancelled", "The shop took this payment back. Nothing was charged."),
        PaymentStatus::Expired if payment.authorized_at.is_some() => (
            "bad",
            "Authorisation expired",
            "The shop did not take the amount in time. It is released, and nothing was charged.",
        ),
        PaymentStatus::Expired => (
            "bad",
            "Payment expired",
            "This page was open too long. Nothing was charged. You can start again from the shop.",
        ),
    };
    (tone, title, text.to_owned())
}

fn pay_page(gateway: &Gateway, payment: &Payment, now: DateTime<Utc>) -> Response {
    let (tone, title, text) = words(payment, now);
    let return_origin = payment
        .return_url
        .as_deref()
        .and_then(|url| Url::parse(url).ok())
        .map(|url| url.origin().ascii_serialization());
    let values = context! {
        tone, title, text,
        approve => if payment.capture_method == CaptureMethod::Manual { "Authorise" } else { "Approve" },
        merchant => &gateway.merchant,
        amount => payment.amount().to_string(),
        description => &payment.description,
        // Relative, so that the page works behind any prefix.
        path => &payment.token,
        nonce => payment.form_nonce(),
        modes => ChaosMode::ALL.iter().map(|mode| mode.as_str()).collect::<Vec<_>>(),
        return_url => &payment.return_url,
    };
    page(StatusCode::OK, "pay.html", values, return_origin.as_deref())
}

async fn find(gateway: &Gateway, token: &str) -> Result<Option<Payment>, GatewayError> {
    // What cannot be a token is not asked for.
    if token.len() != 43 || !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Ok(None);
    }
    let mut conn = gateway.pool.get().await?;
    Ok(store::find_payment_by_token(&mut conn, token).await?)
}

/// A page for what went wrong on our side.
fn failed(error: GatewayError) -> Response {
    let problem = Problem::from(error);
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    message(status, "That did not work", "Nothing was charged. Go back and try again in a moment.")
}

/// Shows the pay page.
#[handler]
pub(crate) async fn show(gateway: Data<&Gateway>, token: Path<String>) -> Response {
    match find(&gateway, &token.0).await {
        Ok(Some(payment)) => pay_page(&gateway, &payment, gateway.clock.now()),
        Ok(None) => unknown_page(),
        Err(error) => failed(error),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    nonce: String,
    /// What is to go wrong with the payment; nothing when it is empty.
    chaos: Option<String>,
}

/// The form, if it is ours.
async fn confirmed(request: &Request, body: Body, payment: &Payment) -> Option<Confirmation> {
    let bytes = body.into_bytes_limit(FORM_LIMIT_BYTES).await.ok()?;
    let mut body = RequestBody::new(Body::from(bytes));
    let Form(form) = Form::<Confirmation>::from_request(request, &mut body).await.ok()?;
    bool::from(form.nonce.as_bytes().ct_eq(payment.form_nonce().as_bytes())).then_some(form)
}

async fn answer(gateway: &Gateway, request: &Request, token: &str, body: Body, decision: Decision) -> Response {
    let payment = match find(gateway, token).await {
        Ok(Some(payment)) => payment,
        Ok(None) => return unknown_page(),
        Err(error) => return failed(error),
    };
    let Some(form) = confirmed(request, body, &payment).await else {
        return message(
            StatusCode::BAD_REQUEST,
            "The form was not complete",
            "Nothing was charged. Go back, load the page again, and press the button once more.",
        );
    };
    let wished = form.chaos.and_then(|name| ChaosMode::ALL.iter().copied().find(|mode| mode.as_str() == name));
    let (pool, id, at) = (gateway.pool.clone(), payment.id, gateway.clock.now());
    let decided = kernel::run(move || {
        let pool = pool.clone();
        async move {
            let mut conn = pool.get().await?;
            if let Some(mode) = wished {
                store::set_payment_chaos(&mut conn, id, &Chaos::always(mode)).await?;
            }
            decide(&mut conn, id, decision, at).await
        }
    })
    .await;
    match decided {
        Ok(payment) => {
            let target = payment.return_url.unwrap_or_else(|| format!("../{}", payment.token));
            Response::builder()
                .status(StatusCode::SEE_OTHER)
                .header(header::LOCATION, target)
                .header(header::CACHE_CONTROL, "no-store")
                .header(header::REFERRER_POLICY, "no-referrer")
                .finish()
        }
        Err(error) => failed(error),
    }
}

/// The customer pays.
#[handler]
pub(crate) async fn approve(gateway: Data<&Gateway>, request: &Request, token: Path<String>, body: Body) -> Response {
    answer(&gateway, request, &token.0, body, Decision::Approve).await
}

/// The customer does not.
#[handler]
pub(crate) async fn decline(gateway: Data<&Gateway>, request: &Request, token: Path<String>, body: Body) -> Response {
    answer(&gateway, request, &token.0, body, Decision::Decline).await
}

/// Says what this is.
#[handler]
pub(crate) fn home() -> Response {
    message(
        StatusCode::OK,
        "Mock payment gateway",
        "This stands in for a bank. Pay pages are opened from a shop's order; there is nothing to see here.",
    )
}
