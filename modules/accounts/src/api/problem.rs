//! What a client reads when something about an account cannot be done.

use kernel::{
    Kind, Problem,
    problem::{NOT_FOUND, RATE_LIMITED, UNAUTHENTICATED, UNAVAILABLE},
};

use crate::{AccountsError, HasherError};

const USERNAME_TAKEN: Kind = Kind::new("username_taken", 409, "The user name is taken");
const EMAIL_TAKEN: Kind = Kind::new("email_taken", 409, "There is an account with this e-mail address");
const WEAK_PASSWORD: Kind = Kind::new("weak_password", 409, "The password is too easily guessed");
const INVALID_CREDENTIALS: Kind = Kind::new("invalid_credentials", 401, "User name or password is wrong");
const EMAIL_NOT_VERIFIED: Kind = Kind::new("email_not_verified", 403, "The e-mail address is not verified");
const ACCOUNT_DISABLED: Kind = Kind::new("account_disabled", 403, "The account is disabled");
const INVALID_REFRESH_TOKEN: Kind = Kind::new("invalid_refresh_token", 401, "The refresh token does not hold");
const INVALID_TOKEN: Kind = Kind::new("invalid_token", 404, "The token from the mail does not hold");
const OWN_ACCOUNT: Kind = Kind::new("own_account", 409, "Nobody decides about their own account");
const LAST_ADMIN: Kind = Kind::new("last_admin", 409, "Somebody must be left who can decide");
const KEY_ABOVE_OWNER: Kind = Kind::new("key_above_owner", 409, "The key may not do more than its owner");
const KEY_ENDS_IN_THE_PAST: Kind = Kind::new("key_ends_in_the_past", 409, "The key would end before it begins");
const WRONG_PASSWORD: Kind = Kind::new("wrong_password", 403, "The present password is wrong");

/// The kinds that the module declares.
pub(super) const KINDS: &[Kind] = &[
    USERNAME_TAKEN,
    EMAIL_TAKEN,
    WEAK_PASSWORD,
    INVALID_CREDENTIALS,
    EMAIL_NOT_VERIFIED,
    ACCOUNT_DISABLED,
    INVALID_REFRESH_TOKEN,
    INVALID_TOKEN,
    WRONG_PASSWORD,
    OWN_ACCOUNT,
    LAST_ADMIN,
    KEY_ABOVE_OWNER,
    KEY_ENDS_IN_THE_PAST,
];

impl From<AccountsError> for Problem {
    fn from(error: AccountsError) -> Self {
        match error {
            AccountsError::UsernameTaken => {
                USERNAME_TAKEN.problem("Choose another user name.").with_error("username", "is taken")
            }
            AccountsError::EmailTaken => EMAIL_TAKEN
                .problem("Log in, or ask for a new password with POST /v1/auth/forgot-password.")
                .with_error("email", "belongs to an account"),
            AccountsError::WeakPassword(why) => {
                WEAK_PASSWORD.problem(why.to_string()).with_error("password", "is too easily guessed")
            }
            AccountsError::InvalidCredentials => INVALID_CREDENTIALS
                .problem("Check both and try again, or ask for a new password with POST /v1/auth/forgot-password."),
            AccountsError::EmailNotVerified => EMAIL_NOT_VERIFIED.problem(
                "Follow the link in the mail we sent you, or ask for another with POST /v1/auth/resend-verification.",
            ),
            AccountsError::AccountDisabled => ACCOUNT_DISABLED.problem("Ask the operators why, and to open it again."),
            AccountsError::InvalidRefreshToken => {
                INVALID_REFRESH_TOKEN.problem("It is unknown, expired or used, or its session has ended. Log in again.")
            }
            AccountsError::InvalidToken => {
                INVALID_TOKEN.problem("It is unknown, expired or used. Ask for another mail and use the token in that.")
            }
            AccountsError::WrongPassword => WRONG_PASSWORD
                .problem("Send the password you log in with as current_password.")
                .with_error("current_password", "is wrong"),
            AccountsError::Gone => {
                UNAUTHENTICATED.problem("The account of this access token is gone or disabled. Log in again.")
            }
            AccountsError::UnknownUser => NOT_FOUND.problem("There is no such user."),
            AccountsError::TooMany(too_many) => RATE_LIMITED.problem(format!(
                "There were too many attempts. Wait {} s and try again; who has forgotten a password asks for a new one with POST /v1/auth/forgot-password.",
                too_many.seconds()
            )),
            AccountsError::UnknownKey => NOT_FOUND.problem("There is no such API key."),
            AccountsError::OwnAccount => {
                OWN_ACCOUNT.problem("Ask another administrator to do it; that way nobody locks themselves out.")
            }
            AccountsError::LastAdmin => LAST_ADMIN.problem(
                "This is the only administrator who can log in. Make somebody else one first, then try again.",
            ),
            AccountsError::KeyAboveOwner => KEY_ABOVE_OWNER
                .problem("Choose a role that the owner has; no key is an administrator.")
                .with_error("role", "is above the owner's"),
            AccountsError::KeyEndsInThePast => KEY_ENDS_IN_THE_PAST
                .problem("Choose a later time, or leave it out for a key without an end.")
                .with_error("expires_at", "is over"),
            AccountsError::DoorsWait(_) => {
                UNAVAILABLE.problem("Nothing was changed. Send the same request again in a moment.")
            }
            AccountsError::Hasher(HasherError::Busy) => UNAVAILABLE
                .problem("Too many people are logging in at once. Nothing was changed; try again in a moment."),
            AccountsError::Hasher(error @ (HasherError::Algorithm(_) | HasherError::Interrupted(_))) => {
                Self::internal(&error)
            }
            AccountsError::Key(error) => Self::internal(&error),
            AccountsError::Db(error) => error.into(),
        }
    }
}

kernel::problem_responses! {
    /// Why somebody could not be registered.
    pub enum RegistrationProblem from AccountsError {
        /// The request is not valid
        BadRequest = 400,
        /// The user name or e-mail address is taken, or the password too easily guessed
        Conflict = 409,
        /// Too many attempts
        TooManyRequests = 429,
        /// Too busy, or the database is away
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why an address was not verified.
    pub enum VerificationProblem from AccountsError {
        /// The request is not valid
        BadRequest = 400,
        /// The token is unknown, expired or used
        NotFound = 404,
        /// Too many attempts
        TooManyRequests = 429,
        /// Too busy, or the database is away
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why something that tells nothing was not done.
    pub enum MailRequestProblem from AccountsError {
        /// The request is not valid
        BadRequest = 400,
        /// Too many attempts
        TooManyRequests = 429,
        /// Too busy, or the database is away
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why somebody is not logged in.
    pub enum LoginProblem from AccountsError {
        /// The request is not valid
        BadRequest = 400,
        /// User name or password is wrong
        Unauthorized = 401,
        /// The password is right, but the address is not verified or the account is disabled
        Forbidden = 403,
        /// Too many attempts
        TooManyRequests = 429,
        /// Too busy, or the database is away
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why a refresh token was not exchanged.
    pub enum RefreshProblem from AccountsError {
        /// The request is not valid
        BadRequest = 400,
        /// The token is unknown, expired or used, or its session has ended
        Unauthorized = 401,
        /// Too many attempts
        TooManyRequests = 429,
        /// Too busy, or the database is away
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why a password was not reset.
    pub enum ResetProblem from AccountsError {
        /// The request is not valid
        BadRequest = 400,
        /// The token is unknown, expired or used
        NotFound = 404,
        /// The password is too easily guessed
        Conflict = 409,
        /// Too many attempts
        TooManyRequests = 429,
        /// Too busy, or the database is away
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why the caller's account was not shown or changed.
    pub enum ProfileProblem from AccountsError {
        /// The request is not valid
        BadRequest = 400,
        /// The access token is missing, expired or not ours
        Unauthorized = 401,
        /// The user name is taken
        Conflict = 409,
        /// Too busy, or the database is away
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why the caller's password was not changed.
    pub enum PasswordProblem from AccountsError {
        /// The request is not valid
        BadRequest = 400,
        /// The access token is missing, expired or not ours
        Unauthorized = 401,
        /// The present password is wrong
        Forbidden = 403,
        /// The new password is too easily guessed
        Conflict = 409,
        /// Too many attempts
        TooManyRequests = 429,
        /// Too busy, or the database is away
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why something that is for administrators was not shown.
    pub enum AdminProblem from AccountsError {
        /// The request is not valid
        BadRequest = 400,
        /// The access token is missing, expired or not ours
        Unauthorized = 401,
        /// This is for administrators
        Forbidden = 403,
        /// There is no such user or key
        NotFound = 404,
        /// Too busy, or the database is away
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}

kernel::problem_responses! {
    /// Why an administrator's decision was not carried out.
    pub enum DecisionProblem from AccountsError {
        /// The request is not valid
        BadRequest = 400,
        /// The access token is missing, expired or not ours
        Unauthorized = 401,
        /// This is for administrators
        Forbidden = 403,
        /// There is no such user
        NotFound = 404,
        /// It is about the caller, or about the last administrator; or the key cannot be made like that
        Conflict = 409,
        /// Too busy, or the database is away
        Unavailable = 503,
        /// Something went wrong on our side
        Internal = 500,
    }
}
