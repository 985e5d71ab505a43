//! Where the files of exports lie, and the tokens that open them.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use object_store::{GetResult, ObjectStore, ObjectStoreExt, path::Path};
use sha2::Sha256;

use super::ExportId;

/// Where the files of exports lie. The store is the one that pictures lie in; their route shows nothing in a directory.
#[derive(Clone)]
pub struct Files {
    store: Arc<dyn ObjectStore>,
    secret: Arc<[u8]>,
}

impl Files {
    /// Files in `store`, with links that `secret` vouches for.
    pub fn new(store: Arc<dyn ObjectStore>, secret: &[u8]) -> Self {
        Self { store, secret: secret.into() }
    }

    pub(super) fn store(&self) -> &dyn ObjectStore {
        self.store.as_ref()
    }

    /// Where an export's file lies.
    pub(super) fn path(id: ExportId) -> Path {
        Path::from(format!("exports/{id}.csv"))
    }

    fn mac(&self, id: ExportId) -> Option<Hmac<Sha256>> {
        // Any secret makes a key; the label keeps what is signed here apart from whatever else it signs.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        mac.update(b"oms: the file of export ");
        mac.update(id.as_uuid().as_bytes());
        Some(mac)
    }

    /// What opens an export's file.
    pub fn token(&self, id: ExportId) -> Option<String> {
        self.mac(id).map(|mac| hex::encode(mac.finalize().into_bytes()))
    }

    /// Whether this opens an export's file; takes the same time for every wrong token.
    pub fn is_opened_by(&self, id: ExportId, token: &str) -> bool {
        match (self.mac(id), hex::decode(token)) {
            (Some(mac), Ok(token)) => mac.verify_slice(&token).is_ok(),
            _ => false,
        }
    }

    /// The file of an export, to be read piece by piece; `None` when it is not there.
    ///
    /// # Errors
    /// What the store said.
    pub async fn open(&self, id: ExportId) -> Result<Option<GetResult>, object_store::Error> {
        match self.store.get(&Self::path(id)).await {
            Ok(file) => Ok(Some(file)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes the file of an export; one that is not there is fine.
    pub(super) async fn remove(&self, id: ExportId) -> Result<(), object_store::Error> {
        match self.store.delete(&Self::path(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[test]
    fn a_token_opens_one_file_of_one_server() {
        let files = |secret: &[u8]| Files::new(Arc::new(InMemory::new()), secret);
        let (ours, theirs, id) = (files(b"ours"), files(b"theirs"), ExportId::new());
        let token = ours.token(id).unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(ours.token(id), Some(token.clone()), "every look shows the same link");
        assert!(ours.is_opened_by(id, &token));
        assert!(!theirs.is_opened_by(id, &token) && !ours.is_opened_by(ExportId::new(), &token));
        for wrong in ["", "00", "x", &token[..62]] {
            assert!(!ours.is_opened_by(id, wrong), "{wrong}");
        }
    }
}
