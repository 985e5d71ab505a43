//! Who of the staff did what to whom: a ledger that nobody can rewrite.
//!
//! Whoever lets staff do something that has no ledger of its own records it here, in the transaction that does it: it is
//! written if and only if it happened. Commands on orders are in `orders.events`, and so are not repeated. No passwords, no
//! secrets and no addresses are written: ids, words of ours, numbers.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods, Insertable, QueryDsl, QueryResult, Queryable};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use uuid::Uuid;

use crate::{ApiKeyId, BusinessId, Caller, OrderId, PgConn, ProductId, Role, UserId, VariantId, request};

crate::typed_id!(
    /// An entry of the trail; later ones sort after earlier ones.
    TrailId
);

mod schema {
    diesel::table! {
        kernel.trail (id) {
            id -> Uuid,
            at -> Timestamptz,
            actor_role -> Text,
            actor_id -> Nullable<Uuid>,
            api_key_id -> Nullable<Uuid>,
            request_id -> Nullable<Text>,
            action -> Text,
            subject_kind -> Text,
            subject_id -> Uuid,
            changes -> Jsonb,
        }
    }
}
use schema::trail;

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Somebody over the API.
    Caller(Caller),
    /// Whoever may run commands on the server.
    Console,
}

impl From<Caller> for Actor {
    fn from(caller: Caller) -> Self {
        Self::Caller(caller)
    }
}

impl Actor {
    const fn role(&self) -> &'static str {
        match self {
            Self::Caller(Caller { role: Role::Admin, .. }) => "admin",
            Self::Caller(_) => "operator",
            Self::Console => "console",
        }
    }

    const fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Caller(caller) => Some(caller),
            Self::Console => None,
        }
    }
}

/// What it was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    kind: &'static str,
    id: Uuid,
}

impl Subject {
    /// A thing of this kind.
    pub const fn new(kind: &'static str, id: Uuid) -> Self {
        Self { kind, id }
    }
}

macro_rules! subjects {
    ($($id:ident => $kind:literal),+ $(,)?) => {
        $(impl From<$id> for Subject {
            fn from(id: $id) -> Self {
                Self::new($kind, id.as_uuid())
            }
        })+
    };
}
subjects! {
    UserId => "user", ApiKeyId => "api_key", BusinessId => "business", ProductId => "product", VariantId => "variant",
    OrderId => "order",
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Queryable, Insertable)]
#[diesel(table_name = trail, check_for_backend(diesel::pg::Pg))]
pub struct Entry {
    /// Its id.
    pub id: TrailId,
    /// When.
    pub at: DateTime<Utc>,
    /// In which role: `operator`, `admin`, or `console` for the command line.
    pub actor_role: String,
    /// Who; nobody is known at the console.
    pub actor_id: Option<UserId>,
    /// The API key of theirs that did it.
    pub api_key_id: Option<ApiKeyId>,
    /// In which request.
    pub request_id: Option<String>,
    /// What: `user.disabled`.
    pub action: String,
    /// To what kind of thing.
    pub subject_kind: String,
    /// To which one.
    pub subject_id: Uuid,
    /// What is otherwise now.
    pub changes: Value,
}

/// Records what somebody did. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn record(
    conn: &mut PgConn,
    actor: Actor,
    action: &'static str,
    subject: impl Into<Subject> + Send,
    changes: Value,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let Subject { kind, id } = subject.into();
    let entry = Entry {
        id: TrailId::new(),
        at,
        actor_role: actor.role().to_owned(),
        actor_id: actor.caller().map(|caller| caller.user_id),
        api_key_id: actor.caller().and_then(|caller| caller.api_key),
        request_id: request::id(),
        action: action.to_owned(),
        subject_kind: kind.to_owned(),
        subject_id: id,
        changes,
    };
    diesel::insert_into(trail::table).values(entry).execute(conn).await.map(drop)
}

/// Records what the caller did if they are staff; what people do with their own things is their affair. Joins the caller's
/// transaction.
///
/// # Errors
/// What the database said.
pub async fn record_staff(
    conn: &mut PgConn,
    caller: &Caller,
    action: &'static str,
    subject: impl Into<Subject> + Send,
    changes: Value,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    if caller.is_staff() { record(conn, Actor::Caller(*caller), action, subject, changes, at).await } else { Ok(()) }
}

/// Which entries; each condition narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this person.
    pub actor: Option<UserId>,
    /// About this thing.
    pub subject: Option<Uuid>,
    /// Of this kind.
    pub action: Option<String>,
    /// At or after.
    pub since: Option<DateTime<Utc>>,
    /// Before.
    pub until: Option<DateTime<Utc>>,
}

/// Entries, the latest first, `limit` at most; those before `after`, when it is given.
///
/// # Errors
/// What the database said.
pub async fn list(conn: &mut PgConn, filter: Filter, after: Option<TrailId>, limit: i64) -> QueryResult<Vec<Entry>> {
    let mut query = trail::table.order(trail::id.desc()).limit(limit).into_boxed();
    if let Some(actor) = filter.actor {
        query = query.filter(trail::actor_id.eq(actor));
    }
    if let Some(subject) = filter.subject {
        query = query.filter(trail::subject_id.eq(subject));
    }
    if let Some(action) = filter.action {
        query = query.filter(trail::action.eq(action));
    }
    if let Some(since) = filter.since {
        query = query.filter(trail::at.ge(since));
    }
    if let Some(until) = filter.until {
        query = query.filter(trail::at.lt(until));
    }
    if let Some(after) = after {
        query = query.filter(trail::id.lt(after));
    }
    query.load(conn).await
}
