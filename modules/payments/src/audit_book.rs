//! Our ledger against the gateway's own book, both ways.
//!
//! News needs a moment to travel, so a difference counts only when time will not heal it:
//! * the gateway knows more than we do: when its payment last changed more than [`SETTLING`] ago, because until then the
//!   webhook may be on its way;
//! * we know more than the gateway's page: when our attempt did not change since the page was asked for, because the
//!   page is older than such a change.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{QueryResult, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{Difference, PgConn, cached_sql};

use crate::{AttemptId, AttemptState, BookEntry, BookPage, Gateway, GatewayError, gateway::chain};

/// How long news from a gateway may be on its way.
pub const SETTLING: TimeDelta = TimeDelta::seconds(60);

/// Our page through the captured attempts.
const PAGE: i64 = 1_000;

/// What of ours is compared.
struct Ours {
    state: AttemptState,
    reference: Option<String>,
    captured_minor: i64,
    captured_currency: Option<String>,
    refunded_minor: i64,
    updated_at: DateTime<Utc>,
}

cached_sql! {
    OursOf(gateway: st::Text = String, ids: st::Array<st::Uuid> = Vec<AttemptId>)
        -> (st::Uuid, st::Text, st::Nullable<st::Text>, st::BigInt, st::Nullable<st::Text>, st::BigInt, st::Timestamptz),
    "SELECT id, state, reference, captured_minor, captured_currency, refunded_minor, updated_at \
     FROM payments.attempts WHERE gateway = $1 AND id = ANY($2)"
}

cached_sql! {
    CapturedAfter(gateway: st::Text = String, after: st::Uuid = AttemptId, limit: st::BigInt = i64)
        -> (st::Uuid, st::BigInt, st::Text, st::Timestamptz),
    "SELECT id, captured_minor, captured_currency, updated_at FROM payments.attempts \
     WHERE state = 'captured' AND gateway = $1 AND id > $2 ORDER BY id LIMIT $3"
}

diesel::define_sql_function! {
    fn clock_timestamp() -> st::Timestamptz;
}

/// The database's clock: the one that is compared with.
async fn database_time(conn: &mut PgConn) -> QueryResult<DateTime<Utc>> {
    diesel::select(clock_timestamp()).get_result(conn).await
}

/// Compares our captured and refunded sums with the gateway's book. It reads page by page and outside of any
/// transaction: call it on a connection of its own.
///
/// # Errors
/// What the database said. A gateway that does not answer is a difference, not an error.
pub async fn audit_book(conn: &mut PgConn, gateway: &dyn Gateway) -> QueryResult<Vec<Difference>> {
    let now = database_time(conn).await?;
    audit_book_at(conn, gateway, now).await
}

/// The same as of `now`; changes of the gateway's later than 60 s before it are still on their way.
///
/// # Errors
/// What the database said.
pub async fn audit_book_at(
    conn: &mut PgConn,
    gateway: &dyn Gateway,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Difference>> {
    if !gateway.keeps_book() {
        return Ok(Vec::new());
    }
    let name = gateway.name().to_owned();
    let started = database_time(conn).await?;
    let mut differences = Vec::new();
    let mut seen = HashSet::new();
    let mut cursor: Option<String> = None;
    loop {
        let asked = database_time(conn).await?;
        let BookPage { data, next_cursor } = match gateway.book_page(cursor.as_deref()).await {
            Ok(page) => page,
            Err(error) => {
                differences.push(no_answer(&name, &error));
                return Ok(differences);
            }
        };
        let ours = ours_of(conn, &name, &data).await?;
        for entry in &data {
            let found = entry.reference.parse::<AttemptId>().ok().and_then(|id| Some((id, ours.get(&id)?)));
            if let Some((id, _)) = found.as_ref()
                && entry.captured > 0
            {
                seen.insert(*id);
            }
            differences.extend(compare(&name, entry, found.map(|(_, ours)| ours), asked, now));
        }
        match next_cursor {
            Some(next) if Some(&next) != cursor.as_ref() => cursor = Some(next),
            _ => break,
        }
    }
    differences.extend(missing_in_the_book(conn, &name, &seen, started).await?);
    Ok(differences)
}

fn no_answer(gateway: &str, error: &GatewayError) -> Difference {
    Difference::new("book.readable", format!("gateway {gateway}"), chain(error))
}

async fn ours_of(conn: &mut PgConn, gateway: &String, data: &[BookEntry]) -> QueryResult<HashMap<AttemptId, Ours>> {
    let ids: Vec<AttemptId> = data.iter().filter_map(|entry| entry.reference.parse().ok()).collect();
    let rows: Vec<(AttemptId, AttemptState, Option<String>, i64, Option<String>, i64, DateTime<Utc>)> =
        OursOf { gateway, ids: &ids }.load(conn).await?;
    Ok(rows
        .into_iter()
        .map(|(id, state, reference, captured_minor, captured_currency, refunded_minor, updated_at)| {
            (id, Ours { state, reference, captured_minor, captured_currency, refunded_minor, updated_at })
        })
        .collect())
}

fn compare(
    gateway: &str,
    entry: &BookEntry,
    ours: Option<&Ours>,
    asked: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<Difference> {
    let on_its_way = entry.updated_at > now - SETTLING;
    let difference = |check, detail| {
        Some(Difference::new(check, format!("payment {} of {gateway} (attempt {})", entry.id, entry.reference), detail))
    };
    if entry.status == "authorized" && (entry.captured != 0 || entry.refunded != 0) {
        let detail = format!(
            "the book says that it is authorised, and that {} came in and {} went back",
            entry.captured, entry.refunded
        );
        return difference("book.authorized_moved_nothing", detail);
    }
    let Some(ours) = ours else {
        if entry.captured == 0 || on_its_way {
            return None;
        }
        let detail = format!("it captured {} {}; we have no such attempt", entry.captured, entry.currency);
        return difference("book.payment_known", detail);
    };
    // Newer than the page: the page cannot know.
    if ours.updated_at >= asked {
        return None;
    }
    let this_payment = ours.reference.as_deref() == Some(entry.id.as_str());
    if entry.captured > 0 && !this_payment && ours.captured_minor > 0 {
        let detail = format!(
            "it captured {} {}; our attempt was paid by {}",
            entry.captured,
            entry.currency,
            ours.reference.as_deref().unwrap_or("nobody we know")
        );
        return difference("book.payment_known", detail);
    }
    if entry.captured != ours.captured_minor && (this_payment || entry.captured > 0) {
        // Less here than there may be a webhook on its way; more here than there may not.
        if entry.captured > ours.captured_minor && on_its_way {
            return None;
        }
        let detail = format!("the book says {} captured, we say {}", entry.captured, ours.captured_minor);
        return difference("book.captured_equals_ours", detail);
    }
    if entry.captured > 0 && ours.captured_currency.as_deref() != Some(entry.currency.as_str()) {
        let detail = format!(
            "the book says {}, we say {}",
            entry.currency,
            ours.captured_currency.as_deref().unwrap_or("nothing")
        );
        return difference("book.currency_equals_ours", detail);
    }
    if entry.refunded != ours.refunded_minor && this_payment {
        if entry.refunded > ours.refunded_minor && on_its_way {
            return None;
        }
        let detail = format!("the book says {} refunded, we say {}", entry.refunded, ours.refunded_minor);
        return difference("book.refunded_equals_ours", detail);
    }
    let held = (entry.status == "authorized", ours.state == AttemptState::Authorized);
    if held.0 != held.1 && this_payment {
        // A hold of ours that is over there is news on its way, and so is one there that we have not heard of.
        if on_its_way {
            return None;
        }
        let detail = format!("the book says that it is {}, we say {}", entry.status, ours.state);
        return difference("book.held_equals_ours", detail);
    }
    let listed: i64 =
        entry.refunds.iter().filter(|refund| refund.status == "succeeded").map(|refund| refund.amount).sum();
    if listed != entry.refunded {
        let detail = format!("the book says {} refunded and lists refunds of {listed}", entry.refunded);
        return difference("book.refunds_add_up", detail);
    }
    None
}

async fn missing_in_the_book(
    conn: &mut PgConn,
    gateway: &String,
    seen: &HashSet<AttemptId>,
    started: DateTime<Utc>,
) -> QueryResult<Vec<Difference>> {
    let mut differences = Vec::new();
    let mut after = AttemptId::from_uuid(kernel::uuid::Uuid::nil());
    loop {
        let page: Vec<(AttemptId, i64, String, DateTime<Utc>)> =
            CapturedAfter { gateway, after: &after, limit: &PAGE }.load(conn).await?;
        let Some((last, ..)) = page.last() else { return Ok(differences) };
        after = *last;
        differences.extend(
            page.into_iter().filter(|(id, _, _, updated_at)| !seen.contains(id) && *updated_at < started).map(
                |(id, minor, currency, _)| {
                    let detail = format!("we captured {minor} {currency} (minor units); the book of {gateway} did not");
                    Difference::new("book.captured_equals_ours", format!("attempt {id}"), detail)
                },
            ),
        );
    }
}
