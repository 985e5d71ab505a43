//! Why something about an account could not be done.

use kernel::{DbError, TooMany};

use crate::{HasherError, KeyError, WeakPassword};

/// Why something about an account could not be done.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// Somebody else goes by that name.
    #[error("the user name is taken")]
    UsernameTaken,
    /// There is an account with that address.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// The password is too easily guessed.
    #[error("the password is weak")]
    WeakPassword(#[source] WeakPassword),
    /// No such user, or not their password: which of the two is not said.
    #[error("user name or password is wrong")]
    InvalidCredentials,
    /// The password is right and the address was never proven.
    #[error("the e-mail address is not verified")]
    EmailNotVerified,
    /// The password is right and the account is closed.
    #[error("the account is disabled")]
    AccountDisabled,
    /// The refresh token is not ours, expired, used, or its session has ended.
    #[error("the refresh token does not hold")]
    InvalidRefreshToken,
    /// The mailed token is not ours, expired or used.
    #[error("the mailed token does not hold")]
    InvalidToken,
    /// The caller's present password is another one.
    #[error("the present password is wrong")]
    WrongPassword,
    /// The access token holds and its owner is gone or disabled.
    #[error("the account is gone or disabled")]
    Gone,
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// Too many attempts.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// There is no such API key.
    #[error("there is no such API key")]
    UnknownKey,
    /// A key that is to end before it begins.
    #[error("the API key would end in the past")]
    KeyEndsInThePast,
    /// A key that may do more than its owner, or that may decide who may do what.
    #[error("the API key's role is above its owner's")]
    KeyAboveOwner,
    /// Nobody decides about themselves.
    #[error("nobody decides about their own account")]
    OwnAccount,
    /// Somebody must be left who can decide.
    #[error("this is the last administrator; make another first, with `oms user set-role`")]
    LastAdmin,
    /// The book of who is let in could not be read in time.
    #[error("the database took too long")]
    DoorsWait(#[source] tokio::time::error::Elapsed),
    /// Hashing the password failed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// Signing failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

kernel::db_error!(AccountsError);
