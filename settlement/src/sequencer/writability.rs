//! Whether the store takes what is written, as far as the last batch knows. A database may well be
//! readable and take nothing: a full disk, a read-only file, a standby.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::store::StoreError;

/// For so long a failure stands without another try.
const STANDS_FOR: Duration = Duration::from_secs(5);

/// What is known; at first, and after every success, that nothing is wrong.
#[derive(Default)]
pub(crate) struct Writability(Mutex<Option<(Instant, StoreError)>>);

impl Writability {
    fn last(&self) -> MutexGuard<'_, Option<(Instant, StoreError)>> {
        // It is set in one assignment: whole whatever thread panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch was done.
    pub(super) fn succeeded(&self) {
        *self.last() = None;
    }

    /// A batch was given up.
    pub(super) fn failed(&self, error: &StoreError) {
        *self.last() = Some((Instant::now(), error.clone()));
    }

    /// Whether nothing is wrong; `false` where something was, and it is worth another try.
    ///
    /// # Errors
    /// What has been wrong just now.
    pub(super) fn known(&self) -> Result<bool, StoreError> {
        match &*self.last() {
            None => Ok(true),
            Some((since, error)) if since.elapsed() < STANDS_FOR => Err(error.clone()),
            Some(_) => Ok(false),
        }
    }
}
