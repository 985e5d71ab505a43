//! What a client does next: whatever may be done with some order, the more gladly the less often it was done before.

use std::time::{Duration, Instant};

use kernel::VariantId;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    clients::{Client, Write},
    history::code,
    shop::{Life, Person, Session, Shop},
};
use crate::{journeys::arrange::order, support::client::Answer};

/// So many orders are worked on at once.
const OPEN: usize = 96;
/// What an order is done with after so many steps.
const LONG_LIFE: usize = 40;
const PASSWORD: &str = "correct horse battery staple";

/// Kinds of commands, how gladly each is done as long as all are equally far, and how many times the mark is wanted of it: what
/// others follow has to be done more often than what ends things.
pub const COMMANDS: &[(&str, u64, usize)] = &[
    ("place", 10, 2),
    ("pay", 8, 1),
    ("pay_held", 10, 3),
    ("approve", 20, 3),
    ("decline", 12, 1),
    ("record", 6, 1),
    ("confirm", 5, 1),
    ("cancel", 2, 1),
    ("cancel_lines", 1, 1),
    ("cancel_seller_lines", 1, 1),
    ("hold", 1, 1),
    ("release", 12, 1),
    ("capture", 40, 1),
    ("void", 40, 1),
    ("pack", 12, 3),
    ("unpack", 5, 1),
    ("ship", 12, 2),
    ("deliver", 8, 1),
    ("lose", 8, 1),
    ("complete", 16, 1),
    ("refund_amount", 1, 1),
    ("refund_lines", 2, 1),
    ("refund_goodwill", 1, 1),
    ("refund_full", 1, 1),
    ("request_return", 3, 4),
    ("approve_return", 5, 2),
    ("reject_return", 6, 1),
    ("receive_return", 6, 1),
    ("close_return", 2, 1),
    ("cancel_return", 5, 1),
    ("receive_stock", 3, 1),
    ("count_stock", 2, 1),
    ("edit_product", 2, 1),
    ("register", 1, 1),
    ("refresh", 2, 1),
];

/// What could be done with an order.
enum Step<'a> {
    Command(Write<'a>),
    /// A button on a pay page.
    Press(usize, &'static str),
}

impl Step<'_> {
    fn op(&self) -> &'static str {
        match self {
            Self::Command(write) => write.op,
            Self::Press(_, verb) => verb,
        }
    }
}

impl Shop<'_> {
    /// How gladly it is done now: the more so, the further it is behind.
    fn weight(&self, op: &str) -> u64 {
        let (_, base, times) = COMMANDS.iter().find(|(name, ..)| *name == op).expect("it is listed");
        let wanted = self.target * times;
        let behind = 60 * wanted.saturating_sub(self.history.done(op)) / wanted;
        base * u64::try_from(1 + behind).unwrap()
    }

    /// Nobody needs it any more: there was enough of it, and of what follows it.
    fn is_enough(&self, op: &str) -> bool {
        let (_, _, times) = COMMANDS.iter().find(|(name, ..)| *name == op).expect("it is listed");
        self.history.done(op) >= self.target * times && (*times == 1 || self.missing().is_empty())
    }
}

/// One unit of a line that has so many left.
fn some_units<'v>(view: &'v Value, left: impl Fn(&Value) -> i64 + 'v) -> Vec<(i64, i64)> {
    let lines = view["lines"].as_array().into_iter().flatten();
    lines.map(|line| (line["position"].as_i64().unwrap(), left(line))).filter(|(_, left)| *left > 0).collect()
}

fn of(line: &Value, what: &str) -> i64 {
    line[what].as_i64().unwrap()
}

fn units(lines: &[(i64, i64)]) -> Value {
    lines.iter().map(|(position, quantity)| json!({ "position": position, "quantity": quantity })).collect()
}

fn may(view: &Value) -> Vec<&str> {
    view["allowed_actions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

impl<'a> Client<'a> {
    /// Lives until the shop closes.
    pub async fn lives(&mut self) {
        // Not all at the same instant.
        sleep(Duration::from_millis(self.dice.throw(500))).await;
        while !self.shop.is_closing() {
            let aside = ["receive_stock", "count_stock", "edit_product", "register", "refresh"];
            match self.dice.throw(100) {
                0..5 => self.browses().await,
                5..22 => {
                    let op = self.picks(&aside);
                    self.does_aside(op).await;
                }
                _ => self.works().await,
            }
        }
    }

    /// One of these kinds, the less often done the likelier.
    fn picks(&mut self, ops: &[&'static str]) -> &'static str {
        let weights: Vec<_> = ops.iter().map(|op| self.shop.weight(op)).collect();
        ops[self.index_by(&weights)]
    }

    fn index_by(&mut self, weights: &[u64]) -> usize {
        let mut throw = self.dice.throw(weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            if throw < *weight {
                return index;
            }
            throw -= weight;
        }
        0
    }

    fn somebody(&mut self) -> &'a Person {
        let shop = self.shop;
        &shop.buyers[self.dice.index(shop.buyers.len())]
    }

    async fn browses(&mut self) {
        let (who, product) = (self.somebody(), &self.shop.product);
        let path = match self.dice.throw(4) {
            0 => "/v1/products?limit=20".to_owned(),
            1 => format!("/v1/products/{product}"),
            2 => "/v1/orders?limit=20".to_owned(),
            _ => "/v1/me".to_owned(),
        };
        self.reads_page(who, &path).await;
    }

    async fn does_aside(&mut self, op: &'static str) {
        match op {
            "receive_stock" => self.receives().await,
            "count_stock" => self.counts().await,
            "edit_product" => self.edits().await,
            "register" => self.registers().await,
            _ => self.refreshes().await,
        }
    }

    /// Whoever may work with the goods: the seller, or staff.
    fn merchant(&mut self) -> &'a Person {
        if self.chance(50) { &self.shop.seller } else { &self.shop.operator }
    }

    async fn receives(&mut self) {
        let variant = self.shop.hot[self.dice.index(self.shop.hot.len())];
        let key = self.shop.key("receive_stock");
        let body = json!({ "quantity": 10 + self.dice.throw(50), "reason": key });
        let write =
            Write::post("receive_stock", self.merchant(), format!("/v1/variants/{variant}/stock/receive"), &body);
        if self.insists_as(&write, &key).await.is_some() {
            self.doubts(&write, &key).await;
        }
    }

    async fn counts(&mut self) {
        let shop = self.shop;
        let shelf = if self.chance(80) { &shop.cold } else { &shop.hot };
        let (variant, who) = (shelf[self.dice.index(shelf.len())], self.merchant());
        let path = format!("/v1/variants/{variant}/stock");
        let Some(seen) = self.reads_page(who, &path).await else { return };
        let key = self.shop.key("count_stock");
        let found = seen.json()["on_hand"].as_i64().unwrap() + if self.chance(60) { 3 } else { -2 };
        let body = json!({ "on_hand": found.max(0), "reason": key });
        let mut write = Write::post("count_stock", who, format!("{path}/count"), &body);
        write.if_match = seen.header("etag").map(str::to_owned);
        if self.insists_as(&write, &key).await.is_some_and(|answer| Self::is_done(&answer)) {
            self.doubts(&write, &key).await;
        }
    }

    async fn edits(&mut self) {
        let (who, path) = (self.merchant(), format!("/v1/products/{}", self.shop.product));
        let Some(seen) = self.reads_page(who, &path).await else { return };
        let key = self.shop.key("edit_product");
        let write = Write {
            method: "PATCH",
            if_match: seen.header("etag").map(str::to_owned),
            is_keyed: false,
            ..Write::post("edit_product", who, path, &json!({ "description": key }))
        };
        let Some(answer) = self.insists_as(&write, &key).await else { return };
        if Self::is_done(&answer) {
            self.shop.edited(write.if_match.as_deref(), answer.header("etag"), &key);
        }
    }

    async fn registers(&mut self) {
        let key = self.shop.key("register");
        let name = key.replace('-', "");
        let body = json!({ "username": name, "email": format!("{name}@example.com"), "password": format!("a pass phrase {key}") });
        let write = Write {
            op: "register",
            who: None,
            method: "POST",
            path: "/v1/auth/register".to_owned(),
            body: body.to_string(),
            if_match: None,
            is_keyed: false,
            makes: Some("/id"),
        };
        self.insists_as(&write, &key).await;
    }

    /// Exchanges a session's token for the next one.
    async fn refreshes(&mut self) {
        let Some(mut session) = self.shop.takes_session(&mut self.dice) else { return };
        let (op, path, body) = match &session.refresh_token {
            Some(token) => ("refresh", "/v1/auth/refresh", json!({ "refresh_token": token })),
            None => {
                let name = &self.shop.buyers[session.person].name;
                ("log_in", "/v1/auth/login", json!({ "login": name, "password": PASSWORD }))
            }
        };
        let write = Write {
            op,
            who: None,
            method: "POST",
            path: path.to_owned(),
            body: body.to_string(),
            if_match: None,
            is_keyed: false,
            makes: None,
        };
        let Some((key, answer)) = self.insists(&write).await else { return };
        session.refresh_token = None;
        if Self::is_done(&answer) {
            session.refresh_token = answer.json()["refresh_token"].as_str().map(str::to_owned);
        } else if self.shop.history.is_certain(&key) {
            self.shop.history.violated(format!("{key}: a refresh token that was just handed out does not hold"));
        }
        self.shop.sessions.borrow_mut().push(session);
    }

    /// Places an order, or takes one and does something with it.
    async fn works(&mut self) {
        if self.shop.takes_delivery() && self.chance(40) {
            return self.receives().await;
        }
        let open = self.shop.lives.borrow().len();
        if open < OPEN / 2 || (open < OPEN && self.chance(25)) {
            return self.places().await;
        }
        let index = self.dice.index(open);
        // Some are worked on by two at once.
        let shared = self.chance(5);
        let mut life = if shared {
            self.shop.lives.borrow()[index].clone()
        } else {
            self.shop.lives.borrow_mut().swap_remove(index)
        };
        let goes_on = self.goes_on(&mut life).await;
        life.steps += 1;
        if goes_on && !shared && life.steps < LONG_LIFE {
            self.shop.lives.borrow_mut().push(life);
        }
    }

    async fn places(&mut self) {
        let (shop, buyer) = (self.shop, self.dice.index(self.shop.buyers.len()));
        let mut hot = shop.hot.clone();
        self.dice.shuffle(&mut hot);
        let count = 1 + self.dice.index(3);
        let lines: Vec<(VariantId, i32)> = hot
            .into_iter()
            .take(count)
            .map(|variant| (variant, 1 + i32::try_from(self.dice.throw(3)).unwrap()))
            .collect();
        let who = &shop.buyers[buyer];
        let body = serde_json::from_str(&order(&lines)).unwrap();
        let write = Write::post("place", who, "/v1/orders".to_owned(), &body).making("/id");
        let Some((key, answer)) = self.insists(&write).await else { return };
        if !Self::is_done(&answer) {
            if code(&answer) == "out_of_stock" {
                shop.is_sold_out();
            }
            return;
        }
        self.doubts(&write, &key).await;
        // Some never come back, and their orders expire.
        if !self.chance(4) {
            let id = answer.json()["id"].as_str().unwrap().to_owned();
            shop.lives.borrow_mut().push(Life { id, buyer, pages: vec![], held: vec![], view: None, steps: 0 });
        }
    }

    /// Does something with an order; whether there may be more to do.
    async fn goes_on(&mut self, life: &mut Life) -> bool {
        let path = format!("/v1/orders/{}", life.id);
        let view = match life.view.take() {
            Some(view) => view,
            None => match self.reads_page(&self.shop.operator, &path).await {
                Some(answer) => answer.json(),
                None => return true,
            },
        };
        let mut steps = self.steps(life, &view);
        if steps.is_empty() {
            // Money may be on its way: somebody looks again later.
            return view["closed_at"].is_null() && life.steps < 20;
        }
        if steps.iter().all(|step| self.shop.is_enough(step.op())) && self.chance(70) {
            // Everybody has seen enough of this; another order is more interesting.
            return false;
        }
        let weights: Vec<_> = steps.iter().map(|step| self.shop.weight(step.op())).collect();
        match steps.swap_remove(self.index_by(&weights)) {
            Step::Press(page, verb) => self.presses(&life.pages.swap_remove(page), verb).await,
            Step::Command(write) => {
                let Some((key, answer)) = self.insists(&write).await else { return true };
                if Self::is_done(&answer) {
                    self.learns(life, &write, &answer);
                    self.doubts(&write, &key).await;
                }
            }
        }
        true
    }

    fn learns(&mut self, life: &mut Life, write: &Write<'a>, answer: &Answer) {
        let op = write.op;
        if write.who.is_some_and(|who| who.id == self.shop.operator.id)
            && write.path.starts_with("/v1/orders/")
            && op != "pack"
        {
            life.view = Some(answer.json());
        }
        if op == "pay" || op == "pay_held" {
            let payment = answer.json();
            let url = payment["pay_url"].as_str().unwrap_or_default();
            let path = url.strip_prefix(&format!("http://{}", self.shop.gateway)).unwrap_or_default().to_owned();
            if op == "pay_held" {
                life.held.push(payment["id"].as_str().unwrap().to_owned());
            }
            if !path.is_empty() && !life.pages.contains(&path) {
                life.pages.push(path);
            }
        }
    }

    /// Everything that can be done with an order now.
    fn steps(&mut self, life: &Life, view: &Value) -> Vec<Step<'a>> {
        let shop = self.shop;
        let (base, buyer, staff) = (format!("/v1/orders/{}", life.id), &shop.buyers[life.buyer], &shop.operator);
        let reason = json!({ "reason": "It is a trying day" });
        let mut steps: Vec<Step<'a>> = vec![];
        let mut add = |write: Write<'a>| steps.push(Step::Command(write));
        let post = |op, who, path: &str, body: &Value| Write::post(op, who, format!("{base}/{path}"), body);
        let money = |minor: i64| json!({ "amount": minor, "currency": view["total"]["currency"] });
        let minor = |field: &str| view[field]["amount"].as_i64().unwrap();
        let due = minor("balance_due");
        let status = view["status"].as_str().unwrap();
        let mut one_of = |lines: Vec<(i64, i64)>| -> Option<Value> {
            let (position, left) = *lines.get(self.dice.index(lines.len().max(1)))?;
            let quantity = 1 + i64::try_from(self.dice.throw(u64::try_from(left).unwrap())).unwrap();
            Some(units(&[(position, quantity)]))
        };

        if status == "pending" && due > 0 && life.pages.is_empty() && view["authorized"]["amount"] == 0 {
            add(post("pay", buyer, "payments", &json!({ "gateway": "mock" })).making("/id"));
            add(post("pay_held", buyer, "payments", &json!({ "gateway": "mock", "capture": "manual" })).making("/id"));
        }
        for action in may(view) {
            match action {
                "cancel" => add(post("cancel", buyer, "cancel", &reason)),
                "cancel_lines" => {
                    let left = |line: &Value| {
                        of(line, "quantity")
                            - of(line, "cancelled_quantity")
                            - of(line, "packed_quantity")
                            - of(line, "shipped_quantity")
                    };
                    let Some(lines) = one_of(some_units(view, left)) else { continue };
                    let body = json!({ "lines": lines, "reason": "Too many" });
                    add(post("cancel_lines", staff, "cancel-lines", &body));
                    let path = format!("/v1/businesses/{}/orders/{}/cancel-lines", shop.business, life.id);
                    add(Write::post("cancel_seller_lines", &shop.seller, path, &body));
                }
                "request_return" => {
                    let left = |line: &Value| {
                        of(line, "delivered_quantity") - of(line, "returning_quantity") - of(line, "returned_quantity")
                    };
                    let Some(lines) = one_of(some_units(view, left)) else { continue };
                    let body = json!({ "lines": lines, "reason": "It does not fit" });
                    add(post("request_return", buyer, "returns", &body).making("/return/id"));
                }
                "create_shipment" => {
                    let left = |line: &Value| {
                        of(line, "quantity")
                            - of(line, "cancelled_quantity")
                            - of(line, "packed_quantity")
                            - of(line, "shipped_quantity")
                    };
                    let all = some_units(view, left);
                    let lines = if life.steps.is_multiple_of(3) { one_of(all) } else { Some(units(&all)) };
                    let Some(lines) = lines else { continue };
                    let who = if life.steps.is_multiple_of(2) { staff } else { &shop.seller };
                    add(post("pack", who, "shipments", &json!({ "lines": lines })).making("/shipment/id"));
                }
                "confirm" => add(post("confirm", staff, "confirm", &json!({ "method": "cash_on_delivery" }))),
                "record_payment" if due > 0 => {
                    let amount = if life.steps.is_multiple_of(4) { (due / 2).max(1) } else { due };
                    let body = json!({ "amount": money(amount), "method": "bank_transfer" });
                    add(post("record", staff, "payments/offline", &body));
                }
                "capture" | "void" => {
                    let Some(payment) = life.held.last() else { continue };
                    if action == "capture" {
                        add(post("capture", staff, &format!("payments/{payment}/capture"), &json!({})));
                    } else {
                        add(post("void", staff, &format!("payments/{payment}/void"), &reason));
                    }
                }
                "refund" => {
                    let kept = minor("captured") - minor("refunded") - minor("refunding");
                    let amount = 1 + kept / 7;
                    let why = json!("It arrived broken");
                    let sent = |line: &Value| {
                        of(line, "quantity") - of(line, "cancelled_quantity") - of(line, "refunded_quantity")
                    };
                    add(post(
                        "refund_amount",
                        staff,
                        "refunds",
                        &json!({ "kind": "amount", "amount": money(amount), "reason": why }),
                    ));
                    add(post(
                        "refund_goodwill",
                        staff,
                        "refunds",
                        &json!({ "kind": "goodwill", "amount": money(amount), "reason": why }),
                    ));
                    if let Some(lines) = one_of(some_units(view, sent)) {
                        add(post(
                            "refund_lines",
                            staff,
                            "refunds",
                            &json!({ "kind": "lines", "lines": lines, "reason": why }),
                        ));
                    }
                    add(post("refund_full", staff, "refunds", &json!({ "kind": "full", "reason": why })));
                }
                "hold" => add(post("hold", staff, "hold", &reason)),
                "release" => add(post("release", staff, "release", &Value::Null)),
                "complete" => add(post("complete", staff, "complete", &reason)),
                _ => {}
            }
        }
        for parcel in view["shipments"].as_array().into_iter().flatten() {
            let id = parcel["id"].as_str().unwrap();
            let who = if life.steps.is_multiple_of(2) { staff } else { &shop.seller };
            for action in may(parcel) {
                let (op, body) = match action {
                    "ship" => ("ship", json!({ "carrier": "Viet Post" })),
                    "deliver" => ("deliver", Value::Null),
                    "cancel" => ("unpack", reason.clone()),
                    _ => (
                        "lose",
                        json!({ "reason": "The carrier cannot find it", "resend": life.steps.is_multiple_of(2) }),
                    ),
                };
                add(Write::post(op, who, format!("/v1/shipments/{id}/{action}"), &body));
            }
        }
        for goods in view["returns"].as_array().into_iter().flatten() {
            let id = goods["id"].as_str().unwrap();
            let who = if life.steps.is_multiple_of(2) { staff } else { &shop.seller };
            for action in may(goods) {
                let (op, who, body) = match action {
                    "approve" => ("approve_return", who, json!({})),
                    "reject" => ("reject_return", who, json!({ "decision": "It was worn" })),
                    "close" => ("close_return", who, json!({})),
                    "cancel" => ("cancel_return", buyer, Value::Null),
                    _ => {
                        let lines = goods["lines"].as_array().into_iter().flatten();
                        let open = lines.map(|line| {
                            (
                                line,
                                of(line, "quantity") - of(line, "resellable_quantity") - of(line, "damaged_quantity"),
                            )
                        });
                        let Some((line, left)) = open.into_iter().find(|(_, left)| *left > 0) else { continue };
                        let damaged = i64::from(life.steps.is_multiple_of(3));
                        let back =
                            json!([{ "position": line["position"], "resellable": left - damaged, "damaged": damaged }]);
                        ("receive_return", who, json!({ "lines": back }))
                    }
                };
                add(Write::post(op, who, format!("/v1/returns/{id}/{action}"), &body));
            }
        }
        // Late money too: the page of an order that was cancelled meanwhile.
        for page in 0..life.pages.len() {
            steps.push(Step::Press(page, "approve"));
            steps.push(Step::Press(page, "decline"));
        }
        steps
    }

    /// Presses a button on a pay page, as a person does: looks at it, presses, and looks again if nothing happens.
    async fn presses(&mut self, page: &str, verb: &'static str) {
        let (history, began) = (self.shop.history, Instant::now());
        let key = self.shop.key(verb);
        history.opens(&key, verb, page);
        let mut attempt = 0;
        while !history.is_broken() && began.elapsed() < Duration::from_secs(60) {
            if attempt > 0 {
                sleep(Duration::from_millis(200)).await;
            }
            attempt += 1;
            let at = Instant::now();
            let Ok(shown) = self.gateway.send("GET", page, &[], "").await else { continue };
            let text = shown.text();
            let nonce = text.split_once(r#"name="nonce" value=""#).and_then(|(_, rest)| rest.split_once('"'));
            let Some((nonce, _)) = nonce else {
                if shown.status == 200 {
                    // Decided already: by an earlier try of ours, by time, or by somebody who shares the order.
                    let refused = Answer { status: 409, headers: vec![], body: br#"{"code":"decided"}"#.to_vec() };
                    history.answered(&key, &refused, None);
                    return;
                }
                continue;
            };
            let headers = [("content-type", "application/x-www-form-urlencoded")];
            let path = format!("{page}/{verb}");
            let outcome = self.gateway.send("POST", &path, &headers, &format!("nonce={nonce}")).await;
            history.sent(&key, attempt, "gateway", at, &outcome);
            match outcome {
                Ok(answer) if answer.status == 303 => {
                    history.answered(&key, &answer, Some(page.trim_start_matches("/pay/").to_owned()));
                    return;
                }
                _ => history.doubtful(&key),
            }
        }
    }
}

impl Shop<'_> {
    /// A session that nobody else is using.
    fn takes_session(&self, dice: &mut crate::support::load::Dice) -> Option<Session> {
        let mut sessions = self.sessions.borrow_mut();
        if sessions.is_empty() {
            return None;
        }
        let index = dice.index(sessions.len().min(20));
        Some(sessions.swap_remove(index))
    }
}
