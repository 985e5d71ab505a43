//! Acceptance 5 of the life of an order: an order of two sellers. Each sees and moves their own share, the buyer sees the
//! whole, staff may do everything, and everybody is told what they may do: no more and no less than they can.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{
    acts::{came_back, names, refused, units, usd},
    app::{Person, TestApp},
    shop::{Shop, text},
};

/// An order of Sam's shirts (line 1) and Mai's cups (line 2), and everybody around it.
struct Scene {
    app: TestApp,
    sam: Shop,
    mai: Shop,
    alice: Person,
    mallory: Person,
    olga: Person,
    cup: String,
    order: String,
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let (sam, mai) = (app.seller("sam").await, app.seller("mai").await);
        let (alice, mallory, olga) = (app.customer("alice").await, app.customer("mallory").await, app.operator().await);
        let shirt = app.variant().of(&sam).price(500).create().await;
        let cup = app.variant().of(&mai).price(70).create().await;
        let order = app.place(&alice, &[(&shirt, 4), (&cup, 4)]).await;
        Self { app, sam, mai, alice, mallory, olga, cup, order }
    }

    fn share(&self, shop: &Shop) -> String {
        format!("/businesses/{}/orders/{}", shop.id, self.order)
    }
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| text(one, "id")).collect()
}

#[tokio::test]
async fn each_seller_sees_their_own_share_and_the_buyer_the_whole() {
    let scene = Scene::new().await;
    let Scene { app, sam, mai, alice, mallory, olga, cup, order } = &scene;
    app.pay(alice, order).await;
    let shirts = app.bring(&sam.owner, order, &[(1, 4)]).await;
    let cups = app.bring(&mai.owner, order, &[(2, 2)]).await;
    let back = app.request_return(alice, order, &[(1, 1)]).await;
    let chipped = app.request_return(alice, order, &[(2, 1)]).await;

    let share = app.get(&sam.owner, &scene.share(sam)).await;
    for foreign in [mai.id.as_str(), cup, &cups, &chipped] {
        assert!(!share.text().contains(foreign), "{foreign} in {}", share.text());
    }
    let share = share.ok(200);
    assert_eq!((ids(&share["shipments"]), ids(&share["returns"])), (vec![shirts.clone()], vec![back.clone()]));
    assert_eq!((share["lines"].as_array().unwrap().len(), &share["lines_total"]["amount"]), (1, &json!(2_000)));
    assert_eq!((share.get("total"), share.get("captured"), share.get("customer_id")), (None, None, None));
    assert_eq!(share["ship_to"]["city"], "Hanoi");
    let share = app.get(&mai.owner, &scene.share(mai)).await.ok(200);
    assert_eq!((ids(&share["shipments"]), ids(&share["returns"])), (vec![cups.clone()], vec![chipped.clone()]));
    assert_eq!(share["lines"][0]["position"], 2);

    let whole = app.order(alice, order).await;
    assert_eq!((ids(&whole["shipments"]).len(), ids(&whole["returns"]).len()), (2, 2));
    assert_eq!(whole["lines"].as_array().unwrap().len(), 2);

    // Who may look at what; for everybody else it does not exist.
    for (path, seers) in [
        (format!("/orders/{order}"), vec!["alice", "olga"]),
        (format!("/orders/{order}/events"), vec!["alice", "olga"]),
        (format!("/orders/{order}/payments"), vec!["alice", "olga"]),
        (scene.share(sam), vec!["sam", "olga"]),
        (scene.share(mai), vec!["mai", "olga"]),
        (format!("/businesses/{order}/orders/{order}"), vec![]),
        (format!("/shipments/{shirts}"), vec!["alice", "sam", "olga"]),
        (format!("/shipments/{cups}"), vec!["alice", "mai", "olga"]),
        (format!("/returns/{back}"), vec!["alice", "sam", "olga"]),
        (format!("/returns/{chipped}"), vec!["alice", "mai", "olga"]),
    ] {
        for person in [alice, &sam.owner, &mai.owner, mallory, olga] {
            let answer = app.get(person, &path).await;
            if seers.contains(&person.name.as_str()) {
                drop(answer.ok(200))
            } else {
                drop(answer.problem(404, "not_found"))
            }
        }
    }
    scene.app.finish().await;
}

#[tokio::test]
async fn nobody_moves_what_is_not_theirs() {
    let scene = Scene::new().await;
    let Scene { app, sam, mai, alice, mallory, olga, order, .. } = &scene;
    app.authorize(alice, order, None).await;
    let packed = app.pack(&mai.owner, order, &[(2, 1)]).await;
    let gone = app.bring(&mai.owner, order, &[(2, 1)]).await;
    let sent = app.send_off(&mai.owner, order, &[(2, 1)]).await;
    app.bring(&sam.owner, order, &[(1, 3)]).await;
    let asked = app.request_return(alice, order, &[(2, 1)]).await;
    let agreed = app.request_return(alice, order, &[(1, 1)]).await;
    app.goods(&sam.owner, &agreed, "approve", json!({})).await.ok(200);
    let payments = app.get(alice, &format!("/orders/{order}/payments")).await.ok(200);
    let payment = text(&payments["data"][0], "id");
    app.run_jobs().await;
    let before = app.everything().await;

    let (line, why) = (|at| json!({ "lines": units(&[(at, 1)]), "reason": "r" }), json!({ "reason": "r" }));
    let of_order = |verb: &str| format!("/orders/{order}/{verb}");
    // Who can do it; for the buyer it is 403, for everybody else it does not exist.
    let of_sellers = [
        (&mai.owner, of_order("shipments"), json!({ "lines": units(&[(2, 1)]) })),
        (&sam.owner, of_order("shipments"), json!({ "lines": units(&[(1, 1)]) })),
        (&mai.owner, format!("{}/cancel-lines", scene.share(mai)), line(2)),
        (&sam.owner, format!("{}/cancel-lines", scene.share(sam)), line(1)),
        (&mai.owner, format!("/shipments/{packed}/ship"), json!({})),
        (&mai.owner, format!("/shipments/{packed}/cancel"), why.clone()),
        (&mai.owner, format!("/shipments/{sent}/deliver"), Value::Null),
        (&mai.owner, format!("/shipments/{sent}/lose"), json!({ "reason": "r", "resend": true })),
        (&mai.owner, format!("/returns/{asked}/approve"), json!({})),
        (&mai.owner, format!("/returns/{asked}/reject"), json!({})),
        (&sam.owner, format!("/returns/{agreed}/receive"), came_back(&[(1, 1, 0)])),
        (&sam.owner, format!("/returns/{agreed}/close"), json!({})),
    ];
    for (owner, path, body) in &of_sellers {
        for person in [&sam.owner, &mai.owner, alice, mallory, olga] {
            let answer = app.rehearse(person, path, body.clone()).await;
            match person.name.as_str() {
                name if name == owner.name || name == "olga" => drop(answer.ok(200)),
                "alice" => drop(answer.problem(403, "forbidden")),
                // They know the order; which of its lines are somebody's, and which are none, they do not.
                "sam" | "mai" if *path == of_order("shipments") => drop(answer.problem(409, "no_such_line")),
                _ => drop(answer.problem(404, "not_found")),
            }
        }
    }
    for beside in [2, 9] {
        let body = json!({ "lines": units(&[(1, 1), (beside, 1)]) });
        let told = app.rehearse(&sam.owner, &of_order("shipments"), body).await.problem(409, "no_such_line");
        assert!(text(&told, "detail").contains(&beside.to_string()), "{told}");
    }
    // What is the buyer's does not exist for sellers and strangers.
    for (path, body) in [
        (of_order("cancel"), why.clone()),
        (of_order("cancel-lines"), line(1)),
        (of_order("returns"), line(1)),
        (format!("/returns/{asked}/cancel"), Value::Null),
    ] {
        for person in [&sam.owner, &mai.owner, mallory] {
            app.rehearse(person, &path, body.clone()).await.problem(404, "not_found");
        }
        let answer = app.rehearse(alice, &path, body).await;
        assert!(matches!(answer.status, 200 | 409), "{}: {}", answer.asked, answer.text());
    }
    // What is for operators is for nobody else.
    for (path, body) in [
        (of_order("confirm"), json!({ "method": "other" })),
        (of_order("hold"), why.clone()),
        (of_order("release"), Value::Null),
        (of_order("complete"), why.clone()),
        (of_order("payments/offline"), json!({ "amount": usd(1), "method": "other" })),
        (of_order(&format!("payments/{payment}/capture")), json!({})),
        (of_order(&format!("payments/{payment}/void")), why.clone()),
        (of_order("refunds"), json!({ "kind": "full", "reason": "r" })),
    ] {
        for person in [alice, &sam.owner, &mai.owner, mallory] {
            app.rehearse(person, &path, body.clone()).await.problem(403, "forbidden");
        }
        let answer = app.rehearse(olga, &path, body).await;
        assert!(matches!(answer.status, 200 | 409), "{}: {}", answer.asked, answer.text());
    }
    // A parcel of both sellers' lines is nobody's, not even the operator's.
    let both = json!({ "lines": units(&[(1, 1), (2, 1)]) });
    app.rehearse(olga, &of_order("shipments"), both).await.problem(409, "several_sellers");
    // What has arrived is not theirs to move back, whoever asks.
    app.rehearse(&mai.owner, &format!("/shipments/{gone}/lose"), json!({ "reason": "r", "resend": true }))
        .await
        .problem(409, "invalid_transition");
    assert_eq!(app.everything().await, before, "a refused command, or a dry run, left a trace");
    scene.app.finish().await;
}

#[tokio::test]
async fn a_seller_who_buys_from_themselves_is_both() {
    let app = TestApp::new().await;
    let sam = app.seller("sam").await;
    let shirt = app.variant().of(&sam).create().await;
    let order = app.place(&sam.owner, &[(&shirt, 1)]).await;
    app.pay(&sam.owner, &order).await;
    let share = app.get(&sam.owner, &format!("/businesses/{}/orders/{order}", sam.id)).await.ok(200);
    assert_eq!(names(&share["allowed_actions"]), ["create_shipment", "cancel_lines"]);
    let parcel = app.pack(&sam.owner, &order, &[(1, 1)]).await;
    let seen = app.get(&sam.owner, &format!("/shipments/{parcel}")).await.ok(200);
    assert_eq!(names(&seen["shipment"]["allowed_actions"]), ["ship", "cancel"]);
    app.parcel(&sam.owner, &parcel, "ship", json!({})).await.ok(200);
    app.finish().await;
}

/// What the commands answer, rehearsed: allowed, or the code of the refusal.
type Rehearsed = BTreeMap<String, Option<String>>;

/// What somebody was told that they may do and may not.
fn told(view: &Value) -> Rehearsed {
    let allowed = names(&view["allowed_actions"]).into_iter().map(|action| (action, None));
    allowed.chain(refused(view).into_iter().map(|(action, code)| (action, Some(code)))).collect()
}

impl Scene {
    /// Rehearses what somebody was told about, and compares.
    async fn check(&self, person: &Person, view: &Value, at: &str, commands: &[(&str, String, Value)]) {
        let told = told(view);
        let mut found = Rehearsed::new();
        for action in told.keys().filter(|action| *action != "pay") {
            let (_, path, body) = commands
                .iter()
                .find(|(name, ..)| name == action)
                .unwrap_or_else(|| panic!("{}, {at}: {action} is no command", person.name));
            let answer = self.app.rehearse(person, path, body.clone()).await;
            let code = (answer.status != 200).then(|| text(&answer.json(), "code"));
            found.insert(action.clone(), code);
        }
        let told: Rehearsed = told.into_iter().filter(|(action, _)| action != "pay").collect();
        assert_eq!(told, found, "{}, {at}: told, and found", person.name);
    }

    /// Compares what everybody is told with what they can do, of the order, its parcels and its returns.
    async fn check_everybody(&self, at: &str) -> BTreeSet<String> {
        let (app, order) = (&self.app, &self.order);
        let whole = app.order(&self.olga, order).await;
        let payments = app.get(&self.olga, &format!("/orders/{order}/payments")).await.ok(200);
        let held = payments["data"].as_array().unwrap().iter().find(|one| one["state"] == "authorized");
        let payment = held.map_or_else(|| order.clone(), |one| text(one, "id"));
        let why = json!({ "reason": "r" });
        // A line of which a unit can be moved this way, if there is one.
        let some = |of: &dyn Fn(&Value) -> i64, business: Option<&str>| {
            let lines = whole["lines"].as_array().unwrap().iter();
            let mut lines = lines.filter(|line| business.is_none_or(|id| line["business_id"] == id));
            let position =
                lines.clone().find(|line| of(line) > 0).or_else(|| lines.next()).unwrap()["position"].clone();
            json!([{ "position": position, "quantity": 1 }])
        };
        let count = |line: &Value, name: &str| line[format!("{name}quantity")].as_i64().unwrap();
        let open = |line: &Value| {
            ["cancelled_", "packed_", "shipped_"].iter().fold(count(line, ""), |left, name| left - count(line, name))
        };
        let returnable =
            |line: &Value| count(line, "delivered_") - count(line, "returned_") - count(line, "returning_");
        let of_order = |verb: &str| format!("/orders/{order}/{verb}");
        let commands = |business: Option<&str>| {
            let cancel_lines = match business {
                Some(id) => format!("/businesses/{id}/orders/{order}/cancel-lines"),
                None => of_order("cancel-lines"),
            };
            vec![
                ("cancel", of_order("cancel"), why.clone()),
                ("cancel_lines", cancel_lines, json!({ "lines": some(&open, business), "reason": "r" })),
                ("request_return", of_order("returns"), json!({ "lines": some(&returnable, business), "reason": "r" })),
                ("create_shipment", of_order("shipments"), json!({ "lines": some(&open, business) })),
                ("confirm", of_order("confirm"), json!({ "method": "other" })),
                ("record_payment", of_order("payments/offline"), json!({ "amount": usd(1), "method": "other" })),
                ("capture", of_order(&format!("payments/{payment}/capture")), json!({})),
                ("void", of_order(&format!("payments/{payment}/void")), why.clone()),
                ("refund", of_order("refunds"), json!({ "kind": "full", "reason": "r" })),
                ("hold", of_order("hold"), why.clone()),
                ("release", of_order("release"), Value::Null),
                ("complete", of_order("complete"), why.clone()),
            ]
        };
        let mut allowed = BTreeSet::new();
        for person in [&self.alice, &self.olga] {
            let view = app.order(person, order).await;
            allowed
                .extend(names(&view["allowed_actions"]).into_iter().map(|action| format!("{} {action}", person.name)));
            self.check(person, &view, at, &commands(None)).await;
        }
        for shop in [&self.sam, &self.mai] {
            let view = app.get(&shop.owner, &self.share(shop)).await.ok(200);
            allowed.extend(
                names(&view["allowed_actions"]).into_iter().map(|action| format!("{} {action}", shop.owner.name)),
            );
            self.check(&shop.owner, &view, at, &commands(Some(&shop.id))).await;
        }
        for parcel in ids(&whole["shipments"]) {
            let of_parcel = |verb: &str| format!("/shipments/{parcel}/{verb}");
            let commands = [
                ("ship", of_parcel("ship"), json!({})),
                ("deliver", of_parcel("deliver"), Value::Null),
                ("cancel", of_parcel("cancel"), why.clone()),
                ("lose", of_parcel("lose"), json!({ "reason": "r", "resend": false })),
            ];
            for person in [&self.alice, &self.olga, &self.sam.owner, &self.mai.owner] {
                let answer = app.get(person, &format!("/shipments/{parcel}")).await;
                if answer.status == 200 {
                    self.check(person, &answer.json()["shipment"], at, &commands).await;
                }
            }
        }
        for goods in whole["returns"].as_array().unwrap() {
            let of_goods = |verb: &str| format!("/returns/{}/{verb}", text(goods, "id"));
            let position = i16::try_from(goods["lines"][0]["position"].as_i64().unwrap()).unwrap();
            let commands = [
                ("approve", of_goods("approve"), json!({})),
                ("reject", of_goods("reject"), json!({})),
                ("receive", of_goods("receive"), came_back(&[(position, 1, 0)])),
                ("close", of_goods("close"), json!({})),
                ("cancel", of_goods("cancel"), Value::Null),
            ];
            for person in [&self.alice, &self.olga, &self.sam.owner, &self.mai.owner] {
                let answer = app.get(person, &format!("/returns/{}", text(goods, "id"))).await;
                if answer.status == 200 {
                    self.check(person, &answer.json()["return"], at, &commands).await;
                }
            }
        }
        allowed
    }
}

#[tokio::test]
async fn everybody_is_told_what_they_may_do_and_no_more() {
    let scene = Scene::new().await;
    let Scene { app, sam, mai, alice, olga, order, .. } = &scene;
    let mut allowed = scene.check_everybody("pending").await;
    assert_eq!(told(&app.order(alice, order).await).len(), 4, "pay, cancel, cancel_lines, request_return");
    let (hold, release) = (format!("/orders/{order}/hold"), format!("/orders/{order}/release"));
    app.act(olga, &hold, json!({ "reason": "r" })).await.ok(200);
    allowed.extend(scene.check_everybody("held").await);
    app.act(olga, &release, Value::Null).await.ok(200);
    app.authorize(alice, order, None).await;
    allowed.extend(scene.check_everybody("authorised").await);
    let first = app.pack(&sam.owner, order, &[(1, 4)]).await;
    app.act(olga, &hold, json!({ "reason": "r" })).await.ok(200);
    allowed.extend(scene.check_everybody("packed and held").await);
    app.act(olga, &release, Value::Null).await.ok(200);
    app.parcel(&sam.owner, &first, "ship", json!({})).await.ok(200);
    allowed.extend(scene.check_everybody("sent and being captured").await);
    app.run_jobs().await;
    allowed.extend(scene.check_everybody("sent").await);
    app.parcel(&sam.owner, &first, "deliver", Value::Null).await.ok(200);
    app.send_off(&mai.owner, order, &[(2, 3)]).await;
    app.cancel_lines(olga, order, &[(2, 1)]).await.ok(200);
    allowed.extend(scene.check_everybody("all sent").await);
    app.act(olga, &format!("/orders/{order}/complete"), json!({ "reason": "r" })).await.ok(200);
    let goods = app.request_return(alice, order, &[(1, 2)]).await;
    allowed.extend(scene.check_everybody("a return").await);
    app.goods(&sam.owner, &goods, "approve", json!({})).await.ok(200);
    app.goods(&sam.owner, &goods, "receive", came_back(&[(1, 1, 0)])).await.ok(200);
    app.run_jobs().await;
    allowed.extend(scene.check_everybody("half back").await);
    app.goods(&sam.owner, &goods, "receive", came_back(&[(1, 0, 1)])).await.ok(200);
    app.refund(olga, order, json!({ "kind": "full" })).await.ok(200);
    app.run_jobs().await;
    allowed.extend(scene.check_everybody("all back").await);
    // Everything that can be offered was, once at least.
    for action in [
        "cancel",
        "cancel_lines",
        "create_shipment",
        "capture",
        "complete",
        "confirm",
        "hold",
        "record_payment",
        "refund",
        "release",
        "request_return",
        "void",
    ] {
        assert!(allowed.contains(&format!("olga {action}")), "{action} was never allowed: {allowed:?}");
    }
    for action in ["pay", "cancel", "cancel_lines", "request_return"] {
        assert!(allowed.remove(&format!("alice {action}")), "{action} was never allowed: {allowed:?}");
    }
    assert!(!allowed.iter().any(|action| action.starts_with("alice")), "{allowed:?}");
    for action in ["cancel_lines", "create_shipment"] {
        assert!(allowed.remove(&format!("mai {action}")), "{action} was never allowed: {allowed:?}");
    }
    assert!(!allowed.iter().any(|action| action.starts_with("mai")), "{allowed:?}");
    scene.app.finish().await;
}
