//! The people who use the shop: how they register, prove who they are, and are told about it by mail.
//!
//! The module owns the database schema `accounts`. Siblings know a person by [`kernel::UserId`] alone and ask
//! [`contact`] when they need a name and an address.
#![forbid(unsafe_code)]

pub mod admin;
mod api;
mod api_key;
mod audit;
mod change_password;
mod contact;
mod deps;
mod doors;
mod error;
mod forgot_password;
mod hasher;
mod jobs;
mod keys;
mod login;
mod logout;
mod one_time;
mod password;
mod profile;
mod refresh;
mod register;
mod reset_password;
mod schema;
mod secret;
mod session;
mod standing;
mod store;
#[cfg(test)]
mod tests;
mod throttle;
mod username;
mod verify_email;

pub use api::{AdminApi, ApiKeysApi, AuthApi, MeApi, problems};
pub use audit::audit;
pub use contact::{Contact, contact, contacts};
pub use deps::Accounts;
pub use doors::Doors;
pub use error::AccountsError;
pub use hasher::{HashedPassword, Hasher, HasherError};
pub use jobs::{PruneAccounts, SendPasswordChanged, SendPasswordReset, SendVerification, register};
pub use keys::{KeyError, TokenKeys};
pub use one_time::OneTimeTokenId;
pub use password::{Password, WeakPassword};
pub use standing::Decision;
pub use username::Username;
