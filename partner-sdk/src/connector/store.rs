//! Where operations are kept: what every call with a key has led to.

use std::error::Error;

use alliance_contracts::connector::OperationKey;
use alliance_contracts::encoding::Hash;
use alliance_contracts::time::Timestamp;

/// What a call was answered with; kept for ever, or at least as long as the gateway may repeat it:
/// until its transaction has completed or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The answer's body, word for word.
    pub body: Vec<u8>,
    /// SHA-256 of the call's RFC 8785 form: another call with the key is refused.
    pub request: Hash,
    /// The answer's status.
    pub status: u16,
}

/// What [`OperationStore::begin`] finds.
#[derive(Debug)]
pub enum Begun<T> {
    /// The key has no answer yet. It is claimed: nobody else gets here with it before this
    /// transaction has ended.
    First(T),
    /// The key was answered before.
    Known(Recorded),
}

/// The store cannot do it now. Nothing is known of a commit that ends so; the key tells.
#[derive(Debug, thiserror::Error)]
#[error("the store of operations: {0}")]
pub struct StoreError(#[source] pub Box<dyn Error + Send + Sync>);

impl StoreError {
    /// The error of whatever keeps the operations.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

#[cfg(any(feature = "server-sqlite", feature = "server-postgres"))]
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::new(error)
    }
}

/// Keeps operations beside the effects that they have, in one transaction of one database.
///
/// The SDK goes through it in this order, for every call that changes something:
///
/// ```text
/// begin ─┬─ Known ──────────────────────────────► the same answer again
///        └─ First ─► the brand's effect ─┬─ done ─────► commit ─► answer
///                                        ├─ refused ─► undo, commit ─► answer
///                                        └─ failed ──► dropped: nothing happened
/// ```
///
/// Three rules make one effect per key out of it, and hold whatever is killed when:
///
/// 1. Of two transactions with one key, the second waits in `begin` until the first has ended.
/// 2. What `commit` has written is there for ever; a transaction that is dropped leaves nothing.
/// 3. The brand writes in the transaction that it is given.
///
/// [`MemoryStore`](super::MemoryStore) is for tests and demonstrations; with the features
/// `server-sqlite` and `server-postgres` there is one for each engine, over the brand's own pool.
pub trait OperationStore: Send + Sync + 'static {
    /// A transaction. Dropping it takes everything back.
    type Tx: Send;

    /// Opens a transaction and claims the key in it, or finds what the key was answered with.
    ///
    /// # Errors
    /// The store cannot do it now.
    fn begin(
        &self,
        key: &OperationKey,
        request: &Hash,
        now: Timestamp,
    ) -> impl Future<Output = Result<Begun<Self::Tx>, StoreError>> + Send;

    /// Takes back what was written in the transaction since [`begin`](Self::begin); the key stays
    /// claimed. Also after a statement in it has failed.
    ///
    /// # Errors
    /// The store cannot do it now.
    fn undo(&self, tx: &mut Self::Tx) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes the answer and commits, durably.
    ///
    /// # Errors
    /// The store cannot do it now, or does not know whether it has.
    fn commit(
        &self,
        tx: Self::Tx,
        key: &OperationKey,
        answer: &Recorded,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What the key was answered with, as far as it is committed.
    ///
    /// # Errors
    /// The store cannot do it now.
    fn find(
        &self,
        key: &OperationKey,
    ) -> impl Future<Output = Result<Option<Recorded>, StoreError>> + Send;
}
