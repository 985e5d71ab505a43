//! Who is asking: the permission to do something is the type of a handler's first parameter.
//!
//! The caller comes first in a handler, so that a stranger is told 401 before being told 400. Which businesses a
//! seller belongs to is data of the catalog and is asked of it, in the `WHERE` of the statement that needs it.

use std::sync::Arc;

use poem::Request;
use poem_openapi::{Enum, SecurityScheme, auth::Bearer};
use serde::{Deserialize, Serialize};

use crate::{
    Problem, UserId,
    problem::{FORBIDDEN, UNAUTHENTICATED},
};

/// What a person may do beyond their own affairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Enum)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Buys, and sells for the businesses they belong to
    Customer,
    /// Works everybody's orders
    Operator,
    /// May do everything, and decides who is an operator
    Admin,
}

/// Somebody who has shown who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Their account.
    pub user_id: UserId,
    /// What they may do.
    pub role: Role,
}

impl Caller {
    /// Whether they may work other people's orders.
    pub fn is_staff(&self) -> bool {
        self.role >= Role::Operator
    }
}

/// Tells who a bearer token belongs to. `accounts` implements it; the composition root hands it to every request.
pub trait VerifyToken: Send + Sync + 'static {
    /// The owner of the token, or `None` when it does not hold for whatever reason.
    fn verify(&self, token: &str) -> Option<Caller>;
}

/// The verifier as it travels with a request.
pub type SharedVerifier = Arc<dyn VerifyToken>;

fn caller(request: &Request, bearer: &Bearer) -> Result<Caller, Problem> {
    request.data::<SharedVerifier>().and_then(|verifier| verifier.verify(&bearer.token)).ok_or_else(|| {
        UNAUTHENTICATED.problem("The access token is missing, expired or not ours. Log in or refresh, then send it as 'Authorization: Bearer …'.")
    })
}

fn at_least(role: Role, caller: Caller) -> Result<Caller, Problem> {
    if caller.role >= role {
        Ok(caller)
    } else {
        Err(FORBIDDEN.problem(match role {
            Role::Admin => "This is for administrators.",
            Role::Customer | Role::Operator => "This is for operators. An administrator can give you that role.",
        }))
    }
}

async fn check_customer(request: &Request, bearer: Bearer) -> poem::Result<Caller> {
    std::future::ready(caller(request, &bearer)).await.map_err(poem::Error::from)
}

async fn check_operator(request: &Request, bearer: Bearer) -> poem::Result<Caller> {
    std::future::ready(caller(request, &bearer).and_then(|caller| at_least(Role::Operator, caller)))
        .await
        .map_err(poem::Error::from)
}

async fn check_admin(request: &Request, bearer: Bearer) -> poem::Result<Caller> {
    std::future::ready(caller(request, &bearer).and_then(|caller| at_least(Role::Admin, caller)))
        .await
        .map_err(poem::Error::from)
}

/// Anybody who is logged in, about their own affairs
#[derive(SecurityScheme, Debug, Clone, Copy)]
#[oai(rename = "customer", ty = "bearer", bearer_format = "JWT", checker = "check_customer")]
pub struct Customer(pub Caller);

/// Anybody who is logged in, about a business they belong to; the statement that does the work checks that they do
#[derive(SecurityScheme, Debug, Clone, Copy)]
#[oai(rename = "seller", ty = "bearer", bearer_format = "JWT", checker = "check_customer")]
pub struct Seller(pub Caller);

/// Operators and administrators
#[derive(SecurityScheme, Debug, Clone, Copy)]
#[oai(rename = "operator", ty = "bearer", bearer_format = "JWT", checker = "check_operator")]
pub struct Operator(pub Caller);

/// Administrators
#[derive(SecurityScheme, Debug, Clone, Copy)]
#[oai(rename = "admin", ty = "bearer", bearer_format = "JWT", checker = "check_admin")]
pub struct Admin(pub Caller);
