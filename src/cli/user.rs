//! `oms user`: accounts from the command line.

use std::{
    io::{IsTerminal, Read},
    process::ExitCode,
};

use accounts::{AccountsError, Decision, Hasher, Password, Username, admin};
use anyhow::Context;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Parser, Subcommand, ValueEnum};
use kernel::{
    Clock, EmailAddress, PgConn, Prose, Role, SystemClock,
    db::{self, PoolSettings},
    trail::Actor,
};
use rand::Rng;

use super::serve::require_current_schema;
use crate::{
    config::{Config, Needs},
    telemetry,
};

/// Create an admin, give a role, disable or enable, reset a password, list accounts
#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add an account that may do everything; it can log in at once
    CreateAdmin {
        /// The name to log in with
        username: String,
        /// The e-mail address
        email: String,
        /// Read the password from standard input instead of making one
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give an account a role; their sessions end and they log in again
    SetRole {
        /// User name or e-mail address
        user: String,
        /// What they may do
        role: RoleName,
    },
    /// Keep an account out: no login, sessions end, API keys stop, all within a second
    Disable {
        /// User name or e-mail address
        user: String,
        /// Why; it is kept in the trail
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let an account in again
    Enable {
        /// User name or e-mail address
        user: String,
    },
    /// Give an account a new password; their sessions end and they are told by mail
    ResetPassword {
        /// User name or e-mail address
        user: String,
        /// Read the password from standard input instead of making one
        #[arg(long)]
        password_stdin: bool,
    },
    /// Show an account
    Show {
        /// User name or e-mail address
        user: String,
    },
    /// List accounts, the newest first
    List {
        /// Only those with this role
        #[arg(long)]
        role: Option<RoleName>,
        /// How many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    Customer,
    Operator,
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Customer => Self::Customer,
            RoleName::Operator => Self::Operator,
            RoleName::Admin => Self::Admin,
        }
    }
}

fn name_of(role: Role) -> &'static str {
    match role {
        Role::Customer => "customer",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    telemetry::init_quiet();
    let config = Config::load(Needs::Database)?;
    require_current_schema(&config).await?;
    let settings = PoolSettings { application_name: "oms user", ..PoolSettings::default() };
    let mut conn =
        db::connect(config.database_url.expose(), &settings).await.context("the database does not answer")?;
    let now = SystemClock.now();
    match args.action {
        Action::CreateAdmin { username, email, password_stdin } => {
            let username = Username::parse(username).context("the user name cannot be used")?;
            let email = EmailAddress::parse(email).context("the e-mail address cannot be used")?;
            let password = Chosen::new(password_stdin, username.as_str(), email.as_str())?;
            let hash = Hasher::default().hash(&password.password).await?;
            let made = admin::create_admin(&mut conn, &username, &email, &hash, now).await;
            made.map_err(|error| not_made(error, &username, &email))?;
            println!("{} is an admin now and can log in", username.as_str());
            password.tell();
        }
        Action::SetRole { user, role } => {
            let user = find(&mut conn, &user).await?;
            admin::decide(&mut conn, Actor::Console, user.id, &Decision::Role(role.into()), now).await?;
            println!("{} was {} and is {} now", user.username, name_of(user.role), name_of(role.into()));
        }
        Action::Disable { user, reason } => {
            let user = find(&mut conn, &user).await?;
            let reason = reason.map(Prose::<1, 500>::parse).transpose().context("the reason cannot be used")?;
            let decision = Decision::Disable(reason.map(|reason| reason.as_str().to_owned()));
            admin::decide(&mut conn, Actor::Console, user.id, &decision, now).await?;
            println!("{} is kept out; their sessions have ended", user.username);
        }
        Action::Enable { user } => {
            let user = find(&mut conn, &user).await?;
            admin::decide(&mut conn, Actor::Console, user.id, &Decision::Enable, now).await?;
            println!("{} may log in again", user.username);
        }
        Action::ResetPassword { user, password_stdin } => {
            let user = find(&mut conn, &user).await?;
            let password = Chosen::new(password_stdin, &user.username, &user.email)?;
            let hash = Hasher::default().hash(&password.password).await?;
            admin::reset_password(&mut conn, user.id, &hash, now).await?;
            println!("{} has a new password; sessions with the old one have ended", user.username);
            password.tell();
        }
        Action::Show { user } => print_users(&[find(&mut conn, &user).await?]),
        Action::List { role, limit } => {
            print_users(&admin::list(&mut conn, role.map(Role::from), i64::from(limit)).await?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Why there is no new administrator, and what to do when the account is there already.
fn not_made(error: AccountsError, username: &Username, email: &EmailAddress) -> anyhow::Error {
    let user = match error {
        AccountsError::UsernameTaken => username.as_str(),
        AccountsError::EmailTaken => email.as_str(),
        _ => return error.into(),
    };
    let remedy = format!(
        "`oms user set-role {user} admin` makes that account an administrator, `oms user reset-password {user}` gives it a \
         new password"
    );
    anyhow::anyhow!("{error}; {remedy}")
}

async fn find(conn: &mut PgConn, login: &str) -> anyhow::Result<admin::User> {
    admin::find(conn, login)
        .await?
        .with_context(|| format!("nobody logs in as {login:?}; `oms user list` shows who there is"))
}

fn print_users(users: &[admin::User]) {
    println!("{:<30} {:<40} {:<10} {:<10} registered", "username", "e-mail", "role", "state");
    for user in users {
        let state = match (user.disabled_at, user.email_verified_at) {
            (Some(_), _) => "disabled",
            (None, Some(_)) => "active",
            (None, None) => "unverified",
        };
        let registered = user.created_at.format("%Y-%m-%d %H:%M");
        println!("{:<30} {:<40} {:<10} {state:<10} {registered}", user.username, user.email, name_of(user.role));
    }
}

/// A password, and whether it is ours to tell.
struct Chosen {
    password: Password,
    /// What nobody knows yet.
    made: Option<String>,
}

impl Chosen {
    fn new(from_stdin: bool, username: &str, email: &str) -> anyhow::Result<Self> {
        let text = if from_stdin {
            if std::io::stdin().is_terminal() {
                eprintln!("type the password and press Enter, then Ctrl-D");
            }
            let mut text = String::new();
            std::io::stdin().take(1024).read_to_string(&mut text).context("the password cannot be read")?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        } else {
            let mut bytes = [0; 15];
            rand::rng().fill_bytes(&mut bytes);
            URL_SAFE_NO_PAD.encode(bytes)
        };
        let password = Password::parse(text.clone()).context("the password cannot be used")?;
        password.check(username, email)?;
        Ok(Self { password, made: (!from_stdin).then_some(text) })
    }

    /// Prints a password that nobody knows yet, once.
    fn tell(&self) {
        if let Some(password) = &self.made {
            println!("password: {password}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_there_already_is_made_an_administrator_by_another_command() {
        let (name, email) = (Username::parse("ada").unwrap(), EmailAddress::parse("ada@example.com").unwrap());
        let said = |error| not_made(error, &name, &email).to_string();
        assert!(said(AccountsError::UsernameTaken).contains("the user name is taken; `oms user set-role ada admin`"));
        assert!(said(AccountsError::EmailTaken).contains("`oms user reset-password ada@example.com`"));
        assert_eq!(said(AccountsError::UnknownUser), "there is no such user");
    }
}
