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

/// A way to `server` that breaks right after the server has taken a mail, the first `breaks` times: the mail is there, and
/// whoever sent it does not know.
async fn breaking_after_data(server: SocketAddr, breaks: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for turn in 0.. {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = tokio::net::TcpStream::connect(server).await.unwrap();
            tokio::spawn(async move {
                let (mut said, mut there, mut back) = (Vec::new(), [0; 16 * 1024], [0; 16 * 1024]);
                loop {
                    tokio::select! {
                        read = client.read(&mut there) => {
                            let Ok(1..) = read else { return };
                            let heard = &there[..read.unwrap()];
                            said.extend_from_slice(heard);
                            server.write_all(heard).await.unwrap();
                        }
                        read = server.read(&mut back) => {
                            let Ok(1..) = read else { return };
                            // What is answered now is that the mail was taken.
                            let is_taken = said.windows(5).any(|end| end == b"\r\n.\r\n");
                            if is_taken && turn < breaks {
                                return;
                            }
                            client.write_all(&back[..read.unwrap()]).await.unwrap();
                        }
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn c_10_a_server_that_drops_after_data_gets_the_same_mail_again() {
    let catcher = Catcher::start().await;
    let mailer = mailer(breaking_after_data(catcher.smtp, 3).await);
    let mut lost = 0;
    while let Err(error) = within(Duration::from_secs(5), mailer.send(&verify_mail("zoe@example.com", "k-1"))).await {
        assert!(matches!(error, MailError::Transient(_)), "{error:?}");
        lost += 1;
        assert!(lost <= 3, "{error:?}");
    }
    let totals = catcher.store.totals();
    assert_eq!((lost, totals.received, totals.distinct), (3, 4, 1));
    let mails = catcher.store.list(None, 10);
    assert_eq!((mails.len(), mails[0].message_id.as_str()), (1, "k-1@example.com"));
    println!("C-10: {lost} answers lost after DATA, {} copies, one Message-ID", totals.received);
}
