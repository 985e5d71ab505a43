//! Where pictures are made: off the async threads, a few at a time, because each may take 300 MB for a moment.

use std::{sync::Arc, time::Duration};

use kernel::politely;
use tokio::sync::Semaphore;

use super::{Picture, process::process};
use crate::CatalogError;

/// Pictures at once.
const BENCHES: usize = 2;
/// How long an upload waits for its turn.
const WAIT: Duration = Duration::from_secs(5);

/// Where pictures are made, a few at a time. One for the process; clones are the same one.
#[derive(Debug, Clone)]
pub struct Workshop(Arc<Semaphore>);

impl Default for Workshop {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BENCHES)))
    }
}

impl Workshop {
    /// Makes a picture from a file.
    ///
    /// # Errors
    /// Too many bytes or pixels; not a kind we take; broken; too many others are waiting.
    pub async fn make(&self, file: Vec<u8>) -> Result<Picture, CatalogError> {
        let turn = tokio::time::timeout(WAIT, Arc::clone(&self.0).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(CatalogError::ImagesBusy) };
        politely(move || {
            // Held until the work is done, also when the client has gone.
            let _turn = turn;
            process(&file)
        })
        .await
        .map_err(CatalogError::ImageTask)?
    }
}
