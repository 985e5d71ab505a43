use std::{net::SocketAddr, time::Duration};

use kernel::mail::{MailError, Mailer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{Catcher, mailer, verify_mail, within};

/// A server that plays `script` to every connection: an answer for each line it hears, and silence after the last. `None`
/// hangs up.
async fn scripted(script: Vec<Option<&'static str>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let script = script.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 16 * 1024];
                for (turn, answer) in script.into_iter().enumerate() {
                    // We speak first; what the client says is not looked at, only that it does.
                    if turn > 0 && stream.read(&mut buffer).await.unwrap_or(0) == 0 {
                        return;
                    }
                    let Some(answer) = answer else { return };
                    if stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                        return;
                    }
                }
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    address
}

async fn outcome(script: Vec<Option<&'static str>>) -> &'static str {
    let mailer = mailer(scripted(script).await).with_timeout(Duration::from_millis(300));
    match within(Duration::from_secs(2), mailer.send(&verify_mail("zoe@example.com", "k"))).await {
        Ok(()) => "sent",
        Err(MailError::Transient(_)) => "transient",
        Err(MailError::Permanent(_)) => "permanent",
    }
}

#[tokio::test]
async fn what_is_worth_trying_again_is_told_from_what_is_not() {
    let (hi, ok, go, bye) = (Some("220 hi"), Some("250 ok"), Some("354 go"), Some("221 bye"));
    for (script, expected) in [
        (vec![None], "transient"),
        (vec![Some("554 no service here")], "transient"),
        (vec![], "transient"),
        (vec![hi, Some("421 later"), bye], "transient"),
        (vec![hi, ok, Some("451 greylisted"), bye], "transient"),
        (vec![hi, ok, Some("530 log in first"), bye], "transient"),
        (vec![hi, ok, ok, Some("550 no such mailbox"), bye], "permanent"),
        (vec![hi, ok, ok, Some("452 full"), bye], "transient"),
        (vec![hi, ok, ok, Some("552 full"), bye], "transient"),
        (vec![hi, ok, ok, ok, Some("nonsense")], "transient"),
        (vec![hi, ok, ok, ok], "transient"),
        (vec![hi, ok, ok, ok, go, None], "transient"),
    ] {
        assert_eq!(outcome(script.clone()).await, expected, "{script:?}");
    }
}

#[tokio::test]
async fn a_mail_that_makes_no_sense_is_given_up_without_asking_the_server() {
    let nobody = mailer("127.0.0.1:9".parse().unwrap());
    let good = verify_mail("zoe@example.com", "k");
    let mut unknown = good.clone();
    unknown.template = "no_such_template".to_owned();
    let mut incomplete = good.clone();
    incomplete.context = serde_json::json!({});
    let mut hostile = good.clone();
    hostile.to = "zoe@example.com\r\nBcc: eve@example.com".to_owned();
    for mail in [unknown, incomplete, hostile] {
        assert!(matches!(nobody.send(&mail).await, Err(MailError::Permanent(_))), "{mail:?}");
    }
    assert!(matches!(nobody.send(&good).await, Err(MailError::Transient(_))));
}

#[tokio::test]
async fn a_server_that_comes_back_gets_the_mail() {
    let catcher = Catcher::start().await;
    let address = catcher.smtp;
    let mailer = mailer(address);
    mailer.check().await.unwrap();
    mailer.send(&verify_mail("zoe@example.com", "k-1")).await.unwrap();
    catcher.stop().await;

    let error = within(Duration::from_secs(2), mailer.send(&verify_mail("zoe@example.com", "k-2"))).await.unwrap_err();
    assert!(matches!(error, MailError::Transient(_)), "{error:?}");
    assert!(mailer.check().await.is_err());

    let catcher = Catcher::start_at(&address.to_string(), 10).await;
    mailer.send(&verify_mail("zoe@example.com", "k-2")).await.unwrap();
    assert_eq!(catcher.store.list(None, 10)[0].message_id, "k-2@example.com");
}

/// With lettre's own pool the connection of an abandoned mail is used again, and the next mail reads the answer to this one.
#[tokio::test]
async fn a_mail_that_was_given_up_on_leaves_no_trace_in_the_next() {
    let (hi, ok) = (Some("220 hi"), Some("250 ok"));
    let slow = scripted(vec![hi, ok, ok, ok]).await;
    let mailer = mailer(slow).with_timeout(Duration::from_millis(200));
    for attempt in 0..3 {
        let error = mailer.send(&verify_mail("zoe@example.com", "k")).await.unwrap_err();
        assert!(matches!(error, MailError::Transient(_)), "{attempt}: {error:?}");
    }
}

#[tokio::test]
async fn many_mails_share_few_connections_and_none_is_lost() {
    let catcher = Catcher::start().await;
    let mailer = std::sync::Arc::new(mailer(catcher.smtp));
    let start = std::time::Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let mailer = mailer.clone();
        tasks.spawn(async move {
            for n in 0..50 {
                mailer.send(&verify_mail("zoe@example.com", &format!("k-{worker}-{n}"))).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let totals = catcher.store.totals();
    assert_eq!((totals.received, totals.distinct), (400, 400));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
