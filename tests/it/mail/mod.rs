//! Mail from the mailer to the catcher, and what happens when the server misbehaves.

mod catcher;
mod mailer;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use kernel::{SystemClock, mail::Mail};
use oms::{
    mail::{MailSettings, SmtpMailer},
    mailcatcher::{MailCatcher, MailStore},
};
use serde_json::json;
use tokio::{net::TcpListener, sync::oneshot};

/// A mail catcher that runs until it is dropped.
struct Catcher {
    smtp: SocketAddr,
    http: String,
    store: Arc<MailStore>,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Catcher {
    async fn start() -> Self {
        Self::start_at("127.0.0.1:0", 1_000).await
    }

    async fn start_at(smtp: &str, keep: usize) -> Self {
        let smtp = TcpListener::bind(smtp).await.unwrap();
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let catcher = MailCatcher::new(smtp, http, keep, Arc::new(SystemClock));
        let (smtp, http) = (catcher.smtp_addr().unwrap(), format!("http://{}", catcher.http_addr().unwrap()));
        let store = catcher.store();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(catcher.run(async move { drop(stopped.await) }));
        Self { smtp, http, store, stop: Some(stop), task }
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        within(Duration::from_secs(3), self.task).await.unwrap().unwrap();
    }

    async fn json(&self, path: &str) -> serde_json::Value {
        let answer = reqwest::get(format!("{}{path}", self.http)).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }
}

pub fn mailer(server: SocketAddr) -> SmtpMailer {
    let settings =
        MailSettings::new(&server.ip().to_string(), server.port(), None, None, "The Shop <shop@example.com>").unwrap();
    SmtpMailer::new(settings, Arc::new(SystemClock)).unwrap()
}

pub fn verify_mail(to: &str, key: &str) -> Mail {
    Mail {
        to: to.to_owned(),
        template: "verify_email".to_owned(),
        context: json!({ "username": "Zoë <b>", "link": "http://127.0.0.1:8000/v?token=a.b-c&x=1", "token": "a.b-c", "expires_in_hours": 24 }),
        key: key.to_owned(),
    }
}

async fn within<F: Future>(limit: Duration, future: F) -> F::Output {
    tokio::time::timeout(limit, future).await.expect("in time")
}
