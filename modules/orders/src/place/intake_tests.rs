//! What goes wrong inside the intake belongs to one order, and the intake goes on.

use std::time::Duration;

use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use kernel::{Clock, DbError, OrderId, SystemClock, UserId, VariantId};
use testkit::TestDatabase;

use super::*;
use crate::{address::Address, place::Wanted};

/// Where the program can be made to panic: by an order with this note.
pub(in crate::place) fn trip<'a>(mut placements: impl Iterator<Item = &'a Placement>, point: &str) {
    if placements.any(|placement| placement.note.as_deref() == Some(point)) {
        panic!("tripped {point}");
    }
}

/// An order of something that is not there.
fn placement(note: &str) -> Placement {
    placement_of(VariantId::new(), note)
}

pub(in crate::place) fn placement_of(variant_id: VariantId, note: &str) -> Placement {
    let now = SystemClock.now();
    Placement {
        order_id: OrderId::new(),
        customer: UserId::new(),
        lines: vec![Wanted { variant_id, quantity: 1, line: 0 }],
        ship_to: Address {
            name: "Alice Nguyen".to_owned(),
            line1: "12 Hang Bac".to_owned(),
            line2: None,
            city: "Hanoi".to_owned(),
            region: None,
            postal_code: None,
            country: "VN".to_owned(),
            phone: None,
        },
        note: Some(note.to_owned()),
        expected_total: None,
        ticket: None,
        dry_run: false,
        placed_at: now,
        expires_at: now,
        request: kernel::request::Context::default(),
    }
}

/// A new intake that finds these together when it begins: one batch.
async fn one_batch<const N: usize>(database: &TestDatabase, notes: [&str; N]) -> (Intake, Vec<Reply>) {
    let intake = Intake::new(IntakeSettings::new(database.url()));
    let (batcher, waiting) = intake.0.main.unstarted.lock().unwrap().take().unwrap();
    let replies = join_all(notes.map(|note| intake.place(placement(note))));
    let (replies, ()) = tokio::join!(replies, async { begin(batcher, waiting) });
    (intake, replies)
}

#[tokio::test]
async fn r_11_an_order_that_panics_fails_alone() {
    let database = TestDatabase::new().await;
    let (intake, replies) = one_batch(&database, ["fine", "while deciding", "fine"]).await;
    let [Err(OrderError::Refused(_)), poison, Err(OrderError::Refused(_))] = &replies[..] else {
        panic!("{replies:?}")
    };
    let Err(OrderError::Db(error)) = poison else { panic!("{poison:?}") };
    assert!(!error.is_unavailable() && !error.is_lost_race(), "{error:?}");
    let next = intake.place(placement("fine")).await;
    assert!(matches!(next, Err(OrderError::Refused(_))), "{next:?}");
}

#[tokio::test]
async fn r_11_an_intake_that_panics_answers_503_and_goes_on() {
    let database = TestDatabase::new().await;
    let (intake, replies) = one_batch(&database, ["fine", "while answering"]).await;
    assert!(replies.iter().all(nobody_knows), "{replies:?}");
    for _round in 0..3 {
        let poison = intake.place(placement("while answering")).await;
        assert!(nobody_knows(&poison), "{poison:?}");
        let next = intake.place(placement("fine")).await;
        assert!(matches!(next, Err(OrderError::Refused(_))), "{next:?}");
    }
}

/// 503, and no word of what became of the order.
const fn nobody_knows(reply: &Reply) -> bool {
    matches!(reply, Err(OrderError::Db(DbError::Pool(_))))
}

/// Ten of something.
const GOODS: &str = "
    INSERT INTO catalog.businesses (id, name, city, country, created_at, updated_at) VALUES (gen_random_uuid(), 'Shop', 'Hanoi', 'VN', now(), now());
    INSERT INTO catalog.products (id, business_id, name, currency, from_price_minor, created_at, updated_at)
        SELECT gen_random_uuid(), id, 'Tea', 'USD', 100, now(), now() FROM catalog.businesses;
    INSERT INTO catalog.variants (id, product_id, business_id, sku, price_minor, position, created_at, updated_at)
        SELECT '00000000-0000-0000-0000-000000000001', id, business_id, 'TEA', 100, 0, now(), now() FROM catalog.products;
    INSERT INTO catalog.stock (variant_id, on_hand, version) SELECT id, 10, 1 FROM catalog.variants";

#[tokio::test]
async fn r_11_an_order_that_panics_while_stock_moves_takes_none_of_it() {
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    conn.batch_execute(GOODS).await.unwrap();
    let intake = Intake::new(IntakeSettings::new(database.url()));
    let tea = |note| intake.place(placement_of(VariantId::from_uuid(uuid::Uuid::from_u128(1)), note));
    tea("the first one warms the connection").await.unwrap();
    let (before, poison, after) = tokio::join!(tea("fine"), tea("while writing"), tea("fine"));
    let Err(OrderError::Db(error)) = poison else { panic!("{poison:?}") };
    assert!(!error.is_unavailable() && !error.is_lost_race(), "{error:?}");
    assert!(before.is_ok() && after.is_ok(), "{before:?} {after:?}");
    tea("fine").await.unwrap();
    let taken = "DO $$ BEGIN ASSERT (SELECT reserved FROM catalog.stock) = 4 AND (SELECT count(*) FROM orders.orders) = 4 \
                 AND (SELECT count(*) FROM catalog.stock_movements) = 4; END $$";
    conn.batch_execute(taken).await.unwrap();
}

#[tokio::test]
async fn numbers_are_taken_many_at_once_and_given_once() {
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    conn.batch_execute(GOODS).await.unwrap();
    conn.batch_execute("UPDATE catalog.stock SET on_hand = 1000").await.unwrap();
    let intake = Intake::new(IntakeSettings::new(database.url()));
    let tea = |_| intake.place(placement_of(VariantId::from_uuid(uuid::Uuid::from_u128(1)), "fine"));
    for order in 0..3 {
        tea(order).await.unwrap();
    }
    conn.batch_execute("DO $$ BEGIN ASSERT (SELECT last_value FROM orders.number_seq) = 256; END $$").await.unwrap();
    let placed = join_all((0..300).map(tea)).await;
    assert!(placed.iter().all(Result::is_ok), "{placed:?}");
    let taken = "DO $$ BEGIN ASSERT (SELECT last_value >= 512 AND last_value % 256 = 0 FROM orders.number_seq) \
                 AND (SELECT count(DISTINCT number) FROM orders.orders) = 303; END $$";
    conn.batch_execute(taken).await.unwrap();
}

#[tokio::test]
async fn a_crowd_takes_small_batches_while_others_pass_by() {
    const ALL: usize = 40;
    let database = TestDatabase::new().await;
    let mut conn = database.connect().await;
    conn.batch_execute(GOODS).await.unwrap();
    conn.batch_execute("UPDATE catalog.stock SET on_hand = 1000").await.unwrap();
    let intake = Intake::new(IntakeSettings::new(database.url()));
    let everybody =
        || join_all((0..ALL).map(|_| intake.place(placement_of(VariantId::from_uuid(uuid::Uuid::from_u128(1)), ""))));
    // A batch is a transaction.
    let largest = async |largest: usize| {
        let batches = "(SELECT count(*) AS orders FROM orders.orders GROUP BY xmin::text) x";
        let sql = format!(
            "DO $$ BEGIN ASSERT (SELECT max(orders) FROM {batches}) = {largest}; DELETE FROM orders.lines; DELETE FROM orders.orders; END $$"
        );
        database.connect().await.batch_execute(&sql).await.unwrap();
    };
    let (batcher, waiting) = intake.0.main.unstarted.lock().unwrap().take().unwrap();
    let (placed, ()) = tokio::join!(everybody(), async { begin(batcher, waiting) });
    assert!(placed.iter().all(Result::is_ok), "{placed:?}");
    largest(ALL).await;

    let passing = intake.0.crowd.pass_by(&placement("something else"), Instant::now());
    assert!(passing.is_some(), "there is a crowd");
    conn.batch_execute("BEGIN; SELECT FROM catalog.stock FOR UPDATE").await.unwrap();
    let held = async {
        // The first batch is one order, if the batcher was there when it came and nobody else was, or two.
        let all_but_a_batch = async {
            while !(ALL - 2..ALL).contains(&intake.waiting()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), all_but_a_batch).await.unwrap();
        conn.batch_execute("COMMIT").await.unwrap();
    };
    let (placed, ()) = tokio::join!(everybody(), held);
    assert!(placed.iter().all(Result::is_ok), "{placed:?}");
    assert_eq!(intake.waiting(), 0);
    largest(2).await;
}
