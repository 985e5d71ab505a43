//! Our ledger against the gateway's book.

use chrono::TimeDelta;
use kernel::{Clock, OrderId, SystemClock};

use super::support::{House, long_ago, usd};
use crate::{
    Attempt, BookEntry, BookRefund, Gateway, HttpGateway, HttpGatewaySettings, RefundOutcome, audit_book,
    request_refund, testing::ScriptedGateway,
};

fn entry(attempt: &Attempt, captured: i64, refunded: i64) -> BookEntry {
    BookEntry {
        id: format!("pay-{}", attempt.id),
        reference: attempt.id.to_string(),
        status: if captured > 0 { "captured" } else { "pending" }.to_owned(),
        currency: "USD".to_owned(),
        captured,
        refunded,
        updated_at: long_ago(),
        refunds: if refunded > 0 {
            vec![BookRefund { id: "r".into(), reference: "r".into(), amount: refunded, status: "succeeded".into() }]
        } else {
            Vec::new()
        },
    }
}

async fn checks(house: &House, gateway: &dyn Gateway) -> Vec<&'static str> {
    let mut conn = house.pool.get().await.unwrap();
    audit_book(&mut conn, gateway).await.unwrap().iter().map(|difference| difference.check).collect()
}

/// Seven payments, more than two pages, all settled long ago.
async fn shop() -> (House, Vec<Attempt>, ScriptedGateway, Vec<BookEntry>) {
    let house = House::new().await;
    let mut attempts = Vec::new();
    for _ in 0..6 {
        attempts.push(house.captured_of(OrderId::new(), usd(1_000), long_ago()).await);
    }
    attempts.push(house.pending_of(OrderId::new(), usd(1_000), long_ago()).await);
    let book: Vec<_> = attempts.iter().map(|it| entry(it, it.captured_minor, 0)).collect();
    let gateway = ScriptedGateway::new("mock");
    gateway.set_book(book.clone());
    (house, attempts, gateway, book)
}

#[tokio::test]
async fn equal_books_have_no_difference() {
    let (house, _, gateway, _) = shop().await;
    assert!(checks(&house, &gateway).await.is_empty());
}

#[tokio::test]
async fn differences_are_found_both_ways() {
    let (house, attempts, gateway, book) = shop().await;
    let change = |index: usize, change: &dyn Fn(&mut BookEntry)| {
        let mut book = book.clone();
        change(&mut book[index]);
        gateway.set_book(book);
    };
    change(6, &|it| it.captured = 1_000);
    assert_eq!(checks(&house, &gateway).await, ["book.captured_equals_ours"], "captured there, pending here");
    change(0, &|it| it.captured = 0);
    assert_eq!(
        checks(&house, &gateway).await,
        ["book.captured_equals_ours", "book.captured_equals_ours"],
        "captured here, not there"
    );
    change(0, &|it| it.captured = 999);
    assert_eq!(checks(&house, &gateway).await, ["book.captured_equals_ours"]);
    change(5, &|it| it.currency = "EUR".into());
    assert_eq!(checks(&house, &gateway).await, ["book.currency_equals_ours"]);
    change(1, &|it| {
        it.refunded = 5;
        it.refunds = vec![BookRefund { id: "r".into(), reference: "r".into(), amount: 5, status: "succeeded".into() }];
    });
    assert_eq!(checks(&house, &gateway).await, ["book.refunded_equals_ours"]);
    change(2, &|it| {
        it.refunds = vec![BookRefund { id: "r".into(), reference: "r".into(), amount: 5, status: "succeeded".into() }]
    });
    assert_eq!(checks(&house, &gateway).await, ["book.refunds_add_up"]);
    change(3, &|it| it.id = "pay-other".into());
    assert_eq!(checks(&house, &gateway).await, ["book.payment_known"]);
    let mut stranger = entry(&attempts[0], 7, 0);
    stranger.reference = crate::AttemptId::new().to_string();
    gateway.set_book(book.iter().cloned().chain([stranger]).collect());
    assert_eq!(checks(&house, &gateway).await, ["book.payment_known"]);
    gateway.set_book(book[1..].to_vec());
    assert_eq!(checks(&house, &gateway).await, ["book.captured_equals_ours"], "missing in the book");
}

#[tokio::test]
async fn an_authorised_payment_in_the_book_has_moved_nothing() {
    let house = House::new().await;
    let attempt = house.authorized(usd(1_000)).await;
    let gateway = ScriptedGateway::new("mock");
    for (captured, expected) in [(0, &[][..]), (5, &["book.authorized_moved_nothing"][..])] {
        gateway.set_book(vec![BookEntry { status: "authorized".to_owned(), ..entry(&attempt, captured, 0) }]);
        assert_eq!(checks(&house, &gateway).await, expected);
    }
}

#[tokio::test]
async fn what_is_held_here_is_held_there() {
    let house = House::new().await;
    let (held, open) = (house.authorized(usd(1_000)).await, house.pending(usd(1_000)).await);
    let gateway = ScriptedGateway::new("mock");
    let standing = |attempt, status: &str| BookEntry { status: status.to_owned(), ..entry(attempt, 0, 0) };
    gateway.set_book(vec![standing(&held, "authorized"), standing(&open, "pending")]);
    assert!(checks(&house, &gateway).await.is_empty());
    for status in ["expired", "voided", "failed", "pending"] {
        gateway.set_book(vec![standing(&held, status)]);
        assert_eq!(checks(&house, &gateway).await, ["book.held_equals_ours"], "{status}");
    }
    gateway.set_book(vec![standing(&open, "authorized")]);
    assert_eq!(checks(&house, &gateway).await, ["book.held_equals_ours"], "held there, and we do not know");
    let fresh = SystemClock.now() - TimeDelta::seconds(30);
    gateway.set_book(vec![BookEntry { updated_at: fresh, ..standing(&held, "expired") }]);
    assert!(checks(&house, &gateway).await.is_empty(), "the news may be on its way");
}

#[tokio::test]
async fn news_that_may_still_be_on_its_way_is_no_difference() {
    let (house, _, gateway, mut book) = shop().await;
    book[6].captured = 1_000;
    book[6].updated_at = SystemClock.now() - TimeDelta::seconds(30);
    gateway.set_book(book.clone());
    assert!(checks(&house, &gateway).await.is_empty());
    let mut conn = house.pool.get().await.unwrap();
    let later = SystemClock.now() + TimeDelta::seconds(31);
    assert_eq!(crate::audit_book_at(&mut conn, &gateway, later).await.unwrap().len(), 1);
}

#[tokio::test]
async fn refunds_are_compared_as_well() {
    let (house, attempts, gateway, mut book) = shop().await;
    let mut conn = house.pool.get().await.unwrap();
    let refund = request_refund(&mut conn, attempts[0].order_id, 300, None, "test", long_ago()).await.unwrap()[0];
    crate::refund_answered(&mut conn, refund, RefundOutcome::Succeeded { reference: None }, long_ago()).await.unwrap();
    assert_eq!(checks(&house, &gateway).await, ["book.refunded_equals_ours"]);
    book[0] = entry(&attempts[0], 1_000, 300);
    gateway.set_book(book);
    assert!(checks(&house, &gateway).await.is_empty());
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_a_difference() {
    let (house, ..) = shop().await;
    let gateway = HttpGateway::new(HttpGatewaySettings {
        name: "mock".into(),
        base_url: "http://127.0.0.1:9".into(),
        api_key: "key".into(),
    })
    .unwrap();
    assert_eq!(checks(&house, &gateway).await, ["book.readable"]);
}
