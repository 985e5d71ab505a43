//! Whether a command would be allowed, asked of everything that there is; and orders in every state.

use serde_json::{Value, json};

use super::{
    acts::units,
    app::{Person, TestApp},
    shop::text,
};

/// What a command answers when it is allowed.
pub const YES: &str = "yes";

impl TestApp {
    /// Tries a command: [`YES`], or the code of the problem. A dry run does everything, and rolls it back.
    pub async fn may(&self, person: &Person, path: &str, body: Value) -> String {
        let answer = self.rehearse(person, path, body).await;
        match answer.status {
            200 => YES.to_owned(),
            409 => text(&answer.json(), "code"),
            _ => panic!("{}: {} {}", answer.asked, answer.status, answer.text()),
        }
    }

    /// Tries every command on an order: the name of the command, and what was answered. `payment` is a payment of it.
    pub async fn everything_on_order(&self, staff: &Person, order: &str, payment: &str) -> Vec<(&'static str, String)> {
        let seller = &self.default_shop().await.id;
        let (reason, lines) = (json!("a reason"), units(&[(1, 1)]));
        let cancel = json!({ "lines": lines, "reason": reason });
        let amount = json!({ "amount": 1, "currency": "USD" });
        let of = |path: &str| format!("/orders/{order}/{path}");
        let commands = [
            ("cancel", of("cancel"), json!({ "reason": reason })),
            ("cancel_lines", of("cancel-lines"), cancel.clone()),
            ("cancel_seller_lines", format!("/businesses/{seller}/orders/{order}/cancel-lines"), cancel.clone()),
            ("confirm", of("confirm"), json!({ "method": "bank_transfer" })),
            ("record", of("payments/offline"), json!({ "amount": amount, "method": "bank_transfer" })),
            ("capture", of(&format!("payments/{payment}/capture")), json!({})),
            ("void", of(&format!("payments/{payment}/void")), json!({ "reason": reason })),
            ("refund", of("refunds"), json!({ "kind": "full", "reason": reason })),
            ("hold", of("hold"), json!({ "reason": reason })),
            ("release", of("release"), Value::Null),
            ("complete", of("complete"), json!({ "reason": reason })),
            ("pack", of("shipments"), json!({ "lines": lines })),
            ("return", of("returns"), cancel),
        ];
        let mut answers = vec![];
        for (name, path, body) in commands {
            answers.push((name, self.may(staff, &path, body).await));
        }
        answers
    }

    /// Whether the buyer could begin to pay. It cannot be tried without doing it, so it is done.
    pub async fn may_pay(&self, buyer: &Person, order: &str) -> String {
        let answer = self.act(buyer, &format!("/orders/{order}/payments"), json!({ "gateway": "mock" })).await;
        if answer.status == 201 { YES.to_owned() } else { text(&answer.json(), "code") }
    }

    /// What became of an UPDATE, which is not kept: nothing when the database took it, or else the name of the rule that it
    /// broke.
    pub async fn update(&self, sql: &str) -> Option<String> {
        use diesel_async::SimpleAsyncConnection;
        let mut conn = self.database.connect().await;
        conn.batch_execute("BEGIN").await.unwrap();
        let outcome = conn.batch_execute(sql).await;
        conn.batch_execute("ROLLBACK").await.unwrap();
        match outcome {
            Ok(()) => None,
            Err(diesel::result::Error::DatabaseError(_, info)) => {
                Some(info.constraint_name().map_or_else(|| info.message().to_owned(), str::to_owned))
            }
            Err(error) => panic!("{sql}: {error}"),
        }
    }
}
