//! The publisher: works the next board out beside the writer, and hands it over. Orders go on
//! meanwhile; should anything that the board rests on have changed, it is worked out again.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::ProgramId;
use alliance_contracts::time::Timestamp;

use super::ClearingHouse;
use crate::alliance::{PublishedBoard, Registry};
use crate::command::{Command, Outcome, Publish};
use crate::rates::feeds::Feeds;
use crate::rates::publication::{self, NoBoard, Publication, Remark, Situation};
use crate::sequencer::Unavailable;
use crate::store::StoreError;

/// Boards read at a time at most, to see whose quotes still stand.
const LARGEST_PAGE: u32 = 64;
/// How often a board is worked out anew because something has changed meanwhile.
const ATTEMPTS: u32 = 5;

/// What came of publishing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The board.
    pub board: u32,
    /// From when it holds.
    pub effective_at: Timestamp,
    /// What had to be cut, and why.
    pub remarks: Vec<Remark>,
}

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// There can be no board now.
    #[error(transparent)]
    NoBoard(#[from] NoBoard),
    /// The books.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Everything changes all the time.
    #[error("what the board rests on has changed each time it was worked out: publish again")]
    NeverStill,
    /// A board that moves values must be there before it takes effect.
    #[error(
        "working the board out took longer than rates.notice_seconds ({notice_seconds}), after \
         which it takes effect: make that longer, or publish again when there is less to do"
    )]
    TooSlow {
        /// The notice.
        notice_seconds: i64,
    },
}

impl From<StoreError> for PublishError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(Unavailable::Store(error))
    }
}

impl ClearingHouse {
    /// Publishes the next board, if it says anything that the last does not. For a time of the
    /// schedule (`slot`) only one gateway's board is published.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish(
        &self,
        slot: Option<Timestamp>,
    ) -> Result<Option<Published>, PublishError> {
        let mut too_slow = None;
        for _ in 0..ATTEMPTS {
            let (registry, publication) = self.next_board().await?;
            let proposals: Vec<u32> = registry.approved_proposals().map(|one| one.number).collect();
            // What was approved is said, even where it says what holds already; and what is said
            // under a key that was revoked since is said again.
            let believed = registry.boards.last().is_none_or(|l| registry.signer_counts(&l.jws));
            if !publication.changes && proposals.is_empty() && believed {
                return Ok(None);
            }
            let Publication { board, terms, remarks, .. } = publication;
            let published =
                Published { board: board.board, effective_at: board.effective_at, remarks };
            let based_on = registry.seen_version;
            let terms = Arc::new(terms);
            let publish = Publish { board, terms, proposals, based_on, slot };
            let answer = self.submit(Command::Publish(Box::new(publish))).await?;
            match answer.decided.outcome {
                Outcome::Done(0) => return Ok(None),
                Outcome::Done(_) => {
                    for remark in &published.remarks {
                        tracing::info!(board = published.board, ?remark, "a board was cut");
                    }
                    return Ok(Some(published));
                }
                // This gateway has not seen yet what has changed, or it was too late.
                _ => {
                    let notice_seconds = registry.definition.rates.notice_seconds;
                    let late = published.effective_at < self.now();
                    too_slow = late.then_some(PublishError::TooSlow { notice_seconds });
                    self.inner.sequencer.refresh().await?;
                }
            }
        }
        Err(too_slow.unwrap_or(PublishError::NeverStill))
    }

    /// The board that would be published now, and the registry that it rests on.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn next_board(&self) -> Result<(Arc<Registry>, Publication), PublishError> {
        let registry = self.registry();
        let (feeds, approved) = (registry.feeds.clone(), registry.approved_values());
        let publication = self.worked_out(registry.clone(), feeds, approved, self.now()).await?;
        Ok((registry, publication))
    }

    /// The board that would come of these feeds and approved values then.
    pub(super) async fn worked_out(
        &self,
        registry: Arc<Registry>,
        feeds: BTreeMap<ProgramId, Feeds>,
        approved: BTreeMap<ProgramId, Decimal>,
        now: Timestamp,
    ) -> Result<Publication, PublishError> {
        let boards = self.boards_still_quoted(&registry, now).await?;
        let flows = self.read(|store| async move { store.flows().await }).await?;
        // Milliseconds of arithmetic where there are many programs: not on a thread that others
        // wait for.
        let work = move || {
            publication::next(&Situation {
                registry: &registry,
                boards: &boards,
                flows: &flows,
                feeds: &feeds,
                approved: &approved,
                now,
            })
        };
        let worked = self.inner.handle.spawn_blocking(work).await;
        Ok(worked.map_err(|_| Unavailable::Lost)??)
    }

    fn lately(&self) -> MutexGuard<'_, Vec<PublishedBoard>> {
        // Nothing panics while holding the lock.
        self.inner.stood_lately.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Boards right before this one that stood when it was last asked: what was published does not
    /// change, and is not read again.
    fn stood_lately(&self, before: u32) -> Vec<PublishedBoard> {
        let lately = self.lately();
        let earlier = lately.iter().filter(|published| published.board.board < before);
        let earlier: Vec<PublishedBoard> = earlier.cloned().collect();
        let adjoins = earlier.last().is_some_and(|last| last.board.board + 1 == before);
        if adjoins { earlier } else { Vec::new() }
    }

    /// The last board, and those before it whose quotes may still stand.
    pub(super) async fn boards_still_quoted(
        &self,
        registry: &Registry,
        now: Timestamp,
    ) -> Result<Vec<PublishedBoard>, StoreError> {
        let mut boards: Vec<PublishedBoard> = registry.boards.clone();
        let first = boards.first().map_or(1, |published| published.board.board);
        boards.splice(0..0, self.stood_lately(first));
        loop {
            let first = boards.first().map_or(1, |published| published.board.board);
            let still = publication::still_quoted(&boards, now).len();
            if still < boards.len() || first <= 1 {
                let ended = boards.len() - still;
                // The newest that has ended tells the next time that no older one stands.
                boards.drain(..ended.saturating_sub(1));
                self.lately().clone_from(&boards);
                boards.drain(..ended.min(1));
                return Ok(boards);
            }
            // Few stand, and a board may be long: each time as many as are there already.
            let page = u32::try_from(boards.len()).unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
            let before =
                self.read(move |store| async move { store.boards(first - 1, page).await }).await?;
            if before.is_empty() {
                return Ok(boards);
            }
            boards.splice(0..0, before.into_iter().rev());
        }
    }
}
