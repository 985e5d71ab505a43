//! What people write down about an order, and who may read it.

use serde_json::{Value, json};

use crate::support::app::{Person, TestApp};

async fn write(
    app: &TestApp,
    person: &Person,
    order: &str,
    key: &str,
    visibility: &str,
    body: &str,
) -> crate::support::answer::Answer {
    app.command(person, &format!("/orders/{order}/notes"), key, json!({ "visibility": visibility, "body": body })).await
}

async fn bodies(app: &TestApp, person: &Person, order: &str) -> Vec<String> {
    let notes = app.get(person, &format!("/orders/{order}/notes")).await.ok(200);
    notes["data"].as_array().unwrap().iter().map(|note| note["body"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn staff_and_buyers_write_to_one_another() {
    let app = TestApp::new().await;
    let (alice, mallory, olga) = (app.customer("alice").await, app.customer("mallory").await, app.operator().await);
    let shop = app.seller("mai").await;
    let shirt = app.variant().of(&shop).create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    app.run_jobs().await;
    app.outbox.take();

    let key = app.key();
    let note = write(&app, &olga, &order, &key, "internal", "Looks like a reseller").await.ok(201);
    assert_eq!((&note["author_kind"], &note["author_id"]), (&json!("operator"), &json!(olga.id.to_string())));
    let again = write(&app, &olga, &order, &key, "internal", "Looks like a reseller").await;
    assert_eq!((again.header("idempotency-replayed"), again.ok(201)), (Some("true"), note));
    write(&app, &olga, &order, &key, "internal", "Something else").await.problem(422, "idempotency_key_reused");
    write(&app, &olga, &order, &app.key(), "customer", "We have found\nyour parcel.").await.ok(201);
    let hers = write(&app, &alice, &order, &app.key(), "customer", "Thank you!").await.ok(201);
    assert_eq!((&hers["author_kind"], hers.get("author_id")), (&json!("customer"), None));

    assert_eq!(
        bodies(&app, &olga, &order).await,
        ["Looks like a reseller", "We have found\nyour parcel.", "Thank you!"]
    );
    assert_eq!(bodies(&app, &alice, &order).await, ["We have found\nyour parcel.", "Thank you!"]);
    write(&app, &alice, &order, &app.key(), "internal", "I am staff").await.problem(403, "forbidden");
    for stranger in [&mallory, &shop.owner] {
        for visibility in ["internal", "customer"] {
            write(&app, stranger, &order, &app.key(), visibility, "Hello").await.problem(404, "not_found");
        }
        app.get(stranger, &format!("/orders/{order}/notes")).await.problem(404, "not_found");
    }
    let path = format!("/orders/{order}/notes");
    app.post(&olga, &path, json!({ "visibility": "internal", "body": "x" }))
        .await
        .problem(400, "idempotency_key_required");

    let page = app.get(&olga, &format!("{path}?limit=2")).await.ok(200);
    let next = page["next_cursor"].as_str().unwrap();
    let rest = app.get(&olga, &format!("{path}?limit=2&cursor={next}")).await.ok(200);
    assert_eq!((rest["data"].as_array().unwrap().len(), rest.get("next_cursor")), (1, None));

    app.run_jobs().await;
    let mails = app.outbox.take();
    assert_eq!(mails.iter().map(|mail| mail.template.as_str()).collect::<Vec<_>>(), ["order_note"]);
    assert_eq!(
        (&mails[0].to.to_string(), &mails[0].context["note"]),
        (&alice.address(), &json!("We have found\nyour parcel."))
    );
    app.finish().await;
}

#[tokio::test]
async fn what_was_written_stays() {
    let app = TestApp::new().await;
    let (alice, olga) = (app.customer("alice").await, app.operator().await);
    let shirt = app.variant().create().await;
    let order = app.place(&alice, &[(&shirt, 1)]).await;
    write(&app, &olga, &order, &app.key(), "internal", "x".repeat(2_000).as_str()).await.ok(201);
    for bad in [String::new(), "x".repeat(2_001), "a\0b".to_owned()] {
        write(&app, &olga, &order, &app.key(), "internal", &bad).await.problem(400, "invalid_request");
    }
    for sql in [
        "UPDATE orders.notes SET body = 'nothing'",
        "DELETE FROM orders.notes",
        "TRUNCATE orders.notes",
        "TRUNCATE orders.events",
        "TRUNCATE orders.adjustments",
    ] {
        let refused =
            diesel_async::RunQueryDsl::execute(diesel::sql_query(sql), &mut app.database.connect().await).await;
        assert!(refused.unwrap_err().to_string().contains("append-only"), "{sql}");
    }
    let left: Value = app.get(&olga, &format!("/orders/{order}/notes")).await.ok(200);
    assert_eq!(left["data"].as_array().unwrap().len(), 1);
    app.finish().await;
}
