//! What orders ask of stock, inside transactions of theirs.

use std::time::Duration;

use catalog::{
    CatalogError,
    stock::{self, Balance, Movement, MovementKind, Offer, OrderMove},
};
use chrono::{DateTime, Utc};
use diesel::{dsl::sql, sql_types::Bool};
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::FutureExt;
use kernel::{OrderId, PgConn, VariantId};
use serde_json::json;

use crate::support::{Shop, customer, id};

/// Reserves as placing does: lock, decide, append.
pub async fn reserve(conn: &mut PgConn, order: OrderId, items: &[(VariantId, i32)], at: DateTime<Utc>) {
    let movements = conn
        .transaction(async |conn| {
            let offers = stock::lock_offers(conn, &items.iter().map(|item| item.0).collect()).await?;
            let movements: Vec<Movement> = items
                .iter()
                .map(|(variant, quantity)| {
                    let offer = offers.iter().find(|offer| offer.variant_id == *variant).unwrap();
                    let mut balance = balance(offer);
                    Movement { order_id: Some(order), ..balance.step(MovementKind::Reserve, 0, *quantity, at).unwrap() }
                })
                .collect();
            assert_eq!(stock::append(conn, &movements).await?, items.len());
            Ok::<_, diesel::result::Error>(movements)
        })
        .await
        .unwrap();
    assert_eq!(movements.len(), items.len());
}

fn balance(offer: &Offer) -> Balance {
    Balance {
        variant_id: offer.variant_id,
        on_hand: offer.on_hand,
        reserved: offer.reserved,
        backorder_limit: offer.backorder_limit,
        version: offer.version,
    }
}

/// A shop with one product of two variants: five of the first, none of the second.
async fn shop() -> (Shop, VariantId, VariantId) {
    let (shop, alice) = (Shop::open().await, customer());
    let business = shop.business(&alice, "Lotus").await;
    let body = json!({ "business_id": business, "name": "Shirt", "currency": "USD", "variants": [
        { "sku": "S-M", "name": "M", "price_minor": 1999, "discount_basis_points": 1000 }, { "sku": "S-L", "price_minor": 2000 }] });
    let product = shop.post(&alice, "/products", body).await.ok(201);
    shop.receive(&alice, id(&product["variants"][0]), 5).await;
    let variant = |n: usize| id(&product["variants"][n]).parse().unwrap();
    (shop, variant(0), variant(1))
}

#[tokio::test]
async fn an_offer_tells_placing_everything() {
    let (shop, medium, large) = shop().await;
    let mut conn = shop.conn().await;
    let unknown = VariantId::new();
    let offers = stock::lock_offers(&conn, &vec![large, unknown, medium]).await.unwrap();
    let mut sorted = [medium, large];
    sorted.sort_unstable();
    assert_eq!(offers.iter().map(|offer| offer.variant_id).collect::<Vec<_>>(), sorted);
    let offer = offers.iter().find(|offer| offer.variant_id == medium).unwrap();
    assert_eq!((offer.sku.as_str(), offer.name.as_str(), offer.currency.as_str()), ("S-M", "Shirt, M", "USD"));
    assert_eq!((offer.unit_price_minor, offer.list_price_minor, offer.sellable), (1799, 1999, true));
    assert_eq!((offer.on_hand, offer.reserved, offer.backorder_limit, offer.version), (5, 0, 0, 1));
    assert_eq!(offers.iter().find(|offer| offer.variant_id == large).unwrap().name, "Shirt");
    for (sql, told) in [
        ("UPDATE catalog.products SET name = 'Coat'", ("S-M", "Coat, M", 1799, 1999, true)),
        ("UPDATE catalog.variants SET sku = 'C-' || coalesce(name, 'L')", ("C-M", "Coat, M", 1799, 1999, true)),
        (
            "UPDATE catalog.variants SET price_minor = 100, discount_basis_points = NULL",
            ("C-M", "Coat, M", 100, 100, true),
        ),
        ("UPDATE catalog.variants SET name = NULL", ("C-M", "Coat", 100, 100, true)),
        ("UPDATE catalog.products SET active = false", ("C-M", "Coat", 100, 100, false)),
        ("UPDATE catalog.products SET active = true", ("C-M", "Coat", 100, 100, true)),
        ("UPDATE catalog.variants SET deleted_at = now()", ("C-M", "Coat", 100, 100, false)),
        ("UPDATE catalog.variants SET deleted_at = NULL", ("C-M", "Coat", 100, 100, true)),
        ("UPDATE catalog.products SET deleted_at = now()", ("C-M", "Coat", 100, 100, false)),
    ] {
        conn.batch_execute(sql).await.unwrap();
        let offer = stock::lock_offers(&conn, &vec![medium]).await.unwrap().remove(0);
        let tells = (&*offer.sku, &*offer.name, offer.unit_price_minor, offer.list_price_minor, offer.sellable);
        assert_eq!(tells, told, "{sql}");
    }
}

#[tokio::test]
async fn an_offer_is_right_whoever_changes_the_product_and_whoever_the_variant_first() {
    let (product, variant) = ("UPDATE catalog.products SET name = 'Coat'", "UPDATE catalog.variants SET name = 'XL'");
    // As a migration fills them.
    let filling = "SELECT catalog.renew_offers(ARRAY(SELECT id FROM catalog.variants))";
    for (before, first, second) in [
        ("", product, variant),
        ("", variant, product),
        ("UPDATE catalog.products SET name = 'Coat'; UPDATE catalog.stock SET sku = 'none yet'", variant, filling),
    ] {
        let (shop, medium, _) = shop().await;
        let (mut conn, mut other, mut watcher) = (shop.conn().await, shop.conn().await, shop.conn().await);
        conn.batch_execute(before).await.unwrap();
        conn.batch_execute(&format!("BEGIN; {first}")).await.unwrap();
        let late = async {
            other.batch_execute(second).await.unwrap();
            stock::lock_offers(&other, &vec![medium]).await.unwrap().remove(0)
        };
        let ending = async {
            let waits =
                "EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
            while !diesel::select(sql::<Bool>(waits)).get_result::<bool>(&mut *watcher).await.unwrap() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            conn.batch_execute("COMMIT").await.unwrap();
        };
        let (offer, ()) = tokio::join!(late, ending);
        assert_eq!(offer.name, "Coat, XL", "{first}");
        assert_eq!(catalog::audit(&mut watcher).await.unwrap(), [], "{first}");
    }
}

#[tokio::test]
async fn changing_a_product_and_ordering_its_variants_is_no_deadlock() {
    const VARIANTS: usize = 40;
    // They stand in line for the same rows; a deadlock is found all the same.
    const PATIENT: &str = "SET lock_timeout = '30s'";
    let (shop, alice) = (Shop::open().await, customer());
    let business = shop.business(&alice, "Lotus").await;
    // Their rows lie in another order than that of their ids.
    let variants: Vec<_> = (0..VARIANTS).map(|n| json!({ "sku": format!("S-{n}"), "price_minor": 100 })).collect();
    let body = json!({ "business_id": business, "name": "Shirt", "currency": "USD", "variants": variants });
    let product = shop.post(&alice, "/products", body).await.ok(201);
    let ids: Vec<VariantId> =
        product["variants"].as_array().unwrap().iter().map(|one| id(one).parse().unwrap()).collect();
    let mut conn = shop.conn().await;
    conn.batch_execute(
        "UPDATE catalog.variants SET position = position WHERE position % 2 = 0; \
         UPDATE catalog.variants SET position = position WHERE position % 3 = 0",
    )
    .await
    .unwrap();
    // Whoever changes a variant has its product.
    let changing = async |sql: &str| {
        let mut conn = shop.conn().await;
        conn.batch_execute(PATIENT).await.unwrap();
        for round in 0..60 {
            conn.batch_execute(&sql.replace("ROUND", &round.to_string())).await.unwrap();
        }
    };
    let ordering = async |step: usize| {
        let mut conn = shop.conn().await;
        conn.batch_execute(PATIENT).await.unwrap();
        for round in 0..60 {
            let wanted = ids.iter().copied().skip(round % step).step_by(step).collect();
            conn.transaction(async |conn| stock::lock_offers(conn, &wanted).await).await.unwrap();
        }
    };
    tokio::join!(
        changing("UPDATE catalog.products SET name = 'Shirt ROUND'"),
        changing(
            "BEGIN; SELECT FROM catalog.products FOR UPDATE; UPDATE catalog.variants SET price_minor = 100 + ROUND; COMMIT",
        ),
        changing(
            "BEGIN; UPDATE catalog.products SET active = ROUND % 2 = 0; UPDATE catalog.variants SET name = 'ROUND'; COMMIT"
        ),
        ordering(1),
        ordering(2),
        ordering(3),
    );
    let found = catalog::audit(&mut conn).await.unwrap();
    assert!(found.iter().all(|difference| difference.check != "variant.offered_as_it_is"), "{found:?}");
}

#[tokio::test]
async fn m_05_appending_moves_counters_and_ledger_together() {
    let (shop, medium, _) = shop().await;
    let mut conn = shop.conn().await;
    let offers = stock::lock_offers(&conn, &vec![medium]).await.unwrap();
    let mut balance = balance(&offers[0]);
    let movements: Vec<Movement> =
        [(MovementKind::Reserve, 0, 2), (MovementKind::Reserve, 0, 1), (MovementKind::Ship, -2, -2)]
            .into_iter()
            .map(|(kind, on_hand, reserved)| Movement {
                order_id: Some(OrderId::new()),
                ..balance.step(kind, on_hand, reserved, shop.tick()).unwrap()
            })
            .collect();
    // What it answers is the number of stock rows, not of movements.
    assert_eq!(stock::append(&conn, &movements).await.unwrap(), 1);
    let after = &stock::lock_offers(&conn, &vec![medium]).await.unwrap()[0];
    assert_eq!((after.on_hand, after.reserved, after.version), (3, 1, 4));
    assert_eq!(stock::append(&conn, &[]).await.unwrap(), 0);
    // A version that does not follow on the row's: the same movements again meet the unique key, later ones set no row.
    assert!(stock::append(&conn, &movements).await.is_err());
    let gap = Movement { version_after: 9, ..movements[2].clone() };
    let outcome = conn
        .transaction(async |conn| {
            assert_eq!(stock::append(conn, &[gap]).await?, 0);
            Err::<(), _>(diesel::result::Error::RollbackTransaction)
        })
        .await;
    assert!(outcome.is_err());
    drop(conn);
    // The reservations belong to three orders, one of which has shipped what it never reserved.
    let differences = catalog::audit(&mut *shop.conn().await).await.unwrap();
    assert_eq!(
        differences.iter().map(|found| found.check).collect::<Vec<_>>(),
        ["stock.order_releases_what_it_reserved"]
    );
}

fn moves(kind: MovementKind, items: &[(VariantId, i32)]) -> Vec<OrderMove> {
    items.iter().map(|&(variant_id, quantity)| OrderMove { variant_id, kind, quantity }).collect()
}

#[tokio::test]
async fn release_gives_back_exactly_what_was_reserved() {
    let (shop, medium, large) = shop().await;
    let (mut conn, order) = (shop.conn().await, OrderId::new());
    let mut release = async |items: &[(VariantId, i32)]| {
        let items = moves(MovementKind::Release, items);
        stock::move_for_order(&mut conn, order, &items, None, shop.tick()).await
    };
    reserve(&mut *shop.conn().await, order, &[(medium, 4)], shop.tick()).await;
    release(&[(medium, 1), (medium, 2)]).await.unwrap();
    for impossible in
        [vec![(medium, 2)], vec![(medium, 0)], vec![(medium, -1)], vec![(large, 1)], vec![(VariantId::new(), 1)]]
    {
        assert!(release(&impossible).await.is_err(), "{impossible:?}");
    }
    assert!(release(&[(medium, i32::MAX), (medium, 1)]).await.is_err());
    let offer = &stock::lock_offers(&*shop.conn().await, &vec![medium]).await.unwrap()[0];
    assert_eq!((offer.reserved, offer.version), (1, 4));
    shop.assert_sound().await;
}

/// Promises all of it (`true`), or nothing because something is not there.
async fn promise(conn: &mut PgConn, items: &[(VariantId, i32)], at: DateTime<Utc>) -> bool {
    let items = moves(MovementKind::Reserve, items);
    let order = OrderId::new();
    let outcome = conn.transaction(async |conn| stock::move_for_order(conn, order, &items, None, at).await).await;
    if matches!(outcome, Err(CatalogError::NotEnough { .. } | CatalogError::ImpossibleQuantity { .. })) {
        return false;
    }
    outcome.unwrap();
    true
}

#[tokio::test]
async fn a_late_payment_gets_all_of_it_or_nothing() {
    let (shop, medium, large) = shop().await;
    let mut conn = shop.conn().await;
    assert!(!promise(&mut conn, &[(medium, 2), (large, 1)], shop.tick()).await);
    assert!(!promise(&mut conn, &[(medium, 3), (medium, 3)], shop.tick()).await);
    assert!(!promise(&mut conn, &[(VariantId::new(), 1)], shop.tick()).await);
    assert_eq!(stock::lock_offers(&conn, &vec![medium]).await.unwrap()[0].version, 1);
    assert!(promise(&mut conn, &[(medium, 3), (medium, 2)], shop.tick()).await);
    let offer = &stock::lock_offers(&conn, &vec![medium]).await.unwrap()[0];
    assert_eq!((offer.reserved, offer.version), (5, 3));
    drop(conn);
    shop.assert_sound().await;
}

#[tokio::test]
async fn what_is_sent_leaves_and_what_comes_back_is_there_again() {
    let (shop, medium, _) = shop().await;
    let (mut conn, order) = (shop.conn().await, OrderId::new());
    reserve(&mut conn, order, &[(medium, 3)], shop.tick()).await;
    let mut moved = moves(MovementKind::Ship, &[(medium, 2)]);
    moved.extend(moves(MovementKind::Return, &[(medium, 1)]));
    stock::move_for_order(&mut conn, order, &moved, None, shop.tick()).await.unwrap();
    let offer = &stock::lock_offers(&conn, &vec![medium]).await.unwrap()[0];
    assert_eq!((offer.on_hand, offer.reserved), (4, 1));
    let too_many = moves(MovementKind::Ship, &[(medium, 2)]);
    assert!(stock::move_for_order(&mut conn, order, &too_many, None, shop.tick()).await.is_err());
    drop(conn);
    shop.assert_sound().await;
}

#[tokio::test]
async fn the_last_units_are_promised_once() {
    let (shop, medium, large) = shop().await;
    let buyers = (0..40).map(|n| {
        let shop = &shop;
        async move {
            // Half of them name the variants the other way round: locks are sorted all the same.
            let items = if n % 2 == 0 { [(medium, 1), (large, 1)] } else { [(large, 1), (medium, 1)] };
            let items = if n < 20 { &items[..] } else { &[(medium, 1)][..] };
            promise(&mut *shop.conn().await, items, shop.tick()).await
        }
        .boxed_local()
    });
    let promised = futures_util::future::join_all(buyers).await.into_iter().filter(|promised| *promised).count();
    assert_eq!(promised, 5);
    shop.assert_sound().await;
}

#[tokio::test]
async fn membership_is_asked_by_others_too() {
    let (shop, alice) = (Shop::open().await, customer());
    let business = shop.business(&alice, "Lotus").await.parse().unwrap();
    let mut conn = shop.conn().await;
    assert_eq!(catalog::businesses_of(&mut conn, alice.id).await.unwrap(), [business]);
    assert!(catalog::is_member(&mut conn, alice.id, business).await.unwrap());
    assert!(!catalog::is_member(&mut conn, customer().id, business).await.unwrap());
    assert_eq!(catalog::businesses_of(&mut conn, customer().id).await.unwrap(), []);
}
