//! What must hold among the module's rows, beyond what its constraints refuse.

use diesel::{QueryResult, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::{Difference, PgConn, uuid::Uuid};

const SESSIONS_WITHOUT_LIVE_TOKEN: &str = "SELECT s.id, 'all ' || count(t.id) || ' refresh tokens are rotated; the last one should be live' AS detail \
     FROM accounts.sessions s JOIN accounts.refresh_tokens t ON t.session_id = s.id \
     GROUP BY s.id HAVING count(*) FILTER (WHERE t.rotated_at IS NULL) = 0 ORDER BY s.id";

const FORKED_CHAINS: &str = "SELECT t.id, CASE WHEN n.id IS NULL THEN 'rotated without a successor' ELSE 'its successor belongs to another session' END AS detail \
     FROM accounts.refresh_tokens t LEFT JOIN accounts.refresh_tokens n ON n.id = t.successor_id \
     WHERE t.rotated_at IS NOT NULL AND n.session_id IS DISTINCT FROM t.session_id ORDER BY t.id";

const SESSIONS_OF_UNVERIFIED: &str = "SELECT s.id, 'open, but the address of user ' || u.id || ' is not verified' AS detail \
     FROM accounts.sessions s JOIN accounts.users u ON u.id = s.user_id \
     WHERE s.ended_at IS NULL AND u.email_verified_at IS NULL ORDER BY s.id";

const UNVERIFIED_IN_SPITE_OF_TOKEN: &str = "SELECT DISTINCT u.id, 'a verification token for the present address was used, but it is not verified' AS detail \
     FROM accounts.users u JOIN accounts.one_time_tokens t ON t.user_id = u.id AND t.email = u.email \
     WHERE t.purpose = 'verify_email' AND t.used_at IS NOT NULL AND u.email_verified_at IS NULL ORDER BY u.id";

#[derive(diesel::QueryableByName)]
struct Found {
    #[diesel(sql_type = st::Uuid)]
    id: Uuid,
    #[diesel(sql_type = st::Text)]
    detail: String,
}

/// Recomputes what must hold among users, sessions and tokens; answers where it does not. Joins the caller's transaction.
///
/// # Errors
/// What the database said.
pub async fn audit(conn: &mut PgConn) -> QueryResult<Vec<Difference>> {
    let checks = [
        ("accounts.session_has_live_token", "session", SESSIONS_WITHOUT_LIVE_TOKEN),
        ("accounts.refresh_chain_is_whole", "refresh token", FORKED_CHAINS),
        ("accounts.session_owner_is_verified", "session", SESSIONS_OF_UNVERIFIED),
        ("accounts.used_token_verified_address", "user", UNVERIFIED_IN_SPITE_OF_TOKEN),
    ];
    let mut differences = Vec::new();
    for (check, noun, sql) in checks {
        // Fixed text; aggregates over outer joins are easier to read as SQL, and nothing is bound.
        let rows: Vec<Found> = diesel::sql_query(sql).load(conn).await?;
        differences
            .extend(rows.into_iter().map(|row| Difference::new(check, format!("{noun} {}", row.id), row.detail)));
    }
    Ok(differences)
}
