//! Operations, and a brand's state, in memory: for tests and demonstrations. What is in memory is
//! gone with the process, and with it the promise of one effect.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use alliance_contracts::connector::OperationKey;
use alliance_contracts::encoding::Hash;
use alliance_contracts::time::Timestamp;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::store::{Begun, OperationStore, Recorded, StoreError};

/// Keeps operations beside a state of the brand's own. One call at a time has the state, and works
/// on a copy of it, which takes the state's place when the call is answered.
#[derive(Debug, Default)]
pub struct MemoryStore<S>(Arc<Mutex<Kept<S>>>);

#[derive(Debug, Default)]
struct Kept<S> {
    operations: HashMap<OperationKey, Recorded>,
    state: S,
}

/// A transaction on the state, which it dereferences to.
#[derive(Debug)]
pub struct MemoryTx<S> {
    kept: OwnedMutexGuard<Kept<S>>,
    copy: S,
}

impl<S> Clone for MemoryStore<S> {
    /// The same store.
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Clone> MemoryStore<S> {
    /// A store without operations, beside this state.
    #[must_use]
    pub fn new(state: S) -> Self {
        Self(Arc::new(Mutex::new(Kept { operations: HashMap::new(), state })))
    }

    /// The state, as it is committed.
    pub async fn state(&self) -> S {
        self.0.lock().await.state.clone()
    }
}

impl<S> Deref for MemoryTx<S> {
    type Target = S;
    fn deref(&self) -> &S {
        &self.copy
    }
}

impl<S> DerefMut for MemoryTx<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.copy
    }
}

impl<S: Clone + Send + Sync + 'static> OperationStore for MemoryStore<S> {
    type Tx = MemoryTx<S>;

    async fn begin(
        &self,
        key: &OperationKey,
        _: &Hash,
        _: Timestamp,
    ) -> Result<Begun<MemoryTx<S>>, StoreError> {
        let kept = Arc::clone(&self.0).lock_owned().await;
        if let Some(known) = kept.operations.get(key) {
            return Ok(Begun::Known(known.clone()));
        }
        let copy = kept.state.clone();
        Ok(Begun::First(MemoryTx { kept, copy }))
    }

    async fn undo(&self, tx: &mut MemoryTx<S>) -> Result<(), StoreError> {
        tx.copy = tx.kept.state.clone();
        Ok(())
    }

    async fn commit(
        &self,
        mut tx: MemoryTx<S>,
        key: &OperationKey,
        answer: &Recorded,
    ) -> Result<(), StoreError> {
        tx.kept.operations.insert(*key, answer.clone());
        tx.kept.state = tx.copy;
        Ok(())
    }

    async fn find(&self, key: &OperationKey) -> Result<Option<Recorded>, StoreError> {
        Ok(self.0.lock().await.operations.get(key).cloned())
    }
}
