//! Removing stored files that nothing shows any more.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types as st;
use diesel_async::RunQueryDsl;
use futures_util::{StreamExt, TryStreamExt};
use kernel::{PgConn, cached_sql};
use object_store::{ObjectStoreExt, path::Path};

use super::MediaStore;
use crate::CatalogError;

/// Younger files are left alone: their row may be about to be written.
const AGE_MIN: TimeDelta = TimeDelta::hours(24);
/// Files looked at in one go.
const BATCH: usize = 500;

cached_sql! {
    /// Those of the names that something shows.
    Shown(names: st::Array<st::Text> = Vec<String>) -> st::Text,
    "SELECT t.name FROM unnest($1::text[]) AS t(name) WHERE EXISTS (SELECT 1 FROM catalog.product_images i WHERE i.name = t.name) \
     OR EXISTS (SELECT 1 FROM catalog.businesses b WHERE b.logo = t.name)"
}

/// The picture that a file belongs to: itself, or the one it is the small one of.
fn picture_of(file: &str) -> String {
    file.replace("-thumb.", ".")
}

/// Removes files that nothing shows and that are at least a day old; answers how many. Each file is looked at again
/// right before it goes: an upload of the same picture in between makes it young.
///
/// # Errors
/// What the store or the database said.
pub async fn sweep(conn: &mut PgConn, store: &MediaStore, now: DateTime<Utc>) -> Result<usize, CatalogError> {
    let old = now - AGE_MIN;
    let mut removed = 0;
    let mut batches = store
        .list(None)
        // Pictures lie at the top; what lies in a directory is somebody else's.
        .try_filter(|file| std::future::ready(file.last_modified < old && file.location.parts().count() == 1))
        .map_ok(|file| file.location.to_string())
        .chunks(BATCH);
    while let Some(batch) = batches.next().await {
        let files: Vec<String> = batch.into_iter().collect::<Result<_, _>>()?;
        let names = files.iter().map(|file| picture_of(file)).collect();
        let shown: HashSet<String> = Shown { names: &names }.load::<String>(conn).await?.into_iter().collect();
        for file in files.iter().filter(|file| !shown.contains(&picture_of(file))) {
            let path = Path::from(file.as_str());
            if store.head(&path).await.is_ok_and(|meta| meta.last_modified < old) {
                store.delete(&path).await?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}
