//! What operators look for among everybody's orders: one statement, composed of fixed pieces.
//!
//! Our sessions plan every statement once, for any values (`plan_cache_mode = force_generic_plan`). That would be wrong here:
//! whether an index helps depends on the very status, tag or word, and a partial index can only be used when the planner sees
//! that the value is in it. So the values stand in the statement, and it is not kept. None of them can end a literal: they are
//! identifiers, times, words of ours, and texts of letters, digits, `-` and `_`; whatever else somebody looks for finds nothing.

use chrono::{DateTime, SecondsFormat, Utc};
use diesel::{
    QueryResult, SelectableHelper,
    dsl::AsSelect,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
};
use diesel_async::RunQueryDsl;
use kernel::{BusinessId, OrderId, PgConn, UserId};
use serde::{Deserialize, Serialize};

use super::words::{has, has_by_itself, query, words};
use crate::{
    status::{FulfillmentStatus, OrderStatus, PaymentStatus, ReturnStatus},
    store::OrderRow,
};

/// What an operator looks for; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeskFilter {
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<OrderStatus>,
    /// What the ledger of money says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_status: Option<PaymentStatus>,
    /// What has been sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fulfillment_status: Option<FulfillmentStatus>,
    /// What has come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_status: Option<ReturnStatus>,
    /// With this tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// With lines of this seller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_id: Option<BusinessId>,
    /// Of this buyer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<UserId>,
    /// With this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Placed at or after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placed_from: Option<DateTime<Utc>>,
    /// Placed before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placed_to: Option<DateTime<Utc>>,
    /// Held back by staff, or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_hold: Option<bool>,
    /// Confirmed, not on hold, and not all of it sent; or anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_ship: Option<bool>,
    /// With a return that is not closed, or without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_open: Option<bool>,
    /// Words in its number, its recipient's name, its city or the buyer's note; the last one may be unfinished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
}

/// A place in a list of the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterOnDesk {
    /// The last one shown.
    pub id: OrderId,
    /// When that was placed.
    pub at: DateTime<Utc>,
}

impl From<&OrderRow> for AfterOnDesk {
    fn from(row: &OrderRow) -> Self {
        Self { id: row.id, at: row.placed_at }
    }
}

pub(super) const TO_SHIP: &str = "orders.orders.status = 'confirmed' AND orders.orders.hold_reason IS NULL \
    AND orders.orders.fulfillment_status IN ('unfulfilled', 'partially_fulfilled')";

pub(super) const RETURN_OPEN: &str = "orders.orders.id IN (SELECT r.order_id FROM orders.returns r \
    WHERE r.state IN ('requested', 'approved', 'received'))";

/// A time as PostgreSQL reads it. Whatever is beyond the years that it knows is as far away as it gets.
fn time(at: DateTime<Utc>) -> String {
    let (first, last) = (DateTime::UNIX_EPOCH, DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(at));
    format!("'{}'::timestamptz", at.clamp(first, last).to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// A text of letters, digits, `-` and `_` as a literal; no other can be one of ours.
fn plain(text: &str) -> Option<String> {
    let is_plain = text.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'));
    is_plain.then(|| format!("'{text}'"))
}

/// How orders with these words are found; what is found is what all ways find together. The last word may be unfinished, and for
/// a beginning the index gathers every place of every word that begins so before it looks at the others: 11 ms for a city with
/// 50,000 orders. Without the index PostgreSQL looks through order after order until a page is full, which is quick for common
/// words and takes forever for one that nobody has. It cannot tell them apart, because it knows nothing of beginnings; but it
/// counts which words are common (`orders.rarity`). A statement has all ways, and those that are not taken end before they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Among pending ones, which are looked at one by one.
    Any,
    /// As PostgreSQL likes it, if no word is rare.
    IfCommon,
    /// Among those few that were [found](DeskFilter::beginning) by an index, if a word is rare.
    IfRare,
}

impl DeskFilter {
    /// Whether a list is sorted by the time of placing. Otherwise it is sorted by id, which is the same to people, and for
    /// which there is an index with every filter; but a stretch of time is only found by the time.
    const fn is_by_time(&self) -> bool {
        self.placed_from.is_some() || self.placed_to.is_some()
    }

    pub(super) const fn order(&self) -> &'static str {
        if self.is_by_time() { "placed_at DESC, id DESC" } else { "id DESC" }
    }

    fn words(&self) -> Vec<String> {
        self.q.as_deref().map(words).unwrap_or_default()
    }

    /// What a statement begins with that looks for words: how rare they are, and which orders are found by those that are rare. By
    /// all of them if nothing common begins like the last one; otherwise by those before it, and whoever is found is asked for all.
    /// If only words are looked for, as many as are `wanted` of the newest `below` are enough of those that a beginning gathers.
    pub(super) fn beginning(&self, below: Option<OrderId>, wanted: Option<u32>) -> String {
        let words = self.words();
        let Some((last, others)) = words.split_last() else { return String::new() };
        let whole = query(&words, ":*");
        let (asked, rare) = if others.is_empty() {
            (whole.clone(), "beginning")
        } else {
            (format!("CASE WHEN beginning THEN {whole} ELSE {} END", query(others, "")), "word OR beginning")
        };
        let is_only_words = *self == Self { q: self.q.clone(), ..Self::default() };
        let newest = match wanted.filter(|_| is_only_words) {
            Some(wanted) => {
                let below = below.map_or_else(|| "NULL".to_owned(), |id| format!("'{id}'"));
                format!(
                    "CASE WHEN beginning THEN {below} END::uuid AS below, CASE WHEN beginning THEN {wanted} END AS wanted"
                )
            }
            None => "NULL::uuid AS below, NULL::integer AS wanted".to_owned(),
        };
        format!(
            "WITH rare AS MATERIALIZED (SELECT coalesce(has_rare_word, false) AS word, coalesce(is_rare_beginning, false) AS beginning \
             FROM orders.rarity('{}', '{last}')), \
             asked AS MATERIALIZED (SELECT {asked} AS query, {newest} FROM rare WHERE {rare}), \
             found AS MATERIALIZED (SELECT orders.found(query, {whole}, below, wanted) AS id FROM asked) ",
            others.join(" ")
        )
    }

    /// The conditions under which orders with this status, or with any, are looked for: each of them in a part of its own, since
    /// pending orders have no index by words or time and are looked through one by one.
    pub(super) fn parts(&self, status: Option<OrderStatus>) -> Vec<String> {
        let has_words = !self.words().is_empty();
        if status == Some(OrderStatus::Pending) || !(has_words || self.is_by_time()) {
            return vec![format!("true{}", self.conditions(Way::Any))];
        }
        let settled: &[Way] = if has_words { &[Way::IfCommon, Way::IfRare] } else { &[Way::Any] };
        let mut parts: Vec<_> =
            settled.iter().map(|way| format!("orders.orders.status <> 'pending'{}", self.conditions(*way))).collect();
        if status.is_none() {
            parts.push(format!("orders.orders.status = 'pending'{}", self.conditions(Way::Any)));
        }
        parts
    }

    /// The conditions, each behind an `AND`. They name the table in full, because the columns are diesel's.
    fn conditions(&self, way: Way) -> String {
        let mut all = String::new();
        let mut and = |condition: String| {
            all.push_str(" AND ");
            all.push_str(&condition);
        };
        let is = |column: &str, word: &str| format!("orders.orders.{column} = '{word}'");
        if let Some(status) = self.status {
            and(is("status", status.as_str()));
        }
        if let Some(status) = self.payment_status {
            and(is("payment_status", status.as_str()));
        }
        if let Some(status) = self.fulfillment_status {
            and(is("fulfillment_status", status.as_str()));
        }
        if let Some(status) = self.return_status {
            and(is("return_status", status.as_str()));
        }
        if let Some(tag) = &self.tag {
            and(plain(tag).map_or_else(
                || "false".to_owned(),
                |tag| format!("orders.orders.tags <> '{{}}' AND orders.orders.tags @> ARRAY[{tag}]"),
            ));
        }
        if let Some(business) = self.business_id {
            and(format!(
                "orders.orders.id IN (SELECT l.order_id FROM orders.lines l WHERE l.business_id = '{business}')"
            ));
        }
        if let Some(customer) = self.customer_id {
            and(format!("orders.orders.customer_id = '{customer}'"));
        }
        if let Some(number) = &self.number {
            and(plain(number).map_or_else(|| "false".to_owned(), |number| format!("orders.orders.number = {number}")));
        }
        if let Some(from) = self.placed_from {
            and(format!("orders.orders.placed_at >= {}", time(from)));
        }
        if let Some(to) = self.placed_to {
            and(format!("orders.orders.placed_at < {}", time(to)));
        }
        match self.on_hold {
            None => {}
            Some(true) => and("orders.orders.hold_reason IS NOT NULL".to_owned()),
            Some(false) => and("orders.orders.hold_reason IS NULL".to_owned()),
        }
        match self.to_ship {
            None => {}
            Some(true) => and(TO_SHIP.to_owned()),
            Some(false) => and(format!("NOT ({TO_SHIP})")),
        }
        match self.return_open {
            None => {}
            Some(true) => and(RETURN_OPEN.to_owned()),
            Some(false) => and(format!("NOT ({RETURN_OPEN})")),
        }
        if self.q.is_some() {
            let words = self.words();
            and(match way {
                _ if words.is_empty() => "false".to_owned(),
                Way::Any => has_by_itself(&words),
                Way::IfCommon => format!("{} AND NOT EXISTS (SELECT FROM asked)", has(&words)),
                Way::IfRare => "orders.orders.id = ANY (ARRAY(SELECT id FROM found))".to_owned(),
            });
        }
        all
    }
}

/// One page, as a statement.
struct DeskPage {
    beginning: String,
    columns: AsSelect<OrderRow, Pg>,
    /// What follows the columns of each part; the parts are put together.
    parts: Vec<String>,
    end: String,
}

impl DeskPage {
    fn new(filter: &DeskFilter, after: Option<AfterOnDesk>, before: Option<OrderId>, limit: u32) -> Self {
        let mut place = String::new();
        if let Some(AfterOnDesk { id, at }) = after {
            place = if filter.is_by_time() {
                format!(" AND (orders.orders.placed_at, orders.orders.id) < ({}, '{id}'::uuid)", time(at))
            } else {
                format!(" AND orders.orders.id < '{id}'")
            };
        }
        if let Some(before) = before {
            place.push_str(&format!(" AND orders.orders.id < '{before}'"));
        }
        let end = format!(" ORDER BY {} LIMIT {limit}", filter.order());
        let part = |conditions| format!(" FROM orders.orders WHERE {conditions}{place}{end}");
        let parts = filter.parts(filter.status).into_iter().map(part).collect();
        let below = after.map(|after| after.id).into_iter().chain(before).min();
        Self { beginning: filter.beginning(below, Some(limit)), columns: OrderRow::as_select(), parts, end }
    }
}

impl QueryFragment<Pg> for DeskPage {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        out.push_sql(&self.beginning);
        for (number, part) in self.parts.iter().enumerate() {
            out.push_sql(if number == 0 { "(SELECT " } else { " UNION ALL (SELECT " });
            self.columns.walk_ast(out.reborrow())?;
            out.push_sql(part);
            out.push_sql(")");
        }
        if self.parts.len() > 1 {
            out.push_sql(&self.end);
        }
        Ok(())
    }
}

impl QueryId for DeskPage {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for DeskPage {
    type SqlType = diesel::dsl::SqlTypeOf<AsSelect<OrderRow, Pg>>;
}

/// Orders, newest first. One statement.
pub async fn desk(
    conn: &mut PgConn,
    filter: &DeskFilter,
    after: Option<AfterOnDesk>,
    limit: u32,
) -> QueryResult<Vec<OrderRow>> {
    DeskPage::new(filter, after, None, limit).load(conn).await
}

/// The same for those orders that were there when `before` was minted. One statement.
pub async fn desk_before(
    conn: &mut PgConn,
    filter: &DeskFilter,
    after: Option<AfterOnDesk>,
    before: OrderId,
    limit: u32,
) -> QueryResult<Vec<OrderRow>> {
    DeskPage::new(filter, after, Some(before), limit).load(conn).await
}

/// The statement of a page, to be explained.
#[doc(hidden)]
pub fn statement(filter: &DeskFilter, after: Option<AfterOnDesk>, limit: u32) -> String {
    let text = diesel::debug_query::<Pg, _>(&DeskPage::new(filter, after, None, limit)).to_string();
    text.split(" -- binds").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_looked_for_ends_a_literal() {
        let hostile = "x'; DROP TABLE orders.orders; -- \\' \" & | ! ( ) : * < > ' \u{85}";
        let filter = DeskFilter {
            tag: Some(hostile.to_owned()),
            number: Some(hostile.to_owned()),
            q: Some(hostile.to_owned()),
            ..DeskFilter::default()
        };
        for text in filter.parts(None).into_iter().chain([filter.beginning(None, None)]) {
            assert!(!text.contains(';') && !text.contains('\\') && !text.contains("--"), "{text}");
        }
        let text = filter.conditions(Way::Any);
        assert_eq!(text.matches("false").count(), 2, "{text}");
        assert!(text.ends_with("'''x'' & ''drop'' & ''table'' & ''orders'' & ''orders'':*')"), "{text}");
        let beginning = filter.beginning(None, None);
        assert!(beginning.contains("FROM orders.rarity('x drop table orders', 'orders'))"), "{beginning}");
    }

    #[test]
    fn the_ends_of_time_are_times() {
        assert_eq!(time(DateTime::<Utc>::MIN_UTC), "'1970-01-01T00:00:00.000000Z'::timestamptz");
        assert_eq!(time(DateTime::<Utc>::MAX_UTC), "'9999-12-31T23:59:59.000000Z'::timestamptz");
    }
}
