//! What the module does later: its mails, and sweeping up.

use std::time::Duration;

use kernel::{
    Job, Outcome, Queue, UserId,
    job::{JobContext, Registry},
    mail::{Mail, MailError},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Accounts, AccountsError, OneTimeTokenId,
    one_time::{Purpose, token},
    store::{one_time_tokens, sessions, users},
};

/// Sends the link that proves an address.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendVerification {
    /// The token's row.
    pub token_id: OneTimeTokenId,
}

impl Job for SendVerification {
    const KIND: &'static str = "accounts.send_verification";
    const QUEUE: Queue = Queue::Bulk;
    fn unique_key(&self) -> Option<String> {
        Some(self.token_id.to_string())
    }
}

/// Sends the link that lets somebody choose a new password.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendPasswordReset {
    /// The token's row.
    pub token_id: OneTimeTokenId,
}

impl Job for SendPasswordReset {
    const KIND: &'static str = "accounts.send_password_reset";
    const QUEUE: Queue = Queue::Bulk;
    fn unique_key(&self) -> Option<String> {
        Some(self.token_id.to_string())
    }
}

/// Tells somebody that their password was changed.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendPasswordChanged {
    /// Whose password.
    pub user_id: UserId,
}

impl Job for SendPasswordChanged {
    const KIND: &'static str = "accounts.send_password_changed";
    const QUEUE: Queue = Queue::Bulk;
}

/// Forgets tokens and sessions that can no longer be used.
#[derive(Debug, Serialize, Deserialize)]
pub struct PruneAccounts {}

impl Job for PruneAccounts {
    const KIND: &'static str = "accounts.prune";
    const QUEUE: Queue = Queue::Bulk;
    fn unique_key(&self) -> Option<String> {
        Some("prune".to_owned())
    }
}

/// Registers the module's jobs and what runs periodically.
#[must_use]
pub fn register(registry: Registry, accounts: &Accounts) -> Registry {
    let [verification, reset, changed, prune] = [(); 4].map(|()| accounts.clone());
    registry
        .on(move |job: SendVerification, _| {
            let accounts = verification.clone();
            async move { send_token(&accounts, job.token_id, Purpose::VerifyEmail).await }
        })
        .on(move |job: SendPasswordReset, _| {
            let accounts = reset.clone();
            async move { send_token(&accounts, job.token_id, Purpose::ResetPassword).await }
        })
        .on(move |job: SendPasswordChanged, context| {
            let accounts = changed.clone();
            async move { send_password_changed(&accounts, job.user_id, context).await }
        })
        .on(move |_: PruneAccounts, _| {
            let accounts = prune.clone();
            async move { Outcome::from(sweep(&accounts).await) }
        })
        .every(Duration::from_secs(3600), &PruneAccounts {})
}

async fn send_token(accounts: &Accounts, id: OneTimeTokenId, purpose: Purpose) -> Outcome {
    match token_mail(accounts, id, purpose).await {
        Ok(Some(mail)) => send(accounts, &mail).await,
        Ok(None) => Outcome::Done,
        Err(error) => Outcome::from(Err(error)),
    }
}

/// The mail, unless nobody needs it any more.
async fn token_mail(accounts: &Accounts, id: OneTimeTokenId, purpose: Purpose) -> Result<Option<Mail>, AccountsError> {
    let mut conn = accounts.pool.get().await?;
    let row = one_time_tokens::find(&mut conn, id, purpose).await?;
    let Some(row) = row.filter(|row| row.is_live(accounts.clock.now())) else { return Ok(None) };
    let Some(user) = users::find(&mut conn, row.user_id).await? else { return Ok(None) };
    let is_verified = purpose == Purpose::VerifyEmail && user.email_verified_at.is_some();
    if is_verified || user.disabled_at.is_some() || user.email != row.email {
        return Ok(None);
    }
    let token = token(&accounts.keys, purpose, row.id, row.user_id);
    let (template, path) = match purpose {
        Purpose::VerifyEmail => ("verify_email", "verify-email"),
        Purpose::ResetPassword => ("reset_password", "reset-password"),
    };
    Ok(Some(Mail {
        to: row.email,
        template: template.to_owned(),
        context: json!({
            "username": user.username,
            "link": format!("{}/v1/auth/{path}?token={token}", accounts.public_url),
            "token": token,
            "expires_in_hours": purpose.lifetime().num_hours(),
        }),
        key: format!("{template}-{id}"),
    }))
}

async fn send_password_changed(accounts: &Accounts, user: UserId, context: JobContext) -> Outcome {
    let found = async {
        let mut conn = accounts.pool.get().await?;
        Ok::<_, AccountsError>(users::find(&mut conn, user).await?)
    };
    match found.await {
        Ok(Some(user)) => {
            let mail = Mail {
                to: user.email,
                template: "password_changed".to_owned(),
                context: json!({ "username": user.username }),
                key: format!("password_changed-{}-{}", user.id, context.id),
            };
            send(accounts, &mail).await
        }
        Ok(None) => Outcome::Done,
        Err(error) => Outcome::from(Err(error)),
    }
}

async fn send(accounts: &Accounts, mail: &Mail) -> Outcome {
    match accounts.mailer.send(mail).await {
        Err(error @ MailError::Permanent(_)) => match Outcome::from(Err(error)) {
            Outcome::Retry(why) => Outcome::GiveUp(why),
            outcome => outcome,
        },
        result => Outcome::from(result),
    }
}

/// Deletes in batches, each a statement of its own, until nothing is left to delete.
async fn sweep(accounts: &Accounts) -> Result<(), AccountsError> {
    let mut conn = accounts.pool.get().await?;
    let now = accounts.clock.now();
    while one_time_tokens::prune(&mut conn, now).await? > 0 {}
    while sessions::prune_tokens(&mut conn, now).await? > 0 {}
    while sessions::prune(&mut conn, now).await? > 0 {}
    Ok(())
}
