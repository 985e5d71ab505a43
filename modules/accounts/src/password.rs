//! Passwords: their length, and the ones that everybody tries first.

use std::{collections::HashSet, sync::LazyLock};

use kernel::EmailAddress;

use crate::{Username, secret::secret_text};

secret_text! {
    /// A password of 8 to 128 characters. All characters count, blanks too; control characters are refused.
    pub struct Password {
        min: Password::MIN, max: Password::MAX, pattern: r"^[^\x00-\x1f\x7f]*$",
        say: "8 to 128 characters without control characters", example: "correct horse battery staple",
    }
}

secret_text! {
    /// A password as somebody types it when they log in: whatever it is, it is compared and not judged.
    pub struct TypedPassword {
        min: 1, max: 128, pattern: r"^[^\x00-\x1f\x7f]*$",
        say: "1 to 128 characters without control characters", example: "correct horse battery staple",
    }
}

/// Why a password is too easily guessed; reads as a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// It has too few characters. Programs are told by the type, people by a page.
    #[error("The password must have at least 8 characters. Choose another, for example a few unrelated words.")]
    Short,
    /// It is among the first that are tried.
    #[error(
        "This password is among the most common ones and is tried first. Choose another, for example a few unrelated words."
    )]
    Common,
    /// It is the user name or the e-mail address.
    #[error(
        "The password must not be your user name or e-mail address. Choose another, for example a few unrelated words."
    )]
    Personal,
    /// It repeats one character, or counts.
    #[error(
        "The password must not be one repeated or counted character. Choose another, for example a few unrelated words."
    )]
    Monotonous,
}

/// The commonest passwords of eight and more characters, lower case, one a line.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

impl Password {
    /// How many characters it has at least.
    pub(crate) const MIN: usize = 8;
    /// How many characters it has at most.
    pub(crate) const MAX: usize = 128;

    /// Whether it may protect the account of `username` and `email`.
    ///
    /// # Errors
    /// Why it is too easily guessed.
    pub fn check(&self, username: &str, email: &str) -> Result<(), WeakPassword> {
        let lower = self.as_str().to_lowercase();
        let local = email.split('@').next().unwrap_or_default();
        if [username, email, local].iter().any(|own| lower == own.to_lowercase()) {
            return Err(WeakPassword::Personal);
        }
        if COMMON.contains(lower.as_str()) {
            return Err(WeakPassword::Common);
        }
        let steps: HashSet<i64> = lower
            .chars()
            .zip(lower.chars().skip(1))
            .map(|(a, b)| i64::from(u32::from(b)) - i64::from(u32::from(a)))
            .collect();
        if steps.len() == 1 && steps.iter().all(|step| (-1..=1).contains(step)) {
            return Err(WeakPassword::Monotonous);
        }
        Ok(())
    }

    /// The same check for somebody who is only just registering.
    pub(crate) fn check_for(&self, username: &Username, email: &EmailAddress) -> Result<(), WeakPassword> {
        self.check(username.as_str(), email.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), WeakPassword> {
        Password::parse(text).unwrap().check("Alice.Smith", "alice-in-shop@example.com")
    }

    #[test]
    fn s_01_common_personal_and_monotonous_passwords_are_weak() {
        for common in ["password", "Password1", "12345678", "QWERTYUIOP", "iloveyou", "letmein123"] {
            assert_eq!(check(common), Err(WeakPassword::Common), "{common}");
        }
        for personal in ["alice.smith", "ALICE.SMITH", "alice-in-shop@example.com", "alice-in-shop"] {
            assert_eq!(check(personal), Err(WeakPassword::Personal), "{personal}");
        }
        for monotonous in ["zzzzzzzzzzzzz", "bcdefghijk", "ponmlkjihg"] {
            assert_eq!(check(monotonous), Err(WeakPassword::Monotonous), "{monotonous}");
        }
        for good in ["correct horse battery staple", "日本語のパスワード", "tr0ub4dor&3"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn the_list_holds_only_what_could_be_a_password() {
        assert!(COMMON.len() >= 300, "{}", COMMON.len());
        for line in COMMON.iter() {
            assert!(Password::parse(*line).is_ok() && *line == line.to_lowercase(), "{line:?}");
        }
    }

    #[test]
    fn s_01_length_is_counted_in_characters_and_control_characters_are_refused() {
        assert!(Password::parse("1234567").is_err());
        assert!(Password::parse("ä".repeat(128)).is_ok());
        assert!(Password::parse("a".repeat(129)).is_err());
        assert!(Password::parse("pass\0word").is_err());
        assert!(Password::parse("pass\nword").is_err());
    }

    #[test]
    fn a_password_is_not_printed() {
        assert_eq!(format!("{:?}", Password::parse("correct horse").unwrap()), "Password(…)");
    }
}
