//! The window: what was caught, as JSON and as a page.

use std::sync::Arc;

use kernel::{Problem, problem::NOT_FOUND};
use minijinja::{Environment, Value, context, syntax::SyntaxConfig, value::Serde};
use poem::{
    Endpoint, EndpointExt, IntoResponse, Response, Route, get, handler,
    http::StatusCode,
    middleware::{AddData, SetHeader},
    web::{Data, Html, Json, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{CaughtMail, MailStore, Totals};

/// Mails in one answer unless `limit` says otherwise, and at most.
const LIMIT: (usize, usize) = (100, 1_000);

/// Nothing in a mail is run, and nothing is fetched for it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; form-action 'none'";

struct Window {
    store: Arc<MailStore>,
    pages: Environment<'static>,
}

type Seen<'a> = Data<&'a Arc<Window>>;

/// The routes.
///
/// # Errors
/// A page is broken; a test sees to it that none is.
pub(super) fn routes(store: Arc<MailStore>) -> Result<impl Endpoint, minijinja::Error> {
    let mut pages = Environment::new();
    pages.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    pages.add_template("layout.html", include_str!("pages/layout.html"))?;
    pages.add_template("index.html", include_str!("pages/index.html"))?;
    pages.add_template("message.html", include_str!("pages/message.html"))?;
    let headers = SetHeader::new()
        .overriding("content-security-policy", POLICY)
        .overriding("x-content-type-options", "nosniff")
        .overriding("referrer-policy", "no-referrer")
        .overriding("cache-control", "no-store");
    Ok(Route::new()
        .at("/", get(index))
        .at("/messages/:id", get(show))
        .at("/api/messages", get(list).delete(clear))
        .at("/api/messages/:id", get(message))
        .with(headers)
        .with(AddData::new(Arc::new(Window { store, pages }))))
}

impl Window {
    fn find(&self, id: &str) -> Result<Arc<CaughtMail>, Problem> {
        id.parse().ok().and_then(|id| self.store.get(id)).ok_or_else(|| {
            NOT_FOUND.problem("No mail has this number; perhaps it was deleted, or newer ones have taken its place.")
        })
    }

    fn page(&self, name: &str, context: Value) -> Result<Html<String>, Problem> {
        let page = self.pages.get_template(name).and_then(|page| page.render(context));
        page.map(Html).map_err(|error| Problem::internal(&error))
    }
}

#[derive(Deserialize)]
struct Filter {
    to: Option<String>,
    limit: Option<usize>,
}

impl Filter {
    /// `+` in a query is a space to a form and a plus to `alice+test@example.com`; nobody has a space in an address.
    fn recipient(&self) -> Option<String> {
        self.to.as_deref().filter(|to| !to.is_empty()).map(|to| to.replace(' ', "+"))
    }
}

#[derive(Serialize)]
struct MailList {
    data: Vec<Arc<CaughtMail>>,
    #[serde(flatten)]
    totals: Totals,
}

#[handler]
fn list(Data(window): Seen<'_>, Query(filter): Query<Filter>) -> Response {
    let limit = filter.limit.unwrap_or(LIMIT.0).min(LIMIT.1);
    let data = window.store.list(filter.recipient().as_deref(), limit);
    Json(MailList { data, totals: window.store.totals() }).into_response()
}

#[handler]
fn message(Data(window): Seen<'_>, Path(id): Path<String>) -> Result<Response, Problem> {
    window.find(&id).map(|mail| Json(mail).into_response())
}

#[handler]
fn clear(Data(window): Seen<'_>) -> StatusCode {
    window.store.clear();
    StatusCode::NO_CONTENT
}

#[handler]
fn index(Data(window): Seen<'_>, Query(filter): Query<Filter>) -> Result<Html<String>, Problem> {
    let to = filter.recipient();
    let row = |mail: Arc<CaughtMail>| {
        context! {
            id => mail.id, to => mail.to.join(", "), subject => mail.subject.clone(), copies => mail.copies,
            came => mail.received_at.format("%H:%M:%S").to_string(),
        }
    };
    let mails: Vec<_> = window.store.list(to.as_deref(), LIMIT.1).into_iter().map(row).collect();
    window.page("index.html", context! { mails, to, totals => Value::from(Serde(window.store.totals())) })
}

#[handler]
fn show(Data(window): Seen<'_>, Path(id): Path<String>) -> Result<Html<String>, Problem> {
    let mail = window.find(&id)?;
    let came = mail.received_at.format("%Y-%m-%d %H:%M:%S").to_string();
    window.page("message.html", context! { mail => Value::from(Serde(&*mail)), to => mail.to.join(", "), came })
}
