//! The objects on the wire.

use chrono::{DateTime, Utc};
use kernel::{EmailAddress, Phone, Role, UserId};
use poem_openapi::{
    Object,
    types::{Example, MaybeUndefined},
};
use serde::Deserialize;

use crate::{
    Password, Username,
    login::Login,
    one_time::MailedToken,
    password::TypedPassword,
    profile::DisplayName,
    session::{RefreshToken, Tokens},
    store::users::{ProfileChange, UserRow},
};

/// Somebody who registers
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub struct Registration {
    /// The name to log in with; upper and lower case are the same name
    pub username: Username,
    /// Where the verification link is sent
    pub email: EmailAddress,
    /// At least 8 characters, and not among the commonest; a few unrelated words are a good choice
    pub password: Password,
}

/// The token from a verification mail
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub struct VerifyEmail {
    /// The token from the mail
    pub token: MailedToken,
}

/// Whom to send another verification mail
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub struct ResendVerification {
    /// The address that was registered
    pub email: EmailAddress,
}

/// Who logs in
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub struct LoginRequest {
    /// The user name or e-mail address
    pub login: Login,
    /// The password
    pub password: TypedPassword,
}

/// What to exchange
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub struct RefreshRequest {
    /// The refresh token that was answered last
    pub refresh_token: RefreshToken,
}

/// Which session to end
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub struct LogoutRequest {
    /// A refresh token of the session
    pub refresh_token: RefreshToken,
}

/// Who forgot their password
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub struct ForgotPassword {
    /// The address that was registered
    pub email: EmailAddress,
}

/// A new password for who can read the mail
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub struct ResetPassword {
    /// The token from the mail
    pub token: MailedToken,
    /// The new password
    pub password: Password,
}

/// The form of the page behind the reset link
#[derive(Debug, Object, Deserialize)]
#[oai(deny_unknown_fields, example)]
#[serde(deny_unknown_fields)]
pub struct ResetPasswordForm {
    /// The token from the mail
    pub token: MailedToken,
    /// The new password; one that cannot be taken is answered with the form again
    pub password: TypedPassword,
}

/// What to change; what is left out stays
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub struct ProfileUpdate {
    /// Another name to log in with
    pub username: Option<Username>,
    /// What others see; `null` removes it
    pub display_name: MaybeUndefined<DisplayName>,
    /// A telephone number; `null` removes it
    pub phone: MaybeUndefined<Phone>,
}

/// A new password for who knows the present one
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub struct ChangePassword {
    /// The password to log in with until now
    pub current_password: TypedPassword,
    /// The new password
    pub new_password: Password,
}

/// What a client is handed that has shown whose it is
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
pub struct TokenPair {
    /// Goes into the Authorization header: `Bearer …`
    pub access_token: String,
    /// Always `Bearer`
    pub token_type: String,
    /// Seconds until the access token expires
    pub expires_in: i64,
    /// Is exchanged for a new pair, once
    pub refresh_token: String,
    /// Seconds until the refresh token expires
    pub refresh_expires_in: i64,
}

impl From<Tokens> for TokenPair {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access,
            token_type: "Bearer".to_owned(),
            expires_in: tokens.access_lifetime.num_seconds(),
            refresh_token: tokens.refresh,
            refresh_expires_in: tokens.refresh_lifetime.num_seconds(),
        }
    }
}

/// An account, as its owner sees it
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct AccountView {
    /// The account's id
    pub id: UserId,
    /// The name to log in with
    pub username: String,
    /// Where mail goes
    pub email: String,
    /// Whether the address is proven
    pub email_verified: bool,
    /// What the owner may do
    pub role: Role,
    /// What others see
    pub display_name: Option<String>,
    /// A telephone number
    pub phone: Option<String>,
    /// When it was registered
    pub created_at: DateTime<Utc>,
}

impl From<UserRow> for AccountView {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            role: row.role(),
            username: row.username,
            email: row.email,
            email_verified: row.email_verified_at.is_some(),
            display_name: row.display_name,
            phone: row.phone,
            created_at: row.created_at,
        }
    }
}

impl From<ProfileUpdate> for ProfileChange {
    fn from(update: ProfileUpdate) -> Self {
        Self {
            username: update.username.map(Username::into_string),
            display_name: as_change(update.display_name.map_value(DisplayName::into_string)),
            phone: as_change(update.phone.map_value(Phone::into_string)),
            ..Self::default()
        }
    }
}

/// `None` leaves the value, `Some(None)` removes it.
fn as_change<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

impl Example for Registration {
    fn example() -> Self {
        Self {
            username: Username::example("alice"),
            email: EmailAddress::example("alice@example.com"),
            password: Password::example("correct horse battery staple"),
        }
    }
}

impl Example for VerifyEmail {
    fn example() -> Self {
        Self { token: MailedToken::example("AZq7c1v9cD2bQ0nJY2l4Xw.3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") }
    }
}

impl Example for ResendVerification {
    fn example() -> Self {
        Self { email: EmailAddress::example("alice@example.com") }
    }
}

impl Example for LoginRequest {
    fn example() -> Self {
        Self { login: Login::example("alice"), password: TypedPassword::example("correct horse battery staple") }
    }
}

impl Example for RefreshRequest {
    fn example() -> Self {
        Self { refresh_token: RefreshToken::example("9Zt3hN0v7xkQm2yJ4bW8sLr1cUe6aPfGdHiKoTnVzXA") }
    }
}

impl Example for LogoutRequest {
    fn example() -> Self {
        Self { refresh_token: RefreshToken::example("9Zt3hN0v7xkQm2yJ4bW8sLr1cUe6aPfGdHiKoTnVzXA") }
    }
}

impl Example for ForgotPassword {
    fn example() -> Self {
        Self { email: EmailAddress::example("alice@example.com") }
    }
}

impl Example for ResetPassword {
    fn example() -> Self {
        Self {
            token: MailedToken::example("AZq7c1v9cD2bQ0nJY2l4Xw.3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            password: Password::example("correct horse battery staple"),
        }
    }
}

impl Example for ResetPasswordForm {
    fn example() -> Self {
        Self {
            token: MailedToken::example("AZq7c1v9cD2bQ0nJY2l4Xw.3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            password: TypedPassword::example("correct horse battery staple"),
        }
    }
}

impl Example for ProfileUpdate {
    fn example() -> Self {
        Self {
            username: Some(Username::example("alice")),
            display_name: MaybeUndefined::Value(DisplayName::example("Alice Smith")),
            phone: MaybeUndefined::Value(Phone::example("+84901234567")),
        }
    }
}

impl Example for ChangePassword {
    fn example() -> Self {
        Self {
            current_password: TypedPassword::example("correct horse battery staple"),
            new_password: Password::example("seven green lanterns sing"),
        }
    }
}
