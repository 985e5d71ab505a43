//! Where files are kept: a directory, or an S3-compatible store (with the crate's feature `s3`).

use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path, prefix::PrefixStore};

use super::Picture;
use crate::CatalogError;

/// Where files are kept.
pub type MediaStore = Arc<dyn ObjectStore>;

/// Why the media store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    /// The address is not one.
    #[error("it is not an address; use file:///path/to/a/directory or s3://bucket/prefix")]
    Address(#[source] url::ParseError),
    /// The directory cannot be made.
    #[error("the media directory {directory} cannot be made")]
    Directory {
        /// Which.
        directory: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Whatever the store said.
    #[error("the media store cannot be opened")]
    Store(#[from] object_store::Error),
}

/// Opens the media store at `file:///a/directory` (made if need be) or, with the feature `s3`, `s3://bucket/prefix`.
/// `options` are the store's own settings (`aws_access_key_id`, `aws_endpoint`, …).
///
/// # Errors
/// Not an address, or a store that we cannot open.
pub fn open_store(
    address: &str,
    options: impl IntoIterator<Item = (String, String)>,
) -> Result<MediaStore, OpenStoreError> {
    let url = url::Url::parse(address).map_err(OpenStoreError::Address)?;
    if let ("file", Ok(directory)) = (url.scheme(), url.to_file_path()) {
        std::fs::create_dir_all(&directory)
            .map_err(|source| OpenStoreError::Directory { directory: directory.clone(), source })?;
        return Ok(Arc::new(LocalFileSystem::new_with_prefix(directory)?));
    }
    let (store, path) = object_store::parse_url_opts(&url, options)?;
    Ok(Arc::new(PrefixStore::new(store, path)))
}

/// Keeps a picture and its small one. The same picture twice is kept once.
///
/// # Errors
/// What the store said.
pub async fn keep(store: &MediaStore, picture: &Picture) -> Result<(), CatalogError> {
    for (name, bytes) in [(&picture.thumbnail_name, &picture.thumbnail), (&picture.name, &picture.bytes)] {
        store.put(&Path::from(name.as_str()), Bytes::copy_from_slice(bytes).into()).await?;
    }
    Ok(())
}
