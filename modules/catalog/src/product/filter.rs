//! Which products a list shows, in which order, and where it goes on: one statement, composed of fixed pieces.
//!
//! Each combination of pieces is a prepared statement of its own, so that PostgreSQL plans it for the indexes it can
//! use; `… OR $n IS NULL` in one statement for all would be planned for none of them.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types as st,
};
use kernel::{BusinessId, Caller, Currency, ProductId, Text};
use serde::{Deserialize, Serialize};

use super::{
    Product,
    row::{ProductSql, product_columns},
};
use crate::words::CategoryId;

/// Products on sale, or those that are not. What is not on sale is seen by staff and by members of its business only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ActiveFilter {
    /// On sale.
    #[default]
    Active,
    /// Not on sale.
    Inactive,
    /// Both.
    Any,
}

/// Which products a list shows; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProductFilter {
    /// Words in the name or description, as in a search engine: `"red shirt" -wool`.
    pub words: Option<Text<1, 200>>,
    /// In this category or one below it.
    pub category: Option<CategoryId>,
    /// Sold by this business.
    pub business: Option<BusinessId>,
    /// Priced in this currency.
    pub currency: Option<Currency>,
    /// With a variant that costs at least this, in minor units.
    pub min_price_minor: Option<i64>,
    /// With a variant that costs at most this, in minor units.
    pub max_price_minor: Option<i64>,
    /// With a variant that can be ordered, or with none.
    pub in_stock: Option<bool>,
    /// On sale or not.
    pub active: ActiveFilter,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProductSort {
    /// The newest first.
    #[default]
    Newest,
    /// The cheapest first, by the lowest unit price.
    PriceAsc,
    /// The dearest first, by the lowest unit price.
    PriceDesc,
    /// By the first sixty characters of the name.
    Name,
}

/// The place of a product in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ProductKey {
    /// Of a list that shows the newest first.
    Newest(DateTime<Utc>, ProductId),
    /// Of a list that shows the cheapest first.
    PriceAsc(i64, ProductId),
    /// Of a list that shows the dearest first.
    PriceDesc(i64, ProductId),
    /// Of a list by name.
    Name(String, ProductId),
}

impl ProductKey {
    /// The place of `product` in a list sorted by `sort`.
    pub(super) fn of(sort: ProductSort, product: &Product, name_key: &str) -> Self {
        match sort {
            ProductSort::Newest => Self::Newest(product.created_at, product.id),
            ProductSort::PriceAsc => Self::PriceAsc(product.from_price_minor, product.id),
            ProductSort::PriceDesc => Self::PriceDesc(product.from_price_minor, product.id),
            ProductSort::Name => Self::Name(name_key.to_owned(), product.id),
        }
    }

    /// The order of the list that the place is in.
    pub const fn sort(&self) -> ProductSort {
        match self {
            Self::Newest(..) => ProductSort::Newest,
            Self::PriceAsc(..) => ProductSort::PriceAsc,
            Self::PriceDesc(..) => ProductSort::PriceDesc,
            Self::Name(..) => ProductSort::Name,
        }
    }
}

/// One page of a list, as a statement.
pub(super) struct ProductPage<'a> {
    pub(super) viewer: Option<&'a Caller>,
    pub(super) filter: &'a ProductFilter,
    pub(super) sort: ProductSort,
    pub(super) after: Option<&'a ProductKey>,
    pub(super) limit: i64,
}

const ORDERABLE: &str = "EXISTS (SELECT 1 FROM catalog.variants v JOIN catalog.stock s ON s.variant_id = v.id \
    WHERE v.product_id = p.id AND v.deleted_at IS NULL AND s.on_hand + s.backorder_limit > s.reserved)";

impl ProductPage<'_> {
    /// What is not on sale is shown to whom it belongs.
    fn own<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self.viewer {
            None => out.push_sql("false"),
            Some(viewer) if viewer.is_staff() => out.push_sql("true"),
            Some(viewer) => {
                out.push_sql(
                    "EXISTS (SELECT 1 FROM catalog.members m WHERE m.business_id = p.business_id AND m.user_id = ",
                );
                out.push_bind_param::<st::Uuid, _>(&viewer.user_id)?;
                out.push_sql(")");
            }
        }
        Ok(())
    }

    fn price<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let (min, max) = (&self.filter.min_price_minor, &self.filter.max_price_minor);
        if min.is_none() && max.is_none() {
            return Ok(());
        }
        out.push_sql(
            " AND EXISTS (SELECT 1 FROM catalog.variants v WHERE v.product_id = p.id AND v.deleted_at IS NULL",
        );
        if let Some(min) = min {
            out.push_sql(" AND v.unit_price_minor >= ");
            out.push_bind_param::<st::BigInt, _>(min)?;
        }
        if let Some(max) = max {
            out.push_sql(" AND v.unit_price_minor <= ");
            out.push_bind_param::<st::BigInt, _>(max)?;
        }
        out.push_sql(")");
        Ok(())
    }

    fn after<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Some(after) = self.after else { return Ok(()) };
        let id = match after {
            ProductKey::Newest(created_at, id) => {
                out.push_sql(" AND (p.created_at, p.id) < (");
                out.push_bind_param::<st::Timestamptz, _>(created_at)?;
                id
            }
            ProductKey::PriceAsc(price, id) => {
                out.push_sql(" AND (p.from_price_minor, p.id) > (");
                out.push_bind_param::<st::BigInt, _>(price)?;
                id
            }
            ProductKey::PriceDesc(price, id) => {
                out.push_sql(" AND (p.from_price_minor, p.id) < (");
                out.push_bind_param::<st::BigInt, _>(price)?;
                id
            }
            ProductKey::Name(name, id) => {
                out.push_sql(" AND (lower(left(p.name, 60)), p.id) > (");
                out.push_bind_param::<st::Text, _>(name.as_str())?;
                id
            }
        };
        out.push_sql(", ");
        out.push_bind_param::<st::Uuid, _>(id)?;
        out.push_sql(")");
        Ok(())
    }
}

impl QueryFragment<Pg> for ProductPage<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(concat!(
            "SELECT ",
            product_columns!(),
            " FROM catalog.products p WHERE p.deleted_at IS NULL AND "
        ));
        match self.filter.active {
            ActiveFilter::Active => out.push_sql("p.active"),
            ActiveFilter::Inactive => {
                out.push_sql("NOT p.active AND ");
                self.own(&mut out)?;
            }
            ActiveFilter::Any => {
                out.push_sql("(p.active OR ");
                self.own(&mut out)?;
                out.push_sql(")");
            }
        }
        if let Some(words) = &self.filter.words {
            out.push_sql(" AND p.search @@ websearch_to_tsquery('simple', ");
            out.push_bind_param::<st::Text, _>(words.as_str())?;
            out.push_sql(")");
        }
        if let Some(category) = &self.filter.category {
            out.push_sql(
                " AND p.category_id IN (WITH RECURSIVE below AS (SELECT c.id FROM catalog.categories c WHERE c.id = ",
            );
            out.push_bind_param::<st::Uuid, _>(category)?;
            out.push_sql(
                " UNION SELECT c.id FROM catalog.categories c JOIN below b ON c.parent_id = b.id) SELECT id FROM below)",
            );
        }
        if let Some(business) = &self.filter.business {
            out.push_sql(" AND p.business_id = ");
            out.push_bind_param::<st::Uuid, _>(business)?;
        }
        if let Some(currency) = &self.filter.currency {
            out.push_sql(" AND p.currency = ");
            out.push_bind_param::<st::Text, _>(currency_code(currency))?;
        }
        self.price(&mut out)?;
        match self.filter.in_stock {
            None => {}
            Some(true) => {
                out.push_sql(" AND ");
                out.push_sql(ORDERABLE);
            }
            Some(false) => {
                out.push_sql(" AND NOT ");
                out.push_sql(ORDERABLE);
            }
        }
        self.after(&mut out)?;
        out.push_sql(match self.sort {
            ProductSort::Newest => " ORDER BY p.created_at DESC, p.id DESC LIMIT ",
            ProductSort::PriceAsc => " ORDER BY p.from_price_minor, p.id LIMIT ",
            ProductSort::PriceDesc => " ORDER BY p.from_price_minor DESC, p.id DESC LIMIT ",
            ProductSort::Name => " ORDER BY lower(left(p.name, 60)), p.id LIMIT ",
        });
        out.push_bind_param::<st::BigInt, _>(&self.limit)
    }
}

/// The code of a currency as something to bind: binding keeps a reference for as long as the statement lives.
fn currency_code(currency: &Currency) -> &'static &'static str {
    kernel::CURRENCIES.iter().map(|(code, _)| code).find(|code| **code == currency.code()).unwrap_or(&"")
}

impl QueryId for ProductPage<'_> {
    type QueryId = ();
    // The text decides: another combination of pieces is another statement.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for ProductPage<'_> {
    type SqlType = ProductSql;
}
