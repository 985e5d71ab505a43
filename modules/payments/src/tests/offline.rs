//! Money that staff take and give back by hand.

use kernel::OrderId;

use super::support::{House, noon, usd};
use crate::{
    Applied, AttemptState, CaptureMethod, CreateCapture, CreatePayment, Gateway, GatewayError, OfflineGateway,
    PaymentError, audit_book, load_refund, record_offline, request_refund, send_refund,
};

#[tokio::test]
async fn money_taken_by_hand_is_captured_at_once_and_goes_back_by_hand() {
    let house = House::new().await;
    let mut conn = house.pool.get().await.unwrap();
    let order = OrderId::new();
    // Two customers may write the same number on their transfers.
    for _ in 0..2 {
        let attempt =
            record_offline(&mut conn, order, usd(500), "bank_transfer", Some("RF18 5390"), noon()).await.unwrap();
        assert_eq!(attempt, house.attempt(attempt.id).await);
        assert_eq!((attempt.state, attempt.gateway.as_str()), (AttemptState::Captured, OfflineGateway::NAME));
    }
    record_offline(&mut conn, order, usd(1), "cash_on_delivery", None, noon()).await.unwrap();
    assert_eq!(house.sums(order).await.captured_minor, 1_001);
    let lines = "payments.transactions WHERE kind = 'capture' AND detail = 'bank_transfer' AND reference = 'RF18 5390'";
    assert_eq!(house.count(lines).await, 2);
    assert!(matches!(
        record_offline(&mut conn, order, usd(0), "other", None, noon()).await,
        Err(PaymentError::AmountNotPositive)
    ));

    for id in request_refund(&mut conn, order, 600, None, "test", noon()).await.unwrap() {
        let refund = load_refund(&mut conn, id).await.unwrap().unwrap();
        let outcome = send_refund(&OfflineGateway, &refund).await;
        let applied = house.answer(id, outcome).await;
        assert_eq!(applied, Applied::Refunded { refund: id, amount: refund.amount });
        let refund = load_refund(&mut conn, id).await.unwrap().unwrap();
        assert_eq!(refund.reference, Some(format!("offline-{id}")));
    }
    assert_eq!(house.sums(order).await.refunded_minor, 600);
    assert_eq!(audit_book(&mut conn, &OfflineGateway).await.unwrap(), []);
    house.sound().await;
}

#[tokio::test]
async fn a_refund_can_name_its_payment() {
    let house = House::new().await;
    let mut conn = house.pool.get().await.unwrap();
    let order = OrderId::new();
    let old = record_offline(&mut conn, order, usd(300), "other", None, noon()).await.unwrap();
    record_offline(&mut conn, order, usd(300), "other", None, noon()).await.unwrap();
    let stranger = house.captured(usd(300)).await;
    let more = request_refund(&mut conn, order, 301, Some(old.id), "test", noon()).await;
    assert!(matches!(more, Err(PaymentError::RefundExceedsCaptured { refundable_minor: 300, .. })));
    let others = request_refund(&mut conn, order, 1, Some(stranger.id), "test", noon()).await;
    assert!(matches!(others, Err(PaymentError::UnknownAttempt(id)) if id == stranger.id));
    let ids = request_refund(&mut conn, order, 200, Some(old.id), "test", noon()).await.unwrap();
    let refund = load_refund(&mut conn, ids[0]).await.unwrap().unwrap();
    assert_eq!((ids.len(), refund.attempt_id, refund.amount), (1, old.id, usd(200)));
    house.sound().await;
}

#[tokio::test]
async fn nothing_is_opened_held_or_compared_by_hand() {
    let payment = CreatePayment {
        attempt_id: crate::AttemptId::new(),
        amount: usd(5),
        capture: CaptureMethod::Manual,
        description: "Order".into(),
        webhook_url: "http://127.0.0.1/".into(),
        return_url: None,
    };
    let capture = CreateCapture { capture_id: crate::CaptureId::new(), payment_reference: "p".into(), amount: usd(5) };
    assert!(matches!(OfflineGateway.create_payment(&payment).await, Err(GatewayError::Refused(_))));
    assert!(matches!(OfflineGateway.capture(&capture).await, Err(GatewayError::Refused(_))));
    assert!(matches!(OfflineGateway.void("p").await, Err(GatewayError::Refused(_))));
    assert!(!OfflineGateway.keeps_book());
    let page = OfflineGateway.book_page(None).await.unwrap();
    assert_eq!((page.data.len(), page.next_cursor), (0, None));
    assert_eq!(OfflineGateway.name(), "offline");
}
