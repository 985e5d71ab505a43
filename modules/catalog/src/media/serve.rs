//! Handing stored pictures out.

use bytes::Bytes;
use object_store::{ObjectStoreExt, path::Path};

use super::{MediaName, MediaStore};
use crate::CatalogError;

/// The stored picture `name`.
///
/// # Errors
/// There is none; what the store said.
pub async fn open(store: &MediaStore, name: &MediaName) -> Result<Bytes, CatalogError> {
    match store.get(&Path::from(name.as_str())).await {
        Ok(found) => Ok(found.bytes().await?),
        Err(object_store::Error::NotFound { .. }) => Err(CatalogError::NotFound("picture")),
        Err(error) => Err(error.into()),
    }
}
