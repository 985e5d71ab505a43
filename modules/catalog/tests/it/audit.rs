//! The audit finds what was corrupted by hand, and names the row.

use diesel_async::SimpleAsyncConnection;

use crate::support::{Shop, customer, variant};

#[tokio::test]
async fn m_13_every_planted_corruption_of_the_catalog_is_found() {
    for (check, sql) in [
        ("stock.on_hand_equals_movements", "UPDATE catalog.stock SET on_hand = on_hand + 1"),
        ("stock.reserved_equals_movements", "UPDATE catalog.stock SET reserved = 1"),
        ("stock.versions_without_gaps", "UPDATE catalog.stock SET version = version + 1"),
        (
            "stock.running_balances",
            "ALTER TABLE catalog.stock_movements DISABLE TRIGGER ALL; \
             UPDATE catalog.stock_movements SET on_hand_after = 4 WHERE version_after = 1",
        ),
        (
            "stock.versions_without_gaps",
            "ALTER TABLE catalog.stock_movements DISABLE TRIGGER ALL; \
             DELETE FROM catalog.stock_movements WHERE version_after = 1",
        ),
        (
            "stock.movements_have_a_variant",
            "INSERT INTO catalog.stock_movements (variant_id, kind, on_hand_delta, reserved_delta, on_hand_after, reserved_after, \
             version_after, at) VALUES (gen_random_uuid(), 'receive', 1, 0, 1, 0, 1, now())",
        ),
        (
            "stock.not_oversold",
            "ALTER TABLE catalog.stock DROP CONSTRAINT stock_not_oversold; UPDATE catalog.stock SET reserved = 100",
        ),
        (
            "stock.order_releases_what_it_reserved",
            "INSERT INTO catalog.stock_movements (variant_id, kind, on_hand_delta, reserved_delta, on_hand_after, reserved_after, \
             version_after, order_id, at) SELECT variant_id, 'release', 0, -1, 8, 0, 3, gen_random_uuid(), now() FROM catalog.stock",
        ),
        ("product.has_a_variant", "UPDATE catalog.variants SET deleted_at = now()"),
        ("product.price_is_the_lowest", "UPDATE catalog.variants SET price_minor = 7"),
        ("product.deleted_with_its_variants", "UPDATE catalog.products SET deleted_at = now()"),
        ("variant.has_stock", "DELETE FROM catalog.stock"),
        ("variant.offered_as_it_is", "UPDATE catalog.stock SET unit_price_minor = 1"),
        ("business.has_an_owner", "UPDATE catalog.members SET role = 'manager'"),
        (
            "category.reachable",
            "UPDATE catalog.categories c SET parent_id = d.id FROM catalog.categories d WHERE c.id <> d.id",
        ),
    ] {
        let (shop, alice) = (Shop::open().await, customer());
        let business = shop.business(&alice, "Lotus").await;
        let product = shop.product(&alice, &business, "A", 100).await;
        shop.receive(&alice, variant(&product), 5).await;
        shop.receive(&alice, variant(&product), 3).await;
        shop.category("one", None).await;
        shop.category("two", None).await;
        shop.assert_sound().await;
        shop.conn().await.batch_execute(sql).await.unwrap();
        let found = catalog::audit(&mut *shop.conn().await).await.unwrap();
        let hit = found.iter().find(|difference| difference.check == check);
        assert!(hit.is_some_and(|hit| !hit.subject.is_empty() && !hit.detail.is_empty()), "{check}: {found:?}");
    }
}

#[tokio::test]
async fn kinds_of_problems_are_declared_once() {
    let kinds = catalog::problems();
    let mut codes: Vec<_> = kinds.iter().map(|kind| kind.code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), kinds.len());
    assert!(kinds.iter().all(|kind| (400..600).contains(&kind.status) && !kind.title.is_empty()));
}
