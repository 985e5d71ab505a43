//! Two ways of knowing the same thing, compared. Set-based, so that it stays fast.

use diesel::{QueryResult, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{Difference, PgConn, cached_sql};

cached_sql! {
    /// One pass over the ledger: the sums, the last balances, and the gaps.
    Stock(most: st::BigInt = i64) -> (st::Text, st::Text, st::Text),
    "WITH ledger AS ( \
         SELECT variant_id, count(*) AS movements, max(version_after) AS last_version, \
                sum(on_hand_delta) AS on_hand, sum(reserved_delta) AS reserved, \
                count(*) FILTER (WHERE on_hand_after <> on_hand_before + on_hand_delta \
                    OR reserved_after <> reserved_before + reserved_delta) AS broken \
         FROM (SELECT m.*, \
                   lag(on_hand_after, 1, 0) OVER earlier AS on_hand_before, \
                   lag(reserved_after, 1, 0) OVER earlier AS reserved_before \
               FROM catalog.stock_movements m WINDOW earlier AS (PARTITION BY variant_id ORDER BY version_after)) m \
         GROUP BY variant_id) \
     SELECT 'stock.on_hand_equals_movements', 'variant ' || s.variant_id, \
            'on_hand is ' || s.on_hand || ', the movements sum to ' || coalesce(l.on_hand, 0) \
     FROM catalog.stock s LEFT JOIN ledger l USING (variant_id) WHERE s.on_hand <> coalesce(l.on_hand, 0) \
     UNION ALL \
     SELECT 'stock.reserved_equals_movements', 'variant ' || s.variant_id, \
            'reserved is ' || s.reserved || ', the movements sum to ' || coalesce(l.reserved, 0) \
     FROM catalog.stock s LEFT JOIN ledger l USING (variant_id) WHERE s.reserved <> coalesce(l.reserved, 0) \
     UNION ALL \
     SELECT 'stock.versions_without_gaps', 'variant ' || s.variant_id, \
            'the version is ' || s.version || ', there are ' || coalesce(l.movements, 0) || ' movements up to version ' \
            || coalesce(l.last_version, 0) \
     FROM catalog.stock s LEFT JOIN ledger l USING (variant_id) \
     WHERE s.version <> coalesce(l.movements, 0) OR s.version <> coalesce(l.last_version, 0) \
     UNION ALL \
     SELECT 'stock.running_balances', 'variant ' || l.variant_id, l.broken || ' movements do not follow on the one before' \
     FROM ledger l WHERE l.broken > 0 \
     UNION ALL \
     SELECT 'stock.movements_have_a_variant', 'variant ' || l.variant_id, l.movements || ' movements, no stock row' \
     FROM ledger l WHERE NOT EXISTS (SELECT 1 FROM catalog.stock s WHERE s.variant_id = l.variant_id) \
     UNION ALL \
     SELECT 'stock.not_oversold', 'variant ' || s.variant_id, \
            'on_hand ' || s.on_hand || ', reserved ' || s.reserved || ', backorder_limit ' || s.backorder_limit \
     FROM catalog.stock s WHERE s.on_hand < 0 OR s.reserved < 0 OR s.reserved > s.on_hand + s.backorder_limit \
     LIMIT $1"
}
cached_sql! {
    /// An order gives back and ships what it has reserved, and no more.
    Reservations(most: st::BigInt = i64) -> (st::Text, st::Text, st::Text),
    "SELECT 'stock.order_releases_what_it_reserved', 'order ' || m.order_id || ', variant ' || m.variant_id, \
            sum(m.reserved_delta) || ' units reserved' \
     FROM catalog.stock_movements m WHERE m.order_id IS NOT NULL \
     GROUP BY m.order_id, m.variant_id HAVING sum(m.reserved_delta) < 0 LIMIT $1"
}
cached_sql! {
    Products(most: st::BigInt = i64) -> (st::Text, st::Text, st::Text),
    "WITH live AS ( \
         SELECT product_id, count(*) AS variants, min(unit_price_minor) AS lowest \
         FROM catalog.variants WHERE deleted_at IS NULL GROUP BY product_id) \
     SELECT 'product.has_a_variant', 'product ' || p.id, 'no variant that is not deleted' \
     FROM catalog.products p LEFT JOIN live l ON l.product_id = p.id WHERE p.deleted_at IS NULL AND l.variants IS NULL \
     UNION ALL \
     SELECT 'product.price_is_the_lowest', 'product ' || p.id, \
            'from_price_minor is ' || p.from_price_minor || ', the cheapest variant costs ' || l.lowest \
     FROM catalog.products p JOIN live l ON l.product_id = p.id \
     WHERE p.deleted_at IS NULL AND p.from_price_minor <> l.lowest \
     UNION ALL \
     SELECT 'product.deleted_with_its_variants', 'product ' || p.id, l.variants || ' variants are not deleted' \
     FROM catalog.products p JOIN live l ON l.product_id = p.id WHERE p.deleted_at IS NOT NULL \
     UNION ALL \
     SELECT 'variant.has_stock', 'variant ' || v.id, 'no stock row' \
     FROM catalog.variants v LEFT JOIN catalog.stock s ON s.variant_id = v.id WHERE s.variant_id IS NULL \
     UNION ALL \
     SELECT 'variant.offered_as_it_is', 'variant ' || s.variant_id, 'its stock row offers something else than its product and itself say' \
     FROM catalog.stock s JOIN catalog.offers o USING (variant_id) \
     WHERE (s.product_id, s.business_id, s.sku, s.name, s.unit_price_minor, s.list_price_minor, s.currency, s.sellable) IS DISTINCT FROM \
         (o.product_id, o.business_id, o.sku, o.name, o.unit_price_minor, o.list_price_minor, o.currency, o.sellable) \
     UNION ALL \
     SELECT 'variant.unit_price', 'variant ' || v.id, 'unit_price_minor is ' || v.unit_price_minor \
     FROM catalog.variants v WHERE v.unit_price_minor <> v.price_minor \
         - round(v.price_minor::numeric * coalesce(v.discount_basis_points, 0) / 10000) \
     UNION ALL \
     SELECT 'business.has_an_owner', 'business ' || b.id, 'no owner' FROM catalog.businesses b \
     WHERE NOT EXISTS (SELECT 1 FROM catalog.members m WHERE m.business_id = b.id AND m.role = 'owner') \
     LIMIT $1"
}
cached_sql! {
    /// Every category that a walk down from the roots does not reach within eight steps.
    Categories(most: st::BigInt = i64) -> (st::Text, st::Text, st::Text),
    "WITH RECURSIVE reached AS ( \
         SELECT id, 1 AS depth FROM catalog.categories WHERE parent_id IS NULL \
         UNION ALL \
         SELECT c.id, r.depth + 1 FROM catalog.categories c JOIN reached r ON c.parent_id = r.id WHERE r.depth < 8) \
     SELECT 'category.reachable', 'category ' || c.id, 'not below a root within eight levels' \
     FROM catalog.categories c WHERE NOT EXISTS (SELECT 1 FROM reached r WHERE r.id = c.id) LIMIT $1"
}

/// Differences that each statement answers at most; whoever sees a thousand looks at the first ones.
const MOST: i64 = 1000;

type Row = (String, String, String);

/// The names of the checks, as the statements write them.
const CHECKS: &[&str] = &[
    "stock.on_hand_equals_movements",
    "stock.reserved_equals_movements",
    "stock.versions_without_gaps",
    "stock.running_balances",
    "stock.movements_have_a_variant",
    "stock.not_oversold",
    "stock.order_releases_what_it_reserved",
    "product.has_a_variant",
    "product.price_is_the_lowest",
    "product.deleted_with_its_variants",
    "variant.has_stock",
    "variant.offered_as_it_is",
    "variant.unit_price",
    "business.has_an_owner",
    "category.reachable",
];

fn difference((check, subject, detail): Row) -> Difference {
    let check = CHECKS.iter().find(|known| **known == check).copied().unwrap_or("catalog");
    Difference::new(check, subject, detail)
}

/// Everything in the catalog that does not agree with itself; at most a thousand from each statement.
///
/// # Errors
/// What the database said.
pub async fn audit(conn: &mut PgConn) -> QueryResult<Vec<Difference>> {
    let most = &MOST;
    let mut rows: Vec<Row> = Stock { most }.load(conn).await?;
    rows.extend(Reservations { most }.load::<Row>(conn).await?);
    rows.extend(Products { most }.load::<Row>(conn).await?);
    rows.extend(Categories { most }.load::<Row>(conn).await?);
    Ok(rows.into_iter().map(difference).collect())
}
