//! Comma-separated values (RFC 4180) that a spreadsheet can be trusted with.
//!
//! A text that a spreadsheet would take for a formula gets an apostrophe in front. Our own numbers, times and identifiers are
//! left alone: none of them is a formula, and a sheet is to add the amounts up.

use std::fmt::{Display, Write};

use crate::{address::Address, api::dto::money, store::LineRow, store::OrderRow};

/// Rows on their way into a file.
#[derive(Debug, Default)]
pub struct Sheet {
    text: String,
    is_within: bool,
}

impl Sheet {
    /// What was written, which is forgotten here.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// A value of our own, which holds nothing that needs quotes.
    fn plain(&mut self, value: impl Display) -> &mut Self {
        self.comma();
        let _infallible = write!(self.text, "{value}");
        self
    }

    fn maybe(&mut self, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.plain(value),
            None => self.plain(""),
        }
    }

    /// A text of somebody else's.
    fn text(&mut self, value: &str) -> &mut Self {
        self.comma();
        let is_formula = value.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
        let guard = if is_formula || value.starts_with(['\t', '\r', '\n']) { "'" } else { "" };
        if value.contains(['"', ',', '\r', '\n']) {
            let _infallible = write!(self.text, "\"{guard}{}\"", value.replace('"', "\"\""));
        } else {
            self.text.push_str(guard);
            self.text.push_str(value);
        }
        self
    }

    /// An amount as a decimal number; its currency has a column of its own.
    fn amount(&mut self, minor: i64, currency: &str) -> &mut Self {
        let amount = money(minor, currency).to_string();
        self.plain(amount.split(' ').next().unwrap_or_default())
    }

    fn comma(&mut self) {
        if std::mem::replace(&mut self.is_within, true) {
            self.text.push(',');
        }
    }

    fn end(&mut self) {
        self.is_within = false;
        self.text.push_str("\r\n");
    }

    /// The names of columns.
    pub fn header(&mut self, names: &[&str]) {
        for name in names {
            self.plain(name);
        }
        self.end();
    }

    /// An order as a row below [`ORDER_COLUMNS`].
    pub fn order(&mut self, row: &OrderRow) {
        let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let currency = row.currency.as_str();
        let tags = row.tags.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
        self.plain(&row.number).plain(row.id).plain(row.customer_id).plain(time(row.placed_at));
        self.plain(row.status).plain(row.payment_status).plain(row.fulfillment_status).plain(row.return_status);
        self.text(row.hold_reason.as_deref().unwrap_or_default()).text(&tags).plain(currency);
        self.amount(row.total_minor, currency).amount(row.original_total_minor, currency);
        self.amount(row.captured_minor, currency).amount(row.refunded_minor, currency);
        self.amount(row.total_minor - (row.captured_minor - row.refunded_minor), currency);
        // What is stored is an address; a row that is none would be empty here rather than stop the file.
        let to: Option<Address> = serde_json::from_value(row.ship_to.clone()).ok();
        let of = |part: fn(&Address) -> Option<&str>| to.as_ref().and_then(part).unwrap_or_default();
        self.text(of(|to| Some(&to.name))).text(of(|to| Some(&to.line1))).text(of(|to| to.line2.as_deref()));
        self.text(of(|to| Some(&to.city))).text(of(|to| to.region.as_deref())).text(of(|to| to.postal_code.as_deref()));
        self.text(of(|to| Some(&to.country))).text(of(|to| to.phone.as_deref()));
        self.text(row.note.as_deref().unwrap_or_default());
        self.maybe(row.confirmed_at.map(time)).maybe(row.closed_at.map(time)).plain(time(row.updated_at));
        self.end();
    }

    /// A line of an order as a row below [`LINE_COLUMNS`].
    pub fn line(&mut self, order: &OrderRow, line: &LineRow) {
        let currency = order.currency.as_str();
        self.plain(&order.number).plain(order.id);
        self.plain(order.placed_at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)).plain(order.status);
        self.plain(line.position).text(&line.sku).text(&line.name);
        self.plain(line.variant_id).plain(line.product_id).plain(line.business_id);
        self.plain(line.quantity).plain(line.cancelled_quantity).plain(line.packed_quantity);
        self.plain(line.shipped_quantity).plain(line.delivered_quantity).plain(line.returning_quantity);
        self.plain(line.returned_quantity).plain(line.refunded_quantity).plain(currency);
        self.amount(line.list_price_minor, currency).amount(line.unit_price_minor, currency);
        self.amount(line.total_minor, currency);
        self.end();
    }
}

/// The columns of a file of orders.
pub const ORDER_COLUMNS: [&str; 28] = [
    "number",
    "id",
    "customer_id",
    "placed_at",
    "status",
    "payment_status",
    "fulfillment_status",
    "return_status",
    "hold_reason",
    "tags",
    "currency",
    "total",
    "original_total",
    "captured",
    "refunded",
    "balance_due",
    "recipient",
    "line1",
    "line2",
    "city",
    "region",
    "postal_code",
    "country",
    "phone",
    "note",
    "confirmed_at",
    "closed_at",
    "updated_at",
];

/// The columns of a file of lines.
pub const LINE_COLUMNS: [&str; 22] = [
    "order_number",
    "order_id",
    "placed_at",
    "order_status",
    "position",
    "sku",
    "name",
    "variant_id",
    "product_id",
    "business_id",
    "quantity",
    "cancelled_quantity",
    "packed_quantity",
    "shipped_quantity",
    "delivered_quantity",
    "returning_quantity",
    "returned_quantity",
    "refunded_quantity",
    "currency",
    "list_price",
    "unit_price",
    "total",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(value: &str) -> String {
        let mut sheet = Sheet::default();
        sheet.text(value);
        sheet.take()
    }

    #[test]
    fn texts_are_quoted_when_they_must_be() {
        for (value, written) in [
            ("Alice", "Alice"),
            ("", ""),
            ("Hanoi, VN", "\"Hanoi, VN\""),
            ("so called \"home\"", "\"so called \"\"home\"\"\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(cell(value), written);
        }
    }

    #[test]
    fn no_text_is_a_formula() {
        for (value, written) in [
            ("=1+1", "'=1+1"),
            ("+84901234567", "'+84901234567"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(cell(value), written);
        }
    }

    #[test]
    fn amounts_are_numbers() {
        let mut sheet = Sheet::default();
        sheet.amount(-1_299, "USD").amount(129_900, "VND").amount(5, "KWD").end();
        assert_eq!(sheet.take(), "-12.99,129900,0.005\r\n");
        sheet.plain(1).end();
        assert_eq!(sheet.take(), "1\r\n", "a row begins without a comma");
    }
}
