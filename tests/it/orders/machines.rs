//! Every command on orders, parcels and returns in every state: allowed, or refused with the problem that says why; and
//! the database, which refuses the moves that are in no table to whoever comes past the code.

use serde_json::{Value, json};

use crate::support::{
    acts::came_back,
    app::{Person, TestApp},
    lives::YES,
    shop::text,
};

/// Everything that can be asked of an order, and what the states answer, one row each:
///
/// cancel, cancel_lines, cancel_seller_lines, confirm, record, capture, void, refund, hold, release, complete, pack, return
#[rustfmt::skip]
const ORDERS: [(&str, [&str; 13]); 9] = [
    ("pending",   [YES, YES, YES, YES, YES, "nothing_held", "nothing_held", "nothing_to_refund", YES, "not_on_hold", "invalid_transition", "not_confirmed", "nothing_to_return"]),
    ("held back", [YES, YES, YES, "on_hold", YES, "nothing_held", "nothing_held", "nothing_to_refund", "on_hold", YES, "invalid_transition", "not_confirmed", "nothing_to_return"]),
    ("authorized", [YES, YES, YES, "invalid_transition", "nothing_due", YES, YES, "nothing_to_refund", YES, "not_on_hold", "not_all_sent", YES, "nothing_to_return"]),
    ("confirmed", [YES, YES, YES, "invalid_transition", "nothing_due", "nothing_held", "nothing_held", YES, YES, "not_on_hold", "not_all_sent", YES, "nothing_to_return"]),
    ("packed",    [YES, "nothing_to_cancel", "nothing_to_cancel", "invalid_transition", "nothing_due", "nothing_held", "nothing_held", YES, YES, "not_on_hold", "not_all_sent", "nothing_to_pack", "nothing_to_return"]),
    ("shipped",   ["already_shipped", "nothing_to_cancel", "nothing_to_cancel", "invalid_transition", "nothing_due", "nothing_held", "nothing_held", YES, YES, "not_on_hold", YES, "nothing_to_pack", "nothing_to_return"]),
    ("completed", ["invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "nothing_due", "nothing_held", "nothing_held", YES, "invalid_transition", "not_on_hold", "invalid_transition", "not_confirmed", YES]),
    ("cancelled", ["invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "not_payable", "nothing_held", "nothing_held", "nothing_to_refund", "invalid_transition", "not_on_hold", "invalid_transition", "not_confirmed", "nothing_to_return"]),
    ("expired",   ["invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "not_payable", "nothing_held", "nothing_held", "nothing_to_refund", "invalid_transition", "not_on_hold", "invalid_transition", "not_confirmed", "nothing_to_return"]),
];

/// Whether its buyer may begin to pay it.
const PAYING: [(&str, &str); 9] = [
    ("pending", YES),
    ("held back", "not_payable"),
    ("authorized", "nothing_due"),
    ("confirmed", "nothing_due"),
    ("packed", "nothing_due"),
    ("shipped", "nothing_due"),
    ("completed", "not_payable"),
    ("cancelled", "not_payable"),
    ("expired", "not_payable"),
];

/// The states of parcels and of returns: which verbs they allow. Every other one is refused with `invalid_transition`.
const PARCELS: [(&str, &[&str]); 5] = [
    ("packed", &["ship", "cancel"]),
    ("shipped", &["deliver", "lose"]),
    ("delivered", &[]),
    ("cancelled", &[]),
    ("lost", &[]),
];
const RETURNS: [(&str, &[&str]); 6] = [
    ("requested", &["approve", "reject", "cancel"]),
    ("approved", &["receive", "close", "cancel"]),
    ("rejected", &[]),
    ("received", &["receive", "close"]),
    ("closed", &[]),
    ("cancelled", &[]),
];

/// The moves that the database knows.
const ORDER_MOVES: [(&str, &[&str]); 5] = [
    ("pending", &["confirmed", "cancelled", "expired"]),
    ("confirmed", &["completed", "cancelled"]),
    ("completed", &[]),
    ("cancelled", &["confirmed"]),
    ("expired", &["confirmed"]),
];
const PARCEL_MOVES: [(&str, &[&str]); 5] = [
    ("packed", &["shipped", "cancelled"]),
    ("shipped", &["delivered", "lost"]),
    ("delivered", &[]),
    ("cancelled", &[]),
    ("lost", &[]),
];
const RETURN_MOVES: [(&str, &[&str]); 6] = [
    ("requested", &["approved", "rejected", "cancelled"]),
    ("approved", &["received", "closed", "cancelled"]),
    ("rejected", &[]),
    ("received", &["closed"]),
    ("closed", &[]),
    ("cancelled", &[]),
];

/// An order of one line of two units that stands there; its id, and a payment of it (or of nobody).
async fn order(app: &TestApp, alice: &Person, olga: &Person, variant: &str, state: &str) -> (String, String) {
    let order = app.place(alice, &[(variant, 2)]).await;
    let mut payment = "0197a1f0-0000-7000-8000-000000000000".to_owned();
    if state == "authorized" {
        payment = app.authorize(alice, &order, None).await;
    } else if ["confirmed", "packed", "shipped", "completed"].contains(&state) {
        payment = app.pay_part(alice, &order, 2_000).await;
    }
    match state {
        "held back" => drop(app.act(olga, &format!("/orders/{order}/hold"), json!({ "reason": "why" })).await.ok(200)),
        "packed" => drop(app.pack(olga, &order, &[(1, 2)]).await),
        "shipped" => drop(app.send_off(olga, &order, &[(1, 2)]).await),
        "completed" => drop(app.bring(olga, &order, &[(1, 2)]).await),
        "cancelled" => drop(app.cancel(alice, &order).await.ok(200)),
        _ => {}
    }
    (order, payment)
}

/// Orders in every state of the table; whatever is to expire has, and the others have not.
async fn orders(app: &TestApp, alice: &Person, olga: &Person) -> Vec<(&'static str, String, String)> {
    let variant = app.variant().stock(100).create().await;
    let mut orders = vec![];
    let (expired, none) = order(app, alice, olga, &variant, "expired").await;
    app.advance_minutes(31);
    assert_eq!(app.expire().await, 1);
    for (state, _) in ORDERS.iter().filter(|(state, _)| *state != "expired") {
        let (id, payment) = order(app, alice, olga, &variant, state).await;
        orders.push((*state, id, payment));
    }
    orders.push(("expired", expired, none));
    for (state, id, _) in &orders {
        let status = match *state {
            "held back" => "pending",
            "authorized" | "packed" | "shipped" => "confirmed",
            state => state,
        };
        assert_eq!(text(&app.order(olga, id).await, "status"), status, "{state}");
    }
    orders
}

#[tokio::test]
async fn m_07_orders_allow_what_their_table_says() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let orders = orders(&app, &alice, &olga).await;
    let before = app.everything().await;
    for ((state, expected), (_, id, payment)) in ORDERS.iter().zip(&orders) {
        let answers = app.everything_on_order(&olga, id, payment).await;
        let expected: Vec<_> = answers.iter().map(|(name, _)| *name).zip(expected.map(str::to_owned)).collect();
        assert_eq!(answers, expected, "an order that is {state}");
    }
    assert_eq!(app.everything().await, before, "it was only tried");
    for ((state, expected), (_, id, _)) in PAYING.iter().zip(&orders) {
        assert_eq!(app.may_pay(&alice, id).await, *expected, "an order that is {state}");
    }
    app.finish().await;
}

#[tokio::test]
async fn m_07_the_database_refuses_what_no_table_of_orders_says() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let orders = orders(&app, &alice, &olga).await;
    for (from, allowed) in ORDER_MOVES {
        let (_, id, _) = orders.iter().find(|(state, ..)| *state == from).unwrap();
        for (to, _) in ORDER_MOVES.iter().filter(|(to, _)| *to != from) {
            let moved = app.update(&format!("UPDATE orders.orders SET status = '{to}' WHERE id = '{id}'")).await;
            let expected = (!allowed.contains(to)).then(|| "orders_status_move".to_owned());
            assert_eq!(moved, expected, "from {from} to {to}");
        }
    }
    app.finish().await;
}

/// A confirmed order of twelve units.
async fn confirmed(app: &TestApp, alice: &Person) -> String {
    let variant = app.variant().stock(20).create().await;
    let order = app.place(alice, &[(&variant, 12)]).await;
    app.pay(alice, &order).await;
    order
}

/// A parcel of one unit in every state.
async fn parcels(app: &TestApp, olga: &Person, order: &str) -> Vec<(&'static str, String)> {
    let mut parcels = vec![];
    for (state, _) in PARCELS {
        let id = app.pack(olga, order, &[(1, 1)]).await;
        let verbs: &[&str] = match state {
            "shipped" => &["ship"],
            "delivered" => &["ship", "deliver"],
            "cancelled" => &["cancel"],
            "lost" => &["ship", "lose"],
            _ => &[],
        };
        for verb in verbs {
            app.parcel(olga, &id, verb, parcel_body(verb)).await.ok(200);
        }
        let seen = app.get(olga, &format!("/shipments/{id}")).await.ok(200);
        assert_eq!(text(&seen["shipment"], "state"), state);
        parcels.push((state, id));
    }
    parcels
}

fn parcel_body(verb: &str) -> Value {
    match verb {
        "ship" => json!({}),
        "cancel" => json!({ "reason": "why" }),
        "lose" => json!({ "reason": "why", "resend": true }),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn m_07_parcels_allow_what_their_table_says() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let order = confirmed(&app, &alice).await;
    let parcels = parcels(&app, &olga, &order).await;
    app.run_jobs().await;
    let before = app.everything().await;
    for ((state, allowed), (_, id)) in PARCELS.iter().zip(&parcels) {
        for verb in ["ship", "deliver", "cancel", "lose"] {
            let expected = if allowed.contains(&verb) { YES } else { "invalid_transition" };
            let answer = app.may(&olga, &format!("/shipments/{id}/{verb}"), parcel_body(verb)).await;
            assert_eq!(answer, expected, "{verb} a parcel that is {state}");
        }
    }
    assert_eq!(app.everything().await, before, "it was only tried");
    for (from, allowed) in PARCEL_MOVES {
        let (_, id) = parcels.iter().find(|(state, _)| *state == from).unwrap();
        for (to, _) in PARCEL_MOVES.iter().filter(|(to, _)| *to != from) {
            let times = "shipped_at = CASE WHEN '{to}' IN ('shipped', 'delivered', 'lost') THEN now() END, \
                 delivered_at = CASE WHEN '{to}' = 'delivered' THEN now() END"
                .replace("{to}", to);
            let sql = format!("UPDATE orders.shipments SET state = '{to}', {times} WHERE id = '{id}'");
            let expected = (!allowed.contains(to)).then(|| "shipments_state_move".to_owned());
            assert_eq!(app.update(&sql).await, expected, "from {from} to {to}");
        }
    }
    app.finish().await;
}

fn return_body(verb: &str) -> Value {
    match verb {
        "receive" => came_back(&[(1, 1, 0)]),
        "cancel" => Value::Null,
        _ => json!({}),
    }
}

#[tokio::test]
async fn m_07_returns_allow_what_their_table_says() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let order = confirmed(&app, &alice).await;
    app.bring(&olga, &order, &[(1, 12)]).await;
    let mut returns = vec![];
    for (state, _) in RETURNS {
        let id = app.request_return(&alice, &order, &[(1, 2)]).await;
        let verbs: &[&str] = match state {
            "approved" => &["approve"],
            "rejected" => &["reject"],
            "received" => &["approve", "receive"],
            "closed" => &["approve", "close"],
            "cancelled" => &["cancel"],
            _ => &[],
        };
        for verb in verbs {
            app.goods(&olga, &id, verb, return_body(verb)).await.ok(200);
        }
        let seen = app.get(&olga, &format!("/returns/{id}")).await.ok(200);
        assert_eq!(text(&seen["return"], "state"), state);
        returns.push((state, id));
    }
    app.run_jobs().await;
    let before = app.everything().await;
    for ((state, allowed), (_, id)) in RETURNS.iter().zip(&returns) {
        for verb in ["approve", "reject", "receive", "close", "cancel"] {
            let expected = if allowed.contains(&verb) { YES } else { "invalid_transition" };
            let answer = app.may(&olga, &format!("/returns/{id}/{verb}"), return_body(verb)).await;
            assert_eq!(answer, expected, "{verb} a return that is {state}");
        }
    }
    assert_eq!(app.everything().await, before, "it was only tried");
    for (from, allowed) in RETURN_MOVES {
        let (_, id) = returns.iter().find(|(state, _)| *state == from).unwrap();
        for (to, _) in RETURN_MOVES.iter().filter(|(to, _)| *to != from) {
            let sql = format!("UPDATE orders.returns SET state = '{to}' WHERE id = '{id}'");
            let expected = (!allowed.contains(to)).then(|| "returns_state_move".to_owned());
            assert_eq!(app.update(&sql).await, expected, "from {from} to {to}");
        }
    }
    // When everything is back, nothing more is received.
    let (_, received) = returns.iter().find(|(state, _)| *state == "received").unwrap();
    app.goods(&olga, received, "receive", return_body("receive")).await.ok(200);
    app.goods(&olga, received, "receive", return_body("receive")).await.problem(409, "nothing_to_receive");
    app.finish().await;
}
