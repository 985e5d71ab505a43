//! The database of `oms dev`: made completely or made again.

use anyhow::Context;
use devdb::Cluster;
use kernel::{
    PgConn,
    database::{self, DatabaseName},
    db::{self, PoolSettings},
};

use crate::migrations;

/// The database.
pub(super) const NAME: DatabaseName = DatabaseName::new("oms");
/// What it is called for a moment, until it carries [`UNFINISHED`].
const DRAFT: DatabaseName = DatabaseName::new("oms_draft");
/// Stands on the database until everything is in it, so that nobody works with half a shop after a kill.
const UNFINISHED: &str = "oms dev is still filling this database; it is made again if that is interrupted";

/// What was found or made.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Whether it was made just now, and nothing is in it.
    pub(super) is_new: bool,
    /// The migrations that were missing.
    pub(super) applied: usize,
}

/// Makes the database if there is none, and brings its schema to what this binary needs. A new one counts as unfinished
/// until [`finish`].
pub(super) async fn prepare(cluster: &Cluster) -> anyhow::Result<Prepared> {
    let mut admin = admin(cluster).await?;
    if database::comment(&mut admin, NAME).await?.as_deref() == Some(UNFINISHED) {
        database::drop(&mut admin, NAME).await?;
    }
    let is_new = !database::exists(&mut admin, NAME).await?;
    if is_new {
        database::drop(&mut admin, DRAFT).await?;
        database::create(&mut admin, DRAFT).await?;
        database::set_comment(&mut admin, DRAFT, Some(UNFINISHED)).await?;
        database::rename(&mut admin, DRAFT, NAME).await?;
    }
    let applied = migrations::apply(&cluster.url(NAME.as_str())).await.context(
        "the database cannot be brought to what this oms needs; start afresh with `oms dev --reset` if its data may go",
    )?;
    Ok(Prepared { is_new, applied: applied.len() })
}

/// Says that everything is in the database.
pub(super) async fn finish(cluster: &Cluster) -> anyhow::Result<()> {
    Ok(database::set_comment(&mut admin(cluster).await?, NAME, None).await?)
}

async fn admin(cluster: &Cluster) -> anyhow::Result<PgConn> {
    let settings = PoolSettings {
        application_name: "oms dev",
        statement_timeout: std::time::Duration::from_secs(60),
        ..PoolSettings::default()
    };
    db::connect(&cluster.url("postgres"), &settings).await.context("the private database does not answer")
}
