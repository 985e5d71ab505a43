//! The pages behind the links in mails: no script, nothing loaded, everything escaped.

use poem_openapi::payload::Html;

use super::{NO_STORE, PageAnswer};
use crate::{Password, WeakPassword, one_time::MailedToken, store::users::UserRow, verify_email::Verification};

const STYLE: &str = "body{font:1.1rem/1.6 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1.25rem;color:#1c2230;\
background:#fff}h1{font-size:1.6rem;line-height:1.25}label,input,button{display:block;font:inherit}input{width:100%;\
box-sizing:border-box;padding:.6rem;margin:.3rem 0 1rem;border:1px solid #8a93a6;border-radius:.4rem}button{padding:.6rem 1.4rem;\
border:0;border-radius:.4rem;background:#1f4fd8;color:#fff;cursor:pointer}.problem{color:#a3121f}\
@media(prefers-color-scheme:dark){body{color:#e8ebf2;background:#14171f}.problem{color:#ff8a8f}input{background:#1f2430;color:inherit}}";

/// The page loads nothing; its one style element and its one form are its own.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const NO_REFERRER: &str = "no-referrer";

fn page(title: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>\n"
    ))
}

fn found(title: &str, body: &str) -> PageAnswer {
    PageAnswer::Ok(page(title, body), NO_STORE.to_owned(), POLICY.to_owned(), NO_REFERRER.to_owned())
}

fn not_found(title: &str, body: &str) -> PageAnswer {
    PageAnswer::NotFound(page(title, body), NO_STORE.to_owned(), POLICY.to_owned(), NO_REFERRER.to_owned())
}

/// The address is verified.
pub(super) fn verified(verification: Verification) -> PageAnswer {
    match verification {
        Verification::Now => found("Your e-mail address is confirmed", "<p>Thank you. You can log in now.</p>"),
        Verification::Before => {
            found("Your e-mail address is already confirmed", "<p>There is nothing more to do. You can log in.</p>")
        }
    }
}

/// The verification link does not hold.
pub(super) fn verification_link_is_dead() -> PageAnswer {
    not_found(
        "This link does not work",
        "<p>It is incomplete, older than 24 hours, or was used before. Check that you copied all of it, or ask for \
         another mail where you registered.</p>",
    )
}

/// The form for a new password.
pub(super) fn reset_form(user: &UserRow, token: &MailedToken) -> PageAnswer {
    let greeting = format!("<p>For the account <strong>{}</strong>.</p>", escaped(&user.username));
    found("Choose a new password", &format!("{greeting}{}", form(token, "reset-password/form")))
}

/// The form once more, because the password was not taken.
pub(super) fn reset_form_again(token: &MailedToken, why: WeakPassword) -> PageAnswer {
    let body = format!("<p class=\"problem\">{}</p>{}", escaped(&why.to_string()), form(token, "form"));
    let page = page("Choose a new password", &body);
    PageAnswer::Conflict(page, NO_STORE.to_owned(), POLICY.to_owned(), NO_REFERRER.to_owned())
}

/// The password is replaced.
pub(super) fn password_is_changed() -> PageAnswer {
    found("Your password is changed", "<p>You are logged out everywhere. Log in with the new password.</p>")
}

/// The reset link does not hold.
pub(super) fn reset_link_is_dead() -> PageAnswer {
    not_found(
        "This link does not work",
        "<p>It is incomplete, older than an hour, or was used before. Check that you copied all of it, or ask for \
         another mail where you log in.</p>",
    )
}

/// The form, sent to `action`: relative to the page that shows it, so that it works behind any prefix.
fn form(token: &MailedToken, action: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"token\" value=\"{}\">\
         <label for=\"password\">New password, {} to {} characters</label>\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"new-password\" required minlength=\"{}\" \
         maxlength=\"{}\"><button>Change the password</button></form>",
        escaped(token.as_str()),
        Password::MIN,
        Password::MAX,
        Password::MIN,
        Password::MAX,
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_into_a_page_is_escaped() {
        assert_eq!(escaped("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
    }
}
