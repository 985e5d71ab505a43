//! Who is asking: the permission to do something is the type of a handler's first parameter.
//!
//! The caller comes first in a handler, so that a stranger is told 401 before being told 400. Which businesses a
//! seller belongs to is data of the catalog and is asked of it, in the `WHERE` of the statement that needs it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use poem::Request;
use poem_openapi::{Enum, SecurityScheme, auth::Bearer};
use serde::{Deserialize, Serialize};

use crate::{
    ApiKeyId, Kind, NeededScope, Problem, Scopes, UserId,
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
    /// The API key that a program of theirs came with.
    pub api_key: Option<ApiKeyId>,
}

impl Caller {
    /// Somebody who logged in.
    pub const fn new(user_id: UserId, role: Role) -> Self {
        Self { user_id, role, api_key: None }
    }

    /// Whether they may work other people's orders.
    pub fn is_staff(&self) -> bool {
        self.role >= Role::Operator
    }
}

/// The owner of a token, and what the token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who.
    pub caller: Caller,
    /// For what.
    pub scopes: Scopes,
}

/// Tells who a bearer token belongs to. `accounts` implements it; the composition root hands it to every request.
pub trait VerifyToken: Send + Sync + 'static {
    /// The owner of the token, or `None` when it does not hold for whatever reason.
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Option<Verified>>;
}

/// The verifier as it travels with a request.
pub type SharedVerifier = Arc<dyn VerifyToken>;

const INSUFFICIENT_SCOPE: Kind = Kind::new("insufficient_scope", 403, "The API key is not good for this");
pub(crate) const PROBLEMS: &[Kind] = &[INSUFFICIENT_SCOPE];

async fn verified(request: &Request, bearer: &Bearer) -> Option<Verified> {
    request.data::<SharedVerifier>()?.verify(&bearer.token).await
}

async fn caller(request: &Request, bearer: &Bearer) -> Result<Caller, Problem> {
    let Some(Verified { caller, scopes }) = verified(request, bearer).await else {
        return Err(UNAUTHENTICATED.problem(
            "The access token is missing, expired or not ours. Log in or refresh, then send it as 'Authorization: Bearer …'.",
        ));
    };
    let Scopes::Only(scopes) = scopes else { return Ok(caller) };
    match request.data::<NeededScope>() {
        Some(NeededScope(Some(needed))) if scopes.contains(needed) => Ok(caller),
        Some(NeededScope(Some(needed))) => Err(INSUFFICIENT_SCOPE.problem(format!(
            "This takes a key with the scope '{}'. An administrator can make one with POST /v1/api-keys.",
            needed.name()
        ))),
        _ => Err(INSUFFICIENT_SCOPE.problem("This is for people: log in and send the access token instead of a key.")),
    }
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
    Ok(caller(request, &bearer).await?)
}

async fn check_operator(request: &Request, bearer: Bearer) -> poem::Result<Caller> {
    Ok(at_least(Role::Operator, caller(request, &bearer).await?)?)
}

async fn check_admin(request: &Request, bearer: Bearer) -> poem::Result<Caller> {
    Ok(at_least(Role::Admin, caller(request, &bearer).await?)?)
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
