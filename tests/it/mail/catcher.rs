use kernel::mail::Mailer;

use super::{Catcher, mailer, verify_mail};

#[tokio::test]
async fn a_mail_arrives_with_its_text_its_html_and_its_id() {
    let catcher = Catcher::start().await;
    let mailer = mailer(catcher.smtp);
    mailer.send(&verify_mail("zoe+test@example.com", "verify-1")).await.unwrap();
    mailer.send(&verify_mail("other@example.com", "verify-2")).await.unwrap();

    let list = catcher.json("/api/messages?to=zoe+test@example.com").await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!((&list["received"], &list["distinct"], &list["kept"]), (&2.into(), &2.into(), &2.into()));
    let mail = &list["data"][0];
    assert_eq!(mail["subject"], "Confirm your e-mail address");
    assert_eq!(mail["message_id"], "verify-1@example.com");
    assert_eq!(mail["from_header"], "The Shop <shop@example.com>");
    assert_eq!((&mail["from"], &mail["to"][0]), (&"shop@example.com".into(), &"zoe+test@example.com".into()));
    assert_eq!(mail["links"][0], "http://127.0.0.1:8000/v?token=a.b-c&x=1");
    assert!(mail["text"].as_str().unwrap().starts_with("Hello Zoë <b>,\n"));
    assert!(mail["html"].as_str().unwrap().contains("Hello Zoë &lt;b&gt;,"));
    assert!(mail["headers"].as_array().unwrap().iter().any(|header| header[0] == "Auto-Submitted"));

    let all = catcher.json("/api/messages").await;
    assert_eq!(all["data"][0]["to"][0], "other@example.com", "newest first");
    let one = catcher.json(&format!("/api/messages/{}", mail["id"])).await;
    assert_eq!(one["message_id"], "verify-1@example.com");
    catcher.stop().await;
}

#[tokio::test]
async fn c_10_a_mail_that_is_sent_again_is_seen_as_one() {
    let catcher = Catcher::start().await;
    let mailer = mailer(catcher.smtp);
    for key in ["verify-1", "verify-2", "verify-1", "verify-1"] {
        mailer.send(&verify_mail("zoe@example.com", key)).await.unwrap();
    }
    let list = catcher.json("/api/messages").await;
    assert_eq!((&list["received"], &list["distinct"]), (&4.into(), &2.into()));
    assert_eq!((&list["data"][0]["copies"], &list["data"][1]["copies"]), (&3.into(), &1.into()));
}

#[tokio::test]
async fn the_page_shows_mail_and_runs_nothing_in_it() {
    let catcher = Catcher::start().await;
    let mut mail = verify_mail("zoe@example.com", "verify-1");
    mail.context["username"] = "</pre><script>alert(1)</script>".into();
    mailer(catcher.smtp).send(&mail).await.unwrap();

    let index = reqwest::get(&catcher.http).await.unwrap();
    let policy = index.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("script"), "{policy}");
    let index = index.text().await.unwrap();
    assert!(index.contains("<a href=\"/messages/1\">Confirm your e-mail address</a>"), "{index}");

    let page = reqwest::get(format!("{}/messages/1", catcher.http)).await.unwrap().text().await.unwrap();
    assert!(!page.contains("<script>"), "{page}");
    assert!(
        page.contains("<iframe title=\"The mail\" sandbox=\"allow-popups allow-popups-to-escape-sandbox\" srcdoc=\"")
    );
    assert!(page.contains("&lt;!doctype html&gt;"), "the mail's HTML stands in the attribute, escaped: {page}");

    for path in ["/messages/2", "/messages/x", "/api/messages/2", "/api/messages/-1"] {
        let answer = reqwest::get(format!("{}{path}", catcher.http)).await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
    }
}

#[tokio::test]
async fn everything_can_be_deleted() {
    let catcher = Catcher::start_at("127.0.0.1:0", 2).await;
    let mailer = mailer(catcher.smtp);
    for n in 0..3 {
        mailer.send(&verify_mail("zoe@example.com", &format!("verify-{n}"))).await.unwrap();
    }
    assert_eq!(catcher.json("/api/messages?limit=1").await["data"].as_array().unwrap().len(), 1);
    assert_eq!(catcher.json("/api/messages").await["kept"], 2);
    let answer = reqwest::Client::new().delete(format!("{}/api/messages", catcher.http)).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    let list = catcher.json("/api/messages").await;
    assert_eq!((&list["data"], &list["received"]), (&serde_json::json!([]), &0.into()));
}
