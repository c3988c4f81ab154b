//! Opening an instance's books: migrations, the clearing house, and the definition applied to it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use alliance_contracts::keys::Kid;
use alliance_settlement::alliance::{
    DefinitionFault, GatewayKeys, ListedKey, RegistryParts, changes, keys,
};
use alliance_settlement::clearing_house::{
    ClearingHouse, Clock, DefineError, PublishError, Settings, StartError,
};
use alliance_settlement::inspection::{AuditReport, audit};
use alliance_settlement::store::{self, Store, StoreError};
use alliance_settlement::vault::Vault;
use tokio::runtime::Runtime;

use super::config::{sqlite_file, without_password};
use super::{CHECKPOINTS_DIR, CONFIG_FILE, Fault, Instance};
use crate::draw;
use crate::sandbox::folder;

/// A runtime for a command that waits for a few answers.
///
/// # Errors
/// Where no thread can be started.
pub fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn definition_faults(faults: &[DefinitionFault]) -> Vec<Fault> {
    faults.iter().map(|fault| Fault::new(CONFIG_FILE, fault)).collect()
}

/// A clearing house that a command has opened, and closes when it is done.
pub struct Books {
    house: ClearingHouse,
    runtime: Runtime,
}

impl Books {
    /// The clearing house.
    #[must_use]
    pub const fn house(&self) -> &ClearingHouse {
        &self.house
    }

    /// Waits for an answer.
    pub fn wait<F: Future>(&self, answer: F) -> F::Output {
        self.runtime.block_on(answer)
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        self.runtime.block_on(self.house.shutdown());
    }
}

impl Instance {
    /// Brings the database's schema up to date; makes an SQLite file that is missing.
    ///
    /// # Errors
    /// What is wrong with the database.
    pub fn migrate(&self) -> Result<(), Fault> {
        let runtime = runtime().map_err(|error| self.database_fault(error))?;
        let migrated = runtime.block_on(store::migrate(&self.gateway.database));
        migrated.map_err(|error| self.database_fault(error))
    }

    /// Looks whether the database answers, has this version's schema, and may take what the
    /// configuration says; nothing is written.
    ///
    /// # Errors
    /// Every fault.
    pub fn check_database(&self) -> Result<(), Vec<Fault>> {
        let applied = self.with_store(async |store| {
            store.ping().await?;
            store.registry().await
        });
        let faults = match applied {
            Err(fault) => vec![fault],
            Ok(None) => self.key_faults(None),
            Ok(Some((_, parts))) => {
                let mut faults = changes::forbidden(&parts.definition, &self.definition);
                faults.extend(changes::taken_keys(&self.definition, &parts.partner_keys));
                let mut faults = definition_faults(&faults);
                faults.extend(self.key_faults(parts.gateway_keys.as_deref()));
                let unfit = parts.master_keys.fit(&self.vault()).err();
                faults.extend(unfit.map(|fault| self.database_fault(fault)));
                faults
            }
        };
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The gateway's keys as the books have them; none before they have a list.
    ///
    /// # Errors
    /// What is wrong with the database.
    pub fn listed_gateway_keys(&self) -> Result<Option<Arc<GatewayKeys>>, Fault> {
        Ok(self.registry_parts()?.and_then(|parts| parts.gateway_keys))
    }

    /// Partners' keys: the configuration's, and what was registered, ended or revoked in the books,
    /// where there are any.
    ///
    /// # Errors
    /// What is wrong with the database.
    pub fn partner_keys(&self) -> Result<BTreeMap<Kid, ListedKey>, Fault> {
        let changed = self.registry_parts()?.map_or_else(Vec::new, |parts| parts.partner_keys);
        Ok(keys::listed(&self.definition, &changed))
    }

    /// The registry's parts, where there are books.
    fn registry_parts(&self) -> Result<Option<RegistryParts>, Fault> {
        if sqlite_file(&self.gateway.database).is_some_and(|file| !file.exists()) {
            return Ok(None);
        }
        let read = self.with_store(async |store| match store.registry().await {
            Err(StoreError::NotMigrated(_)) => Ok(None),
            read => read,
        })?;
        Ok(read.map(|(_, parts)| parts))
    }

    /// Recomputes the books from their receipts; nothing is written.
    ///
    /// # Errors
    /// What is wrong with the database.
    pub fn audit(&self) -> Result<AuditReport, Fault> {
        self.with_store(async |store| {
            store.ping().await?;
            let listed = store.registry().await?.and_then(|(_, parts)| parts.gateway_keys);
            audit(store, listed.as_ref().map_or(&self.trusted_keys, |list| &list.trusted)).await
        })
    }

    /// The master keys of the folder, at work.
    fn vault(&self) -> Vault {
        let vault = Vault::new(self.definition.alliance.clone(), &self.master_key);
        match &self.next_master_key {
            Some(next) => vault.and(next),
            None => vault,
        }
    }

    /// Looks at the store without a writer beside it.
    ///
    /// # Errors
    /// What is wrong with the database.
    pub(crate) fn with_store<T>(
        &self,
        look: impl AsyncFnOnce(&dyn Store) -> Result<T, StoreError>,
    ) -> Result<T, Fault> {
        let runtime = runtime().map_err(|error| self.database_fault(error))?;
        let looked = runtime.block_on(async {
            let alliance = self.definition.alliance.clone();
            let store = store::open(&self.gateway.database, alliance).await?;
            let looked = look(store.as_ref()).await;
            store.close().await;
            looked
        });
        looked.map_err(|error| self.database_fault(error))
    }

    /// Starts the clearing house on the database as it is; in a sandbox's folder by its clock.
    /// Blocking: outside async code only.
    ///
    /// # Errors
    /// What is wrong with the database.
    pub fn start(&self) -> Result<ClearingHouse, Fault> {
        self.start_by(folder::clock_of(&self.folder)?)
    }

    /// The same, by a clock.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_by(&self, clock: Clock) -> Result<ClearingHouse, Fault> {
        let mut settings = Settings::new(
            self.definition.alliance.clone(),
            self.definition.currency.clone(),
            self.gateway.database.expose().to_owned(),
            *self.master_key,
            self.signing_key.clone(),
            self.trusted_keys.clone(),
        );
        settings.next_master_key = self.next_master_key.as_deref().copied();
        settings.clock = clock;
        settings.checkpoints_dir = Some(self.folder.join(CHECKPOINTS_DIR));
        ClearingHouse::start(settings).map_err(|error| self.start_fault(&error))
    }

    /// Applies what the configuration says to the books; the number of changes.
    ///
    /// # Errors
    /// Every change that may not be made; where the books do not answer.
    pub async fn apply(&self, house: &ClearingHouse) -> Result<usize, Vec<Fault>> {
        let applied = house.define(self.definition.clone(), draw::id()).await;
        let applied = applied.map_err(|error| match error {
            DefineError::Refused(faults) => definition_faults(&faults),
            DefineError::Unavailable(error) => vec![self.database_fault(error)],
        })?;
        self.bring_first_list(house).await.map_err(|fault| vec![fault])?;
        if applied > 0 {
            self.take_up(house).await?;
        }
        Ok(applied)
    }

    /// What is new takes part with the next board: that is made now, where it can be; else it comes
    /// by the schedule.
    async fn take_up(&self, house: &ClearingHouse) -> Result<(), Vec<Fault>> {
        match house.publish(None).await {
            Ok(_) => Ok(()),
            Err(PublishError::Unavailable(error)) => Err(vec![self.database_fault(error)]),
            Err(
                error @ (PublishError::NoBoard(_)
                | PublishError::NeverStill
                | PublishError::TooSlow { .. }),
            ) => {
                tracing::warn!(%error, "what has changed takes effect with the next board");
                Ok(())
            }
        }
    }

    /// The books as they are, for a command that reads.
    ///
    /// # Errors
    /// What is wrong with the database.
    pub fn read_books(&self) -> Result<Books, Fault> {
        let runtime = runtime().map_err(|error| self.database_fault(error))?;
        Ok(Books { house: self.start()?, runtime })
    }

    /// The books with the configuration applied, for a command that writes.
    ///
    /// # Errors
    /// What is wrong with the database, or with what the configuration would change.
    pub fn write_books(&self) -> Result<Books, Vec<Fault>> {
        let books = self.read_books().map_err(|fault| vec![fault])?;
        books.wait(self.apply(books.house()))?;
        Ok(books)
    }

    fn start_fault(&self, error: &StartError) -> Fault {
        match error {
            StartError::Store(error) => self.database_fault(error),
            other => self.database_fault(other),
        }
    }

    fn database_fault(&self, error: impl std::fmt::Display) -> Fault {
        Fault::new(without_password(&self.gateway.database), error)
    }
}
