//! Opening a business.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{BusinessId, Caller, CountryCode, PgConn, Phone};

use super::{Business, MemberRole, query::get_business};
use crate::{
    CatalogError,
    schema::catalog::{businesses, members},
    words::{BusinessDescription, BusinessName, City},
};

/// A business that is about to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBusiness {
    /// What it is called.
    pub name: BusinessName,
    /// Where it is.
    pub city: City,
    /// Country code.
    pub country: CountryCode,
    /// What it says about itself.
    pub description: Option<BusinessDescription>,
    /// How to reach it.
    pub phone: Option<Phone>,
}

/// Opens a business. The caller owns it.
///
/// # Errors
/// What the database said.
pub async fn create_business(
    conn: &mut PgConn,
    caller: &Caller,
    new: &NewBusiness,
    at: DateTime<Utc>,
) -> Result<Business, CatalogError> {
    conn.transaction(async |conn| {
        let id = BusinessId::new();
        diesel::insert_into(businesses::table)
            .values((
                businesses::id.eq(id),
                businesses::name.eq(new.name.as_str()),
                businesses::city.eq(new.city.as_str()),
                businesses::country.eq(new.country.as_str()),
                businesses::description.eq(new.description.as_ref().map_or("", BusinessDescription::as_str)),
                businesses::phone.eq(new.phone.as_ref().map(Phone::as_str)),
                businesses::created_at.eq(at),
                businesses::updated_at.eq(at),
            ))
            .execute(conn)
            .await?;
        diesel::insert_into(members::table)
            .values((
                members::business_id.eq(id),
                members::user_id.eq(caller.user_id),
                members::role.eq(MemberRole::Owner.as_str()),
                members::added_at.eq(at),
            ))
            .execute(conn)
            .await?;
        get_business(conn, id).await
    })
    .await
}
