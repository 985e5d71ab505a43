//! Giving a business a logo.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use kernel::{BusinessId, Caller, PgConn};

use super::{Business, query::get_business, role_of};
use crate::{CatalogError, schema::catalog::businesses};

/// Makes the stored picture `name` the logo of a business. For its members. The last one to say so wins.
///
/// # Errors
/// Not the caller's business; what the database said.
pub async fn set_logo(
    conn: &mut PgConn,
    caller: &Caller,
    id: BusinessId,
    name: &str,
    at: DateTime<Utc>,
) -> Result<Business, CatalogError> {
    conn.transaction(async |conn| {
        role_of(conn, caller, id).await?;
        diesel::update(businesses::table.find(id))
            .set((
                businesses::logo.eq(name),
                businesses::version.eq(businesses::version + 1),
                businesses::updated_at.eq(at),
            ))
            .execute(conn)
            .await?;
        get_business(conn, id).await
    })
    .await
}
