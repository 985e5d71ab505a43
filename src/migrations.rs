//! The schema's timeline: the migrations in this binary, and how they meet the ones in the database.

use std::collections::BTreeSet;

use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel_async::AsyncMigrationHarness;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use kernel::{PgConn, db, db::PoolSettings, migration};

/// The migrations in this binary.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why migrating did not work.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// No connection.
    #[error("the database cannot be reached")]
    Connect(#[source] diesel::ConnectionError),
    /// Looking at the database failed.
    #[error("the state of the database cannot be read")]
    Look(#[source] db::DbError),
    /// A migration failed; those before it stay applied.
    #[error("a migration failed; the ones before it stay applied; run it again when the cause is gone")]
    Run(#[source] Cause),
    /// The migrations in this binary cannot be listed.
    #[error("the migrations in this binary cannot be listed")]
    Embedded(#[source] Cause),
    /// What an interrupted migration left behind cannot be cleared away.
    #[error(
        "an index that an interrupted migration left unfinished cannot be dropped; run it again when the cause is gone"
    )]
    Unfinished(#[source] diesel::result::Error),
    /// Somebody else migrated for too long.
    #[error(
        "another process has been migrating this database for ten minutes; `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND \
         granted` finds it. Wait for it, or stop it with pg_terminate_backend, and run this again"
    )]
    Locked,
}

impl From<db::DbError> for MigrateError {
    fn from(error: db::DbError) -> Self {
        Self::Look(error)
    }
}

/// How the schema in the database and this binary fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaState {
    /// Known here, not applied there: names.
    pub pending: Vec<String>,
    /// Known here and applied there: names.
    pub applied: Vec<String>,
    /// Applied there by a newer binary: versions.
    pub unknown: Vec<String>,
    /// The migration that a binary must know to run on this schema, when this one does not.
    pub floor_above_us: Option<String>,
}

impl SchemaState {
    /// Why this binary must not run on this schema: one line with the remedy.
    pub fn refusal(&self) -> Option<String> {
        if let Some(floor) = &self.floor_above_us {
            return Some(format!(
                "the database schema needs an oms that knows migration {floor}, and this is {}: run a newer version",
                crate::VERSION
            ));
        }
        match self.pending.as_slice() {
            [] => None,
            [one] => {
                Some(format!("the database schema is older than this oms needs ({one} is missing): run `oms migrate`"))
            }
            [first, rest @ ..] => Some(format!(
                "the database schema is older than this oms needs ({first} and {} more are missing): run `oms migrate`",
                rest.len()
            )),
        }
    }
}

/// Version and name of every migration in this binary, in order.
///
/// # Errors
/// When the embedded migrations cannot be listed.
pub fn embedded() -> Result<Vec<(String, String)>, MigrateError> {
    let migrations = MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(MigrateError::Embedded)?;
    let mut names: Vec<_> = migrations
        .iter()
        .map(|migration| (migration.name().version().to_string(), migration.name().to_string()))
        .collect();
    names.sort();
    Ok(names)
}

/// Compares the database behind `conn` with this binary.
///
/// # Errors
/// What the database said.
pub async fn state(conn: &mut PgConn) -> Result<SchemaState, MigrateError> {
    let there: BTreeSet<String> = migration::applied(conn).await?.into_iter().collect();
    let floor = migration::compatibility_floor(conn).await?;
    let here = embedded()?;
    let (applied, pending): (Vec<_>, Vec<_>) = here.iter().partition(|(version, _)| there.contains(version));
    let known: BTreeSet<&String> = here.iter().map(|(version, _)| version).collect();
    let newest = here.last().map(|(version, _)| version.clone()).unwrap_or_default();
    let names = |migrations: Vec<&(String, String)>| migrations.into_iter().map(|(_, name)| name.clone()).collect();
    Ok(SchemaState {
        pending: names(pending),
        applied: names(applied),
        unknown: there.iter().filter(|version| !known.contains(version)).cloned().collect(),
        floor_above_us: floor.filter(|floor| *floor > newest),
    })
}

async fn connect(database_url: &str) -> Result<PgConn, MigrateError> {
    let settings = PoolSettings { application_name: "oms migrate", ..PoolSettings::default() };
    db::connect(database_url, &settings).await.map_err(MigrateError::Connect)
}

/// The same, with all other migrators locked out.
async fn connect_alone(database_url: &str) -> Result<PgConn, MigrateError> {
    let mut conn = connect(database_url).await?;
    let is_alone = migration::lock_out_others(&mut conn).await.map_err(db::DbError::from)?;
    if is_alone { Ok(conn) } else { Err(MigrateError::Locked) }
}

/// Compares the database at `database_url` with this binary.
///
/// # Errors
/// When it cannot be reached or read.
pub async fn status(database_url: &str) -> Result<SchemaState, MigrateError> {
    state(&mut connect(database_url).await?).await
}

/// Applies what is pending, each migration in a transaction of its own unless it says otherwise; answers their names. One
/// process at a time: others wait, and then find nothing left to do.
///
/// # Errors
/// When a migration fails.
pub async fn apply(database_url: &str) -> Result<Vec<String>, MigrateError> {
    let mut conn = connect_alone(database_url).await?;
    // What builds an index beside the traffic has its name.
    let pending = state(&mut conn).await?.pending;
    let names: Vec<_> = pending.iter().filter_map(|name| name.split_once('_')).map(|(_, name)| name).collect();
    migration::drop_unfinished_indexes(&mut conn, &names).await.map_err(MigrateError::Unfinished)?;
    let mut harness = AsyncMigrationHarness::new(conn);
    let versions = harness.run_pending_migrations(MIGRATIONS).map_err(MigrateError::Run)?;
    let applied: Vec<String> = versions.iter().map(ToString::to_string).collect();
    let names = embedded()?;
    Ok(names.into_iter().filter(|(version, _)| applied.contains(version)).map(|(_, name)| name).collect())
}

/// Takes the newest applied migration back; answers its version, or `None` when there is none.
///
/// # Errors
/// When it fails, or was applied by a newer binary and is not known here.
pub async fn revert(database_url: &str) -> Result<Option<String>, MigrateError> {
    let mut conn = connect_alone(database_url).await?;
    if migration::applied(&mut conn).await?.is_empty() {
        return Ok(None);
    }
    let version = AsyncMigrationHarness::new(conn).revert_last_migration(MIGRATIONS).map_err(MigrateError::Run)?;
    Ok(Some(version.to_string()))
}
