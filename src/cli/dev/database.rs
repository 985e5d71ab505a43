//! The database of `oms dev`: made completely or not at all.

use anyhow::Context;
use devdb::Cluster;
use kernel::{
    PgConn,
    database::{self, DatabaseName},
    db::{self, PoolSettings},
};

/// The database.
pub(super) const NAME: DatabaseName = DatabaseName::new("oms");
/// What it is called until everything is in it.
const DRAFT: DatabaseName = DatabaseName::new("oms_draft");

/// Makes the database if there is none, and brings its schema to what this binary needs. `migrate` is given the URL of the
/// database to do it to.
pub(super) async fn prepare(
    cluster: &Cluster,
    migrate: impl AsyncFn(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut admin = admin(cluster).await?;
    if database::exists(&mut admin, NAME).await? {
        return migrate(&cluster.url(NAME.as_str())).await.context(
            "the database cannot be brought to what this oms needs; start afresh with `oms dev --reset` if its data may go",
        );
    }
    // Whoever is killed half-way leaves a draft, never half a database.
    database::drop(&mut admin, DRAFT).await?;
    database::create(&mut admin, DRAFT).await?;
    migrate(&cluster.url(DRAFT.as_str())).await?;
    database::rename(&mut admin, DRAFT, NAME).await?;
    Ok(())
}

async fn admin(cluster: &Cluster) -> anyhow::Result<PgConn> {
    let settings = PoolSettings {
        application_name: "oms dev",
        statement_timeout: std::time::Duration::from_secs(60),
        ..PoolSettings::default()
    };
    db::connect(&cluster.url("postgres"), &settings).await.context("the private database does not answer")
}
