//! Changing what a business says about itself.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{BusinessId, Caller, CountryCode, PgConn, Phone};

use super::{Business, query::get_business, role_of};
use crate::{
    CatalogError,
    schema::catalog::businesses,
    version::{self, Seen},
    words::{BusinessDescription, BusinessName, City},
};

/// What shall change; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BusinessPatch {
    /// What it is called.
    pub name: Option<BusinessName>,
    /// Where it is.
    pub city: Option<City>,
    /// Country code.
    pub country: Option<CountryCode>,
    /// What it says about itself.
    pub description: Option<BusinessDescription>,
    /// How to reach it; `Some(None)` removes the number.
    pub phone: Option<Option<Phone>>,
}

/// Locks the business for a member who has seen version `seen`. Joins the caller's transaction.
pub(super) async fn lock_seen(
    conn: &mut PgConn,
    caller: &Caller,
    id: BusinessId,
    seen: Seen,
) -> Result<i64, CatalogError> {
    role_of(conn, caller, id).await?;
    let current: Option<i64> =
        businesses::table.find(id).select(businesses::version).for_update().first(conn).await.optional()?;
    let current = current.ok_or(CatalogError::NotFound("business"))?;
    version::check(seen, current)?;
    Ok(current)
}

/// Changes what a business says about itself. For its members.
///
/// # Errors
/// Not the caller's business; no version, or one that is no longer current; what the database said.
pub async fn patch_business(
    conn: &mut PgConn,
    caller: &Caller,
    id: BusinessId,
    seen: Seen,
    patch: &BusinessPatch,
    at: DateTime<Utc>,
) -> Result<Business, CatalogError> {
    conn.transaction(async |conn| {
        let current = lock_seen(conn, caller, id, seen).await?;
        diesel::update(businesses::table.find(id))
            .set((
                patch.name.as_ref().map(|name| businesses::name.eq(name.as_str())),
                patch.city.as_ref().map(|city| businesses::city.eq(city.as_str())),
                patch.country.as_ref().map(|country| businesses::country.eq(country.as_str())),
                patch.description.as_ref().map(|text| businesses::description.eq(text.as_str())),
                patch.phone.as_ref().map(|phone| businesses::phone.eq(phone.as_ref().map(Phone::as_str))),
                businesses::version.eq(current + 1),
                businesses::updated_at.eq(at),
            ))
            .execute(conn)
            .await?;
        get_business(conn, id).await
    })
    .await
}
