//! SQLite's files, watched. Whoever deletes or replaces them under a running gateway leaves it
//! writing into files that have no name any more: its commits would be on the disk, and gone with
//! its end. So a commit counts only while the files that were opened are those that stand there;
//! otherwise nothing is answered, until they are put back or the gateway is started again.
//!
//! Beside it the log is copied into the database while the writer goes on: a writer that does it
//! by itself stands still for as long as the disk takes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::batch::Slot;
use super::failure::failure;
use super::{Batch, StoreError, StoreFuture, VersionedRegistry};
use crate::ledger::working_set::Loaded;
use crate::ledger::{Wanted, Writes};
use crate::rekeying::Rekeyed;

type Result<T> = std::result::Result<T, StoreError>;

/// What makes a file that file, whatever its name: device and number.
type Identity = (u64, u64);

/// Rows, of those that come with kilobytes, after which the log is copied: about 10 MB of it.
const COPY_AFTER: usize = 1_000;

/// How often the log is tried to be emptied after a member was forgotten.
const EMPTY_ATTEMPTS: u32 = 60;
/// How long it is waited for whoever is in the way.
const EMPTY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A database's file and its write-ahead log, as they were opened.
#[derive(Debug)]
pub(super) struct Files {
    opened: [(PathBuf, Identity); 2],
    /// A connection that has nothing else to do than to copy the log.
    anchor: Slot<SqliteConnection>,
    /// Rows since the log was last copied.
    rows: AtomicUsize,
}

impl Files {
    /// The files of a database that is open.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where one cannot be looked at.
    pub(super) fn of(database: &Path, anchor: Slot<SqliteConnection>) -> Result<Self> {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let opened = |path: PathBuf| match identity(&path) {
            Ok(identity) => Ok((path, identity)),
            Err(error) => Err(StoreError::Unavailable(format!("{}: {error}", path.display()))),
        };
        let opened = [opened(database.to_owned())?, opened(log.into())?];
        Ok(Self { opened, anchor, rows: AtomicUsize::new(0) })
    }

    /// Has the log copied, in a task of its own, when enough has been written to it. Nobody depends
    /// on it: a log that was not copied is longer.
    fn written(&self, writes: &Writes) {
        if !writes.erasures.is_empty() {
            self.empty_the_log();
        }
        let rows = writes.receipts.len()
            + writes.members.len()
            + writes.links.len()
            + writes.rekeyed.as_ref().map_or(0, Rekeyed::rows)
            + writes.agreements.len()
            + writes.observations.len()
            + writes.proposals.len();
        if self.rows.fetch_add(rows, Ordering::Relaxed) + rows < COPY_AFTER {
            return;
        }
        // Still at the last part of it: the next commit asks again.
        let Ok(mut anchor) = self.anchor.clone().try_lock_owned() else { return };
        self.rows.store(0, Ordering::Relaxed);
        tokio::spawn(async move {
            if let Some(session) = anchor.as_mut() {
                let copied = sqlx::raw_sql("PRAGMA wal_checkpoint(PASSIVE)").execute(session).await;
                if let Err(error) = copied {
                    tracing::warn!(%error, "the database's log cannot be copied");
                }
            }
        });
    }

    /// What was destroyed still stands in the log, on pages as they were before: the log is copied
    /// and cut to nothing, which waits for whoever reads it.
    fn empty_the_log(&self) {
        let anchor = self.anchor.clone();
        tokio::spawn(async move {
            if !emptied(anchor).await {
                tracing::error!("a member was forgotten, and {NOT_EMPTIED}");
            }
        });
    }

    /// Has the tables built anew that hold what was under another master key, and the log emptied:
    /// `secure_delete` clears what is written over, but not what a page keeps of rows that have
    /// moved to another page.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where somebody was in the way all the time.
    pub(super) async fn clear_away(&self) -> Result<()> {
        if let Some(session) = self.anchor.lock().await.as_mut() {
            sqlx::raw_sql(BUILD_ANEW).execute(session).await.map_err(failure)?;
        }
        if emptied(self.anchor.clone()).await {
            return Ok(());
        }
        Err(StoreError::Unavailable(NOT_EMPTIED.to_owned()))
    }

    /// Looks whether they are still there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] names the one that is not.
    pub(super) fn still_there(&self) -> Result<()> {
        for (path, opened) in &self.opened {
            if !identity(path).is_ok_and(|found| found == *opened) {
                let file = path.file_name().unwrap_or(path.as_os_str()).display();
                let text = format!("{file} was taken away or replaced: put it back, or restart");
                return Err(StoreError::Unavailable(text));
            }
        }
        Ok(())
    }
}

/// Of a table without row numbers this builds the table itself, too.
const BUILD_ANEW: &str = "REINDEX members; REINDEX links; REINDEX quote_keys; REINDEX endpoints";

const NOT_EMPTIED: &str = "the database's log cannot be emptied: what was destroyed stands in it \
                           until it is written over; close whatever reads the file";

/// Whether the log was emptied, or there is none any more.
async fn emptied(anchor: Slot<SqliteConnection>) -> bool {
    for _ in 0..EMPTY_ATTEMPTS {
        let mut anchor = anchor.lock().await;
        let Some(session) = anchor.as_mut() else { return true };
        let emptied = sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(session).await;
        // Its first column: whether somebody was in the way.
        let busy = emptied.and_then(|row| row.try_get::<i64, _>(0));
        if busy.is_ok_and(|busy| busy == 0) {
            return true;
        }
        drop(anchor);
        tokio::time::sleep(EMPTY_AGAIN_AFTER).await;
    }
    false
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Where a file that is open cannot be taken away.
#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    std::fs::metadata(path).map(|_| (0, 0))
}

/// A batch whose commit counts only while the files are still there.
pub(super) struct Watched {
    pub(super) batch: Box<dyn Batch>,
    pub(super) files: Arc<Files>,
}

impl Batch for Watched {
    fn number(&self) -> i64 {
        self.batch.number()
    }

    fn continues(&self) -> bool {
        self.batch.continues()
    }

    fn registry_version(&self) -> i64 {
        self.batch.registry_version()
    }

    fn registry(&mut self) -> StoreFuture<'_, Option<VersionedRegistry>> {
        self.batch.registry()
    }

    fn load<'a>(&'a mut self, wanted: &'a Wanted) -> StoreFuture<'a, Loaded> {
        self.batch.load(wanted)
    }

    fn write_ahead<'a>(&'a mut self, writes: &'a Writes) -> StoreFuture<'a, ()> {
        self.batch.write_ahead(writes)
    }

    fn commit<'a>(self: Box<Self>, writes: &'a Writes) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let Self { batch, files } = *self;
            batch.commit(writes).await?;
            // Committed into files that may have lost their names meanwhile: then it is not known
            // what there will be after a restart.
            let lost = |error: StoreError| StoreError::UnknownCommit(error.to_string());
            files.still_there().map_err(lost)?;
            files.written(writes);
            Ok(())
        })
    }
}
