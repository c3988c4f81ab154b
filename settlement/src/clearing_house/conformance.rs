//! A clearing house on a store and a runtime that a test has made: the real start-up and the real
//! writer, where a test can hold, fail and end them at any point.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{ClearingHouse, Settings, StartError, master};
use crate::store::Store;

impl ClearingHouse {
    /// Starts on this store and the caller's runtime. `settings.database` is not looked at. Ending
    /// the runtime ends it as a killed process would: wherever it was.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_on(settings: Settings, store: Arc<dyn Store>) -> Result<Self, StartError> {
        let vault = master::vault(&settings, &*store).await?;
        let house = Self::assemble(settings, store, vault, Handle::current());
        house.come_up().await?;
        house.start_tasks();
        Ok(house)
    }
}
