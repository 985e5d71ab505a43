//! Reading businesses.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use kernel::{BusinessId, Caller, PgConn};
use serde::{Deserialize, Serialize};

use super::{Business, MemberRole};
use crate::{
    CatalogError,
    schema::catalog::{businesses, members},
};

pub(super) type BusinessRow =
    (BusinessId, String, String, String, String, Option<String>, Option<String>, i64, DateTime<Utc>, DateTime<Utc>);

impl From<BusinessRow> for Business {
    fn from(row: BusinessRow) -> Self {
        let (id, name, city, country, description, phone, logo, version, created_at, updated_at) = row;
        Self { id, name, city, country, description, phone, logo, version, created_at, updated_at }
    }
}

/// The place of a business in the list of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusinessKey {
    business: BusinessId,
}

/// A business.
///
/// # Errors
/// There is no such business; what the database said.
pub async fn get_business(conn: &mut PgConn, id: BusinessId) -> Result<Business, CatalogError> {
    let row: Option<BusinessRow> = businesses::table.find(id).first(conn).await.optional()?;
    row.map(Business::from).ok_or(CatalogError::NotFound("business"))
}

/// All businesses, the oldest first.
///
/// # Errors
/// What the database said.
pub async fn list_businesses(
    conn: &mut PgConn,
    after: Option<&BusinessKey>,
    limit: u32,
) -> Result<(Vec<Business>, Option<BusinessKey>), CatalogError> {
    let after = after.map_or(BusinessId::from_uuid(uuid::Uuid::nil()), |key| key.business);
    let rows: Vec<BusinessRow> = businesses::table
        .filter(businesses::id.gt(after))
        .order(businesses::id)
        .limit(i64::from(limit) + 1)
        .load(conn)
        .await?;
    let mut all: Vec<Business> = rows.into_iter().map(Business::from).collect();
    let next = crate::page::cut(&mut all, limit, |business| BusinessKey { business: business.id });
    Ok((all, next))
}

/// The caller's businesses and what they are in each, the oldest first, a hundred at most.
///
/// # Errors
/// What the database said.
pub async fn list_my_businesses(
    conn: &mut PgConn,
    caller: &Caller,
) -> Result<Vec<(Business, MemberRole)>, CatalogError> {
    let rows: Vec<(BusinessRow, String)> = businesses::table
        .inner_join(members::table)
        .filter(members::user_id.eq(caller.user_id))
        .order(businesses::id)
        .limit(100)
        .select((businesses::all_columns, members::role))
        .load(conn)
        .await?;
    rows.into_iter().map(|(row, role)| Ok((Business::from(row), MemberRole::parse(&role)?))).collect()
}
