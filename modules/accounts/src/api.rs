//! The module's routes: take the request apart, call one use case, put the answer together.

mod admin;
mod admin_dto;
mod api_keys;
mod dto;
mod page;
mod problem;

use kernel::{Customer, Kind};
use poem_openapi::{
    ApiResponse, OpenApi, Tags,
    param::Query,
    payload::{Form, Html, Json},
};

use self::{
    dto::{
        AccountView, ChangePassword, ForgotPassword, LoginRequest, LogoutRequest, ProfileUpdate, RefreshRequest,
        Registration, ResendVerification, ResetPassword, ResetPasswordForm, TokenPair, VerifyEmail,
    },
    problem::{
        LoginProblem, MailRequestProblem, PasswordProblem, ProfileProblem, RefreshProblem, RegistrationProblem,
        ResetProblem, VerificationProblem,
    },
};
use crate::{
    Accounts, AccountsError, Password, WeakPassword, change_password::change_password,
    forgot_password::forgot_password, login::login, logout::logout, one_time::MailedToken, profile, refresh::refresh,
    register::register, reset_password::reset_password, session::Tokens, verify_email,
};

pub use self::{admin::AdminApi, api_keys::ApiKeysApi};

/// Every kind of problem that the module declares.
pub fn problems() -> Vec<Kind> {
    problem::KINDS.to_vec()
}

#[derive(Tags)]
enum AccountsTag {
    /// Register, prove an address, log in, stay logged in, and get back in
    #[oai(rename = "Accounts")]
    Accounts,
    /// The caller's own account
    #[oai(rename = "Me")]
    Me,
    /// Who may come in, what they may do, and what staff did
    #[oai(rename = "Administration")]
    Administration,
    /// Keys for programs
    #[oai(rename = "API keys")]
    ApiKeys,
}

/// Tokens and pages that hold them are not for caches.
const NO_STORE: &str = "no-store";

#[derive(ApiResponse)]
enum Registered {
    /// The account exists. It can log in as soon as its address is verified; the mail with the link is on its way
    #[oai(status = 201)]
    Created(Json<AccountView>),
}

#[derive(ApiResponse)]
enum Accepted {
    /// Understood. Whether a mail is sent depends on whether there is an account that needs one, which is not told
    #[oai(status = 202)]
    Accepted,
}

#[derive(ApiResponse)]
enum Done {
    /// Done
    #[oai(status = 204)]
    Done,
}

#[derive(ApiResponse)]
enum TokenAnswer {
    /// A new pair of tokens
    #[oai(status = 200)]
    Ok(
        Json<TokenPair>,
        /// Not for caches
        #[oai(header = "Cache-Control")]
        String,
    ),
}

impl From<Tokens> for TokenAnswer {
    fn from(tokens: Tokens) -> Self {
        Self::Ok(Json(tokens.into()), NO_STORE.to_owned())
    }
}

#[derive(ApiResponse)]
enum PageAnswer {
    /// A page for people
    #[oai(status = 200)]
    Ok(
        Html<String>,
        /// Not for caches
        #[oai(header = "Cache-Control")]
        String,
        /// The page loads nothing and runs nothing
        #[oai(header = "Content-Security-Policy")]
        String,
        /// The link holds a token that is nobody else's business
        #[oai(header = "Referrer-Policy")]
        String,
    ),
    /// A page for people: the link does not hold (any more)
    #[oai(status = 404)]
    NotFound(
        Html<String>,
        /// Not for caches
        #[oai(header = "Cache-Control")]
        String,
        /// The page loads nothing and runs nothing
        #[oai(header = "Content-Security-Policy")]
        String,
        /// The link holds a token that is nobody else's business
        #[oai(header = "Referrer-Policy")]
        String,
    ),
    /// A page for people: the password cannot be taken, with the form to choose another
    #[oai(status = 409)]
    Conflict(
        Html<String>,
        /// Not for caches
        #[oai(header = "Cache-Control")]
        String,
        /// The page loads nothing and runs nothing
        #[oai(header = "Content-Security-Policy")]
        String,
        /// The link holds a token that is nobody else's business
        #[oai(header = "Referrer-Policy")]
        String,
    ),
}

/// Registration, tokens and forgotten passwords.
#[derive(Clone)]
pub struct AuthApi {
    accounts: Accounts,
}

impl AuthApi {
    /// The routes under `/auth`.
    pub fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }
}

#[OpenApi(prefix_path = "/auth", tag = "AccountsTag::Accounts")]
impl AuthApi {
    /// Register
    ///
    /// Answers as soon as the account is stored. The mail with the verification link is sent by a worker, also when
    /// the mail server is away at the moment; until the link is used the account cannot log in.
    #[oai(path = "/register", method = "post", operation_id = "registerAccount")]
    async fn register(&self, body: Json<Registration>) -> Result<Registered, RegistrationProblem> {
        let Registration { username, email, password } = body.0;
        let user = register(&self.accounts, username, email, password).await?;
        Ok(Registered::Created(Json(user.into())))
    }

    /// Verify an address by the link in the mail
    ///
    /// For people: answers a page. Programs use the POST form of this operation. Following a link again that has
    /// already worked is fine.
    #[oai(path = "/verify-email", method = "get", operation_id = "openVerificationLink")]
    async fn open_verification_link(
        &self,
        /// The token from the mail
        token: Query<MailedToken>,
    ) -> Result<PageAnswer, MailRequestProblem> {
        match verify_email::verify_email(&self.accounts, &token.0).await {
            Ok(verification) => Ok(page::verified(verification)),
            Err(AccountsError::InvalidToken) => Ok(page::verification_link_is_dead()),
            Err(error) => Err(error.into()),
        }
    }

    /// Verify an address by the token in the mail
    ///
    /// For programs. A token is good once, for 24 hours.
    #[oai(path = "/verify-email", method = "post", operation_id = "verifyEmail")]
    async fn verify_email(&self, body: Json<VerifyEmail>) -> Result<Done, VerificationProblem> {
        match verify_email::verify_email(&self.accounts, &body.0.token).await? {
            verify_email::Verification::Now => Ok(Done::Done),
            verify_email::Verification::Before => Err(AccountsError::InvalidToken.into()),
        }
    }

    /// Ask for another verification mail
    ///
    /// The answer is always the same. An account is sent at most five such mails in an hour.
    #[oai(path = "/resend-verification", method = "post", operation_id = "resendVerification")]
    async fn resend_verification(&self, body: Json<ResendVerification>) -> Result<Accepted, MailRequestProblem> {
        verify_email::resend_verification(&self.accounts, &body.0.email).await?;
        Ok(Accepted::Accepted)
    }

    /// Log in
    ///
    /// By user name or e-mail address. The access token goes into the Authorization header of other requests and holds
    /// for 15 minutes; the refresh token is exchanged for a new pair.
    #[oai(path = "/login", method = "post", operation_id = "logIn")]
    async fn log_in(&self, body: Json<LoginRequest>) -> Result<TokenAnswer, LoginProblem> {
        Ok(login(&self.accounts, &body.0.login, &body.0.password).await?.into())
    }

    /// Exchange a refresh token for a new pair
    ///
    /// A refresh token is good once, for 30 days. Sending it again within ten seconds (an answer was lost, two tabs)
    /// is answered with the same successor; later it ends the session, because then two people have the token.
    #[oai(path = "/refresh", method = "post", operation_id = "refreshTokens")]
    async fn refresh(&self, body: Json<RefreshRequest>) -> Result<TokenAnswer, RefreshProblem> {
        Ok(refresh(&self.accounts, &body.0.refresh_token).await?.into())
    }

    /// Log out
    ///
    /// Ends the session that the refresh token belongs to. The answer is the same when it has ended before. An access
    /// token that is out holds until it expires.
    #[oai(path = "/logout", method = "post", operation_id = "logOut")]
    async fn log_out(&self, body: Json<LogoutRequest>) -> Result<Done, MailRequestProblem> {
        logout(&self.accounts, &body.0.refresh_token).await?;
        Ok(Done::Done)
    }

    /// Ask for a mail to choose a new password
    ///
    /// The answer is always the same. An account is sent at most five such mails in an hour.
    #[oai(path = "/forgot-password", method = "post", operation_id = "forgotPassword")]
    async fn forgot_password(&self, body: Json<ForgotPassword>) -> Result<Accepted, MailRequestProblem> {
        forgot_password(&self.accounts, &body.0.email).await?;
        Ok(Accepted::Accepted)
    }

    /// Choose a new password by the link in the mail
    ///
    /// For people: answers a page with a form. Programs use the POST form of this operation.
    #[oai(path = "/reset-password", method = "get", operation_id = "openResetLink")]
    async fn open_reset_link(
        &self,
        /// The token from the mail
        token: Query<MailedToken>,
    ) -> Result<PageAnswer, MailRequestProblem> {
        match crate::reset_password::find_user(&self.accounts, &token.0).await {
            Ok(user) => Ok(page::reset_form(&user, &token.0)),
            Err(AccountsError::InvalidToken) => Ok(page::reset_link_is_dead()),
            Err(error) => Err(error.into()),
        }
    }

    /// Choose a new password by the token in the mail
    ///
    /// For programs. A token is good once, for one hour. All sessions of the account end.
    #[oai(path = "/reset-password", method = "post", operation_id = "resetPassword")]
    async fn reset_password(&self, body: Json<ResetPassword>) -> Result<Done, ResetProblem> {
        reset_password(&self.accounts, &body.0.token, &body.0.password).await?;
        Ok(Done::Done)
    }

    /// Send the form of the page for a new password
    ///
    /// For people: this is where the page behind the link in the mail sends its form. Answers a page.
    #[oai(path = "/reset-password/form", method = "post", operation_id = "sendResetForm")]
    async fn send_reset_form(&self, body: Form<ResetPasswordForm>) -> Result<PageAnswer, MailRequestProblem> {
        let ResetPasswordForm { token, password } = body.0;
        let Ok(password) = Password::parse(password.as_str()) else {
            return Ok(page::reset_form_again(&token, WeakPassword::Short));
        };
        match reset_password(&self.accounts, &token, &password).await {
            Ok(()) => Ok(page::password_is_changed()),
            Err(AccountsError::InvalidToken) => Ok(page::reset_link_is_dead()),
            Err(AccountsError::WeakPassword(why)) => Ok(page::reset_form_again(&token, why)),
            Err(error) => Err(error.into()),
        }
    }
}

/// The caller's own account.
#[derive(Clone)]
pub struct MeApi {
    accounts: Accounts,
}

impl MeApi {
    /// The routes under `/me`.
    pub fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }
}

#[OpenApi(prefix_path = "/me", tag = "AccountsTag::Me")]
impl MeApi {
    /// See one's own account
    #[oai(path = "/", method = "get", operation_id = "getMe")]
    async fn get_me(&self, caller: Customer) -> Result<Json<AccountView>, ProfileProblem> {
        let mut conn = self.accounts.pool.get().await.map_err(AccountsError::from)?;
        Ok(Json(profile::get_profile(&mut conn, caller.0.user_id).await?.into()))
    }

    /// Change one's own account
    ///
    /// What is left out stays; `null` removes a display name or telephone number.
    #[oai(path = "/", method = "patch", operation_id = "updateMe")]
    async fn update_me(
        &self,
        caller: Customer,
        body: Json<ProfileUpdate>,
    ) -> Result<Json<AccountView>, ProfileProblem> {
        Ok(Json(profile::change_profile(&self.accounts, caller.0.user_id, body.0.into()).await?.into()))
    }

    /// Change one's own password
    ///
    /// All sessions of the account end, on all devices; the answer is a new pair of tokens for this one.
    #[oai(path = "/password", method = "post", operation_id = "changePassword")]
    async fn change_password(
        &self,
        caller: Customer,
        body: Json<ChangePassword>,
    ) -> Result<TokenAnswer, PasswordProblem> {
        let ChangePassword { current_password, new_password } = body.0;
        Ok(change_password(&self.accounts, caller.0.user_id, &current_password, &new_password).await?.into())
    }
}
